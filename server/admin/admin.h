/* server/admin/admin.h: the administrator's side: REST on a Unix socket (docs/PROTOCOL.md §9).
 * Front door of server/admin.
 *
 * libsoup on its own thread with its own GMainContext. It never touches the core's state: each
 * request becomes one core_manage(), each answer one JSON object. */
#pragma once

#include "server/core/core.h"

#include <glib.h>

typedef struct Admin Admin;

/* Listens on @socket_path (mode 0600; a stale socket is replaced, a live one is an error) and
 * starts the thread. @core outlives it. NULL and @error naming the path. */
Admin *admin_start(Core *core, const char *socket_path, GError **error);

/* Ends the thread and removes the socket. Answers that come later are dropped. NULL is fine. */
void admin_stop(Admin *self);
