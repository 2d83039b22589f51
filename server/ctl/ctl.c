/* server/ctl/ctl.c: the table of commands, their options, exit codes. */
#include "server/ctl/ctl.h"

#include "common/glib/error.h"
#include "server/ctl/command.h"

#include <stdio.h>
#include <string.h>

#define MAX_TIME ((INT64_C(1) << 53) - 1)

static const CtlVerb verbs_status[] = {
    { "", "", " --json ", "what the server does", 0, ctl_cmd_status_run },
    { 0 },
};

typedef struct {
    const char    *command;
    const CtlVerb *verbs;
} Command;

static const Command commands[] = {
    { "status", verbs_status }, { "network", ctl_verbs_network }, { "key", ctl_verbs_key },
    { "node", ctl_verbs_node }, { "user", ctl_verbs_user },       { "relay", ctl_verbs_relay },
};

static void clear_call(CtlCall *call)
{
    g_free(call->network);
    g_free(call->name);
    g_free(call->ip4);
    g_free(call->approve_text);
    g_free(call->expires_in);
    g_free(call->note);
    g_free(call->at);
    g_free(call->expires);
    g_free(call->user);
    g_free(call->disabled_text);
    g_free(call->max_text);
    g_free(call->host);
    g_free(call->addresses);
    g_free(call->udp);
    g_free(call->alt);
    g_free(call->tls);
    g_free(call->rk);
    g_free(call->sk);
    g_free(call->state);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CtlCall, clear_call)

/* What an option looks like in a usage line. */
static const char *show_option(const char *name)
{
    static const char *const shown[] = {
        "--json",
        "--network NETWORK",
        "--ip4 PREFIX|none",
        "--approve yes|no",
        "--name NAME",
        "--reusable",
        "--expires-in SPAN",
        "--note TEXT",
        "--at TIME|never",
        "--user NAME|none",
        "--disabled yes|no",
        "--max-nodes N",
        "--expires TIME|never",
        "--host HOST",
        "--addresses ADDRESS,…",
        "--udp PORT",
        "--alt PORT",
        "--tls PORT",
        "--rk KEY",
        "--sk KEY",
        "--state ok|avoid|drain",
    };
    size_t len = strlen(name);

    for (size_t i = 0; i < G_N_ELEMENTS(shown); i++)
        if (strncmp(shown[i], name, len) == 0 && (shown[i][len] == '\0' || shown[i][len] == ' '))
            return shown[i];
    return name;
}

static void print_verb(FILE *to, const char *command, const CtlVerb *verb)
{
    g_auto(GStrv) options = g_strsplit(verb->options, " ", -1);

    (void)fprintf(to, "mesh-server %s%s%s%s%s", command, verb->verb[0] != '\0' ? " " : "",
                  verb->verb, verb->words[0] != '\0' ? " " : "", verb->words);
    for (char **at = options; *at != NULL; at++)
        if (**at != '\0')
            (void)fprintf(to, " [%s]", show_option(*at));
    (void)fprintf(to, "\n    %s\n", verb->help);
}

/* Of one verb, or (NULL) of all. */
static void print_usage(FILE *to, const Command *command, const CtlVerb *only)
{
    for (const CtlVerb *verb = command->verbs; verb->verb != NULL; verb++)
        if (only == NULL || verb == only)
            print_verb(to, command->command, verb);
}

static int exit_code(const GError *error)
{
    switch (error->domain == MESH_ERROR ? error->code : MESH_ERROR_FAILED) {
    case MESH_ERROR_INVALID_ARGUMENT:
        return CTL_EXIT_USAGE;
    case MESH_ERROR_NOT_FOUND:
    case MESH_ERROR_NO_NETWORK:
        return CTL_EXIT_NOT_FOUND;
    case MESH_ERROR_NO_DAEMON:
        return CTL_EXIT_NO_SERVER;
    case MESH_ERROR_CONFLICT:
    case MESH_ERROR_FULL:
        return CTL_EXIT_CONFLICT;
    case MESH_ERROR_NOT_AUTHORIZED:
        return CTL_EXIT_NOT_ALLOWED;
    default:
        return CTL_EXIT_FAILED;
    }
}

static bool usage_error(GError **error, const char *text)
{
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, text);
    return false;
}

/* -1: not given. */
static bool parse_yes(const char *option, const char *text, int *out_value, GError **error)
{
    *out_value = text == NULL ? -1 : strcmp(text, "yes") == 0;
    if (text == NULL || *out_value == 1 || strcmp(text, "no") == 0)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "%s: yes or no", option);
    return false;
}

static bool parse_max(CtlCall *call, GError **error)
{
    guint64 value = 0;

    call->max_nodes = -1;
    if (call->max_text == NULL)
        return true;
    if (!g_ascii_string_to_unsigned(call->max_text, 10, 0, 65000, &value, NULL))
        return usage_error(error, "--max-nodes: 1 to 65000, or 0: no limit");
    call->max_nodes = (int64_t)value;
    return true;
}

bool ctl_cmd_parse_time(const char *option, const char *text, int64_t *out_time, GError **error)
{
    g_autoptr(GTimeZone) here = g_time_zone_new_local();
    g_autofree char *with_time = g_strconcat(text, strchr(text, 'T') == NULL ? "T00:00:00" : "",
                                             strlen(text) == 16 ? ":00" : "", NULL);
    g_autoptr(GDateTime) at = NULL;
    guint64 seconds = 0;

    *out_time = 0;
    if (strcmp(text, "never") == 0)
        return true;
    if (g_ascii_string_to_unsigned(text, 10, 1, MAX_TIME, &seconds, NULL)) {
        *out_time = (int64_t)seconds;
        return true;
    }
    at = g_date_time_new_from_iso8601(with_time, here);
    if (at != NULL && g_date_time_to_unix(at) > 0) {
        *out_time = g_date_time_to_unix(at);
        return true;
    }
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                "%s: a date such as 2027-01-31 or 2027-01-31T18:00, unix seconds, or never",
                option);
    return false;
}

/* The options among the words, taken out of argv. */
static bool parse_options(CtlCall *call, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &call->json, NULL, NULL },
        { "network", 'n', 0, G_OPTION_ARG_STRING, &call->network, NULL, NULL },
        { "name", 0, 0, G_OPTION_ARG_STRING, &call->name, NULL, NULL },
        { "ip4", 0, 0, G_OPTION_ARG_STRING, &call->ip4, NULL, NULL },
        { "approve", 0, 0, G_OPTION_ARG_STRING, &call->approve_text, NULL, NULL },
        { "reusable", 0, 0, G_OPTION_ARG_NONE, &call->reusable, NULL, NULL },
        { "expires-in", 0, 0, G_OPTION_ARG_STRING, &call->expires_in, NULL, NULL },
        { "note", 0, 0, G_OPTION_ARG_STRING, &call->note, NULL, NULL },
        { "at", 0, 0, G_OPTION_ARG_STRING, &call->at, NULL, NULL },
        { "expires", 0, 0, G_OPTION_ARG_STRING, &call->expires, NULL, NULL },
        { "user", 0, 0, G_OPTION_ARG_STRING, &call->user, NULL, NULL },
        { "disabled", 0, 0, G_OPTION_ARG_STRING, &call->disabled_text, NULL, NULL },
        { "max-nodes", 0, 0, G_OPTION_ARG_STRING, &call->max_text, NULL, NULL },
        { "host", 0, 0, G_OPTION_ARG_STRING, &call->host, NULL, NULL },
        { "addresses", 0, 0, G_OPTION_ARG_STRING, &call->addresses, NULL, NULL },
        { "udp", 0, 0, G_OPTION_ARG_STRING, &call->udp, NULL, NULL },
        { "alt", 0, 0, G_OPTION_ARG_STRING, &call->alt, NULL, NULL },
        { "tls", 0, 0, G_OPTION_ARG_STRING, &call->tls, NULL, NULL },
        { "rk", 0, 0, G_OPTION_ARG_STRING, &call->rk, NULL, NULL },
        { "sk", 0, 0, G_OPTION_ARG_STRING, &call->sk, NULL, NULL },
        { "state", 0, 0, G_OPTION_ARG_STRING, &call->state, NULL, NULL },
        { 0 },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    GError *cause = NULL;

    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, &cause)) {
        usage_error(error, cause->message);
        g_error_free(cause);
        return false;
    }
    return parse_yes("--approve", call->approve_text, &call->approve, error) &&
           parse_yes("--disabled", call->disabled_text, &call->disabled, error) &&
           parse_max(call, error);
}

/* An option that the verb would ignore is a mistake. */
static bool check_options(const CtlCall *call, const CtlVerb *verb, GError **error)
{
    const struct {
        const char *name;
        bool        given;
    } options[] = {
        { " --network ", call->network != NULL },
        { " --name ", call->name != NULL },
        { " --ip4 ", call->ip4 != NULL },
        { " --approve ", call->approve_text != NULL },
        { " --reusable ", call->reusable },
        { " --expires-in ", call->expires_in != NULL },
        { " --note ", call->note != NULL },
        { " --at ", call->at != NULL },
        { " --expires ", call->expires != NULL },
        { " --user ", call->user != NULL },
        { " --disabled ", call->disabled_text != NULL },
        { " --max-nodes ", call->max_text != NULL },
        { " --host ", call->host != NULL },
        { " --addresses ", call->addresses != NULL },
        { " --udp ", call->udp != NULL },
        { " --alt ", call->alt != NULL },
        { " --tls ", call->tls != NULL },
        { " --rk ", call->rk != NULL },
        { " --sk ", call->sk != NULL },
        { " --state ", call->state != NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
        if (options[i].given && strstr(verb->options, options[i].name) == NULL) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "%s takes no option%.*s",
                        verb->verb[0] != '\0' ? verb->verb : "status",
                        (int)strlen(options[i].name) - 1, options[i].name);
            return false;
        }
    return true;
}

static const CtlVerb *find_verb(const Command *command, const char *word)
{
    for (const CtlVerb *verb = command->verbs; verb->verb != NULL; verb++)
        if (verb->verb[0] == '\0' || (word != NULL && strcmp(verb->verb, word) == 0))
            return verb;
    return NULL;
}

/* @argv: the word before the verb's own ones, then those. */
static bool run(const CtlVerb *verb, const char *socket, int argc, char **argv, GError **error)
{
    g_auto(CtlCall) call = { .socket = socket };
    g_autofree char **words = g_memdup2(argv, sizeof(char *) * ((size_t)argc + 1));
    char            **at = words;

    if (!parse_options(&call, &argc, &at, error) || !check_options(&call, verb, error))
        return false;
    if (argc > 1 && strcmp(at[1], "--") == 0) { /* names may begin with a dash */
        argc--;
        at++;
    }
    if (argc - 1 != verb->n_words)
        return usage_error(error,
                           argc - 1 < verb->n_words ? "a word is missing" : "too many words");
    call.argc = argc - 1;
    call.argv = at + 1;
    return verb->run(&call, error);
}

static const Command *find_command(const char *word)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (word != NULL && strcmp(commands[i].command, word) == 0)
            return &commands[i];
    return NULL;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

bool ctl_help(int argc, char **argv)
{
    const Command *command = find_command(argc > 0 ? argv[0] : NULL);

    if (command == NULL || !wants_help(argc, argv))
        return false;
    print_usage(stdout, command, find_verb(command, argv[1]));
    return true;
}

int ctl_run(const char *admin_socket, int argc, char **argv)
{
    const Command *command = find_command(argc > 0 ? argv[0] : NULL);
    const CtlVerb *verb = command != NULL ? find_verb(command, argv[1]) : NULL;
    g_autoptr(GError) error = NULL;
    int skip = verb != NULL && verb->verb[0] != '\0';

    if (command == NULL) {
        (void)fprintf(stderr, "mesh-server: no such command\n");
        return CTL_EXIT_USAGE;
    }
    if (verb == NULL) {
        (void)fprintf(stderr, "mesh-server: %s: which verb?\n", command->command);
        print_usage(stderr, command, NULL);
        return CTL_EXIT_USAGE;
    }
    if (run(verb, admin_socket, argc - skip, argv + skip, &error))
        return fflush(stdout) == 0 ? CTL_EXIT_OK : CTL_EXIT_FAILED;
    (void)fprintf(stderr, "mesh-server: %s\n", error->message);
    if (exit_code(error) == CTL_EXIT_USAGE)
        print_usage(stderr, command, verb);
    return exit_code(error);
}
