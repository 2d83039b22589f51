/* server/core/model.h: what the control thread keeps in memory: a copy of the committed database,
 * and what is in memory only (endpoints, presence, streams). Control thread only. */
#pragma once

#include "common/proto/memberset.h"
#include "common/proto/reqsign.h"
#include "server/core/change.h"
#include "server/core/core.h"
#include "server/core/timers.h"

typedef struct CoreNetwork CoreNetwork;
typedef struct CoreNode    CoreNode;
typedef struct CoreClones  CoreClones; /* clones.h */

/* An open map stream. */
typedef struct {
    uint64_t   id;
    CoreReturn to;
    CoreNode  *node;
    uint64_t   ver;      /* what it was told last */
    uint8_t    start[8]; /* start id of the daemon that holds it */
} CoreStream;

/* A registration that is held until the node is approved. */
typedef struct {
    CoreReturn to;
    MeshAddr   observed;
    CoreTimer  timer;
    CoreNode  *node;
} CoreWait;

/* What changed last when: a live node or a removed one. In CoreNetwork.log, by version. */
typedef struct {
    uint64_t           ver;
    CoreNode          *node; /* NULL: removed, see tomb */
    const CoreTombRow *tomb;
} CoreLogItem;

struct CoreNode {
    CoreNetwork *network;
    CoreNodeRow *row; /* owned; as committed */
    CoreLogItem  item;
    GList        log; /* its link in CoreNetwork.log */

    MeshSigned       *sound_m; /* owned; the M that was found to be ours; NULL: none was asked */
    MeshMemberLeaf    leaf;    /* of sound_m */
    MeshSigned       *e;       /* owned; NULL: none reported */
    uint64_t          e_seq;
    int64_t           e_exp;
    char            **endpoints; /* of e, for administrators; owned */
    bool              online;    /* a stream, or within the grace after it */
    bool              in_news;   /* listed in CoreNetwork.presence_news */
    bool              moved;     /* listed in CoreNetwork.endpoint_news */
    GBytes           *ep_line;   /* of e; owned; NULL: to be made */
    CoreStream       *stream;    /* owned */
    CoreTimer         offline;
    CoreWait         *wait; /* owned */
    MeshReqsignWindow window;
    CoreClones       *clones;       /* owned; NULL: one start of the daemon was seen so far */
    int64_t           report_s;     /* boot time second of the last reports */
    unsigned          reports;      /* in that second */
    int64_t           registers_ms; /* boot time up to which registrations used what they may */
    bool              seen;         /* row->last_seen is newer than the database */
};

typedef struct {
    CoreTombRow row;
    CoreLogItem item;
    GList       log;
} CoreTomb;

/* A run of peers by index, encoded once for all who may see it. */
typedef struct {
    GPtrArray *lines;     /* of GBytes; NULL: to be made */
    GBytes    *endpoints; /* their "ep" lines; NULL: to be made */
} CoreChunk;

struct CoreNetwork {
    const CoreSigner   *signer;        /* borrowed */
    GHashTable         *users;         /* borrowed: Core.users */
    const MeshRelayMap *relays;        /* borrowed: Core.relays; NULL: none */
    CoreNetworkRow      row;           /* as committed */
    GHashTable         *nodes;         /* &row->node → owned CoreNode */
    GHashTable         *tombs;         /* &row.node → owned CoreTomb */
    GQueue              log;           /* of CoreLogItem, links embedded; oldest first */
    GPtrArray          *chunks;        /* owned CoreChunk by index / CORE_CHUNK_NODES */
    GArray             *by_index;      /* CoreNode * by index; NULL: none */
    GPtrArray          *streams;       /* CoreStream, borrowed from their nodes */
    GPtrArray          *presence_news; /* CoreNode, borrowed: online has changed */
    GPtrArray          *endpoint_news; /* CoreNode, borrowed: e is newer than what was told */
    CoreTimer           flush;         /* of all news: news.c */
    int64_t             flushed_ms;    /* boot time */
    bool                relay_news;    /* the relay map is newer than what was told */
    MeshSigned         *tip;           /* of tip_ver, made at tip_s (wall clock); NULL: none yet */
    uint64_t            tip_ver;
    int64_t             tip_s;
    uint64_t            info_ver, policy_ver; /* version of their last change */
    unsigned            active, online;
    unsigned            parted;    /* tombstones of nodes that left by themselves */
    int64_t             joins_ms;  /* boot time up to which new nodes have used what they may */
    int64_t             forgot_ms; /* boot time: when tombstones were last looked through */
    bool                renewing;  /* a renewal is under way */
    guint               looked;    /* index up to which vouch.c looked at what was loaded */
    bool                opened;    /* a stream was, since the last housekeeping */
};

enum { CORE_CHUNK_NODES = 8 };

/* Takes what @row owns; row.net.server is filled in. */
CoreNetwork *core_model_new_network(CoreNetworkRow *row, const CoreSigner *signer,
                                    GHashTable *users);
void         core_model_free_network(CoreNetwork *network, CoreTimers *timers);

CoreNode *core_model_find(CoreNetwork *network, const MeshKey *node); /* NULL: none */
bool      core_model_is_removed(CoreNetwork *network, const MeshKey *node);

/* Puts a committed row in place; takes it. Returns the node. */
CoreNode *core_model_put(CoreNetwork *network, CoreNodeRow *row);

/* Replaces the node, if it is there, by a tombstone. */
void core_model_bury(CoreNetwork *network, const CoreTombRow *row, CoreTimers *timers);

/* The tombstone is no more. */
void core_model_forget_tomb(CoreNetwork *network, const MeshKey *node);

/* Gives back what was kept for the next stream to open. */
void core_model_forget_texts(CoreNetwork *network);

/* Anything of @node that a snapshot shows has changed. */
void core_model_touch(CoreNode *node);

/* What an administrator sees of @node. Owned: core_values_free_node(). */
CoreNodeInfo *core_values_make_node(const CoreNode *node);
