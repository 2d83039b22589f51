/* cli/cmd-proxy.c: proxy. */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/desktop.h"
#include "cli/output.h"
#include "common/glib/error.h"
#include "common/std/key.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { URL_SIZE = 1024 };

static bool refuse(GError **error, const char *why)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "%s", why);
    return false;
}

static bool read_line(FILE *from, char out_url[URL_SIZE], GError **error)
{
    if (fgets(out_url, URL_SIZE, from) == NULL)
        return refuse(error, _("standard input holds no proxy"));
    g_strstrip(out_url);
    return out_url[0] != '\0' || refuse(error, _("standard input holds no proxy"));
}

/* A password does not end up in a list of processes: with one, the URL comes by standard input. */
static bool read_choice(const char *argument, char out_url[URL_SIZE], GError **error)
{
    if (strcmp(argument, "-") == 0) {
        if (isatty(STDIN_FILENO)) {
            printf("%s ", _("Proxy (http://[NAME:PASSWORD@]HOST:PORT):"));
            fflush(stdout);
        }
        return read_line(stdin, out_url, error);
    }
    if (argument[0] == '\0')
        return refuse(error, _("the proxy is empty"));
    if (strchr(argument, '@') != NULL)
        return refuse(error, _("with a name and a password give the proxy on standard input: mesh "
                               "proxy -"));
    g_strlcpy(out_url, argument, URL_SIZE);
    return true;
}

static CliExit show(CliClient *client, bool json, GError **error)
{
    g_autofree char *proxy = cli_client_dup_daemon_text(client, "Proxy", error);
    g_autofree char *exempt = cli_client_dup_daemon_text(client, "ProxyExempt", NULL);
    MeshJsonOut      out;

    if (proxy == NULL)
        return cli_main_get_exit(*error);
    if (!json) {
        printf("%s\n", proxy);
        if (exempt != NULL && exempt[0] != '\0' && strchr(proxy, ':') != NULL)
            printf(_("except %s\n"), exempt);
        return CLI_OK;
    }
    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "proxy", proxy);
    if (exempt != NULL) /* NULL: an older daemon does not tell */
        mesh_jsonout_text(&out, "exempt", exempt);
    mesh_jsonout_close(&out, '}');
    cli_output_print_json(&out);
    return CLI_OK;
}

static CliExit set(CliClient *client, const char *choice, const char *exempt, GError **error)
{
    GVariantBuilder options;
    g_autoptr(GVariant) reply = NULL;

    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    if (exempt != NULL)
        g_variant_builder_add(&options, "{sv}", "exempt", g_variant_new_string(exempt));
    reply = cli_client_call(client, NULL, "SetProxy", g_variant_new("(sa{sv})", choice, &options),
                            error);
    return reply != NULL ? CLI_OK : cli_main_get_exit(*error);
}

/* A server of ours: a PAC file may say another proxy for it than for the rest. NULL: none. */
static char *dup_server(CliClient *client)
{
    GPtrArray       *networks = cli_client_list(client);
    g_autofree char *server =
        networks->len > 0 ? cli_client_dup_text(networks->pdata[0], "Server") : g_strdup("");

    return server[0] != '\0' ? g_steal_pointer(&server) : NULL;
}

/* What was taken is shown: it stays as it is now. A list that is given counts. */
static CliExit take_desktop(CliClient *client, const char *exempt, GError **error)
{
    g_autofree char *server = dup_server(client);
    CliDesktopProxy  found = { .url = NULL };
    CliExit          exit;

    if (!cli_desktop_find(server, &found, error))
        return cli_main_get_exit(*error);
    if (exempt == NULL)
        exempt = found.exempt;
    exit = set(client, found.url, exempt, error);
    if (exit == CLI_OK)
        exit = show(client, false, error);
    cli_desktop_clear(&found);
    return exit;
}

static CliExit run_proxy(CliArguments *arguments, GError **error)
{
    gboolean           json = false;
    g_autofree char   *exempt = NULL;
    const GOptionEntry entries[] = {
        { "except", 0, 0, G_OPTION_ARG_STRING, &exempt, N_("Hosts that need none, with commas"),
          "HOSTS" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { NULL },
    };
    g_autoptr(CliClient) client = NULL;
    char        url[URL_SIZE] = "";
    const char *argument;
    bool        desktop;
    CliExit     exit;

    if (!cli_main_parse(&cli_cmd_proxy, entries, arguments, 1, error))
        return CLI_USAGE;
    argument = cli_main_get_argument(arguments, 1);
    desktop = g_strcmp0(argument, "desktop") == 0;
    if (argument != NULL && !desktop && !read_choice(argument, url, error))
        return CLI_USAGE;
    client = cli_client_new(error);
    if (client == NULL)
        return CLI_NO_DAEMON;
    if (argument == NULL && exempt == NULL)
        exit = show(client, json, error);
    else /* "": the proxy stays, the hosts alone change */
        exit = desktop ? take_desktop(client, exempt, error) : set(client, url, exempt, error);
    mesh_key_wipe(url, sizeof url);
    return exit;
}

const CliCommand cli_cmd_proxy = { "proxy", N_("[-|http://HOST:PORT|desktop|auto|none]"),
                                   N_("Show or choose the HTTP proxy to servers and relays"),
                                   run_proxy };
