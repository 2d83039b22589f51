/* daemon/lock/claims.h: of several peers that claim the same key or address, one stays. Inside of
 * daemon/lock; main loop only. */
#pragma once

#include "daemon/lock/verified.h"

#include <glib.h>

/* Peers that passed each for itself. */
typedef struct {
    GArray             *peers;   /* of LockPeer; each holds a reference on member */
    const MeshKey      *own_wg;  /* NULL: none yet */
    const MeshMember   *self;    /* own membership */
    const LockVerified *running; /* in the data plane now; NULL: nothing */
} LockClaims;

/* Adds the winners to @out and leaves the others out, each with its reason. The one that runs
 * stays, else the lower serial; nobody takes what is ours. */
void lock_claims_settle(const LockClaims *claims, LockVerified *out);
