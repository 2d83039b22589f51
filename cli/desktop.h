/* cli/desktop.h: the HTTP proxy that this user's desktop is set to. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** CliDesktopProxy: owned; end with cli_desktop_clear(). */
typedef struct {
    char *url;    /* with name and password, if it has them; "none": none is needed */
    char *exempt; /* hosts that need none, with commas; "" */
} CliDesktopProxy;

/** cli_desktop_find: GNOME's settings where they are in force, the environment elsewhere, and what
 * else GIO asks: a PAC file by PacRunner, to which NetworkManager tells the one of a connection.
 * @server: a server that is to be reached, which a PAC file is asked about; NULL: none is known.
 * Waits. Errors: MESH_ERROR_INVALID_ARGUMENT: it is no HTTP proxy; those of the resolver. */
bool cli_desktop_find(const char *server, CliDesktopProxy *out, GError **error);
void cli_desktop_clear(CliDesktopProxy *self); /* wipes a password */
