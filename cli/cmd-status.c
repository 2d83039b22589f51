/* cli/cmd-status.c: status and networks. */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/dataplane.h"
#include "cli/output.h"
#include "common/glib/error.h"

#include <stdio.h>
#include <string.h>

/* Of @network, and of what became of its packets (@plane; NULL: nobody asked). */
static void put_network(MeshJsonOut *out, const CliNetwork *network, GVariant *plane)
{
    g_auto(GStrv) names = g_dbus_proxy_get_cached_property_names(network->proxy);

    mesh_jsonout_open(out, NULL, '{');
    for (char **name = names; name != NULL && *name != NULL; name++) {
        g_autoptr(GVariant) value = cli_client_get(network, *name);
        g_autofree char *key = cli_output_key(*name);

        cli_output_variant(out, key, value);
    }
    if (plane != NULL)
        cli_output_variant(out, "data-plane", plane);
    mesh_jsonout_close(out, '}');
}

/* @planes: of each of them; NULL: without. */
static void print_json(GPtrArray *networks, GPtrArray *planes)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_open(&out, "networks", '[');
    for (unsigned i = 0; i < networks->len; i++)
        put_network(&out, networks->pdata[i], planes != NULL ? planes->pdata[i] : NULL);
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_close(&out, '}');
    cli_output_print_json(&out);
}

static unsigned get_number(const CliNetwork *network, const char *property)
{
    g_autoptr(GVariant) value = cli_client_get(network, property);

    if (value == NULL)
        return 0;
    return g_variant_is_of_type(value, G_VARIANT_TYPE_UINT16) ? g_variant_get_uint16(value)
                                                              : g_variant_get_uint32(value);
}

static void print_line(const char *label, const char *text)
{
    g_autofree char *clean = cli_output_clean(text);

    if (clean[0] != '\0')
        printf("  %-10s %s\n", label, clean);
}

/* One line each, the label on the first only. */
static void print_list(const CliNetwork *network, const char *property, const char *label)
{
    g_autoptr(GVariant) value = cli_client_get(network, property);
    g_autofree const char **list = value != NULL ? g_variant_get_strv(value, NULL) : NULL;

    for (unsigned i = 0; list != NULL && list[i] != NULL; i++)
        print_line(i == 0 ? label : "", list[i]);
}

static void print_server(const CliNetwork *network)
{
    g_autofree char *server = cli_client_dup_text(network, "Server");
    g_autofree char *state = cli_client_dup_text(network, "ServerState");
    g_autofree char *why = cli_client_dup_text(network, "ServerError");
    g_autofree char *text =
        g_strdup_printf("%s, %s%s%s", server, state, why[0] != '\0' ? ": " : "", why);

    if (server[0] != '\0') /* else its profile cannot be read */
        print_line(_("server"), text);
}

static void print_names(const CliNetwork *network)
{
    g_autofree char *suffix = cli_client_dup_text(network, "Suffix");
    g_autofree char *state = cli_client_dup_text(network, "DnsState");
    g_autofree char *text = g_strdup_printf("*.%s (%s)", suffix, state);

    if (suffix[0] != '\0')
        print_line(_("names"), text);
}

static void print_portmap(const CliNetwork *network)
{
    g_autofree char *state = cli_client_dup_text(network, "PortMapState");
    g_autofree char *why = cli_client_dup_text(network, "PortMapError");
    g_autofree char *text = g_strdup_printf("%s%s%s", state, why[0] != '\0' ? ": " : "", why);

    print_line(_("port map"), text);
}

/* Said where it is not as usual. */
static void print_hard_nat(const CliNetwork *network)
{
    g_autoptr(GVariant) value = cli_client_get(network, "HardNat");

    if (value != NULL && !g_variant_get_boolean(value))
        print_line(_("hard NATs"), _("are not searched through (mesh set --hard-nat)"));
}

static void print_peer_relay(const CliNetwork *network)
{
    g_autofree char *state = cli_client_dup_text(network, "PeerRelayState");
    g_autofree char *why = cli_client_dup_text(network, "PeerRelayError");
    g_autofree char *text =
        g_strdup_printf(_("UDP port %u, %s%s%s"), get_number(network, "PeerRelayPort"), state,
                        why[0] != '\0' ? ": " : "", why);

    if (strcmp(state, "off") != 0)
        print_line(_("peer relay"), text);
}

static void print_lan(const CliNetwork *network)
{
    g_autofree char *state = cli_client_dup_text(network, "LanState");

    print_line(_("LAN"), state);
}

/* Which ciphers, by what; that AES is left out is said. */
static void print_ciphers(const CliNetwork *network)
{
    g_autofree char *state = cli_client_dup_text(network, "AesState");

    print_list(network, "Engines", _("ciphers"));
    if (strcmp(state, "off") == 0)
        print_line(_("AES"), _("is not offered (mesh set --aes)"));
    else if (strcmp(state, "unfit") == 0)
        print_line(_("AES"), _("is not offered: this processor has no instructions for it"));
}

static void print_network(const CliNetwork *network, GVariant *plane)
{
    g_autofree char *name = cli_output_clean(network->name);
    g_autofree char *state = cli_client_dup_text(network, "State");
    g_autofree char *wrong = cli_client_dup_text(network, "Error");
    g_autofree char *node = cli_client_dup_text(network, "NodeName");
    g_autofree char *ifname = cli_client_dup_text(network, "Interface");
    g_autofree char *peers =
        g_strdup_printf(_("%u of %u online"), get_number(network, "PeersOnline"),
                        get_number(network, "PeersTotal"));

    printf("%s (%s): %s\n", name, network->id, state);
    print_line(_("error"), wrong);
    print_line(_("node"), node);
    if (ifname[0] != '\0') {
        g_autofree char *text =
            g_strdup_printf(_("%s, UDP port %u"), ifname, get_number(network, "ListenPort"));

        print_line(_("interface"), text);
    }
    print_list(network, "Addresses", _("addresses"));
    print_names(network);
    print_server(network);
    print_line(_("peers"), peers);
    print_list(network, "Endpoints", _("endpoints"));
    print_portmap(network);
    print_hard_nat(network);
    print_peer_relay(network);
    print_lan(network);
    print_ciphers(network);
    print_list(network, "Warnings", _("warning"));
    if (plane != NULL) {
        g_autofree char *text = cli_dataplane_describe(plane);

        fputs(text, stdout);
    }
}

static void print_networks(GPtrArray *networks, GPtrArray *planes)
{
    if (networks->len == 0)
        puts(_("no network is joined: use \"mesh join\""));
    for (unsigned i = 0; i < networks->len; i++) {
        if (i > 0)
            putchar('\n');
        print_network(networks->pdata[i], planes != NULL ? planes->pdata[i] : NULL);
    }
}

/* Owned array of a{sv}, in the order of @networks. */
static GPtrArray *fetch_planes(CliClient *client, GPtrArray *networks, GError **error)
{
    g_autoptr(GPtrArray) planes = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);

    for (unsigned i = 0; i < networks->len; i++) {
        g_autoptr(GVariant) reply =
            cli_client_call(client, networks->pdata[i], "GetDataPlane", NULL, error);

        if (reply == NULL)
            return NULL;
        g_ptr_array_add(planes, g_variant_get_child_value(reply, 0));
    }
    return g_steal_pointer(&planes);
}

static CliExit run_status(CliArguments *arguments, GError **error)
{
    gboolean           json = false, is_long = false;
    const GOptionEntry entries[] = {
        { "long", 'l', 0, G_OPTION_ARG_NONE, &is_long,
          N_("Tell what became of the packets too: bursts, queues, what was dropped"), NULL },
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { NULL },
    };
    g_autoptr(CliClient) client = NULL;
    g_autoptr(GPtrArray) shown = g_ptr_array_new(), planes = NULL;
    const CliNetwork *only = NULL;
    const char       *wish;
    GPtrArray        *all;

    if (!cli_main_parse(&cli_cmd_status, entries, arguments, 1, error))
        return CLI_USAGE;
    wish = cli_main_get_argument(arguments, 1);
    client = cli_client_new(error);
    if (client == NULL)
        return CLI_NO_DAEMON;
    if (wish != NULL && (only = cli_client_find(client, wish, error)) == NULL)
        return CLI_NOT_FOUND;
    all = cli_client_list(client);
    for (unsigned i = 0; i < all->len; i++)
        if (only == NULL || only == all->pdata[i])
            g_ptr_array_add(shown, all->pdata[i]);
    if (is_long && (planes = fetch_planes(client, shown, error)) == NULL)
        return CLI_FAILED;
    if (json)
        print_json(shown, planes);
    else
        print_networks(shown, planes);
    return CLI_OK;
}

const CliCommand cli_cmd_status = { "status", "[NETWORK]",
                                    N_("Show networks, server and addresses"), run_status };

static void print_table(GPtrArray *networks)
{
    const char *const titles[] = { _("NAME"),   _("ID"),        _("STATE"), _("SERVER"),
                                   _("ONLINE"), _("INTERFACE"), NULL };
    g_autoptr(CliTable) table = cli_output_table_new(titles);
    g_autofree char *text = NULL;

    for (unsigned i = 0; i < networks->len; i++) {
        const CliNetwork *network = networks->pdata[i];
        g_autofree char  *state = cli_client_dup_text(network, "State");
        g_autofree char  *server = cli_client_dup_text(network, "ServerState");
        g_autofree char  *ifname = cli_client_dup_text(network, "Interface");
        g_autofree char  *online = g_strdup_printf("%u/%u", get_number(network, "PeersOnline"),
                                                   get_number(network, "PeersTotal"));

        cli_output_table_add(table, network->name);
        cli_output_table_add(table, network->id);
        cli_output_table_add(table, state);
        cli_output_table_add(table, server);
        cli_output_table_add(table, online);
        cli_output_table_add(table, ifname);
    }
    text = cli_output_table_format(table);
    fputs(text, stdout);
}

static CliExit run_networks(CliArguments *arguments, GError **error)
{
    gboolean           json = false;
    const GOptionEntry entries[] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { NULL },
    };
    g_autoptr(CliClient) client = NULL;

    if (!cli_main_parse(&cli_cmd_networks, entries, arguments, 0, error))
        return CLI_USAGE;
    client = cli_client_new(error);
    if (client == NULL)
        return CLI_NO_DAEMON;
    if (json)
        print_json(cli_client_list(client), NULL);
    else
        print_table(cli_client_list(client));
    return CLI_OK;
}

const CliCommand cli_cmd_networks = { "networks", "", N_("List joined networks"), run_networks };
