/* daemon/path/why.h: says in one sentence why a peer is reached as it is, and what would make it
 * direct. Pure; any thread. Inside of daemon/path; see doctor.h. */
#pragma once

#include "daemon/path/natclass.h"
#include "daemon/path/path.h"

/** PathWhyFacts: what is known of both ends. Borrowed. */
typedef struct {
    PathKind     kind;
    const char  *reason;   /* of path_explain_judge() */
    const char  *relay;    /* its name; NULL: none */
    const char  *endpoint; /* in use; "" when by relay */
    int64_t      rtt_us;   /* of a direct way; 0: not measured */
    bool         busy;     /* a direct way is being looked for */
    bool         checked;  /* @udp4, @udp6 and @own mean something */
    PathAnswer   udp4, udp6;
    PathNat      own;
    PathAnswer   peer_udp;  /* NO: the relay has it, and not over UDP */
    bool         peer_told; /* @peer means something */
    MeshProbeNat peer;
    bool         no_hard; /* searches through hard NATs are switched off here */
} PathWhyFacts;

/** path_why_tell: @out_why, and @out_remedy ("" where nothing is to be done or known); owned. */
void path_why_tell(const PathWhyFacts *facts, char **out_why, char **out_remedy);
