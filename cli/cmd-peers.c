/* cli/cmd-peers.c: peers. */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"
#include "common/glib/error.h"
#include "common/glib/reason.h"

#include <stdio.h>
#include <string.h>

/* One page. Endpoints take the action `inspect`; who may not see them gets the rest. */
static GVariant *fetch_page(CliClient *client, const CliNetwork *network, const char *after,
                            const char **method, GError **error)
{
    g_autoptr(GError) refused = NULL;
    GVariant *reply =
        cli_client_call(client, network, *method, g_variant_new("(su)", after, 0u), &refused);

    if (reply == NULL && g_error_matches(refused, MESH_ERROR, MESH_ERROR_NOT_AUTHORIZED) &&
        strcmp(*method, "InspectPeers") == 0) {
        g_clear_error(&refused);
        *method = "ListPeers";
        reply =
            cli_client_call(client, network, *method, g_variant_new("(su)", after, 0u), &refused);
    }
    if (reply == NULL)
        g_propagate_error(error, g_steal_pointer(&refused));
    return reply;
}

/* All pages: owned array of a{sv}. */
static GPtrArray *fetch(CliClient *client, const CliNetwork *network, GError **error)
{
    g_autoptr(GPtrArray) peers = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    g_autofree char *after = g_strdup("");
    const char      *method = "InspectPeers";

    for (;;) {
        g_autoptr(GVariant) reply = fetch_page(client, network, after, &method, error);
        g_autoptr(GVariant) page = NULL;
        gsize n;

        if (reply == NULL)
            return NULL;
        page = g_variant_get_child_value(reply, 2);
        n = g_variant_n_children(page);
        for (gsize i = 0; i < n; i++)
            g_ptr_array_add(peers, g_variant_get_child_value(page, i));
        if (n < 1000)
            return g_steal_pointer(&peers);
        g_free(after);
        after = NULL;
        if (!g_variant_lookup(peers->pdata[peers->len - 1], "name", "s", &after))
            return g_steal_pointer(&peers);
    }
}

static void print_json(const CliNetwork *network, GPtrArray *peers)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "network", network->name);
    mesh_jsonout_text(&out, "id", network->id);
    mesh_jsonout_open(&out, "peers", '[');
    for (unsigned i = 0; i < peers->len; i++)
        cli_output_variant(&out, NULL, peers->pdata[i]);
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_close(&out, '}');
    cli_output_print_json(&out);
}

/* Who it belongs to, and when the server saw it last. */
static void add_about(CliTable *table, GVariant *peer)
{
    const char *owner = "";
    gint64      seen_s = 0;
    g_autoptr(GDateTime) seen = NULL;
    g_autofree char *text = NULL;

    g_variant_lookup(peer, "owner", "&s", &owner);
    g_variant_lookup(peer, "last-seen", "x", &seen_s);
    seen = seen_s > 0 ? g_date_time_new_from_unix_local(seen_s) : NULL;
    text = seen != NULL ? g_date_time_format(seen, "%F %H:%M:%S") : g_strdup("-");
    cli_output_table_add(table, owner[0] != '\0' ? owner : "-");
    cli_output_table_add(table, text);
}

static void add_mtu(CliTable *table, GVariant *peer)
{
    guint32          mtu = 0;
    g_autofree char *text = NULL;

    g_variant_lookup(peer, "mtu", "u", &mtu);
    text = mtu != 0 ? g_strdup_printf("%u", mtu) : g_strdup("-");
    cli_output_table_add(table, text);
}

static void add_row(CliTable *table, GVariant *peer, bool is_long)
{
    const char *name = "", *path = "", *reason = "", *code = "", *endpoint = "", *relay = "",
               *cipher = "";
    gboolean                online = false, tls = false;
    guint64                 rx = 0, tx = 0, rtt_us = 0;
    g_autofree const char **addresses = NULL;
    g_autofree char        *list = NULL, *traffic = NULL, *rx_text = NULL, *tx_text = NULL;
    g_autofree char        *rtt = NULL, *via = NULL, *words = NULL;

    g_variant_lookup(peer, "name", "&s", &name);
    g_variant_lookup(peer, "path", "&s", &path);
    g_variant_lookup(peer, "reason", "&s", &reason);
    g_variant_lookup(peer, "reason-code", "&s", &code);
    g_variant_lookup(peer, "endpoint", "&s", &endpoint);
    g_variant_lookup(peer, "relay", "&s", &relay);
    g_variant_lookup(peer, "cipher", "&s", &cipher);
    g_variant_lookup(peer, "relay-tls", "b", &tls);
    g_variant_lookup(peer, "rtt-us", "t", &rtt_us);
    g_variant_lookup(peer, "online", "b", &online);
    g_variant_lookup(peer, "rx-bytes", "t", &rx);
    g_variant_lookup(peer, "tx-bytes", "t", &tx);
    g_variant_lookup(peer, "addresses", "^a&s", &addresses);
    list = addresses != NULL ? g_strjoinv(" ", (char **)addresses) : g_strdup("");
    rx_text = cli_output_format_bytes(rx);
    tx_text = cli_output_format_bytes(tx);
    traffic = g_strdup_printf("%s/%s", rx_text, tx_text);
    cli_output_table_add(table, name);
    cli_output_table_add(table, list);
    cli_output_table_add(table, online ? _("yes") : _("no"));
    if (is_long)
        add_about(table, peer);
    rtt = rtt_us != 0 && strcmp(path, "direct") == 0
              ? g_strdup_printf(_("%.1f ms"), (double)rtt_us / 1000)
              : g_strdup("-");
    cli_output_table_add(table, path);
    via = !tls ? g_strdup(relay) : g_strdup_printf(_("%s (TLS)"), relay);
    cli_output_table_add(table, via[0] != '\0' ? via : endpoint[0] != '\0' ? endpoint : "-");
    cli_output_table_add(table, rtt);
    if (is_long) {
        add_mtu(table, peer);
        cli_output_table_add(table, cipher[0] != '\0' ? cipher : "-");
    }
    cli_output_table_add(table, traffic);
    words = mesh_reason_dup_peer(code, reason, path, relay);
    cli_output_table_add(table, words);
}

static void print_table(GPtrArray *peers, bool is_long)
{
    const char *const titles[] = { _("NAME"), _("ADDRESSES"), _("ONLINE"), _("PATH"), _("VIA"),
                                   _("RTT"),  _("RX/TX"),     _("REASON"), NULL };
    const char *const more[] = {
        _("NAME"), _("ADDRESSES"), _("ONLINE"), _("OWNER"), _("LAST SEEN"), _("PATH"), _("VIA"),
        _("RTT"),  _("MTU"),       _("CIPHER"), _("RX/TX"), _("REASON"),    NULL
    };
    g_autoptr(CliTable) table = cli_output_table_new(is_long ? more : titles);
    g_autofree char *text = NULL;

    for (unsigned i = 0; i < peers->len; i++)
        add_row(table, peers->pdata[i], is_long);
    text = cli_output_table_format(table);
    fputs(text, stdout);
}

static CliExit run_peers(CliArguments *arguments, GError **error)
{
    gboolean           json = false, is_long = false;
    const GOptionEntry entries[] = {
        { "long", 'l', 0, G_OPTION_ARG_NONE, &is_long,
          N_("Tell the owner too, when the server saw it last, and what packets get there"), NULL },
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { NULL },
    };
    g_autoptr(CliClient) client = NULL;
    g_autoptr(GPtrArray) peers = NULL;
    const CliNetwork *network;

    if (!cli_main_parse(&cli_cmd_peers, entries, arguments, 1, error))
        return CLI_USAGE;
    network = cli_client_open(arguments, 1, &client, error);
    peers = network != NULL ? fetch(client, network, error) : NULL;
    if (peers == NULL)
        return CLI_FAILED;
    if (json)
        print_json(network, peers);
    else
        print_table(peers, is_long);
    return CLI_OK;
}

const CliCommand cli_cmd_peers = { "peers", "[NETWORK]",
                                   N_("List the nodes of a network and the way to each"),
                                   run_peers };
