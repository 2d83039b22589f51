/* daemon/lock/build.h: how gate.c makes a LockVerified: filled in once, immutable from then on.
 * Inside of daemon/lock; main loop only. */
#pragma once

#include "daemon/lock/verified.h"

#include <glib.h>
#include <stdbool.h>

/* Makes a peer that maps share out of @peer, whose references and memory it takes over. Immutable
 * from then on; one reference. Every LockPeer that a map holds was made so. */
const LockPeer *lock_build_share(const LockPeer *peer);
const LockPeer *lock_build_ref(const LockPeer *peer);
void            lock_build_unref(gpointer peer); /* NULL is fine */

LockVerified *lock_build_new(void);

/* Where the head is filled in; what it points to is owned by @self: policy (taken over by
 * lock_build_set_policy()), rows, policy_error. */
LockVerifiedHead *lock_build_head(LockVerified *self);

/* Takes over @policy and @rows (of MeshAclRow). */
void lock_build_set_policy(LockVerified *self, MeshAcl *policy, GArray *rows);

/* Takes over @self_member, @text. */
void lock_build_set_self(LockVerified *self, MeshMember *self_member);
void lock_build_set_policy_error(LockVerified *self, char *text);

/* @peers: of const LockPeer *, by index, references; instead of those there may be already. Sets up
 * the look-ups from those of @base, which may be any map or NULL. Returns whether no two of @peers
 * have a key or an address in common, taken for granted of those of @base. */
bool lock_build_set_peers(LockVerified *self, GPtrArray *peers, const LockVerified *base);

/* @name NULL: "#index". */
void lock_build_leave_out(LockVerified *self, uint32_t index, const char *name, const char *reason);
