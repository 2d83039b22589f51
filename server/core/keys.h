/* server/core/keys.h: join keys: single-use or reusable, expiring. Only their derived public half
 * is stored. Storage thread. */
#pragma once

#include "server/core/change.h"
#include "server/core/values.h"

enum {
    CORE_KEYS_MAX = 1000, /* in a network */
};

/* Whether a node may join with this key now: MESH_ERROR_KEY_UNKNOWN, _USED, _EXPIRED, _REVOKED.
 * Writes nothing. */
bool core_keys_check(CoreChange *change, const MeshKey *public_key, GError **error);

/* Consumes one use, in the transaction that admits the node. @out_owner: the user the node belongs
 * to from now on; 0: nobody. MESH_ERROR_KEY_UNKNOWN, _REVOKED, _EXPIRED, _USED. */
bool core_keys_use(CoreChange *change, const MeshKey *public_key, int64_t *out_owner,
                   GError **error);

/* What core_keys_create() stores. */
typedef struct {
    MeshKey           public_key;
    int64_t           owner; /* user; 0: nobody */
    const CoreManage *request;
} CoreKeysNew;

/* Stores a new one. MESH_ERROR_LIMIT: too many. @out_info: owned, without a link. */
bool core_keys_create(CoreChange *change, const CoreKeysNew *key, CoreKeyInfo **out_info,
                      GError **error);

/* @ref as for core_keys_revoke(). @out_info: owned. */
bool core_keys_get(CoreChange *change, const char *ref, CoreKeyInfo **out_info, GError **error);

/* Another note (NULL: as it is), end (-1: as it is) and owner (-1: as it is). */
bool core_keys_set(CoreChange *change, const CoreManage *request, int64_t owner,
                   CoreKeyInfo **out_info, GError **error);

/* Of owned CoreKeyInfo, oldest first. NULL and @error. */
GPtrArray *core_keys_list(StoreTx *tx, const MeshNetworkId *net, GError **error);

/* @ref: the first 8 characters of the key or all of it. MESH_ERROR_NOT_FOUND; MESH_ERROR_CONFLICT:
 * several begin so. Revoking again is fine. @out_info: owned. */
bool core_keys_revoke(CoreChange *change, const char *ref, CoreKeyInfo **out_info, GError **error);
