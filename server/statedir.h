/* server/statedir.h: the directory of the server's key and database: who owns it, and that one
 * process at a time works on it. Main thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define SERVER_STATEDIR_DEFAULT "/var/lib/mesh-server"
#define SERVER_STATEDIR_RELAY   "/var/lib/mesh-relay" /* of a lone relay */

/* For setup: makes @dir if it is not there (at a usual place it belongs to the service's user).
 * Run by root, this process goes on as the owner of @dir, so that the service can read what is
 * made there. */
bool server_statedir_prepare(const char *dir, GError **error);

/* Locks @dir until this process ends. False and @error: another mesh-server works on it. */
bool server_statedir_lock(const char *dir, GError **error);
