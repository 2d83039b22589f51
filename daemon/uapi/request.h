/* daemon/uapi/request.h: set=1, line by line, into a draft; nothing of it counts before it is
 * applied.
 *
 * The cross-platform userspace protocol (wireguard.com/xplatform): "key=value" lines, keys of 32
 * bytes as 64 lower-case hex digits. Strict: unknown keys and malformed values end the request,
 * which then changes nothing. Thread: the caller's loop. Internal to daemon/uapi. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"
#include "common/std/key.h"
#include "daemon/wire/plane.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UAPI_MAX_LINE 256u /* bytes of one line, without its end; the longest valid one has 80 */

/** UapiState: what was set so far, as get=1 tells it. */
typedef struct {
    WireConfig *config;      /* owned */
    MeshKey    *private_key; /* owned, guarded memory; zero: none. Clamped */
    uint16_t    listen_port; /* as asked for; 0: any */
    uint32_t    fwmark;
} UapiState;

/** UapiEndpoint: a peer's endpoint, to be set once the configuration stands. */
typedef struct {
    MeshKey      peer;
    MeshEndpoint endpoint;
} UapiEndpoint;

/** UapiDraft: a set request under way. */
typedef struct {
    UapiState     next;
    UapiEndpoint *endpoints; /* owned; in the order of the request */
    size_t        n_endpoints, endpoints_room;
    WirePeerSpec  peer; /* the one that lines are about, as it is in next.config. Secret */
    enum {
        UAPI_ABOUT_DEVICE,
        UAPI_ABOUT_PEER,
        UAPI_ABOUT_NEW_PEER, /* made by this section's public_key line */
        UAPI_ABOUT_NOBODY,   /* removed, or not there under update_only: lines are only checked */
    } about;
} UapiDraft;

MESH_CHECKED int uapi_state_init(UapiState *self); /* 0; -ENOMEM */
void             uapi_state_done(UapiState *self); /* wipes; zeroed is fine */

/** uapi_request_begin: a draft that starts as a copy of @now. Returns: 0; -ENOMEM. */
MESH_CHECKED int uapi_request_begin(UapiDraft *self, const UapiState *now);

/** uapi_request_take: one line without its newline, NUL-terminated; not the empty last one.
 * Returns: 0; -EINVAL: not a line of the protocol; -ENOSPC: a limit of daemon/wire/config.h;
 * -EPROTO: a later protocol version; -ENOMEM. After an error only uapi_request_end() follows. */
MESH_CHECKED int uapi_request_take(UapiDraft *self, const char *line);

/** uapi_request_finish: the blank line came: what is left to check on the whole. */
void uapi_request_finish(UapiDraft *self);

void uapi_request_end(UapiDraft *self); /* wipes and frees; zeroed is fine */
