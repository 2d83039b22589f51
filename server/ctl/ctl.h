/* server/ctl/ctl.h: mesh-server's own commands over the admin socket. Front door of server/ctl. */
#pragma once

#include <stdbool.h>

/* Exit codes; man mesh-server documents them. */
enum {
    CTL_EXIT_OK = 0,
    CTL_EXIT_FAILED = 1,
    CTL_EXIT_USAGE = 2,
    CTL_EXIT_NOT_FOUND = 3,   /* network, key, node or user */
    CTL_EXIT_NO_SERVER = 4,   /* nobody listens on the socket */
    CTL_EXIT_CONFLICT = 5,    /* a name is taken, a state does not allow it */
    CTL_EXIT_NOT_ALLOWED = 6, /* the socket is not ours to use */
};

/* "COMMAND … --help" or -h: prints how the command (argv[0]) is used, which needs no server.
 * Returns: whether that was asked for. */
bool ctl_help(int argc, char **argv);

/* Runs "status", "network …", "key …", "node …" or "user …" (argv[0]) against the server that
 * listens on @admin_socket; prints to stdout, errors to stderr. Returns: the exit code. */
int ctl_run(const char *admin_socket, int argc, char **argv);
