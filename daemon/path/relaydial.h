/* daemon/path/relaydial.h: opens a connection to a relay over TLS (docs/PATHS.md §3): TCP to its
 * addresses one after the other, perhaps through a proxy, TLS 1.3 with its certificate's key, the
 * request to become a stream. Nothing blocks, all of it ends in bounded time.
 *
 * Thread: main loop. Inside of daemon/path. */
#pragma once

#include "common/proto/proxy.h"
#include "common/std/ip.h"
#include "common/std/key.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct PathRelayDial PathRelayDial;

/** PathRelayTarget: where to, and what to say. Borrowed for the call of path_relaydial_start(). */
typedef struct {
    const char      *name;      /* of the relay, for texts */
    MeshEndpoint     at4, at6;  /* of its TLS port; family 0: none */
    const char      *host;      /* its DNS name or address */
    uint16_t         port;      /* the same port */
    MeshKey          key;       /* Ed25519, of its certificate */
    bool             webpki;    /* the system's authorities and @host instead of @key */
    bool             websocket; /* the upgrade to ask for */
    const MeshProxy *proxy;     /* NULL: straight there */
    const char      *headers;   /* further lines of the request, each with its CRLF; secret */
} PathRelayTarget;

typedef enum {
    PATH_RELAYDIAL_OPEN,    /* @ssl is yours, with its socket inside */
    PATH_RELAYDIAL_FAILED,  /* nobody there, or not whom we want */
    PATH_RELAYDIAL_REFUSED, /* answered, and not 101: see @status */
} PathRelayDialEnd;

typedef struct {
    PathRelayDialEnd end;
    SSL             *ssl;    /* OPEN */
    int              status; /* REFUSED: of HTTP; of the proxy if @by_proxy */
    bool             by_proxy;
    int64_t          date_s; /* REFUSED by the relay: its clock, unix seconds; 0: not told */
    const char      *why;    /* not OPEN: for people */
} PathRelayDialResult;

/** PathRelayDialDone: once; the dial is gone after it. */
typedef void (*PathRelayDialDone)(const PathRelayDialResult *result, void *user_data);

PathRelayDial *path_relaydial_start(const PathRelayTarget *target, PathRelayDialDone done,
                                    void *user_data);
void           path_relaydial_cancel(PathRelayDial *self); /* without done; NULL is fine */
