#include "server/setup.h"

#include "common/glib/error.h"
#include "server/config.h"
#include "server/core/core.h"
#include "server/keyfile.h"
#include "server/reply.h"
#include "server/statedir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    LIMIT_S = 30,
    DAY_S = 86400,
};

#define SERVER_KEY_FILE "server.key" /* the core's, in the state directory */

typedef struct {
    char    *host, *network, *ip4, *listen, *state_dir;
    int      port;
    gboolean approve, reusable;
    gint64   expires_in_s;
} Options;

static void clear_options(Options *self)
{
    g_free(self->host);
    g_free(self->network);
    g_free(self->ip4);
    g_free(self->listen);
    g_free(self->state_dir);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

static bool parse_options(Options *self, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = {
        { "host", 0, 0, G_OPTION_ARG_STRING, &self->host, "name or address nodes reach us by",
          "HOST" },
        { "port", 0, 0, G_OPTION_ARG_INT, &self->port, "and the port (443)", "PORT" },
        { "listen", 0, 0, G_OPTION_ARG_STRING, &self->listen, "where to listen ([::]:PORT)",
          "ADDRESS:PORT" },
        { "state-dir", 0, 0, G_OPTION_ARG_FILENAME, &self->state_dir,
          "where key and database are kept", "DIR" },
        { "network", 0, 0, G_OPTION_ARG_STRING, &self->network, "name of the network (home)",
          "NAME" },
        { "ip4", 0, 0, G_OPTION_ARG_STRING, &self->ip4, "its IPv4 prefix (a random one)",
          "PREFIX|none" },
        { "approve", 0, 0, G_OPTION_ARG_NONE, &self->approve, "nodes wait for approval", NULL },
        { "reusable", 0, 0, G_OPTION_ARG_NONE, &self->reusable, "the link admits more than one",
          NULL },
        { "expires-in", 0, 0, G_OPTION_ARG_INT64, &self->expires_in_s,
          "seconds until the link ends (86400; 0: never)", "S" },
        { NULL },
    };
    GOptionContext *context = g_option_context_new("- from nothing to a join link");
    GError         *cause = NULL;
    bool            ok;

    g_set_prgname("mesh-server setup");
    g_option_context_add_main_entries(context, entries, NULL);
    ok = g_option_context_parse(context, &argc, &argv, &cause);
    g_option_context_free(context);
    if (ok && argc == 1 && self->port >= 1 && self->port <= 65535 && self->expires_in_s >= 0)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "setup: %s",
                cause != NULL ? cause->message
                : argc > 1    ? "it takes options only"
                              : "--port or --expires-in is out of range");
    g_clear_error(&cause);
    return false;
}

bool server_setup_write_public(const char *path, const char *text, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    mode_t           mask = umask(022);
    GError          *cause = NULL;
    bool             made = g_mkdir_with_parents(dir, 0755) == 0;
    int              made_errno = errno;

    if (made)
        (void)g_file_set_contents_full(path, text, -1,
                                       G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                       0644, &cause);
    (void)umask(mask);
    if (!made)
        mesh_error_set_errno(error, MESH_ERROR_STATE, made_errno, "make %s", dir);
    if (cause != NULL)
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s", cause->message);
    made = made && cause == NULL;
    g_clear_error(&cause);
    return made;
}

static bool write_config(const char *path, const Options *options, GError **error)
{
    g_autofree char *listen = options->listen != NULL ? g_strdup(options->listen)
                                                      : g_strdup_printf("[::]:%d", options->port);
    g_autofree char *text = g_strdup_printf(
        "# Written by mesh-server setup. Every key is explained in man mesh-server.\n"
        "[server]\n"
        "public_host = %s\n"
        "public_port = %d\n"
        "listen = %s\n"
        "state_dir = %s\n",
        options->host, options->port, listen,
        options->state_dir != NULL ? options->state_dir : SERVER_STATEDIR_DEFAULT);

    return server_setup_write_public(path, text, error);
}

static ServerConfig *load_config(const char *path, const Options *options, GError **error)
{
    g_autoptr(ServerConfig) config = NULL;

    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        if (options->host == NULL) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                        "setup: there is no %s yet: --host NAME-OR-ADDRESS tells by what nodes "
                        "reach this server",
                        path);
            return NULL;
        }
        if (!write_config(path, options, error))
            return NULL;
    } else if (options->host != NULL || options->listen != NULL || options->state_dir != NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    "setup: %s is there already: change host, port, listen and state_dir in it",
                    path);
        return NULL;
    }
    config = server_config_load(path, error);
    if (config != NULL && config->public_host == NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    "%s: [server] public_host is missing: join links need it", path);
        return NULL;
    }
    return g_steal_pointer(&config);
}

/* One verb, waited for. NULL: @error. Owned. */
static CoreAnswer *manage(Core *core, const CoreManage *request, GError **error)
{
    static ServerReply reply; /* until core_stop() */
    CoreAnswer        *answer;
    MeshErrorCode      code = MESH_ERROR_INTERNAL;

    server_reply_init(&reply);
    core_manage(core, request, server_reply_make_return(&reply));
    answer = server_reply_wait(&reply, LIMIT_S);
    if (answer != NULL && answer->status < 400)
        return answer;
    if (answer != NULL && answer->code != NULL && !mesh_error_parse_wire(answer->code, &code))
        code = MESH_ERROR_INTERNAL;
    g_set_error(error, MESH_ERROR, (int)code, "setup: %s",
                answer != NULL && answer->message != NULL ? answer->message
                                                          : "the storage does not answer");
    core_answer_free(answer);
    return NULL;
}

static bool has_network(Core *core, const char *name, bool *out_has, GError **error)
{
    const CoreManage list = { .verb = CORE_NETWORK_LIST };
    CoreAnswer      *answer = manage(core, &list, error);

    if (answer == NULL)
        return false;
    *out_has = false;
    for (guint i = 0; i < answer->result->len; i++) {
        const CoreNetworkInfo *info = g_ptr_array_index(answer->result, i);

        if (strcmp(info->name, name) == 0)
            *out_has = true;
    }
    core_answer_free(answer);
    return true;
}

static bool make_network(Core *core, const Options *options, GError **error)
{
    const CoreManage create = { .verb = CORE_NETWORK_CREATE,
                                .name = options->network,
                                .ip4 = options->ip4,
                                .approve = options->approve };
    CoreAnswer      *answer;
    bool             has;

    if (!has_network(core, options->network, &has, error))
        return false;
    if (has)
        return true;
    answer = manage(core, &create, error);
    core_answer_free(answer);
    return answer != NULL;
}

static bool print_link(Core *core, const Options *options, GError **error)
{
    const CoreManage   create = { .verb = CORE_KEY_CREATE,
                                  .network = options->network,
                                  .reusable = options->reusable,
                                  .note = "setup",
                                  .expires_in_s = options->expires_in_s };
    CoreAnswer        *answer = manage(core, &create, error);
    const CoreKeyInfo *key;

    if (answer == NULL)
        return false;
    key = g_ptr_array_index(answer->result, 0);
    (void)printf("%s\n", key->link);
    (void)fflush(stdout);
    core_answer_free(answer);
    return true;
}

static bool set_up(const ServerConfig *config, const Options *options, GError **error)
{
    g_autofree char *key = g_build_filename(config->state_dir, SERVER_KEY_FILE, NULL);
    const CoreConfig core_config = {
        .state_dir = config->state_dir,
        .public_host = config->public_host,
        .public_port = config->public_port,
        .create = !g_file_test(key, G_FILE_TEST_EXISTS), /* else: one more network, or link */
    };
    Core   *core = core_start(&core_config, error);
    MeshKey relay = { { 0 } };
    bool    ok;

    if (core == NULL)
        return false;
    ok = make_network(core, options, error) && print_link(core, options, error);
    core_stop(core);
    ok = ok && server_keyfile_prepare(config->state_dir, SERVER_KEYFILE_RELAY, &relay, error);
    mesh_key_wipe(&relay, sizeof relay);
    return ok;
}

int server_setup(const char *config_path, int argc, char **argv)
{
    g_auto(Options) options = { .port = 443, .expires_in_s = DAY_S };
    g_autoptr(ServerConfig) config = NULL;
    g_autoptr(GError) error = NULL;

    mesh_log_set_level(MESH_LOG_WARNING);
    if (!parse_options(&options, argc, argv, &error)) {
        (void)fprintf(stderr, "mesh-server: %s\n", error->message);
        return 2;
    }
    if (options.network == NULL)
        options.network = g_strdup("home");
    config = load_config(config_path, &options, &error);
    if (config != NULL && server_statedir_prepare(config->state_dir, &error) &&
        server_statedir_lock(config->state_dir, &error) && set_up(config, &options, &error)) {
        (void)fprintf(stderr,
                      "The link above admits %s node%s to network \"%s\"; it is shown only now.\n"
                      "On the node: mesh join, and paste it.\n",
                      options.reusable ? "any" : "one", options.reusable ? "s" : "",
                      options.network);
        return 0;
    }
    (void)fprintf(stderr, "mesh-server: %s\n", error->message);
    return 1;
}
