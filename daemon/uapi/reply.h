/* daemon/uapi/reply.h: get=1 as text. Internal to daemon/uapi. */
#pragma once

#include "common/std/attr.h"
#include "daemon/uapi/request.h"

#include <stddef.h>

/** UapiText: growing text whose old copies are wiped, for it holds private keys. Zeroed is empty.
 */
typedef struct {
    char  *text; /* owned; not NUL-terminated */
    size_t len, room;
    int    error; /* the first: -ENOMEM */
} UapiText;

void uapi_text_done(UapiText *self); /* wipes and frees */

/** UapiLive: what only the running plane knows. */
typedef struct {
    uint16_t listen_port; /* bound; 0: not bound */
    int (*get_peer)(void *data, const MeshKey *peer, WirePeerInfo *out_info); /* 0 or -ENOENT */
    void *data;
} UapiLive;

/** uapi_reply_write_state: appends all that get=1 answers but for the errno line. */
void uapi_reply_write_state(UapiText *out, const UapiState *state, const UapiLive *live);

/** uapi_reply_write_errno: appends "errno=…" and the blank line; @error: 0 or a negative errno. */
void uapi_reply_write_errno(UapiText *out, int error);
