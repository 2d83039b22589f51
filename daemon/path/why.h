/* daemon/path/why.h: says in one sentence why a peer is reached as it is, and what would make it
 * direct. Pure; any thread. Inside of daemon/path; see doctor.h. */
#pragma once

#include "daemon/path/natclass.h"
#include "daemon/path/path.h"

/** PathPolicy: what the network's policy lets two nodes begin; answers always pass. */
typedef enum {
    PATH_POLICY_BOTH,
    PATH_POLICY_OUT, /* only we may begin */
    PATH_POLICY_IN,  /* only the peer may */
    PATH_POLICY_NONE,
} PathPolicy;

/** PathWhyFacts: what is known of both ends. Borrowed. */
typedef struct {
    PathKind     kind;
    const char  *reason;   /* of path_explain_judge() */
    const char  *code;     /* of @reason */
    const char  *relay;    /* its name; NULL: none */
    const char  *endpoint; /* in use; "" when by relay */
    int64_t      rtt_us;   /* of a direct way; 0: not measured */
    bool         busy;     /* a direct way is being looked for */
    bool         again;    /* and the search before found nothing */
    bool         checked;  /* @udp4, @udp6 and @own mean something */
    PathAnswer   udp4, udp6;
    PathNat      own;
    PathAnswer   peer_udp;  /* NO: the relay has it, and not over UDP */
    bool         peer_told; /* @peer means something */
    MeshProbeNat peer;
    bool         no_hard; /* searches through hard NATs are switched off here */
    bool         one_nat; /* the relay sees both at one address, which is no host's */
    bool         own4, own6, peer4, peer6; /* families that each has, as far as is known */
    PathPolicy   policy;
} PathWhyFacts;

/** PathWhyWords: texts for people, owned, and their codes, static (common/glib/reason.h). */
typedef struct {
    char       *why, *remedy;       /* @remedy "": nothing is to be done, or known */
    const char *code, *remedy_code; /* "direct" and "" where there is nothing to translate */
} PathWhyWords;

void path_why_tell(const PathWhyFacts *facts, PathWhyWords *out);
