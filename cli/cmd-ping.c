/* cli/cmd-ping.c: ping. */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"
#include "common/glib/error.h"

#include <stdio.h>
#include <string.h>

enum { MAX_COUNT = 100000, MAX_TIMEOUT_S = 30 };

typedef struct {
    gboolean only4, only6, json;
    int      count, timeout_s;
} PingOptions;

static GVariant *make_arguments(const PingOptions *options, const char *peer)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    if (options->only4 || options->only6)
        g_variant_builder_add(&dict, "{sv}", "family",
                              g_variant_new_uint32(options->only4 ? 4 : 6));
    g_variant_builder_add(&dict, "{sv}", "timeout-ms",
                          g_variant_new_uint32((guint32)options->timeout_s * 1000));
    return g_variant_new("(sa{sv})", peer, &dict);
}

/* "direct via 1.2.3.4:5", "relay via frankfurt"; owned. */
static char *format_way(GVariant *answer)
{
    const char *path = "", *endpoint = "", *relay = "", *via;

    g_variant_lookup(answer, "path", "&s", &path);
    g_variant_lookup(answer, "endpoint", "&s", &endpoint);
    g_variant_lookup(answer, "relay", "&s", &relay);
    via = relay[0] != '\0' ? relay : endpoint;
    if (via[0] != '\0') {
        g_autofree char *clean = cli_output_clean(via);

        return g_strdup_printf(_("%s via %s"), path, clean);
    }
    return g_strdup(path);
}

/* @way: of the answer before, owned; NULL: this is the first. A change is told in a line. */
static void print_answer(const char *peer, GVariant *answer, char **way)
{
    const char      *address = "";
    guint64          rtt_us = 0;
    g_autofree char *clean = cli_output_clean(peer);
    g_autofree char *now = format_way(answer);

    g_variant_lookup(answer, "address", "&s", &address);
    g_variant_lookup(answer, "rtt-us", "t", &rtt_us);
    if (*way != NULL && strcmp(*way, now) != 0)
        printf(_("path changed: %s, now %s\n"), *way, now);
    printf(_("%s (%s): %.2f ms, %s\n"), clean, address, (double)rtt_us / 1000, now);
    fflush(stdout);
    g_free(*way);
    *way = g_steal_pointer(&now);
}

/* Errors of one echo do not end the run; those of the question do. */
static bool is_final(const GError *error)
{
    return !g_error_matches(error, MESH_ERROR, MESH_ERROR_TIMEOUT) &&
           !g_error_matches(error, MESH_ERROR, MESH_ERROR_NO_WAY) &&
           !g_error_matches(error, MESH_ERROR, MESH_ERROR_UNREACHABLE);
}

static CliExit ping(CliClient *client, const CliNetwork *network, const PingOptions *options,
                    const char *peer, GError **error)
{
    g_autoptr(GError) last = NULL;
    g_autofree char *way = NULL;
    MeshJsonOut      out;
    int              answered = 0;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "peer", peer);
    mesh_jsonout_open(&out, "answers", '[');
    for (int i = 0; i < options->count; i++) {
        g_autoptr(GVariant) reply = NULL;
        g_autoptr(GVariant) answer = NULL;

        if (i > 0)
            g_usleep(G_USEC_PER_SEC);
        g_clear_error(&last);
        reply = cli_client_call(client, network, "Ping", make_arguments(options, peer), &last);
        if (reply == NULL && is_final(last))
            break;
        if (reply == NULL) {
            if (i + 1 < options->count)
                fprintf(stderr, "mesh: %s\n", last->message);
            continue;
        }
        answered++;
        answer = g_variant_get_child_value(reply, 0);
        if (options->json)
            cli_output_variant(&out, NULL, answer);
        else
            print_answer(peer, answer, &way);
    }
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_close(&out, '}');
    if (options->json && answered > 0)
        cli_output_print_json(&out);
    else
        mesh_jsonout_done(&out);
    if (last != NULL)
        g_propagate_error(error, g_steal_pointer(&last));
    return answered > 0 ? CLI_OK : CLI_NO_ANSWER;
}

static bool check_options(const PingOptions *options, int argc, GError **error)
{
    const char *wrong = NULL;

    if (argc < 2)
        wrong = _("name a peer, see \"mesh peers\"");
    else if (options->only4 && options->only6)
        wrong = _("-4 and -6 exclude each other");
    else if (options->count < 1 || options->count > MAX_COUNT)
        wrong = _("-c: 1 to 100000");
    else if (options->timeout_s < 1 || options->timeout_s > MAX_TIMEOUT_S)
        wrong = _("-t: 1 to 30 seconds");
    if (wrong != NULL)
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, wrong);
    return wrong == NULL;
}

static CliExit run_ping(CliArguments *arguments, GError **error)
{
    PingOptions        options = { .count = 1, .timeout_s = 5 };
    const GOptionEntry entries[] = {
        { "ipv4", '4', 0, G_OPTION_ARG_NONE, &options.only4, N_("To the IPv4 address"), NULL },
        { "ipv6", '6', 0, G_OPTION_ARG_NONE, &options.only6, N_("To the IPv6 address"), NULL },
        { "count", 'c', 0, G_OPTION_ARG_INT, &options.count, N_("How many echoes (default: 1)"),
          "N" },
        { "timeout", 't', 0, G_OPTION_ARG_INT, &options.timeout_s,
          N_("How long to wait for each (default: 5 s)"), "SECONDS" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, N_("Print JSON"), NULL },
        { NULL },
    };
    g_autoptr(CliClient) client = NULL;
    const CliNetwork *network;

    if (!cli_main_parse(&cli_cmd_ping, entries, arguments, 2, error) ||
        !check_options(&options, arguments->argc, error))
        return CLI_USAGE;
    network = cli_client_open(arguments, 2, &client, error);
    if (network == NULL)
        return CLI_FAILED;
    return ping(client, network, &options, arguments->argv[1], error);
}

const CliCommand cli_cmd_ping = { "ping", "PEER [NETWORK]",
                                  N_("Send an echo through the tunnel and name its way"),
                                  run_ping };
