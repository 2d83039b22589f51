/* cli/cmd-history.c: history. */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"
#include "common/glib/error.h"

#include <stdio.h>

typedef struct {
    gint64      time_us;
    const char *path, *relay, *endpoint; /* borrowed */
} Step;

static Step get_step(GVariant *steps, gsize at)
{
    g_autoptr(GVariant) row = g_variant_get_child_value(steps, at);
    Step step;

    g_variant_get(row, "(x&s&s&s)", &step.time_us, &step.path, &step.relay, &step.endpoint);
    return step;
}

static void print_json(const CliNetwork *network, const char *peer, GVariant *steps)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "network", network->name);
    mesh_jsonout_text(&out, "id", network->id);
    mesh_jsonout_text(&out, "peer", peer);
    mesh_jsonout_open(&out, "steps", '[');
    for (gsize i = 0; i < g_variant_n_children(steps); i++) {
        Step step = get_step(steps, i);

        mesh_jsonout_open(&out, NULL, '{');
        mesh_jsonout_int(&out, "time-us", step.time_us);
        mesh_jsonout_text(&out, "path", step.path);
        mesh_jsonout_text(&out, "relay", step.relay);
        mesh_jsonout_text(&out, "endpoint", step.endpoint);
        mesh_jsonout_close(&out, '}');
    }
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_close(&out, '}');
    cli_output_print_json(&out);
}

static char *format_time(gint64 time_us)
{
    g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(time_us / G_USEC_PER_SEC);
    g_autoptr(GDateTime) local = utc != NULL ? g_date_time_to_local(utc) : NULL;

    return local != NULL ? g_date_time_format(local, "%Y-%m-%d %H:%M:%S") : g_strdup("?");
}

static void print_table(GVariant *steps)
{
    const char *const titles[] = { _("SINCE"), _("PATH"), _("VIA"), NULL };
    g_autoptr(CliTable) table = NULL;
    g_autofree char *text = NULL;

    if (g_variant_n_children(steps) == 0) {
        puts(_("this peer was not tried yet"));
        return;
    }
    table = cli_output_table_new(titles);
    for (gsize i = 0; i < g_variant_n_children(steps); i++) {
        Step             step = get_step(steps, i);
        g_autofree char *since = format_time(step.time_us);

        cli_output_table_add(table, since);
        cli_output_table_add(table, step.path);
        cli_output_table_add(table, step.relay[0] != '\0'      ? step.relay
                                    : step.endpoint[0] != '\0' ? step.endpoint
                                                               : "-");
    }
    text = cli_output_table_format(table);
    fputs(text, stdout);
}

static CliExit run_history(CliArguments *arguments, GError **error)
{
    gboolean           json = false;
    const GOptionEntry entries[] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { NULL },
    };
    g_autoptr(CliClient) client = NULL;
    g_autoptr(GVariant) steps = NULL;
    const CliNetwork *network;

    if (!cli_main_parse(&cli_cmd_history, entries, arguments, 2, error))
        return CLI_USAGE;
    steps = cli_client_ask_peer(arguments, "PathHistory", &client, &network, error);
    if (steps == NULL)
        return CLI_FAILED;
    if (!g_variant_is_of_type(steps, G_VARIANT_TYPE("a(xsss)"))) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_BAD_ANSWER,
                            _("meshd answers in a form of its own: is it another version?"));
        return CLI_FAILED;
    }
    if (json)
        print_json(network, arguments->argv[1], steps);
    else
        print_table(steps);
    return CLI_OK;
}

const CliCommand cli_cmd_history = { "history", "PEER [NETWORK]",
                                     N_("Show how a peer was reached, and since when"),
                                     run_history };
