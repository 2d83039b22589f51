/* daemon/path/explain.h: says in words how a peer is reached, or why not. Pure; any thread. */
#pragma once

#include "daemon/path/path.h"

/** PathFacts: what path.c knows about one peer at this moment. Borrowed. */
typedef struct {
    const PathPeer           *peer;
    const PathHost           *host;
    const MeshRecordEndpoint *candidates;
    size_t                    n_candidates;
    bool                      live;       /* has a session and was heard of lately */
    bool                      trying;     /* initiations are on their way */
    bool                      failed;     /* they have gone unanswered for a while */
    const char               *relay;      /* the relay by which it can be reached now; NULL: none */
    bool                      peer_relay; /* @relay is the name of the node that keeps it */
    const char               *no_relay;   /* why there is none: "no relay can be reached" */
    bool                      tcp;        /* what is sent goes by TCP straight to it */
    bool                      direct;     /* what is sent does not go by the relay */
    bool                      busy;       /* a direct way is being looked for */
} PathFacts;

/** path_explain_judge: the kind, a text for people in @out_reason (owned; "" when direct), and its
 * code (static; common/glib/reason.h knows it; "direct"). */
PathKind path_explain_judge(const PathFacts *facts, const char **out_code, char **out_reason);
