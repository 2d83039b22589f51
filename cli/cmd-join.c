/* cli/cmd-join.c: join and leave. */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"
#include "common/glib/error.h"
#include "common/std/key.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINK_SIZE = 1024 }; /* longer than any link, so that a longer text is refused, not cut */

typedef struct {
    char    *name, *ifname, *link_file;
    char   **endpoints;
    int      port;
    gboolean no_ip4, json;
} JoinOptions;

/* The first line of @from, without its end. */
static bool read_line(FILE *from, const char *what, char out_link[LINK_SIZE], GError **error)
{
    if (fgets(out_link, LINK_SIZE, from) == NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, _("%s holds no link"), what);
        return false;
    }
    g_strstrip(out_link);
    return true;
}

static bool read_file(const char *path, char out_link[LINK_SIZE], GError **error)
{
    FILE *file = fopen(path, "re");
    bool  read;

    if (file == NULL) {
        mesh_error_set_errno(error, MESH_ERROR_INVALID_ARGUMENT, errno, "%s", path);
        return false;
    }
    read = read_line(file, path, out_link, error);
    fclose(file);
    return read;
}

/* From a file, an argument, or standard input: there a link does not end up in a list of processes.
 */
static bool read_link(const JoinOptions *options, char *argument, char out_link[LINK_SIZE],
                      GError **error)
{
    if (options->link_file != NULL)
        return read_file(options->link_file, out_link, error);
    if (argument != NULL && strcmp(argument, "-") != 0) {
        g_strlcpy(out_link, argument, LINK_SIZE);
        mesh_key_wipe(argument, strlen(argument)); /* out of the list of processes at least now */
        return true;
    }
    if (isatty(STDIN_FILENO)) {
        printf("%s ", _("Join link:"));
        fflush(stdout);
    }
    return read_line(stdin, _("standard input"), out_link, error);
}

static bool make_options(const JoinOptions *options, GVariantBuilder *out, GError **error)
{
    g_variant_builder_init(out, G_VARIANT_TYPE_VARDICT);
    if (options->port < 0 || options->port > 65535) {
        g_variant_builder_clear(out);
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, _("--port: 1 to 65535"));
        return false;
    }
    if (options->name != NULL)
        g_variant_builder_add(out, "{sv}", "name", g_variant_new_string(options->name));
    if (options->ifname != NULL)
        g_variant_builder_add(out, "{sv}", "interface", g_variant_new_string(options->ifname));
    if (options->no_ip4)
        g_variant_builder_add(out, "{sv}", "ip4", g_variant_new_boolean(false));
    if (options->port != 0)
        g_variant_builder_add(out, "{sv}", "port", g_variant_new_uint16((guint16)options->port));
    if (options->endpoints != NULL)
        g_variant_builder_add(out, "{sv}", "endpoints",
                              g_variant_new_strv((const char *const *)options->endpoints, -1));
    return true;
}

static void print_joined(const CliNetwork *network, char **warnings)
{
    g_autofree char *state = cli_client_dup_text(network, "State");
    g_autofree char *node = cli_client_dup_text(network, "NodeName");
    g_autoptr(GVariant) value = cli_client_get(network, "Addresses");
    g_autofree const char **addresses = value != NULL ? g_variant_get_strv(value, NULL) : NULL;
    g_autofree char        *list = addresses != NULL ? g_strjoinv(", ", (char **)addresses) : NULL;
    g_autofree char        *name = cli_output_clean(network->name);

    if (strcmp(state, "pending") == 0)
        printf(_("%s: waits until its administrator approves this node\n"), name);
    else
        printf(_("joined %s as %s: %s\n"), name, node, list != NULL ? list : "");
    for (char **warning = warnings; *warning != NULL; warning++) {
        g_autofree char *clean = cli_output_clean(*warning);

        fprintf(stderr, _("mesh: warning: %s\n"), clean);
    }
}

static void print_json(const CliNetwork *network, char **warnings)
{
    g_autofree char *state = cli_client_dup_text(network, "State");
    MeshJsonOut      out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "id", network->id);
    mesh_jsonout_text(&out, "name", network->name);
    mesh_jsonout_text(&out, "state", state);
    mesh_jsonout_open(&out, "warnings", '[');
    for (char **warning = warnings; *warning != NULL; warning++)
        mesh_jsonout_text(&out, NULL, *warning);
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_close(&out, '}');
    cli_output_print_json(&out);
}

static CliExit join(const JoinOptions *options, const char *link, GError **error)
{
    g_autoptr(CliClient) client = NULL;
    g_autoptr(GVariant) reply = NULL;
    g_autofree char *path = NULL;
    g_auto(GStrv) warnings = NULL;
    const CliNetwork *network;
    GVariantBuilder   dict;

    if (!make_options(options, &dict, error))
        return CLI_USAGE;
    client = cli_client_new(error);
    if (client == NULL) {
        g_variant_builder_clear(&dict);
        return CLI_NO_DAEMON;
    }
    reply = cli_client_call(client, NULL, "Join", g_variant_new("(sa{sv})", link, &dict), error);
    if (reply == NULL)
        return CLI_FAILED;
    g_variant_get(reply, "(o^as)", &path, &warnings);
    network = cli_client_refresh(client, path, error);
    if (network == NULL)
        return CLI_FAILED;
    if (options->json)
        print_json(network, warnings);
    else
        print_joined(network, warnings);
    return CLI_OK;
}

static void free_options(JoinOptions *options)
{
    g_free(options->name);
    g_free(options->ifname);
    g_free(options->link_file);
    g_strfreev(options->endpoints);
}

static CliExit run_join(CliArguments *arguments, GError **error)
{
    JoinOptions        options = { 0 };
    const GOptionEntry entries[] = {
        { "name", 0, 0, G_OPTION_ARG_STRING, &options.name,
          N_("Name of this node (default: the host name)"), "NAME" },
        { "interface", 0, 0, G_OPTION_ARG_STRING, &options.ifname,
          N_("Name of the interface (default: mesh0, mesh1 …)"), "NAME" },
        { "port", 0, 0, G_OPTION_ARG_INT, &options.port,
          N_("UDP port (default: chosen once and kept)"), "PORT" },
        { "endpoint", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.endpoints,
          N_("Where a router forwards to this node; may be repeated"), "ADDRESS:PORT" },
        { "no-ip4", 0, 0, G_OPTION_ARG_NONE, &options.no_ip4, N_("Join with IPv6 only"), NULL },
        { "link-file", 0, 0, G_OPTION_ARG_FILENAME, &options.link_file,
          N_("Read the link from a file"), "FILE" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, N_("Print JSON"), NULL },
        { NULL },
    };
    char    link[LINK_SIZE] = "";
    CliExit result = CLI_USAGE;

    if (cli_main_parse(&cli_cmd_join, entries, arguments, 1, error) &&
        read_link(&options, cli_main_get_argument(arguments, 1), link, error))
        result = join(&options, link, error);
    mesh_key_wipe(link, sizeof link);
    free_options(&options);
    return result;
}

const CliCommand cli_cmd_join = { "join", "[LINK|-]", N_("Join a network by its link"), run_join };

static CliExit run_leave(CliArguments *arguments, GError **error)
{
    gboolean           force = false, local = false;
    const GOptionEntry entries[] = {
        { "local", 0, 0, G_OPTION_ARG_NONE, &local,
          N_("Only here: this host is a copy of another, which stays a member"), NULL },
        { "force", 0, 0, G_OPTION_ARG_NONE, &force, N_("Even if the server cannot be told"), NULL },
        { NULL },
    };
    g_autoptr(CliClient) client = NULL;
    g_autoptr(GVariant) reply = NULL;
    const CliNetwork *network;
    GVariantBuilder   dict;

    if (!cli_main_parse(&cli_cmd_leave, entries, arguments, 1, error))
        return CLI_USAGE;
    network = cli_client_open(arguments, 1, &client, error);
    if (network == NULL)
        return CLI_FAILED;
    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&dict, "{sv}", "force", g_variant_new_boolean(force));
    if (local)
        g_variant_builder_add(&dict, "{sv}", "local", g_variant_new_boolean(true));
    reply = cli_client_call(client, network, "Leave", g_variant_new("(a{sv})", &dict), error);
    if (reply == NULL && error != NULL &&
        g_error_matches(*error, MESH_ERROR, MESH_ERROR_UNREACHABLE))
        g_prefix_error(error, _("the server cannot be told (--force leaves anyway): "));
    return reply != NULL ? CLI_OK : CLI_FAILED;
}

const CliCommand cli_cmd_leave = { "leave", "[NETWORK]",
                                   N_("Leave a network: its keys on this host go"), run_leave };
