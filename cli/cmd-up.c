/* cli/cmd-up.c: up, down and set. */
#include "cli/cli.h"
#include "cli/client.h"
#include "common/glib/error.h"

#include <string.h>

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
    network = cli_client_open(arguments, 1, &client, error);
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

/* What `mesh set` was given; -1 and NULL: not given. */
typedef struct {
    int      port;
    char    *peer_relay; /* owned; a port or "off" */
    char   **endpoints;  /* owned */
    gboolean no_endpoints;
    char    *dns;      /* owned */
    char    *portmap;  /* owned */
    char    *hard_nat; /* owned */
    char    *lan;      /* owned */
    char    *aes;      /* owned */
    char    *engine;   /* owned */
} Settings;

static void clear_settings(Settings *settings)
{
    g_strfreev(settings->endpoints);
    g_free(settings->dns);
    g_free(settings->portmap);
    g_free(settings->hard_nat);
    g_free(settings->peer_relay);
    g_free(settings->lan);
    g_free(settings->aes);
    g_free(settings->engine);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Settings, clear_settings)

static bool check_switch(const char *option, const char *value, GError **error)
{
    if (value == NULL || strcmp(value, "on") == 0 || strcmp(value, "off") == 0)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, _("%s: on or off"), option);
    return false;
}

/* 0: "off". */
static bool read_peer_relay(const char *value, guint16 *out_port, GError **error)
{
    guint64 port = 0;

    if (value != NULL && strcmp(value, "off") != 0 &&
        !g_ascii_string_to_unsigned(value, 10, 1, 65535, &port, NULL)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    _("--peer-relay: a UDP port from 1 to 65535, or off"));
        return false;
    }
    *out_port = (guint16)port;
    return true;
}

static bool check_settings(const Settings *settings, GError **error)
{
    guint16 port;

    if (settings->port < -1 || settings->port > 65535) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, _("--port: 0 to 65535"));
        return false;
    }
    return read_peer_relay(settings->peer_relay, &port, error) &&
           check_switch("--dns", settings->dns, error) &&
           check_switch("--portmap", settings->portmap, error) &&
           check_switch("--hard-nat", settings->hard_nat, error) &&
           check_switch("--lan", settings->lan, error) &&
           check_switch("--aes", settings->aes, error);
}

/* @value: "on", "off"; NULL: not given. */
static void add_switch(GVariantBuilder *out, const char *key, const char *value)
{
    if (value != NULL)
        g_variant_builder_add(out, "{sv}", key, g_variant_new_boolean(strcmp(value, "on") == 0));
}

static void make_options(const Settings *settings, GVariantBuilder *out)
{
    static const char *const none[] = { NULL };
    const char *const       *endpoints = (const char *const *)settings->endpoints;
    guint16                  relay;

    g_variant_builder_init(out, G_VARIANT_TYPE_VARDICT);
    if (settings->port >= 0)
        g_variant_builder_add(out, "{sv}", "port", g_variant_new_uint16((guint16)settings->port));
    add_switch(out, "dns", settings->dns);
    add_switch(out, "portmap", settings->portmap);
    add_switch(out, "hard-nat", settings->hard_nat);
    if (settings->peer_relay != NULL && read_peer_relay(settings->peer_relay, &relay, NULL))
        g_variant_builder_add(out, "{sv}", "peer-relay", g_variant_new_uint16(relay));
    add_switch(out, "lan", settings->lan);
    add_switch(out, "aes", settings->aes);
    if (settings->engine != NULL)
        g_variant_builder_add(out, "{sv}", "engine", g_variant_new_string(settings->engine));
    if (endpoints != NULL || settings->no_endpoints)
        g_variant_builder_add(out, "{sv}", "endpoints",
                              g_variant_new_strv(settings->no_endpoints ? none : endpoints, -1));
}

static CliExit run_set(CliArguments *arguments, GError **error)
{
    g_auto(Settings) settings = { .port = -1 };
    const GOptionEntry entries[] = {
        { "port", 0, 0, G_OPTION_ARG_INT, &settings.port, N_("UDP port; 0: any"), "PORT" },
        { "endpoint", 0, 0, G_OPTION_ARG_STRING_ARRAY, &settings.endpoints,
          N_("Where a router forwards to this node; may be repeated"), "ADDRESS:PORT" },
        { "no-endpoints", 0, 0, G_OPTION_ARG_NONE, &settings.no_endpoints,
          N_("No router forwards to this node"), NULL },
        { "dns", 0, 0, G_OPTION_ARG_STRING, &settings.dns,
          N_("Whether programs here find the nodes by name"), "on|off" },
        { "portmap", 0, 0, G_OPTION_ARG_STRING, &settings.portmap,
          N_("Whether routers are asked to forward the UDP port"), "on|off" },
        { "lan", 0, 0, G_OPTION_ARG_STRING, &settings.lan,
          N_("Whether nodes on this host's own links are found without a server"), "on|off" },
        { "hard-nat", 0, 0, G_OPTION_ARG_STRING, &settings.hard_nat,
          N_("Whether ways through NATs that are hard to pass are searched for"), "on|off" },
        { "aes", 0, 0, G_OPTION_ARG_STRING, &settings.aes,
          N_("Whether AES-256-GCM is used with nodes that offer it too"), "on|off" },
        { "engine", 0, 0, G_OPTION_ARG_STRING, &settings.engine,
          N_("What seals packets; auto: the fastest"), "NAME|auto" },
        { "peer-relay", 0, 0, G_OPTION_ARG_STRING, &settings.peer_relay,
          N_("UDP port of a relay that this host keeps for the other nodes"), "PORT|off" },
        { NULL },
    };
    g_autoptr(CliClient) client = NULL;
    g_autoptr(GVariant) reply = NULL;
    const CliNetwork *network;
    GVariantBuilder   dict;

    if (!cli_main_parse(&cli_cmd_set, entries, arguments, 1, error) ||
        !check_settings(&settings, error))
        return CLI_USAGE;
    network = cli_client_open(arguments, 1, &client, error);
    if (network == NULL)
        return CLI_FAILED;
    make_options(&settings, &dict);
    reply = cli_client_call(client, network, "Set", g_variant_new("(a{sv})", &dict), error);
    return reply != NULL ? CLI_OK : CLI_FAILED;
}

const CliCommand cli_cmd_set = {
    "set", "[NETWORK]", N_("Set UDP port, static endpoints, names and port map of a network"),
    run_set
};
