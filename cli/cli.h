/* cli/cli.h: what every command of `mesh` gets and gives. One thread. */
#pragma once

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <stdbool.h>

/* Exit codes, documented in mesh(1): scripts build on them. */
typedef enum {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NOT_FOUND = 3,   /* network or peer */
    CLI_NO_DAEMON = 4,   /* meshd does not run */
    CLI_NOT_ALLOWED = 5, /* not authorised */
    CLI_NO_ANSWER = 6,   /* server or peer unreachable, or too late */
} CliExit;

/** CliArguments: what stands behind the command; changed by parsing. */
typedef struct {
    int    argc;
    char **argv; /* argv[0]: the command's name */
} CliArguments;

/** CliCommand: a row of the table. */
typedef struct {
    const char *name, *arguments; /* "[NETWORK]" */
    const char *text;             /* one line, to be translated */
    /* Errors it has not shown are left in @error. */
    CliExit (*run)(CliArguments *arguments, GError **error);
} CliCommand;

/* Defined in the cmd-*.c files; listed in cli/meson.build. */
extern const CliCommand cli_cmd_join, cli_cmd_leave, cli_cmd_up, cli_cmd_down, cli_cmd_set,
    cli_cmd_status, cli_cmd_networks, cli_cmd_peers, cli_cmd_ping, cli_cmd_why, cli_cmd_history,
    cli_cmd_netcheck, cli_cmd_log, cli_cmd_repair, cli_cmd_proxy;

/** cli_main_parse: reads the options of a command; --help prints and ends. False: @error is a
 * MESH_ERROR_INVALID_ARGUMENT. @max_arguments: that may stand beside options. */
bool cli_main_parse(const CliCommand *command, const GOptionEntry *entries, CliArguments *arguments,
                    int max_arguments, GError **error);

/** cli_main_get_argument: after parsing, from 1; NULL: there is none. */
char *cli_main_get_argument(const CliArguments *arguments, int at);

/** cli_main_get_exit: the exit code of an error. */
CliExit cli_main_get_exit(const GError *error);
