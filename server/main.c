/* mesh-server: options and commands. What a command does is in run.c, setup.c and server/ctl. */
#include "common/glib/error.h"
#include "common/std/hash.h"
#include "common/std/key.h"
#include "server/backup.h"
#include "server/config.h"
#include "server/ctl/ctl.h"
#include "server/loop/loop.h"
#include "server/run.h"
#include "server/setup.h"
#include "server/setuprelay.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
};

#define ROLE "--role="

static const char usage[] =
    "Usage: mesh-server [-c FILE] COMMAND\n"
    "       mesh-server --role=relay [-c FILE] run|setup\n"
    "\n"
    "  run                    serve, in the foreground, until SIGTERM\n"
    "  setup                  make key, database, first network; print a join link\n"
    "  status                 what the running server does\n"
    "  network COMMAND …      list, create, change, delete networks\n"
    "  key COMMAND …          list, create, change, revoke join keys\n"
    "  node COMMAND …         list, approve, change, expire, remove nodes\n"
    "  user COMMAND …         list, add, change, remove users, who own nodes\n"
    "  relay COMMAND …        list, add, change, remove relays beside this server\n"
    "  backup FILE [--force]  server key and database, in one file\n"
    "  restore FILE [--force] the same, back; the server is stopped\n"
    "  check                  whether key and database are sound\n"
    "\n"
    "  -c, --config FILE      instead of " SERVER_CONFIG_PATH "\n"
    "  --role=relay           a relay for other servers and nothing else; its file is\n"
    "                         " SERVER_CONFIG_PATH_RELAY "\n"
    "  -h, --help · --version\n"
    "\n"
    "mesh-server COMMAND --help tells more. See man mesh-server.\n";

/* Keys are in this memory: it is dumped to no file and traced by nobody else. */
static bool close_memory(void)
{
    const struct rlimit none = { 0, 0 };

    (void)umask(077);
    (void)setrlimit(RLIMIT_CORE, &none); /* a service manager may have done it, and forbid it */
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

static int report(GError *error)
{
    (void)fprintf(stderr, "mesh-server: %s\n", error->message);
    g_error_free(error);
    return EXIT_FAILED;
}

static int run(const char *config_path, bool alone)
{
    g_autoptr(ServerConfig) config = NULL;
    GError *error = NULL;

    config = alone ? server_config_load_relay(config_path, &error)
                   : server_config_load(config_path, &error);
    if (config == NULL)
        return report(error);
    mesh_log_set_level(config->log_level);
    if (server_run(config, &error))
        return EXIT_OK;
    return report(error);
}

static int control(const char *config_path, int argc, char **argv)
{
    g_autoptr(ServerConfig) config = NULL;
    GError *error = NULL;

    if (ctl_help(argc, argv))
        return EXIT_OK;
    config = server_config_load(config_path, &error);
    if (config == NULL)
        return report(error);
    return ctl_run(config->admin_socket, argc, argv);
}

static int dispatch(const char *config_path, int argc, char **argv)
{
    if (strcmp(argv[0], "run") == 0 && argc == 1)
        return run(config_path, false);
    if (strcmp(argv[0], "setup") == 0)
        return server_setup(config_path, argc, argv);
    if (strcmp(argv[0], "backup") == 0 || strcmp(argv[0], "restore") == 0 ||
        strcmp(argv[0], "check") == 0)
        return server_backup(config_path, argc, argv);
    if (strcmp(argv[0], "status") == 0 || strcmp(argv[0], "network") == 0 ||
        strcmp(argv[0], "key") == 0 || strcmp(argv[0], "node") == 0 ||
        strcmp(argv[0], "user") == 0 || strcmp(argv[0], "relay") == 0)
        return control(config_path, argc, argv);
    (void)fprintf(stderr, "mesh-server: unknown command \"%s\"\n\n%s", argv[0], usage);
    return EXIT_USAGE;
}

/* A relay knows nobody whom the other commands are about. */
static int dispatch_relay(const char *config_path, int argc, char **argv)
{
    if (argc == 0 || (strcmp(argv[0], "run") == 0 && argc == 1))
        return run(config_path, true);
    if (strcmp(argv[0], "setup") == 0)
        return server_setuprelay(config_path, argc, argv);
    (void)fprintf(stderr, "mesh-server: --role=relay: run or setup, not \"%s\"\n\n%s", argv[0],
                  usage);
    return EXIT_USAGE;
}

/* "--role=relay" or "--role=server", anywhere before "--", is taken out of @argv. False: another
 * role. */
static bool take_role(int *argc, char **argv, bool *out_relay)
{
    int kept = 1;

    *out_relay = false;
    for (int i = 1; i < *argc; i++) {
        if (strncmp(argv[i], ROLE, strlen(ROLE)) != 0) {
            argv[kept++] = argv[i];
            continue;
        }
        *out_relay = strcmp(argv[i] + strlen(ROLE), "relay") == 0;
        if (!*out_relay && strcmp(argv[i] + strlen(ROLE), "server") != 0)
            return false;
    }
    argv[kept] = NULL;
    *argc = kept;
    return true;
}

static int parse_options(int argc, char **argv, const char **out_config, int *out_at)
{
    int at = 1;

    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "-h") == 0 || strcmp(argv[at], "--help") == 0) {
            (void)fputs(usage, stdout);
            return EXIT_OK;
        }
        if (strcmp(argv[at], "--version") == 0) {
            (void)puts("mesh-server " MESH_VERSION);
            return EXIT_OK;
        }
        if ((strcmp(argv[at], "-c") != 0 && strcmp(argv[at], "--config") != 0) || at + 1 == argc) {
            (void)fprintf(stderr, "mesh-server: option %s: unknown, or without its value\n\n%s",
                          argv[at], usage);
            return EXIT_USAGE;
        }
        *out_config = argv[++at];
    }
    *out_at = at;
    return -1;
}

int main(int argc, char **argv)
{
    const char *config_path = NULL;
    bool        relay = false;
    int         at = 0, rc;

    if (!take_role(&argc, argv, &relay)) {
        (void)fprintf(stderr, "mesh-server: " ROLE ": server or relay\n\n%s", usage);
        return EXIT_USAGE;
    }
    rc = parse_options(argc, argv, &config_path, &at);
    if (rc >= 0)
        return rc;
    if (at == argc && !relay) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (config_path == NULL)
        config_path = relay ? SERVER_CONFIG_PATH_RELAY : SERVER_CONFIG_PATH;
    mesh_log_init("mesh-server", MESH_LOG_INFO);
    rc = loop_init_memory();
    if (rc < 0)
        mesh_log_info("memory of connections: %s; they take more of it", strerror(-rc));
    if (!close_memory() || mesh_key_init() < 0 || mesh_hash_init() < 0) {
        (void)fputs("mesh-server: the system refuses what keys need: random numbers, hashes, "
                    "memory that is not dumped\n",
                    stderr);
        return EXIT_FAILED;
    }
    return relay ? dispatch_relay(config_path, argc - at, argv + at)
                 : dispatch(config_path, argc - at, argv + at);
}
