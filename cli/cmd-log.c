/* cli/cmd-log.c: log. */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"
#include "common/glib/error.h"

#include <stdio.h>
#include <string.h>

enum { FOLLOW_MS = 500, MAX_LINES = 2000 };

typedef struct {
    gboolean follow, json;
    int      lines;
} LogOptions;

typedef struct {
    guint64 serial;
    char   *text; /* as printed; owned */
} Line;

static void free_line(gpointer data)
{
    Line *line = data;

    g_free(line->text);
    g_free(line);
}

static char *format_json(guint64 serial, gint64 time_us, const char *level, const char *text)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_int(&out, "serial", (int64_t)serial);
    mesh_jsonout_int(&out, "time-us", time_us);
    mesh_jsonout_text(&out, "level", level);
    mesh_jsonout_text(&out, "text", text);
    mesh_jsonout_close(&out, '}');
    return mesh_jsonout_finish(&out, NULL);
}

static char *format_plain(gint64 time_us, const char *level, const char *text)
{
    g_autofree char *clean = cli_output_clean(text);
    g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(time_us / G_USEC_PER_SEC);
    g_autoptr(GDateTime) local = utc != NULL ? g_date_time_to_local(utc) : NULL;
    g_autofree char *when =
        local != NULL ? g_date_time_format(local, "%Y-%m-%d %H:%M:%S") : g_strdup("-");

    return g_strdup_printf("%s.%03d %s: %s", when, (int)(time_us / 1000 % 1000), level, clean);
}

/* One call; appends to @out and moves @after. Returns: 1: there is more; 0: no more now; -1:
 * @error. */
static int fetch(CliClient *client, guint64 *after, bool json, GPtrArray *out, GError **error)
{
    g_autoptr(GVariant) reply =
        cli_client_call(client, NULL, "Log", g_variant_new("(tu)", *after, 0u), error);
    g_autoptr(GVariantIter) lines = NULL;
    const char *level, *text;
    guint64     newest = 0, serial;
    gint64      time_us;

    if (reply == NULL)
        return -1;
    g_variant_get(reply, "(ta(txss))", &newest, &lines);
    if (newest < *after)
        *after = 0; /* another meshd, started since */
    while (g_variant_iter_next(lines, "(tx&s&s)", &serial, &time_us, &level, &text)) {
        Line *line = g_new(Line, 1);

        line->serial = serial;
        line->text =
            json ? format_json(serial, time_us, level, text) : format_plain(time_us, level, text);
        g_ptr_array_add(out, line);
        *after = serial;
    }
    return newest > *after && g_variant_iter_n_children(lines) > 0;
}

static void print_lines(GPtrArray *lines, unsigned from)
{
    for (unsigned i = from; i < lines->len; i++)
        printf("%s\n", ((Line *)lines->pdata[i])->text);
    fflush(stdout);
    g_ptr_array_set_size(lines, 0);
}

/* What is kept now, then, with --follow, what comes. */
static CliExit show(CliClient *client, const LogOptions *options, GError **error)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(free_line);
    guint64 after = 0;
    int     more;

    do
        more = fetch(client, &after, options->json, lines, error);
    while (more > 0);
    print_lines(lines,
                lines->len > (unsigned)options->lines ? lines->len - (unsigned)options->lines : 0);
    while (more >= 0 && options->follow) {
        g_usleep(FOLLOW_MS * 1000);
        more = fetch(client, &after, options->json, lines, error);
        print_lines(lines, 0);
    }
    return more < 0 ? cli_main_get_exit(*error) : CLI_OK;
}

static CliExit run_log(CliArguments *arguments, GError **error)
{
    LogOptions         options = { .lines = 100 };
    const GOptionEntry entries[] = {
        { "follow", 'f', 0, G_OPTION_ARG_NONE, &options.follow, N_("Go on with what comes"), NULL },
        { "lines", 'n', 0, G_OPTION_ARG_INT, &options.lines,
          N_("The last NUMBER lines (default: 100)"), N_("NUMBER") },
        { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, N_("Print a JSON object a line"), NULL },
        { NULL },
    };
    g_autoptr(CliClient) client = NULL;

    if (!cli_main_parse(&cli_cmd_log, entries, arguments, 0, error))
        return CLI_USAGE;
    if (options.lines < 0 || options.lines > MAX_LINES) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, _("--lines: 0 to %d"),
                    MAX_LINES);
        return CLI_USAGE;
    }
    client = cli_client_new(error);
    if (client == NULL)
        return CLI_NO_DAEMON;
    return show(client, &options, error);
}

const CliCommand cli_cmd_log = { "log", "", N_("What meshd did and met since its start"), run_log };
