/* daemon/ping.h: echoes through the tunnel, asked for by users. Thread: main loop. */
#pragma once

#include "daemon/parts.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct MeshdPings MeshdPings;

typedef struct {
    const char *peer;       /* name, or one of its mesh addresses */
    unsigned    family;     /* 4, 6; 0: 4 if both ends have it */
    unsigned    timeout_ms; /* 0: 5000; at most 30000 */
} MeshdPingRequest;

typedef struct {
    MeshAddr     address;
    uint64_t     rtt_us;
    PathKind     path;
    MeshEndpoint endpoint; /* where the answer came from; family 0: by a relay */
    const char  *relay;    /* by which it came; "": none */
} MeshdPingAnswer;

/* Called once. @answer NULL: @error says why: NO_SUCH_PEER, NO_WAY (with the path's reason),
 * TIMEOUT, NETWORK_DOWN, LIMIT. Borrowed for the call. */
typedef void (*MeshdPingDone)(const MeshdPingAnswer *answer, const GError *error, void *user_data);

MeshdPings *meshd_ping_new(MeshdParts *parts); /* borrows */
void        meshd_ping_free(MeshdPings *self); /* pings under way end with NETWORK_DOWN */

/** meshd_ping_start: @done may be called from inside. */
void meshd_ping_start(MeshdPings *self, const MeshdPingRequest *request, MeshdPingDone done,
                      void *user_data);
void meshd_ping_handle_pong(MeshdPings *self, const WireEvent *event);

/** meshd_ping_cancel_all: the network goes down. */
void meshd_ping_cancel_all(MeshdPings *self);
