/* daemon/lock/claims.h: of several peers that claim the same key or address, one stays. Inside of
 * daemon/lock; main loop only. */
#pragma once

#include "daemon/lock/verified.h"

#include <glib.h>
#include <stdbool.h>

/* Peers that passed each for itself. */
typedef struct {
    GPtrArray          *peers;   /* of const LockPeer *, by index */
    const MeshKey      *own_wg;  /* NULL: none yet */
    const MeshMember   *self;    /* own membership */
    const LockVerified *running; /* in the data plane now; NULL: nothing */
} LockClaims;

/* Does one of @map, whose peers have nothing in common with each other, claim what is ours? */
bool lock_claims_are_ours(const LockClaims *claims, const LockVerified *map);

/* The winners, references, by index, owned; the others are left out of @out, each with its reason.
 * The one that runs stays, else the lower serial; nobody takes what is ours. */
GPtrArray *lock_claims_settle(const LockClaims *claims, LockVerified *out);
