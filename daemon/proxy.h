/* daemon/proxy.h: the HTTP proxy that the user chose for meshd, kept on disk: its own conversations
 * and relays over TLS go by it. One for the process, as a host has one way out. Thread: main loop.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** meshd_proxy_start: reads what was chosen, DIR/proxy; before anything connects. What cannot be
 * read is said in the log, and the environment counts. */
void meshd_proxy_start(const char *state_dir);

/** meshd_proxy_set: @choice: "auto": what meshd's environment says; "none"; a URL, see
 * common/proto/proxy.h; or "": as it was chosen last, password included. @exempt: hosts that need
 * none, as in $no_proxy; "" or NULL: none. Saved, and used by connections from now on. Errors:
 * MESH_ERROR_INVALID_ARGUMENT, MESH_ERROR_STATE. */
bool meshd_proxy_set(const char *choice, const char *exempt, GError **error);

/** meshd_proxy_describe: "auto", "none" or "http://HOST:PORT", without name and password. Owned. */
char *meshd_proxy_describe(void);

/** meshd_proxy_get_exempt: the hosts that need none; "": none. Borrowed, until the next set. */
const char *meshd_proxy_get_exempt(void);
