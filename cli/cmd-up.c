/* cli/cmd-up.c: up, down and set. */
#include "cli/cli.h"
#include "cli/client.h"
#include "common/glib/error.h"

static CliExit switch_network(const CliCommand *command, const char *method,
                              CliArguments *arguments, GError **error)
{
    gboolean           temporary = false;
    const GOptionEntry entries[] = {
        { "temporary", 0, 0, G_OPTION_ARG_NONE, &temporary, N_("Only until meshd starts again"),
          NULL },
        { NULL },
    };
    g_autoptr(CliClient) client = NULL;
    g_autoptr(GVariant) reply = NULL;
    const CliNetwork *network;
    GVariantBuilder   dict;

    if (!cli_main_parse(command, entries, arguments, 1, error))
        return CLI_USAGE;
    client = cli_client_new(error);
    network =
        client != NULL ? cli_client_find(client, cli_main_get_argument(arguments, 1), error) : NULL;
    if (network == NULL)
        return CLI_FAILED;
    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&dict, "{sv}", "temporary", g_variant_new_boolean(temporary));
    reply = cli_client_call(client, network, method, g_variant_new("(a{sv})", &dict), error);
    return reply != NULL ? CLI_OK : CLI_FAILED;
}

static CliExit run_up(CliArguments *arguments, GError **error)
{
    return switch_network(&cli_cmd_up, "Up", arguments, error);
}

const CliCommand cli_cmd_up = { "up", "[NETWORK]", N_("Bring a network up, and keep it so"),
                                run_up };

static CliExit run_down(CliArguments *arguments, GError **error)
{
    return switch_network(&cli_cmd_down, "Down", arguments, error);
}

const CliCommand cli_cmd_down = { "down", "[NETWORK]", N_("Take a network down, and keep it so"),
                                  run_down };

static bool make_options(int port, char **endpoints, gboolean no_endpoints, GVariantBuilder *out,
                         GError **error)
{
    static const char *const none[] = { NULL };

    g_variant_builder_init(out, G_VARIANT_TYPE_VARDICT);
    if (port < -1 || port > 65535) {
        g_variant_builder_clear(out);
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, _("--port: 0 to 65535"));
        return false;
    }
    if (port >= 0)
        g_variant_builder_add(out, "{sv}", "port", g_variant_new_uint16((guint16)port));
    if (endpoints != NULL || no_endpoints)
        g_variant_builder_add(out, "{sv}", "endpoints",
                              g_variant_new_strv(no_endpoints ? none
                                                              : (const char *const *)endpoints,
                                                 -1));
    return true;
}

static CliExit run_set(CliArguments *arguments, GError **error)
{
    int port = -1;
    g_auto(GStrv) endpoints = NULL;
    gboolean           no_endpoints = false;
    const GOptionEntry entries[] = {
        { "port", 0, 0, G_OPTION_ARG_INT, &port, N_("UDP port; 0: any"), "PORT" },
        { "endpoint", 0, 0, G_OPTION_ARG_STRING_ARRAY, &endpoints,
          N_("Where a router forwards to this node; may be repeated"), "ADDRESS:PORT" },
        { "no-endpoints", 0, 0, G_OPTION_ARG_NONE, &no_endpoints,
          N_("No router forwards to this node"), NULL },
        { NULL },
    };
    g_autoptr(CliClient) client = NULL;
    g_autoptr(GVariant) reply = NULL;
    const CliNetwork *network;
    GVariantBuilder   dict;

    if (!cli_main_parse(&cli_cmd_set, entries, arguments, 1, error))
        return CLI_USAGE;
    client = cli_client_new(error);
    network =
        client != NULL ? cli_client_find(client, cli_main_get_argument(arguments, 1), error) : NULL;
    if (network == NULL || !make_options(port, endpoints, no_endpoints, &dict, error))
        return CLI_FAILED;
    reply = cli_client_call(client, network, "Set", g_variant_new("(a{sv})", &dict), error);
    return reply != NULL ? CLI_OK : CLI_FAILED;
}

const CliCommand cli_cmd_set = { "set", "[NETWORK]",
                                 N_("Set UDP port and static endpoints of a network"), run_set };
