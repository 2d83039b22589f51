/* server/core/core.h: the rules of mesh-server. Front door of server/core.
 *
 * One control thread owns every network, node, key and stream. All calls here are made from any
 * thread, copy what they are given, return at once and never block. What comes back is a CoreAnswer
 * value, handed to the caller's own function on the control or the storage thread: that function
 * only puts it into the caller's mailbox.
 *
 * The caller has verified the request's signature, its clock and its server fingerprint already
 * (they need no state). Whether the nonce is new and whether the node is a member is judged here,
 * within the call itself. Bodies are the exact bytes that came; they are decoded here. */
#pragma once

#include "common/proto/network.h"
#include "common/proto/reqsign.h"
#include "common/std/ip.h"
#include "common/std/key.h"
#include "server/core/values.h"

#include <glib.h>

typedef struct Core Core;

/* A request's sender, whose Ed25519 signature over it verified. */
typedef struct {
    MeshNetworkId     network;  /* from the path */
    MeshReqsignParams params;   /* node key, nonce, created */
    MeshAddr          observed; /* where the request came from; family 0: behind a trusted proxy */
} CoreCaller;

typedef struct {
    uint64_t epoch, ver; /* cursor; 0.0: none */
    unsigned hb_s;       /* wished heartbeat; 0: default */
} CoreMapArgs;

typedef enum {
    CORE_ASK_RELAYS, /* GET relays: the relay map and a token */
    CORE_ASK_LEAVE,  /* POST leave */
} CoreQuestion;

typedef enum {
    CORE_LINE_HELLO,    /* always first */
    CORE_LINE_SNAPSHOT, /* snap, peers, snap-end: written as the socket drains, outside the outbox
                         */
    CORE_LINE_DELTA,    /* counts against the outbox */
    CORE_LINE_EP,       /* may replace a queued line of the same kind and index */
    CORE_LINE_PRESENCE, /* on, off */
    CORE_LINE_END,      /* restart, replaced, revoked: write it and end the answer */
} CoreLineKind;

typedef struct {
    GBytes      *bytes; /* a JSON object and its '\n', or several; shared by all with this view */
    CoreLineKind kind;
    uint32_t     index; /* CORE_LINE_EP: whose */
} CoreLine;

/* What comes back. Owned by who receives it. */
typedef struct {
    uint64_t    ticket;     /* from CoreReturn */
    unsigned    status;     /* HTTP status; 200 also for lines */
    const char *code;       /* status ≥ 400: error code of PROTOCOL §5; static */
    char       *message;    /* status ≥ 400: for people; owned */
    unsigned    retry_in_s; /* codes "busy" and "cloned" only, else 0 */
    int64_t     after;      /* code "replayed" only, else 0: unix seconds */
    GBytes     *body;       /* register, report, leave: JSON object; owned */
    uint64_t    stream;     /* core_open_map(): names the stream from now on */
    unsigned    hb_s;       /* first answer of core_open_map(): granted heartbeat */
    GArray     *lines;  /* of CoreLine, in order; core_open_map() and all that follows it; owned */
    GPtrArray  *result; /* core_manage(): of the verb's values in values.h; owned */
} CoreAnswer;

/* Where an answer goes. core_open_map() uses it again and again until the stream has ended. */
typedef struct {
    void (*deliver)(void *mailbox, CoreAnswer *answer); /* takes it; posts, does nothing else */
    void    *mailbox;                                   /* outlives core_stop() */
    uint64_t ticket;                                    /* the caller's own: connection and turn */
} CoreReturn;

void core_answer_free(CoreAnswer *answer); /* NULL is fine; any thread */

/* Reads or makes the server key, opens the database, loads it, starts storage and control threads.
 * Blocks. NULL and @error: whatever is wrong, with the path. @config is copied. */
Core *core_start(const CoreConfig *config, GError **error);

/* Fixed for the life of @self; any thread. */
const CoreIdentity *core_get_identity(const Core *self);

/* The server key's seed, for its TLS certificate; the caller wipes it. */
void core_copy_seed(const Core *self, uint8_t out_seed[32]);

/* POST register: 200 or 202 and a body. @wait_s 0-55: "pending" is held so long, or until it is
 * decided. A later register of the same node answers the held one. */
void core_register(Core *self, const CoreCaller *caller, GBytes *body, unsigned wait_s,
                   CoreReturn to);

/* GET map. First answer: an error, or 200 with stream, hb_s and the opening lines (hello …). Later
 * answers of the same ticket: lines alone. After a CORE_LINE_END nothing follows, and the stream
 * need not be closed. Heartbeats, outbox bounds, "resync" and the end of a poll are the caller's.
 */
void core_open_map(Core *self, const CoreCaller *caller, const CoreMapArgs *args, CoreReturn to);

/* The connection has gone, or the poll is answered. What is under way may still arrive. */
void core_close_map(Core *self, uint64_t stream);

void core_report(Core *self, const CoreCaller *caller, GBytes *body, CoreReturn to);

/* A request without a body. */
void core_ask(Core *self, CoreQuestion what, const CoreCaller *caller, CoreReturn to);

/* An administrator's verb (values.h): 200 and result, or an error. The request is copied. */
void core_manage(Core *self, const CoreManage *request, CoreReturn to);

/* The server stops: every stream gets "restart", held registrations are answered, later calls get
 * 503 busy. @to: 200 once all that was accepted before is committed and answered. */
void core_drain(Core *self, unsigned retry_in_s, unsigned spread_s, CoreReturn to);

/* Commits what is queued, ends both threads, frees @self. NULL is fine. Nothing is delivered
 * afterwards. */
void core_stop(Core *self);
