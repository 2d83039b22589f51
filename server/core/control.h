/* server/core/control.h: inside of the control thread: its state, and how work reaches it.
 *
 * Fields of the second half belong to the control thread; the first half never changes. */
#pragma once

#include "common/proto/joinlink.h"
#include "common/std/queue.h"
#include "common/std/thread.h"
#include "server/core/answer.h"
#include "server/core/model.h"
#include "server/core/relays.h"

struct Core {
    CoreIdentity identity;
    CoreSigner  *signer;
    Store       *store;
    MeshQueue   *queue; /* of owned CoreCall */
    MeshThread  *thread;
    MeshJoinlink link; /* host, port and server key of every join link; no secret */
    int64_t      started_ms;

    GHashTable   *users;    /* &id → owned CoreUserRow */
    GHashTable   *networks; /* &row.net.id → owned CoreNetwork */
    GHashTable   *streams;  /* &id → CoreStream, borrowed from its node */
    uint64_t      last_stream;
    CoreRelayList relays;
    CoreTimers   *timers;
    CoreTimer     housekeeping; /* expires and renews memberships */
    CoreTimer     vouch;        /* looks at what was loaded; not armed: it has */
    CoreTimer     save_seen;
    unsigned      jobs; /* on their way through the storage thread */
    bool          draining, stopping;
    bool          drain_wanted; /* drained is to be answered once jobs is 0 */
    CoreReturn    drained;
    unsigned      drain_retry_s, drain_spread_s;
};

/* Work for the control thread: first member of whatever the work needs. */
typedef struct CoreCall CoreCall;
struct CoreCall {
    void (*run)(Core *core, CoreCall *call); /* control thread; owns @call from here on */
};

void core_control_push(Core *core, CoreCall *call); /* any thread */

/* A durable change on its way: rule on the storage thread, then, committed or failed, applied and
 * answered on the control thread. First member of whatever rule and answer need. */
typedef struct CoreJob CoreJob;
struct CoreJob {
    CoreCall      call;
    Core         *core;
    MeshNetworkId net;
    CoreReturn    to;
    CoreChange    change;
    GError       *error; /* owned; NULL: committed */
    /* Storage thread, inside the transaction; change is initialised but not opened. */
    bool (*rule)(CoreJob *job, GError **error);
    /* Control thread, after the change was applied (or failed, see error). May be NULL. */
    void (*answer)(Core *core, CoreJob *job);
    /* What the outer struct owns; frees it too. NULL: g_free(). */
    void (*free)(CoreJob *job);
};

/* Hands @job over. Control thread. */
void core_control_submit(Core *core, CoreJob *job);

CoreNetwork *core_control_find_network(Core *core, const MeshNetworkId *id); /* NULL: none */

/* relays.c: answers GET relays of an active member; ends the sessions of who is one no more. */
void core_relays_answer(Core *core, const CoreNode *node, const CoreCaller *caller, CoreReturn to);
void core_relays_end(const Core *core, const MeshNetworkId *net, uint32_t index,
                     const MeshKey *node);

/* The same: what a committed change did to them; the network and its relays are no more. */
void core_relays_apply(Core *core, const CoreChange *change);
void core_relays_forget(Core *core, const MeshNetworkId *net);

/* For administrators: by name, NULL: none (also of this server's own); all of them, or (NULL: all)
 * one, as CoreRelayInfo. Owned. */
const CoreRelayRow *core_relays_find(const Core *core, const char *name);
GPtrArray          *core_relays_describe(Core *core, const char *only);

/* Start-up: a node was removed; a token of it may be about still. */
void core_relays_recall(const Core *core, const MeshNetworkId *net, const CoreTombRow *tomb);
