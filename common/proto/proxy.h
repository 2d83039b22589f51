/* common/proto/proxy.h: an HTTP proxy that makes connections for us (CONNECT, RFC 9110 §9.3.6):
 * what a URL says about it, and which hosts need none. Values; any thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    MESH_PROXY_HOST_SIZE = 254,
    MESH_PROXY_AUTH_SIZE = 700, /* base64 of name and password, 255 bytes each at most */
    MESH_PROXY_DEFAULT_PORT = 1080,
};

typedef struct {
    char     host[MESH_PROXY_HOST_SIZE]; /* name or address, IPv6 without brackets */
    uint16_t port;
    char     basic[MESH_PROXY_AUTH_SIZE]; /* "name:password" in base64; "": none. Secret */
} MeshProxy;

/** mesh_proxy_parse: reads "http://[NAME[:PASSWORD]@]HOST[:PORT][/]"; without "http://" it is the
 * same. MESH_ERROR_INVALID_ARGUMENT names what is wrong, never the password. */
bool mesh_proxy_parse(const char *url, MeshProxy *out_proxy, GError **error);

void mesh_proxy_wipe(MeshProxy *self);

/** mesh_proxy_is_exempt: whether @list, as in $no_proxy (names, ".domain", addresses, prefixes,
 * "*", with commas between), has @host. */
bool mesh_proxy_is_exempt(const char *list, const char *host);

/** mesh_proxy_from_environment: the proxy that $https_proxy (or $HTTPS_PROXY, $all_proxy,
 * $ALL_PROXY) and $no_proxy (or $NO_PROXY) want for @host. Returns: false: none; with @error: one
 * that cannot be used. */
bool mesh_proxy_from_environment(const char *host, MeshProxy *out_proxy, GError **error);

/** mesh_proxy_find: the proxy by which this process goes to @host: of mesh_proxy_configure(), else
 * of the environment. As mesh_proxy_from_environment(). Main loop only. */
bool mesh_proxy_find(const char *host, MeshProxy *out_proxy, GError **error);

/** mesh_proxy_configure: from now on @proxy (copied) but for hosts in @exempt; with port 0: none at
 * all; NULL: as the environment says. Main loop only. */
void mesh_proxy_configure(const MeshProxy *proxy, const char *exempt);

/** mesh_proxy_format_connect: the request to open a way to @host:@port. Owned; secret. */
char *mesh_proxy_format_connect(const MeshProxy *self, const char *host, uint16_t port);
