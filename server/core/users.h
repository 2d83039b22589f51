/* server/core/users.h: people, known to all networks of the server: who owns which node, how many
 * he may have, until when. A user who is disabled or has expired is blocked: his nodes are
 * suspended (housekeeping sees to it) and come back when he is free again. */
#pragma once

#include "server/core/control.h"

enum { CORE_USERS_MAX = 10000 };

/* Whether nodes of @user may be members at @now. NULL (nobody's nodes): they may. */
bool core_users_is_blocked(const CoreUserRow *user, int64_t now);

/* --- storage thread, inside a transaction; @change need not be open -------------------------- */

/* MESH_ERROR_CONFLICT: the name is taken; MESH_ERROR_FULL. */
bool core_users_add(CoreChange *change, const CoreManage *request, GError **error);
bool core_users_set(CoreChange *change, int64_t id, const CoreManage *request, GError **error);

/* MESH_ERROR_CONFLICT while he owns nodes. His join keys are revoked. */
bool core_users_remove(CoreChange *change, int64_t id, GError **error);

/* A node joins by a key of @key_owner (0: nobody's): sets the node's owner. MESH_ERROR_KEY_REVOKED,
 * MESH_ERROR_EXPIRED: he is blocked; MESH_ERROR_FULL: he has as many nodes as he may. */
bool core_users_admit(CoreChange *change, CoreNodeRow *row, int64_t key_owner, GError **error);

/* MESH_ERROR_CONFLICT when @row's owner is blocked. */
bool core_users_check_owner(CoreChange *change, const CoreNodeRow *row, GError **error);

/* --- control thread -------------------------------------------------------------------------- */

bool         core_users_load(const StoreRow *row, void *core); /* start: one row */
void         core_users_apply(Core *core, CoreChange *change); /* of a committed change */
CoreUserRow *core_users_find(Core *core, const char *name);    /* NULL: none */

/* Of owned CoreUserInfo, by name; @only NULL: all. */
GPtrArray *core_users_describe(Core *core, const CoreUserRow *only);
