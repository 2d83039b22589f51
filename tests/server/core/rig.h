/* tests/server/core/rig.h: a core on a fresh state directory, and nodes that talk to it. */
#pragma once

#include "common/proto/joinlink.h"
#include "common/proto/mapline.h"
#include "common/proto/record.h"
#include "common/std/queue.h"
#include "server/core/core.h"

#include <glib.h>

typedef struct {
    char      *dir;
    Core      *core;
    MeshQueue *mailbox; /* of CoreAnswer */
    GQueue     early;   /* answers that came while another ticket was waited for */
    uint64_t   ticket;
} Rig;

typedef struct {
    MeshSignSecret secret;
    MeshKey        key, wg;
    MeshNonce      nonce;
    uint64_t       k_seq, e_seq;
    MeshNetworkId  net;
    const char    *name;
    bool           no_ip4;
} RigNode;

void rig_start(Rig *rig, gconstpointer unused); /* fixture set-up */
void rig_stop(Rig *rig, gconstpointer unused);
void rig_restart(Rig *rig); /* stops the core in order and starts it on the same state */

/* The answer to @ticket; fails the test after 10 s. Owned. */
CoreAnswer *rig_wait(Rig *rig, uint64_t ticket);

/* True when an answer for @ticket is there or comes within @ms. */
bool rig_is_answered(Rig *rig, uint64_t ticket, unsigned ms);

/* A verb; the answer is owned. */
CoreAnswer *rig_manage(Rig *rig, const CoreManage *request);
CoreReturn  rig_make_return(Rig *rig); /* for a call of the core: then rig_wait() */

/* A network; returns its id as text (owned) and value. */
char *rig_network(Rig *rig, const char *name, const char *ip4, MeshNetworkId *out_id);

/* A join key's secret, in a link. */
MeshJoinlink rig_key(Rig *rig, const char *network, bool reusable);

RigNode     rig_node(const MeshNetworkId *net, const char *name);
CoreCaller  rig_caller(RigNode *node); /* the next nonce */
MeshSigned *rig_sign_k(const RigNode *node);

/* Registers with the link's key (NULL: without); returns the ticket. */
uint64_t    rig_send_register(Rig *rig, RigNode *node, const MeshJoinlink *link, unsigned wait_s);
CoreAnswer *rig_register(Rig *rig, RigNode *node, const MeshJoinlink *link);

uint64_t    rig_open(Rig *rig, RigNode *node, uint64_t epoch, uint64_t ver); /* ticket */
CoreAnswer *rig_report(Rig *rig, RigNode *node, const char *endpoint);

/* Line @i of an answer, decoded; owned. */
MeshMapline *rig_line(const CoreAnswer *answer, guint i);

/* The next line of this type of the stream @ticket; others are dropped. */
MeshMapline *rig_next_line(Rig *rig, uint64_t ticket, MeshMaplineType type);

/* Fails the test unless the answer has this status and (NULL: none) code; frees it. */
void rig_assert(CoreAnswer *answer, unsigned status, const char *code);

CoreAnswer *rig_leave(Rig *rig, RigNode *node);
CoreAnswer *rig_send_raw(Rig *rig, RigNode *node, const char *body); /* to register */
CoreAnswer *rig_drain(Rig *rig, unsigned retry_in_s, unsigned spread_s);
