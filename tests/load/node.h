/* tests/load/node.h: a simulated node: registers, holds its stream, applies every line to a map of
 * its own, reports. What a real node does in daemon/control, without the host. One thread. */
#pragma once

#include "common/glib/backoff.h"
#include "common/proto/netmap.h"
#include "common/proto/record.h"
#include "tests/load/link.h"
#include "tests/load/memo.h"

#include <glib.h>

typedef struct LoadNode LoadNode;

/* What all nodes share. */
typedef struct {
    LoadNet        net;
    MeshJoinlink   link;
    char           fingerprint[MESH_REQSIGN_FINGERPRINT_SIZE];
    MeshSignSecret join_secret;
    MeshKey        join_public;
    LoadMemo      *memo;
    GPtrArray     *nodes;
    MeshBackoff    backoff;     /* of a node that has lost its connection */
    unsigned       max_shaking; /* connections on their way at once */
    bool           enrols;      /* nodes register and report, and open no stream */

    unsigned resyncs, gaps, refused, bad; /* bad: lines and answers that failed to verify */
    unsigned ends;                        /* connections lost */

    bool        watch_delta; /* notes in LoadNode.heard_us when a delta came */
    MeshSigned *watch_e;     /* the same for this E; owned */
} LoadCrowd;

typedef enum {
    LOAD_IDLE,  /* to be started, or started again at retry_us */
    LOAD_JOINS, /* on its way to the opening lines */
    LOAD_LIVE,  /* has its opening lines, gets changes */
    LOAD_AWAY,  /* enrolled: registered and reported, then gone */
} LoadState;

struct LoadNode {
    LoadCrowd     *crowd;
    unsigned       number;
    LoadState      state;
    int64_t        retry_us; /* monotonic; 0: not wanted yet */
    LoadLink      *stream, *post;
    MeshKey        id;
    MeshSignSecret secret;
    MeshSigned    *k, *e;
    uint64_t       e_seq;
    MeshNonce      nonce;
    MeshNetmap    *map;
    MeshBackoff    backoff;
    bool           registered, greeted, report_wanted, report_sent, full;
    int64_t        report_again_us; /* a report that failed is sent again then; 0: none */
    int64_t        mapped_us;       /* when the opening lines were complete; 0: not yet */
    int64_t        report_sent_us, reported_us; /* of the last report */
    int64_t        heard_us;                    /* when what the crowd watches came; 0: not yet */
};

LoadNode *load_node_new(LoadCrowd *crowd, unsigned number);
void      load_node_free(LoadNode *self);

/* Connects, when @self wants to and it is time. */
void load_node_tick(LoadNode *self, int64_t now_us);

/* New endpoints; they are reported at once. */
void load_node_move(LoadNode *self);

/* It has its opening lines and @peers peers. @whole: also knows all their endpoints and that they
 * are present. */
bool load_node_is_mapped(const LoadNode *self, unsigned peers, bool whole);

extern const LoadLinkFuncs load_node_funcs;
