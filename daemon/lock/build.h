/* daemon/lock/build.h: how gate.c makes a LockVerified: filled in once, immutable from then on.
 * Inside of daemon/lock; main loop only. */
#pragma once

#include "daemon/lock/verified.h"

#include <glib.h>

LockVerified *lock_build_new(void);

/* Where the head is filled in; what it points to is owned by @self: policy (taken over by
 * lock_build_set_policy()), rows, policy_error. */
LockVerifiedHead *lock_build_head(LockVerified *self);

/* Takes over @policy and @rows (of MeshAclRow). */
void lock_build_set_policy(LockVerified *self, MeshAcl *policy, GArray *rows);

/* Takes over @self_member, @text. */
void lock_build_set_self(LockVerified *self, MeshMember *self_member);
void lock_build_set_policy_error(LockVerified *self, char *text);

/* Copies @peer with its endpoints and refs its member. */
void lock_build_add_peer(LockVerified *self, const LockPeer *peer);

/* @name NULL: "#index". */
void lock_build_leave_out(LockVerified *self, uint32_t index, const char *name, const char *reason);

/* Sorts and makes the tables for lookups; no more additions after it. */
void lock_build_finish(LockVerified *self);
