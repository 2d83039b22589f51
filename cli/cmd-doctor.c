/* cli/cmd-doctor.c: why and netcheck. */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"
#include "common/glib/error.h"
#include "common/glib/reason.h"

#include <stdio.h>
#include <string.h>

static const char *get_text(GVariant *dict, const char *key)
{
    const char *text = "";

    g_variant_lookup(dict, key, "&s", &text);
    return text;
}

static void print_line(const char *label, const char *text)
{
    g_autofree char *clean = cli_output_clean(text);

    if (clean[0] != '\0')
        printf("  %-10s %s\n", label, clean);
}

/* ---- why ---- */

static void print_why(GVariant *why)
{
    g_autofree char *name = cli_output_clean(get_text(why, "peer"));
    g_autofree char *said = mesh_reason_dup_why(why), *help = mesh_reason_dup_remedy(why);
    g_autofree char *text = cli_output_clean(said), *remedy = cli_output_clean(help);
    guint32          mtu = 0;
    gboolean         singly = false;

    printf("%s: %s", name, text);
    printf(remedy[0] != '\0' ? "; %s\n" : "%s\n", remedy);
    g_variant_lookup(why, "mtu", "u", &mtu);
    if (mtu != 0)
        printf(_("packets of up to %u bytes get there in one piece\n"), mtu);
    g_variant_lookup(why, "singly", "b", &singly);
    if (singly)
        fputs(_("its way loses packets that leave in one go (UDP GSO): they go one by one\n"),
              stdout);
    print_line(_("cipher"), get_text(why, "cipher"));
}

static CliExit run_why(CliArguments *arguments, GError **error)
{
    gboolean           json = false;
    const GOptionEntry entries[] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { NULL },
    };
    g_autoptr(CliClient) client = NULL;
    g_autoptr(GVariant) why = NULL;
    const CliNetwork *network;
    MeshJsonOut       out;

    if (!cli_main_parse(&cli_cmd_why, entries, arguments, 2, error))
        return CLI_USAGE;
    why = cli_client_ask_peer(arguments, "Why", &client, &network, error);
    if (why == NULL)
        return CLI_FAILED;
    if (!json) {
        print_why(why);
        return CLI_OK;
    }
    mesh_jsonout_init(&out);
    cli_output_variant(&out, NULL, why);
    cli_output_print_json(&out);
    return CLI_OK;
}

const CliCommand cli_cmd_why = { "why", "PEER [NETWORK]",
                                 N_("Say why a peer is reached by a relay, or not at all"),
                                 run_why };

/* ---- netcheck ---- */

static char *format_rtt(GVariant *relay, const char *key)
{
    guint64 us = 0;

    g_variant_lookup(relay, key, "t", &us);
    return us != 0 ? g_strdup_printf(_("%.1f ms"), (double)us / 1000) : g_strdup("-");
}

static bool get_flag(GVariant *dict, const char *key)
{
    gboolean value = false;

    g_variant_lookup(dict, key, "b", &value);
    return value;
}

/* "home, over TLS", "to be avoided", "no answer", "". */
static char *say_state(GVariant *relay)
{
    const char *place = "", *how = "";

    if (get_flag(relay, "home"))
        place = _("home");
    else if (get_flag(relay, "draining"))
        place = _("is going away");
    else if (!get_flag(relay, "usable"))
        place = _("to be avoided");
    else if (get_flag(relay, "down"))
        place = _("no answer");
    else if (get_flag(relay, "second"))
        place = _("next");
    if (strcmp(get_text(relay, "session"), "tls") == 0)
        how = _(", over TLS");
    return g_strconcat(place, how, NULL);
}

static void print_relays(GVariant *found)
{
    const char *const titles[] = { _("RELAY"), _("UDP"), _("UDP OVER IPV6"), _("STATE"), NULL };
    g_autoptr(CliTable) table = cli_output_table_new(titles);
    g_autoptr(GVariant) relays = g_variant_lookup_value(found, "relays", G_VARIANT_TYPE("aa{sv}"));
    g_autofree char *text = NULL;

    if (relays == NULL || g_variant_n_children(relays) == 0) {
        print_line(_("relays"), _("none: this network has none, or did not tell them yet"));
        return;
    }
    for (gsize i = 0; i < g_variant_n_children(relays); i++) {
        g_autoptr(GVariant) relay = g_variant_get_child_value(relays, i);
        g_autofree char *rtt4 = format_rtt(relay, "udp4-us");
        g_autofree char *rtt6 = format_rtt(relay, "udp6-us");
        g_autofree char *state = say_state(relay);

        cli_output_table_add(table, get_text(relay, "name"));
        cli_output_table_add(table, rtt4);
        cli_output_table_add(table, rtt6);
        cli_output_table_add(table, state);
    }
    text = cli_output_table_format(table);
    fputs(text, stdout);
}

/* "works", "blocked (no relay answered)", "not known". */
static const char *say_udp(const char *answer)
{
    if (strcmp(answer, "yes") == 0)
        return _("works");
    return strcmp(answer, "no") == 0 ? _("blocked: no relay answered") : _("not known");
}

/* "pcp: 203.0.113.7:5000", "none: no router answers …", "off". @always: also when it is off, or was
 * not told. */
static void print_portmap(GVariant *found, const char *key, const char *title, bool always)
{
    g_autofree char *error = g_strconcat(key, "-error", NULL);
    g_autofree char *at =
        strcmp(key, "port-map") == 0 ? g_strdup("port-mapped") : g_strconcat(key, "-at", NULL);
    const char      *state = get_text(found, key), *mapped = get_text(found, at);
    const char      *more = mapped[0] != '\0' ? mapped : get_text(found, error);
    g_autofree char *text = g_strconcat(state, more[0] != '\0' ? ": " : "", more, NULL);

    if (always || (state[0] != '\0' && strcmp(state, "off") != 0))
        print_line(title, text);
}

static void print_portmaps(GVariant *found)
{
    print_portmap(found, "port-map", _("port map"), true);
    print_portmap(found, "tcp-map", _("TCP map"), false);
    print_portmap(found, "pinhole", _("pinhole"), false);
    print_portmap(found, "tcp-pinhole", _("TCP hole"), false);
}

/* "138 s at least", "45 s, not 75 s", "less than 45 s"; nothing while it is not known. */
static void print_lifetime(GVariant *found)
{
    guint32          kept_s = 0, lost_s = 0;
    g_autofree char *text = NULL;

    g_variant_lookup(found, "kept-s", "u", &kept_s);
    g_variant_lookup(found, "lost-s", "u", &lost_s);
    if (kept_s != 0 && lost_s != 0)
        text = g_strdup_printf(_("%u s, not %u s"), kept_s, lost_s);
    else if (kept_s != 0)
        text = g_strdup_printf(_("%u s at least"), kept_s);
    else if (lost_s != 0)
        text = g_strdup_printf(_("less than %u s"), lost_s);
    if (text != NULL)
        print_line(_("silence"), text);
}

static void print_found(const CliNetwork *network, GVariant *found)
{
    g_autofree char *name = cli_output_clean(network->name);

    printf("%s (%s):\n", name, network->id);
    print_line(_("UDP, IPv4"), say_udp(get_text(found, "udp4")));
    print_line(_("UDP, IPv6"), say_udp(get_text(found, "udp6")));
    print_line(_("NAT"), get_text(found, "nat-text"));
    print_line(_("kind"), get_text(found, "nat"));
    print_line(_("seen as"), get_text(found, "mapped"));
    print_line(_("port kept"), get_text(found, "port-kept"));
    print_line(_("hairpin"), get_text(found, "hairpin"));
    print_lifetime(found);
    print_portmaps(found);
    print_relays(found);
}

static GVariant *fetch(CliClient *client, const CliNetwork *network, GError **error)
{
    g_autoptr(GVariant) reply =
        cli_client_call(client, network, "NetCheck", g_variant_new("(a{sv})", NULL), error);

    return reply != NULL ? g_variant_get_child_value(reply, 0) : NULL;
}

static void put_found(MeshJsonOut *out, const CliNetwork *network, GVariant *found)
{
    mesh_jsonout_open(out, NULL, '{');
    mesh_jsonout_text(out, "network", network->name);
    mesh_jsonout_text(out, "id", network->id);
    cli_output_variant(out, "found", found);
    mesh_jsonout_close(out, '}');
}

/* Of one network its error is the command's; of all of them those that are up are looked at. */
static CliExit check(CliClient *client, GPtrArray *networks, bool json, GError **error)
{
    MeshJsonOut out;
    unsigned    n_found = 0;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_open(&out, "networks", '[');
    for (unsigned i = 0; i < networks->len; i++) {
        g_autoptr(GVariant) found = NULL;

        g_clear_error(error);
        found = fetch(client, networks->pdata[i], error);
        if (found == NULL)
            continue;
        if (json)
            put_found(&out, networks->pdata[i], found);
        else
            print_found(networks->pdata[i], found);
        n_found++;
    }
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_close(&out, '}');
    if (n_found > 0)
        g_clear_error(error);
    if (json && (error == NULL || *error == NULL))
        cli_output_print_json(&out);
    else
        mesh_jsonout_done(&out);
    return n_found > 0 || networks->len == 0 ? CLI_OK : CLI_FAILED;
}

static CliExit run_netcheck(CliArguments *arguments, GError **error)
{
    gboolean           json = false;
    const GOptionEntry entries[] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { NULL },
    };
    g_autoptr(CliClient) client = NULL;
    g_autoptr(GPtrArray) shown = g_ptr_array_new();
    const CliNetwork *only = NULL;
    const char       *wish;
    GPtrArray        *all;

    if (!cli_main_parse(&cli_cmd_netcheck, entries, arguments, 1, error))
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
    if (shown->len == 0 && !json)
        puts(_("no network is joined: use \"mesh join\""));
    return check(client, shown, json, error);
}

const CliCommand cli_cmd_netcheck = { "netcheck", "[NETWORK]",
                                      N_("Look what stands between this host and the others"),
                                      run_netcheck };
