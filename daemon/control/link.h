/* daemon/control/link.h: who we are and whom we talk to: address, TLS, signature, nonce and clock
 * of the requests of one network. Inside of daemon/control; main loop only. */
#pragma once

#include "common/proto/joinlink.h"
#include "common/proto/reqsign.h"
#include "common/proto/session.h"
#include "common/std/key.h"
#include "common/std/sign.h"

#include <curl/curl.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ControlLink ControlLink;

/* A request about our network. Borrowed. */
typedef struct {
    const char *verb;       /* the last part of the path: "map", "register" */
    const char *query;      /* without '?'; NULL: none */
    const char *body;       /* NULL: a GET */
    size_t      body_len;   /* bytes */
    unsigned    timeout_ms; /* for all of it; 0: none, the caller watches */
} ControlRequest;

/* @secret: borrowed until control_link_free(); @server is copied without its join secret. */
ControlLink *control_link_new(const MeshJoinlink *server, const MeshSignSecret *secret,
                              const MeshKey *node);
void         control_link_free(ControlLink *self); /* NULL is fine */

/* An easy handle ready to start, signed with a new nonce; @out_headers goes with it. Owned. */
CURL *control_link_make(ControlLink *self, const ControlRequest *request,
                        struct curl_slist **out_headers, MeshNonce *out_nonce);

/* Requests from here on are made on connections that are newer than this call. */
void control_link_doubt(ControlLink *self);

/* 401 clock and 401 replayed: changes what the next request says. Returns true when it is worth one
 * more try. */
bool control_link_take_hints(ControlLink *self, MeshErrorCode code, const MeshSessionHints *hints);

/* What the server is named by, without its join secret. Borrowed. */
const MeshJoinlink *control_link_get_server(const ControlLink *self);

/* Unix seconds by the server's clock, as far as it was told. */
int64_t control_link_get_time(const ControlLink *self);

const MeshNetworkId *control_link_get_network(const ControlLink *self);
