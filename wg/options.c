/* wg/options.c: command line and environment of mesh-wg; see options.h and mesh-wg(8). */
#include "wg/options.h"

#include "daemon/wire/plane.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2, MAX_SHARDS = 8 };

static const char usage[] =
    "Usage: mesh-wg [OPTION]... INTERFACE\n"
    "Makes a WireGuard interface that wg(8) configures.\n"
    "\n"
    "  -f, --foreground  stay in the foreground and log to standard error\n"
    "      --offload=auto|on|off  super-packets to and from the host (TSO, USO)\n"
    "      --gso=auto|on|off      the same to and from the network (UDP GSO, GRO)\n"
    "      --shards=N    pairs of threads that move packets, 1 to 8\n"
    "      --suite=wg1|aes256gcm  cipher towards all peers; WireGuard speaks only wg1\n"
    "      --engine=NAME|auto     what seals packets: openssl, ipsec-mb\n"
    "      --version     print the version\n"
    "  -h, --help        print this\n"
    "\n"
    "Environment: LOG_LEVEL=silent|error|verbose, WG_TUN_FD, MESH_AEAD. See mesh-wg(8).\n";

static bool is_ifname(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len >= WIRE_IFNAME_SIZE || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    for (; *name != '\0'; name++) {
        if (*name == '/' || *name == ':' || *name == '%' || isspace((unsigned char)*name))
            return false;
    }
    return true;
}

static bool parse_level(const char *text, WgLogLevel *out_level)
{
    static const struct {
        const char *name;
        WgLogLevel  level;
    } levels[] = {
        { "silent", WG_LOG_SILENT },
        { "error", WG_LOG_ERROR },
        { "verbose", WG_LOG_VERBOSE },
        { "debug", WG_LOG_VERBOSE },
    };

    for (size_t i = 0; i < MESH_N_ELEMENTS(levels); i++) {
        if (strcmp(levels[i].name, text) == 0) {
            *out_level = levels[i].level;
            return true;
        }
    }
    return false;
}

static bool parse_number(const char *text, int *out_number)
{
    char *end;
    long  value = strtol(text, &end, 10);

    if (end == text || *end != '\0' || value < 0 || value > INT_MAX)
        return false;
    *out_number = (int)value;
    return true;
}

/* "--offload=…" and "--gso=…". Returns: false: it is neither, or no such value. */
static bool take_switch(const char *arg, WgOptions *options)
{
    static const char offload[] = "--offload=", gso[] = "--gso=";

    if (strncmp(arg, offload, strlen(offload)) == 0)
        return wire_switch_parse(arg + strlen(offload), &options->offload);
    return strncmp(arg, gso, strlen(gso)) == 0 &&
           wire_switch_parse(arg + strlen(gso), &options->gso);
}

static bool parse_suite(const char *text, WireSuite *out_suite)
{
    if (strcmp(text, "wg1") != 0 && strcmp(text, "aes256gcm") != 0)
        return false;
    *out_suite = strcmp(text, "wg1") == 0 ? WIRE_SUITE_WG1 : WIRE_SUITE_AESGCM1;
    return true;
}

/* "--suite=…" and "--engine=…", whose name is looked up later. Returns: as above. */
static bool take_cipher(const char *arg, WgOptions *options)
{
    static const char suite[] = "--suite=", engine[] = "--engine=";

    if (strncmp(arg, suite, strlen(suite)) == 0)
        return parse_suite(arg + strlen(suite), &options->suite);
    if (strncmp(arg, engine, strlen(engine)) != 0)
        return false;
    options->engine = arg + strlen(engine);
    return true;
}

/* "--shards=N". Returns: false: it is not, or N is no such number. */
static bool take_shards(const char *arg, WgOptions *options)
{
    static const char shards[] = "--shards=";
    int               n;

    if (strncmp(arg, shards, strlen(shards)) != 0 || !parse_number(arg + strlen(shards), &n) ||
        n < 1 || n > MAX_SHARDS)
        return false;
    options->shards = (uint16_t)n;
    return true;
}

static bool read_environment(WgOptions *options)
{
    const char *level = getenv("LOG_LEVEL"), *fd = getenv("WG_TUN_FD");

    if (options->engine == NULL)
        options->engine = getenv("MESH_AEAD");
    if (level != NULL && !parse_level(level, &options->log_level)) {
        fprintf(stderr, "mesh-wg: LOG_LEVEL is silent, error or verbose, not \"%s\"\n", level);
        return false;
    }
    if (fd != NULL && !parse_number(fd, &options->tun_fd)) {
        fprintf(stderr, "mesh-wg: WG_TUN_FD is a descriptor's number, not \"%s\"\n", fd);
        return false;
    }
    return true;
}

/* True: go on with the next argument. */
static bool take_argument(const char *arg, WgOptions *options, int *out_status)
{
    *out_status = 0;
    if (strcmp(arg, "-f") == 0 || strcmp(arg, "--foreground") == 0) {
        options->foreground = true;
        return true;
    }
    if (strcmp(arg, "--version") == 0) {
        puts("mesh-wg " MESH_VERSION);
        return false;
    }
    if (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0) {
        fputs(usage, stdout);
        return false;
    }
    if (arg[0] != '-' && options->ifname == NULL) {
        options->ifname = arg;
        return true;
    }
    if (take_switch(arg, options) || take_shards(arg, options) || take_cipher(arg, options))
        return true;
    fprintf(stderr, "mesh-wg: unexpected argument \"%s\"\n%s", arg, usage);
    *out_status = EXIT_USAGE;
    return false;
}

bool wg_options_parse(int argc, char **argv, WgOptions *out_options, int *out_status)
{
    WgOptions options = { .tun_fd = -1, .log_level = WG_LOG_ERROR };

    for (int i = 1; i < argc; i++) {
        if (!take_argument(argv[i], &options, out_status))
            return false;
    }
    *out_status = EXIT_USAGE;
    if (options.ifname == NULL) {
        fputs(usage, stderr);
        return false;
    }
    if (!is_ifname(options.ifname)) {
        fprintf(stderr, "mesh-wg: \"%s\" cannot be an interface's name\n", options.ifname);
        return false;
    }
    if (!read_environment(&options))
        return false;
    *out_options = options;
    return true;
}
