/* daemon/control/call.h: one signed request and its answer; 401 clock and replayed are tried once
 * more behind the scenes. Inside of daemon/control; main loop only. */
#pragma once

#include "common/proto/reqsign.h"
#include "common/proto/session.h"
#include "daemon/control/link.h"
#include "daemon/control/multi.h"

#include <glib.h>

typedef struct ControlCall ControlCall;

/* How it ended. Borrowed for the callback. */
typedef struct {
    const GError    *error;  /* transport, or what the server said; NULL: 2xx */
    MeshSessionHints hints;  /* with an error of the server */
    unsigned         status; /* 0: no answer */
    const char      *body;   /* of a 2xx that was not streamed */
    size_t           body_len;
} ControlResult;

typedef struct {
    /* 200 is here, to the request with @nonce; then the body comes by data. NULL both: the body is
     * kept for done (at most 1 MiB). */
    void (*opened)(void *user_data, const MeshNonce *nonce);
    void (*data)(void *user_data, const char *bytes, size_t len);
    void (*done)(void                *user_data,
                 const ControlResult *result); /* the last call; the call is gone */
} ControlCallFuncs;

/* @request is copied. Owned until done or cancel. */
ControlCall *control_call_start(ControlMulti *multi, ControlLink *link,
                                const ControlRequest *request, const ControlCallFuncs *funcs,
                                void *user_data);

/* Where its connection goes to; family 0: not known yet. */
MeshAddr control_call_get_address(const ControlCall *self);

/* No callback after it. NULL is fine. */
void control_call_cancel(ControlCall *self);
