/* cli/main.c: `mesh`: the table of commands, exit codes, errors in words. */
#include "cli/cli.h"
#include "cli/output.h"
#include "common/glib/error.h"
#include "common/glib/language.h"
#include "common/glib/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static const CliCommand *const commands[] = {
#define CLI_COMMAND(name) &cli_cmd_##name,
#include "commands.inc"
#undef CLI_COMMAND
};

static const struct {
    MeshErrorCode code;
    CliExit       exit;
} exits[] = {
    { MESH_ERROR_INVALID_ARGUMENT, CLI_USAGE },    { MESH_ERROR_BAD_LINK, CLI_USAGE },
    { MESH_ERROR_NO_SUCH_NETWORK, CLI_NOT_FOUND }, { MESH_ERROR_NO_SUCH_PEER, CLI_NOT_FOUND },
    { MESH_ERROR_NOT_FOUND, CLI_NOT_FOUND },       { MESH_ERROR_NO_NETWORK, CLI_NOT_FOUND },
    { MESH_ERROR_NO_DAEMON, CLI_NO_DAEMON },       { MESH_ERROR_NOT_AUTHORIZED, CLI_NOT_ALLOWED },
    { MESH_ERROR_UNREACHABLE, CLI_NO_ANSWER },     { MESH_ERROR_NO_WAY, CLI_NO_ANSWER },
    { MESH_ERROR_TIMEOUT, CLI_NO_ANSWER },
};

CliExit cli_main_get_exit(const GError *error)
{
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED))
        return CLI_NOT_ALLOWED;
    for (size_t i = 0; i < G_N_ELEMENTS(exits); i++)
        if (g_error_matches(error, MESH_ERROR, exits[i].code))
            return exits[i].exit;
    return CLI_FAILED;
}

bool cli_main_parse(const CliCommand *command, const GOptionEntry *entries, CliArguments *arguments,
                    int max_arguments, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(command->arguments);
    g_autoptr(GError) parse_error = NULL;
    g_autofree char *program = g_strconcat("mesh ", command->name, NULL);

    g_set_prgname(program); /* in the text of --help */
    g_option_context_set_summary(context, _(command->text));
    if (entries != NULL)
        g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
    if (!g_option_context_parse(context, &arguments->argc, &arguments->argv, &parse_error)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, _("%s; see \"%s --help\""),
                    parse_error->message, program);
        return false;
    }
    if (arguments->argc > 1 &&
        strcmp(arguments->argv[1], "--") == 0) { /* the parser leaves it in */
        arguments->argv++;
        arguments->argc--;
    }
    if (arguments->argc - 1 <= max_arguments)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                _("too many arguments; see \"%s --help\""), program);
    return false;
}

char *cli_main_get_argument(const CliArguments *arguments, int at)
{
    return at < arguments->argc ? arguments->argv[at] : NULL;
}

static void print_help(FILE *to)
{
    fprintf(to, "%s\n\n", _("Usage: mesh COMMAND [OPTION…] [ARGUMENT…]"));
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *left = g_strdup_printf("%s %s", commands[i]->name, commands[i]->arguments);

        fprintf(to, "  %-28s %s\n", left, _(commands[i]->text));
    }
    fprintf(to, "  %-28s %s\n", "version", _("Print the version"));
    fprintf(to, "  %-28s %s\n\n", "help", _("Print this text"));
    fprintf(to, "%s\n", _("\"mesh COMMAND --help\" tells a command's options; see also mesh(1)."));
}

static void print_error(const GError *error)
{
    g_autofree char *text = cli_output_clean(error->message); /* may come from a server */

    fprintf(stderr, "mesh: %s\n", text);
}

static CliExit run(const CliCommand *command, CliArguments *arguments)
{
    g_autoptr(GError) error = NULL;
    CliExit result = command->run(arguments, &error);

    if (error == NULL)
        return result;
    print_error(error);
    return cli_main_get_exit(error);
}

static bool is_one_of(const char *text, const char *a, const char *b, const char *c)
{
    return strcmp(text, a) == 0 || strcmp(text, b) == 0 || strcmp(text, c) == 0;
}

/* Join links and the proxy's password are in this memory: it is dumped to no file. */
static void close_memory(void)
{
    const struct rlimit none = { 0, 0 };

    (void)setrlimit(RLIMIT_CORE, &none); /* lowering it is always allowed */
}

int main(int argc, char **argv)
{
    close_memory();
    mesh_language_init(MESH_LOCALEDIR);
    mesh_log_init("mesh", MESH_LOG_WARNING);
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (is_one_of(argv[1], "help", "--help", "-h")) {
        print_help(stdout);
        return CLI_OK;
    }
    if (is_one_of(argv[1], "version", "--version", "-V")) {
        printf("mesh %s\n", MESH_VERSION);
        return CLI_OK;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (strcmp(argv[1], commands[i]->name) == 0)
            return run(commands[i], &(CliArguments){ .argc = argc - 1, .argv = argv + 1 });
    {
        g_autofree char *shown = cli_output_clean(argv[1]);

        fprintf(stderr, _("mesh: unknown command \"%s\"; see \"mesh help\"\n"), shown);
    }
    return CLI_USAGE;
}
