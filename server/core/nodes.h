/* server/core/nodes.h: the rules about nodes: join, approve, rename, expire, remove, renew.
 *
 * All run on the storage thread inside the transaction of an open CoreChange, and see the database
 * alone. Any refusal changes nothing. */
#pragma once

#include "common/proto/record.h"
#include "common/proto/register.h"
#include "server/core/change.h"

enum {
    CORE_NODES_MAX = 65000,        /* in a network */
    CORE_NODES_PENDING_MAX = 1024, /* of these */
    CORE_NODES_PARTED_MAX = 65000, /* tombstones of nodes that left by themselves */
    CORE_NODES_RENEW_BATCH = 2,    /* under one version, so that its delta fits a line */
};

/* A registration whose K verified (@k is its content) and whose join signature, if any, too.
 * Idempotent. Sets @change's subject. Errors as in docs/PROTOCOL.md §5. */
bool core_nodes_register(CoreChange *change, const MeshRegister *request, const MeshRecordK *k,
                         GError **error);

/* A new K of an active node. MESH_ERROR_CONFLICT, MESH_ERROR_NOT_MEMBER. */
bool core_nodes_set_k(CoreChange *change, MeshSigned *object, const MeshRecordK *k, GError **error);

/* pending → active. MESH_ERROR_CONFLICT when it is not pending, MESH_ERROR_FULL. */
bool core_nodes_approve(CoreChange *change, const MeshKey *node, GError **error);

/* @request: name, expires, ip4. @owner -1: as it is. A name or address that is taken:
 * MESH_ERROR_CONFLICT. */
bool core_nodes_set(CoreChange *change, const MeshKey *node, const CoreManage *request,
                    int64_t owner, GError **error);

/* Ends the membership now; fine when it has ended. */
bool core_nodes_expire(CoreChange *change, const MeshKey *node, GError **error);

/* Removes the key for ever. @parted: it left by itself. MESH_ERROR_REMOVED, _NOT_MEMBER. */
bool core_nodes_remove(CoreChange *change, const MeshKey *node, bool parted, GError **error);

/* Forgets those that left by themselves so long ago that no M of theirs is valid and no cursor
 * reaches back to it. */
bool core_nodes_forget(CoreChange *change, GError **error);

/* Suspends nodes of blocked users, frees those of others, expires and renews what is due,
 * CORE_NODES_RENEW_BATCH nodes of it. */
bool core_nodes_renew_due(CoreChange *change, GError **error);
