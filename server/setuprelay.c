#include "server/setuprelay.h"

#include "common/glib/error.h"
#include "common/proto/network.h"
#include "common/std/base64.h"
#include "common/std/sign.h"
#include "server/config.h"
#include "server/core/core.h"
#include "server/keyfile.h"
#include "server/setup.h"
#include "server/statedir.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    char *host, *listen, *state_dir, *name, *trust;
    int   port, udp, alt;
} Options;

static void clear_options(Options *self)
{
    g_free(self->host);
    g_free(self->listen);
    g_free(self->state_dir);
    g_free(self->name);
    g_free(self->trust);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

static bool fail(const char *text, GError **error)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "setup: %s", text);
    return false;
}

static bool is_port(int port, int least)
{
    return port >= least && port <= 65535;
}

static bool parse_options(Options *self, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = {
        { "host", 0, 0, G_OPTION_ARG_STRING, &self->host, "name or address nodes reach us by",
          "HOST" },
        { "trust", 0, 0, G_OPTION_ARG_STRING, &self->trust,
          "key of the server whose nodes we relay; several: with ; between", "KEY" },
        { "name", 0, 0, G_OPTION_ARG_STRING, &self->name, "what people call this relay (relay)",
          "NAME" },
        { "port", 0, 0, G_OPTION_ARG_INT, &self->port, "TCP port (443)", "PORT" },
        { "udp", 0, 0, G_OPTION_ARG_INT, &self->udp, "UDP port (3478)", "PORT" },
        { "alt", 0, 0, G_OPTION_ARG_INT, &self->alt, "second UDP port, for STUN; 0: none (3479)",
          "PORT" },
        { "listen", 0, 0, G_OPTION_ARG_STRING, &self->listen, "where to listen ([::]:PORT)",
          "ADDRESS:PORT" },
        { "state-dir", 0, 0, G_OPTION_ARG_FILENAME, &self->state_dir, "where the keys are kept",
          "DIR" },
        { NULL },
    };
    GOptionContext *context = g_option_context_new("- a relay for a server's nodes");
    g_autoptr(GError) cause = NULL;
    bool ok;

    g_set_prgname("mesh-server --role=relay setup");
    g_option_context_add_main_entries(context, entries, NULL);
    ok = g_option_context_parse(context, &argc, &argv, &cause);
    g_option_context_free(context);
    if (!ok)
        return fail(cause->message, error);
    if (argc > 1)
        return fail("it takes options only", error);
    if (!is_port(self->port, 1) || !is_port(self->udp, 1) || !is_port(self->alt, 0))
        return fail("--port, --udp or --alt is out of range", error);
    if (!mesh_network_is_label(self->name != NULL ? self->name : "relay"))
        return fail("--name: 1 to 63 of a-z, 0-9 and -, no - at either end", error);
    return true;
}

static bool write_config(const char *path, const Options *options, GError **error)
{
    g_autofree char *listen = options->listen != NULL ? g_strdup(options->listen)
                                                      : g_strdup_printf("[::]:%d", options->port);
    g_autofree char *text = g_strdup_printf(
        "# Written by mesh-server setup --role=relay. Every key is explained in man mesh-server.\n"
        "[server]\n"
        "public_host = %s\n"
        "public_port = %d\n"
        "listen = %s\n"
        "state_dir = %s\n"
        "[relay]\n"
        "udp = %d\n"
        "alt = %d\n"
        "trust = %s\n",
        options->host, options->port, listen,
        options->state_dir != NULL ? options->state_dir : SERVER_STATEDIR_RELAY, options->udp,
        options->alt, options->trust);

    return server_setup_write_public(path, text, error);
}

static ServerConfig *load_config(const char *path, const Options *options, GError **error)
{
    g_autoptr(ServerConfig) config = NULL;
    bool there = g_file_test(path, G_FILE_TEST_EXISTS);

    if (!there && (options->host == NULL || options->trust == NULL)) {
        fail("--host NAME-OR-ADDRESS tells by what nodes reach this relay, --trust KEY whose nodes "
             "they are: the key that mesh-server status prints on the server",
             error);
        return NULL;
    }
    if (there && (options->host != NULL || options->trust != NULL || options->listen != NULL ||
                  options->state_dir != NULL)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    "setup: %s is there already: change host, trust, listen and state_dir in it",
                    path);
        return NULL;
    }
    if (!there && !write_config(path, options, error))
        return NULL;
    config = server_config_load_relay(path, error);
    if (config == NULL && !there)
        (void)g_unlink(path); /* what was asked for is wrong: nothing is left to be changed first */
    if (config != NULL && config->public_host == NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    "%s: [server] public_host is missing: the server needs it", path);
        return NULL;
    }
    return g_steal_pointer(&config);
}

/* The public halves, as text; the files are made where they are not there. */
static bool read_keys(const char *dir, char out_rk[CORE_KEY_TEXT], char out_sk[CORE_KEY_TEXT],
                      GError **error)
{
    MeshKey        rk_secret, seed, rk, sk;
    MeshSignSecret secret;
    bool           ok = server_keyfile_prepare(dir, SERVER_KEYFILE_RELAY, &rk_secret, error) &&
              server_keyfile_prepare(dir, SERVER_KEYFILE_IDENTITY, &seed, error);

    if (ok) {
        mesh_key_make_public(&rk_secret, &rk);
        mesh_sign_make_pair(seed.bytes, &secret, &sk);
        ok =
            mesh_base64url_encode(MESH_SPAN(rk.bytes, sizeof rk.bytes), out_rk, CORE_KEY_TEXT) ==
                0 &&
            mesh_base64url_encode(MESH_SPAN(sk.bytes, sizeof sk.bytes), out_sk, CORE_KEY_TEXT) == 0;
    }
    mesh_key_wipe(&rk_secret, sizeof rk_secret);
    mesh_key_wipe(&seed, sizeof seed);
    mesh_key_wipe(&secret, sizeof secret);
    return ok;
}

int server_setuprelay(const char *config_path, int argc, char **argv)
{
    g_auto(Options) options = { .port = 443, .udp = 3478, .alt = 3479 };
    g_autoptr(ServerConfig) config = NULL;
    g_autoptr(GError) error = NULL;
    char rk[CORE_KEY_TEXT], sk[CORE_KEY_TEXT];

    mesh_log_set_level(MESH_LOG_WARNING);
    if (!parse_options(&options, argc, argv, &error)) {
        (void)fprintf(stderr, "mesh-server: %s\n", error->message);
        return 2;
    }
    config = load_config(config_path, &options, &error);
    if (config == NULL || !server_statedir_prepare(config->state_dir, &error) ||
        !read_keys(config->state_dir, rk, sk, &error)) {
        (void)fprintf(stderr, "mesh-server: %s\n", error->message);
        return 1;
    }
    (void)printf("mesh-server relay add %s --host=%s --udp=%u --alt=%u --tls=%u --rk=%s --sk=%s\n",
                 options.name != NULL ? options.name : "relay", config->public_host,
                 config->relay_udp, config->relay_alt, config->public_port, rk, sk);
    (void)fflush(stdout);
    (void)fprintf(stderr, "Run the line above on the server, once this relay runs. It holds no "
                          "secret.\n");
    return 0;
}
