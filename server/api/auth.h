/* server/api/auth.h: whose request it is: signature, server, clock; and how many connections a node
 * may hold. The nonce and the membership are the core's.
 *
 * The table of nodes with connections is the one thing that shards share: it has a lock of its own,
 * held for a look-up and never together with another. */
#pragma once

#include "common/proto/session.h"
#include "server/core/core.h"
#include "server/http/message.h"
#include "server/loop/loop.h"

#include <glib.h>

enum {
    API_AUTH_MAX_CONNECTIONS = 4, /* of one node */
};

typedef struct ApiAuth ApiAuth;

/* A connection's place among those of its node, which lies in the connection. Zeroed: none. */
typedef struct ApiAuthSeat ApiAuthSeat;
struct ApiAuthSeat {
    MeshNetworkId network;
    MeshKey       node;
    LoopConnId    id;
    ApiAuthSeat  *next;   /* the table's, and so is: */
    bool          linked; /* false, and taken: a newer connection has its place */
    bool          taken;
};

ApiAuth *api_auth_new(void);
void     api_auth_free(ApiAuth *self);

/* Checks the request's signature with the four headers, the server it names, and its clock against
 * ours. Errors: MESH_ERROR_BAD_SIGNATURE, _WRONG_SERVER, _CLOCK. */
bool api_auth_verify(const HttpHead *head, MeshSpan body, const CoreIdentity *identity,
                     MeshReqsignParams *out_params, GError **error);

/* What an error of api_auth_verify() tells the node beside its text. */
MeshSessionHints api_auth_make_hints(const GError *error, const CoreIdentity *identity);

/* Seats the connection @id with the node; a seat it had elsewhere becomes free. Returns: the node's
 * oldest connection, which has to go because this is one too many; 0: none. */
LoopConnId api_auth_sit(ApiAuth *self, ApiAuthSeat *seat, const CoreCaller *caller, LoopConnId id);
void       api_auth_leave(ApiAuth *self, ApiAuthSeat *seat); /* before its memory goes */
