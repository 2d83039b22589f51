/* server/admin/listener.h: the Unix socket that only its owner may use. */
#pragma once

#include <gio/gio.h>

/* A listening socket at @path, mode 0600 from its first moment on. A socket that nobody answers on
 * is replaced. NULL and @error naming the path. Owned. */
GSocket *admin_listener_open(const char *path, GError **error);
