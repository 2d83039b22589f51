/* daemon/uapi/uapi.h: the userspace WireGuard socket of one interface, on which `wg` and `wg-quick`
 * ask and set: /var/run/wireguard/<interface>.sock, mode 0600.
 *
 * The server has no thread: the caller polls its descriptors together with its own and hands them
 * back. It holds the plane's configuration and private key (guarded memory) and is the only one to
 * change them. Thread: the one that calls the plane. Errors: negative errno. No GLib. */
#pragma once

#include "common/std/attr.h"
#include "daemon/wire/plane.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define UAPI_MAX_CLIENTS 16u
#define UAPI_MAX_POLLFDS (UAPI_MAX_CLIENTS + 2u)
#define UAPI_PATH_SIZE   108u /* sockaddr_un */

typedef struct UapiServer UapiServer;

/** uapi_start: makes the socket of @ifname; a stale one is replaced, one whose owner is ending is
 * waited for, two seconds at most.
 * Returns: 0; -EADDRINUSE: somebody answers on it; -EINVAL: no interface's name; -EACCES, -EPERM,
 * -EROFS and the like: the directory cannot be made or written; -ENOMEM. */
MESH_CHECKED int uapi_start(const char *ifname, WirePlane *plane, UapiServer **out_server);

/** uapi_stop: closes all, removes the socket if it is still ours, wipes. NULL is fine. The plane
 * may be stopped already, and should: who waits for us to end wants our port. */
void uapi_stop(UapiServer *self);

const char *uapi_get_path(const UapiServer *self);

/** uapi_get_pollfds: fills what to poll for, at most UAPI_MAX_POLLFDS. Returns how many. */
size_t uapi_get_pollfds(const UapiServer *self, struct pollfd out_fds[UAPI_MAX_POLLFDS]);

/** uapi_handle: does what the polled descriptors allow; never blocks. */
void uapi_handle(UapiServer *self, const struct pollfd *fds, size_t n_fds);

/** uapi_is_gone: the socket's file was removed or replaced by somebody: time to end. */
bool uapi_is_gone(const UapiServer *self);
