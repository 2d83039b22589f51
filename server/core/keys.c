/* server/core/keys.c: join keys. Storage thread; the database is the truth. */
#include "server/core/keys.h"

#include "common/glib/error.h"
#include "common/std/base64.h"

#include <string.h>

static bool on_key(const StoreRow *row, void *user_data)
{
    GPtrArray   *keys = user_data;
    CoreKeyInfo *info = g_new0(CoreKeyInfo, 1);
    size_t       len;
    const void  *public_key = store_row_blob(row, 1, &len);

    if (mesh_base64url_encode(MESH_SPAN(public_key, len), info->key, sizeof info->key) < 0)
        info->key[0] = '\0';
    g_strlcpy(info->id, info->key, sizeof info->id);
    info->reusable = store_row_int(row, 2) != 0;
    info->uses = store_row_int(row, 3);
    info->created = store_row_int(row, 4);
    info->expires = store_row_int(row, 5);
    info->revoked = store_row_int(row, 6) != 0;
    info->note = g_strdup(store_row_text(row, 7));
    info->owner = store_row_int(row, 8);
    info->user = g_strdup(store_row_text(row, 9));
    g_ptr_array_add(keys, info);
    return true;
}

GPtrArray *core_keys_list(StoreTx *tx, const MeshNetworkId *net, GError **error)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(core_values_free_key);
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(net, sizeof *net)), .on_row = on_key,
                       .user_data = keys };

    return store_query(tx, STORE_JOIN_KEY_ALL, &call, error) ? g_steal_pointer(&keys) : NULL;
}

/* NULL without @error: unknown. */
static CoreKeyInfo *get_key(CoreChange *change, const MeshKey *public_key, GError **error)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(core_values_free_key);
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_BLOB(public_key, sizeof *public_key)),
                       .on_row = on_key, .user_data = keys };

    if (!store_query(change->tx, STORE_JOIN_KEY_GET, &call, error) || keys->len == 0)
        return NULL;
    return g_ptr_array_steal_index(keys, 0);
}

static bool refuse(MeshErrorCode code, const char *text, GError **error)
{
    g_set_error_literal(error, MESH_ERROR, (gint)code, text);
    return false;
}

static bool judge(const CoreKeyInfo *key, int64_t now, GError **error)
{
    if (key->revoked)
        return refuse(MESH_ERROR_KEY_REVOKED, "this join key was revoked: ask for a new link",
                      error);
    if (key->expires != 0 && key->expires <= now)
        return refuse(MESH_ERROR_KEY_EXPIRED, "this join key has expired: ask for a new link",
                      error);
    if (!key->reusable && key->uses > 0)
        return refuse(MESH_ERROR_KEY_USED, "this join key was used already: ask for a new link",
                      error);
    return true;
}

/* The key, if a node may join with it now. Owned. */
static CoreKeyInfo *get_valid(CoreChange *change, const MeshKey *public_key, GError **error)
{
    GError      *failed = NULL;
    CoreKeyInfo *key = get_key(change, public_key, &failed);

    if (failed != NULL)
        g_propagate_error(error, failed);
    else if (key == NULL)
        refuse(MESH_ERROR_KEY_UNKNOWN, "this join key is not known here: ask for a new link",
               error);
    if (key == NULL || judge(key, change->now, error))
        return key;
    core_values_free_key(key);
    return NULL;
}

bool core_keys_check(CoreChange *change, const MeshKey *public_key, GError **error)
{
    CoreKeyInfo *key = get_valid(change, public_key, error);

    core_values_free_key(key);
    return key != NULL;
}

bool core_keys_use(CoreChange *change, const MeshKey *public_key, int64_t *out_owner,
                   GError **error)
{
    CoreKeyInfo *key = get_valid(change, public_key, error);
    StoreCall    call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                     STORE_ARG_BLOB(public_key, sizeof *public_key)) };

    if (key == NULL)
        return false;
    *out_owner = key->owner;
    core_values_free_key(key);
    return store_query(change->tx, STORE_JOIN_KEY_USE, &call, error);
}

/* Keys that can no longer be used make room, oldest first. */
static bool make_room(CoreChange *change, GError **error)
{
    int64_t   count = 0;
    StoreCall net = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net)) };
    StoreCall dead = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_INT(change->now)) };

    if (!core_rows_number(change->tx, STORE_JOIN_KEY_COUNT, &net, &count, error))
        return false;
    if (count < CORE_KEYS_MAX)
        return true;
    if (!store_query(change->tx, STORE_JOIN_KEY_PRUNE, &dead, error) ||
        !core_rows_number(change->tx, STORE_JOIN_KEY_COUNT, &net, &count, error))
        return false;
    if (count < CORE_KEYS_MAX)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_FULL,
                "%d join keys are in use already: revoke some first", CORE_KEYS_MAX);
    return false;
}

bool core_keys_create(CoreChange *change, const CoreKeysNew *key, CoreKeyInfo **out_info,
                      GError **error)
{
    const CoreManage *request = key->request;
    const char       *note = request->note != NULL ? request->note : "";
    int64_t      expires = request->expires_in_s == 0 ? 0 : change->now + request->expires_in_s;
    CoreKeyInfo *info;
    StoreCall    call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                     STORE_ARG_BLOB(&key->public_key, sizeof key->public_key),
                                     STORE_ARG_INT(request->reusable), STORE_ARG_INT(0),
                                     STORE_ARG_INT(change->now), STORE_ARG_INT(expires),
                                     STORE_ARG_INT(0), STORE_ARG_TEXT(note),
                                     STORE_ARG_INT(key->owner)) };

    if (!make_room(change, error) || !store_query(change->tx, STORE_JOIN_KEY_INSERT, &call, error))
        return false;
    info = get_key(change, &key->public_key, error);
    if (info == NULL)
        return false;
    *out_info = info;
    return true;
}

static CoreKeyInfo *find(GPtrArray *keys, const char *ref, GError **error)
{
    CoreKeyInfo *found = NULL;

    for (guint i = 0; i < keys->len; i++) {
        CoreKeyInfo *key = g_ptr_array_index(keys, i);

        if (strcmp(key->key, ref) == 0)
            return key;
        if (strcmp(key->id, ref) != 0)
            continue;
        if (found != NULL) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_CONFLICT,
                        "two join keys begin with %s: give all 43 characters", ref);
            return NULL;
        }
        found = key;
    }
    if (found == NULL)
        g_set_error(error, MESH_ERROR, MESH_ERROR_NOT_FOUND, "no join key %s in this network", ref);
    return found;
}

/* The key that @ref names, owned, and its bytes. NULL: @error. */
static CoreKeyInfo *dup_named(CoreChange *change, const char *ref, MeshKey *out_key, GError **error)
{
    g_autoptr(GPtrArray) keys = core_keys_list(change->tx, &change->net, error);
    CoreKeyInfo *key = keys != NULL ? find(keys, ref, error) : NULL;

    if (key == NULL)
        return NULL;
    if (mesh_base64url_decode(key->key, out_key->bytes, sizeof out_key->bytes, NULL) < 0) {
        refuse(MESH_ERROR_STATE, "a stored join key is damaged", error);
        return NULL;
    }
    return get_key(change, out_key, error);
}

bool core_keys_get(CoreChange *change, const char *ref, CoreKeyInfo **out_info, GError **error)
{
    MeshKey public_key;

    *out_info = dup_named(change, ref, &public_key, error);
    return *out_info != NULL;
}

bool core_keys_set(CoreChange *change, const CoreManage *request, int64_t owner,
                   CoreKeyInfo **out_info, GError **error)
{
    MeshKey      public_key;
    CoreKeyInfo *key = dup_named(change, request->key, &public_key, error);

    if (key == NULL)
        return false;
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_BLOB(&public_key, sizeof public_key),
                                  STORE_ARG_TEXT(request->note != NULL ? request->note : key->note),
                                  STORE_ARG_INT(request->expires >= 0 ? request->expires
                                                                      : key->expires),
                                  STORE_ARG_INT(owner >= 0 ? owner : key->owner)) };
    bool      ok = store_query(change->tx, STORE_JOIN_KEY_SET, &call, error);

    core_values_free_key(key);
    *out_info = ok ? get_key(change, &public_key, error) : NULL;
    return *out_info != NULL;
}

bool core_keys_revoke(CoreChange *change, const char *ref, CoreKeyInfo **out_info, GError **error)
{
    MeshKey      public_key;
    CoreKeyInfo *key = dup_named(change, ref, &public_key, error);

    if (key == NULL)
        return false;
    core_values_free_key(key);
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_BLOB(&public_key, sizeof public_key)) };

    if (!store_query(change->tx, STORE_JOIN_KEY_REVOKE, &call, error))
        return false;
    *out_info = get_key(change, &public_key, error);
    return *out_info != NULL;
}
