/* cli/cmd-repair.c: repair. */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/output.h"

#include <stdio.h>

static void print_json(GVariant *found)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    cli_output_variant(&out, "found", found);
    mesh_jsonout_close(&out, '}');
    cli_output_print_json(&out);
}

static void print_plain(GVariant *found)
{
    g_autofree const char **texts = g_variant_get_strv(found, NULL);

    for (unsigned i = 0; texts[i] != NULL; i++) {
        g_autofree char *clean = cli_output_clean(texts[i]);

        printf("%s\n", clean);
    }
    if (texts[0] == NULL)
        printf("%s\n", _("Nothing was wrong."));
}

static CliExit run_repair(CliArguments *arguments, GError **error)
{
    gboolean           json = false;
    const GOptionEntry entries[] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { NULL },
    };
    g_autoptr(CliClient) client = NULL;
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) found = NULL;

    if (!cli_main_parse(&cli_cmd_repair, entries, arguments, 0, error))
        return CLI_USAGE;
    client = cli_client_new(error);
    if (client == NULL)
        return CLI_NO_DAEMON;
    reply = cli_client_call(client, NULL, "Repair", NULL, error);
    if (reply == NULL)
        return cli_main_get_exit(*error);
    found = g_variant_get_child_value(reply, 0);
    if (json)
        print_json(found);
    else
        print_plain(found);
    return CLI_OK;
}

const CliCommand cli_cmd_repair = { "repair", "",
                                    N_("Look over networks, files and interfaces, and mend them"),
                                    run_repair };
