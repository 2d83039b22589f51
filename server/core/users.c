/* server/core/users.c: rules about users (storage thread), and what memory knows of them (control
 * thread). See users.h. */
#include "server/core/users.h"

#include "common/glib/error.h"
#include "server/core/nodes.h"

#include <string.h>

bool core_users_is_blocked(const CoreUserRow *user, int64_t now)
{
    return user != NULL && (user->disabled || (user->expires != 0 && user->expires <= now));
}

/* --- rules ----------------------------------------------------------------------------------- */

static bool refuse(MeshErrorCode code, const char *text, GError **error)
{
    g_set_error_literal(error, MESH_ERROR, (gint)code, text);
    return false;
}

/* In the column order of queries.c. */
static void read_user(const StoreRow *row, CoreUserRow *out)
{
    const char *name = store_row_text(row, 1), *note = store_row_text(row, 2);

    *out = (CoreUserRow){ .id = store_row_int(row, 0),
                          .disabled = store_row_int(row, 3) != 0,
                          .max_nodes = (unsigned)store_row_int(row, 4),
                          .expires = store_row_int(row, 5),
                          .created = store_row_int(row, 6) };
    g_strlcpy(out->name, name != NULL ? name : "", sizeof out->name);
    g_strlcpy(out->note, note != NULL ? note : "", sizeof out->note);
}

static bool on_user(const StoreRow *row, void *user_data)
{
    read_user(row, user_data);
    return false;
}

/* Id 0 in @out: there is no such user. */
static bool get_user(CoreChange *change, int64_t id, CoreUserRow *out, GError **error)
{
    StoreCall call = { STORE_ARGS(STORE_ARG_INT(id)), .on_row = on_user, .user_data = out };

    *out = (CoreUserRow){ 0 };
    return id == 0 || store_query(change->tx, STORE_ACCOUNT_GET, &call, error);
}

typedef struct {
    const char *name;
    int64_t     self;
    unsigned    count;
    bool        taken;
} Others;

static bool on_other(const StoreRow *row, void *user_data)
{
    Others     *others = user_data;
    CoreUserRow other;

    read_user(row, &other);
    others->count++;
    others->taken |= other.id != others->self && strcmp(other.name, others->name) == 0;
    return true;
}

static bool check_name(CoreChange *change, const char *name, Others *others, GError **error)
{
    StoreCall call = { .on_row = on_other, .user_data = others };

    others->name = name;
    if (!mesh_network_is_label(name) || strcmp(name, "none") == 0)
        return refuse(MESH_ERROR_BAD_REQUEST,
                      "name: 1 to 63 of a-z, 0-9 and -, no - at either end, and not none", error);
    if (!store_query(change->tx, STORE_ACCOUNT_ALL, &call, error))
        return false;
    if (!others->taken)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_CONFLICT, "there is a user %s already", name);
    return false;
}

static bool save(CoreChange *change, StoreQuery query, const CoreUserRow *row, GError **error)
{
    StoreCall call = { STORE_ARGS(STORE_ARG_INT(row->id), STORE_ARG_TEXT(row->name),
                                  STORE_ARG_TEXT(row->note), STORE_ARG_INT(row->disabled),
                                  STORE_ARG_INT(row->max_nodes), STORE_ARG_INT(row->expires),
                                  STORE_ARG_INT(row->created)) };

    change->user = *row;
    return store_query(change->tx, query, &call, error);
}

static void take_values(CoreUserRow *row, const CoreManage *request)
{
    if (request->name != NULL)
        g_strlcpy(row->name, request->name, sizeof row->name);
    if (request->note != NULL)
        g_strlcpy(row->note, request->note, sizeof row->note);
    if (request->disabled >= 0)
        row->disabled = request->disabled == 1;
    if (request->max_nodes >= 0)
        row->max_nodes = (unsigned)request->max_nodes;
    if (request->expires >= 0)
        row->expires = request->expires;
}

bool core_users_add(CoreChange *change, const CoreManage *request, GError **error)
{
    CoreUserRow row = { .created = change->now };
    StoreCall   none = { 0 };
    Others      others = { 0 };

    if (request->name == NULL)
        return refuse(MESH_ERROR_BAD_REQUEST, "name: missing", error);
    if (!check_name(change, request->name, &others, error) ||
        !core_rows_number(change->tx, STORE_ACCOUNT_NEXT, &none, &row.id, error))
        return false;
    if (others.count >= CORE_USERS_MAX)
        return refuse(MESH_ERROR_FULL, "this server has no room for more users", error);
    take_values(&row, request);
    return save(change, STORE_ACCOUNT_INSERT, &row, error);
}

typedef struct {
    MeshNetworkId net;
    CoreNodeRow  *row; /* owned */
} Owned;

static void clear_owned(gpointer owned)
{
    g_clear_pointer(&((Owned *)owned)->row, core_rows_free_node);
}

static bool on_owned(const StoreRow *row, void *user_data)
{
    Owned owned = { .row = g_new0(CoreNodeRow, 1) };

    core_rows_read_node(row, &owned.net, owned.row);
    g_array_append_val((GArray *)user_data, owned);
    return true;
}

static void free_change(gpointer change)
{
    core_change_done(change);
    g_free(change);
}

/* The change that the next node of @net goes into: few under one version, so that its delta fits a
 * line. Borrowed from @change; NULL: @error. */
static CoreChange *open_more(CoreChange *change, const MeshNetworkId *net, GError **error)
{
    guint       n = change->more->len;
    CoreChange *last = n > 0 ? g_ptr_array_index(change->more, n - 1) : NULL;

    if (last != NULL && mesh_network_equal_id(&last->net, net) &&
        last->put->len < CORE_NODES_RENEW_BATCH)
        return last;
    last = g_new0(CoreChange, 1);
    core_change_init(last, change->tx, change->signer, net);
    g_ptr_array_add(change->more, last);
    return core_change_open(last, error) ? last : NULL;
}

/* The peers of each active node of user @id are told it anew, for his name is another. */
static bool tell_nodes(CoreChange *change, int64_t id, GError **error)
{
    g_autoptr(GArray) nodes = g_array_new(FALSE, FALSE, sizeof(Owned));
    StoreCall call = { STORE_ARGS(STORE_ARG_INT(id), STORE_ARG_INT(CORE_NODE_ACTIVE)),
                       .on_row = on_owned, .user_data = nodes };
    bool      ok;

    g_array_set_clear_func(nodes, clear_owned);
    change->more = g_ptr_array_new_with_free_func(free_change);
    ok = store_query(change->tx, STORE_NODE_OF_OWNER, &call, error);
    for (guint i = 0; ok && i < nodes->len; i++) {
        Owned      *owned = &g_array_index(nodes, Owned, i);
        CoreChange *more = open_more(change, &owned->net, error);

        ok = more != NULL && core_change_put(more, g_steal_pointer(&owned->row), false, error);
    }
    return ok;
}

bool core_users_set(CoreChange *change, int64_t id, const CoreManage *request, GError **error)
{
    Others      others = { .self = id };
    CoreUserRow row;
    bool        renamed;

    if (!get_user(change, id, &row, error))
        return false;
    if (row.id == 0)
        return refuse(MESH_ERROR_NOT_FOUND, "this user was removed", error);
    if (request->name != NULL && !check_name(change, request->name, &others, error))
        return false;
    renamed = request->name != NULL && strcmp(request->name, row.name) != 0;
    take_values(&row, request);
    return save(change, STORE_ACCOUNT_SET, &row, error) &&
           (!renamed || tell_nodes(change, id, error));
}

bool core_users_remove(CoreChange *change, int64_t id, GError **error)
{
    StoreCall   self = { STORE_ARGS(STORE_ARG_INT(id)) };
    int64_t     nodes = 0;
    CoreUserRow row;

    if (!get_user(change, id, &row, error) ||
        !core_rows_number(change->tx, STORE_ACCOUNT_NODES, &self, &nodes, error))
        return false;
    if (nodes > 0) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_CONFLICT,
                    "user %s owns %d node%s: remove them, or give them to another user first",
                    row.name, (int)nodes, nodes == 1 ? "" : "s");
        return false;
    }
    change->user = row;
    change->user_gone = true;
    return store_query(change->tx, STORE_JOIN_KEY_ORPHAN, &self, error) &&
           store_query(change->tx, STORE_ACCOUNT_DELETE, &self, error);
}

static bool check_places(CoreChange *change, const CoreUserRow *user, const CoreNodeRow *row,
                         GError **error)
{
    int64_t   nodes = 0;
    StoreCall owned = { STORE_ARGS(STORE_ARG_INT(user->id), STORE_ARG_INT(CORE_NODE_EXPIRED),
                                   STORE_ARG_BLOB(&change->net, sizeof change->net),
                                   STORE_ARG_BLOB(&row->node, sizeof row->node)) };

    if (user->max_nodes == 0)
        return true;
    if (!core_rows_number(change->tx, STORE_NODE_OWNED, &owned, &nodes, error))
        return false;
    if (nodes < user->max_nodes)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_FULL,
                "user %s has %d node%s already, and may have no more", user->name, (int)nodes,
                nodes == 1 ? "" : "s");
    return false;
}

bool core_users_admit(CoreChange *change, CoreNodeRow *row, int64_t key_owner, GError **error)
{
    int64_t     owner = key_owner != 0 ? key_owner : row->owner;
    CoreUserRow user;

    if (!get_user(change, owner, &user, error))
        return false;
    if (core_users_is_blocked(&user, change->now))
        return key_owner != 0
                   ? refuse(MESH_ERROR_KEY_REVOKED,
                            "the user whom this join key was made for is disabled or has expired",
                            error)
                   : refuse(MESH_ERROR_EXPIRED,
                            "the user whom this node belongs to is disabled or has expired", error);
    row->owner = user.id;
    return user.id == 0 || check_places(change, &user, row, error);
}

bool core_users_check_owner(CoreChange *change, const CoreNodeRow *row, GError **error)
{
    CoreUserRow user;

    if (!get_user(change, row->owner, &user, error))
        return false;
    if (!core_users_is_blocked(&user, change->now))
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_CONFLICT,
                "node %s belongs to user %s, who is disabled or has expired", row->name, user.name);
    return false;
}

/* --- memory ---------------------------------------------------------------------------------- */

bool core_users_load(const StoreRow *row, void *core)
{
    CoreUserRow *user = g_new0(CoreUserRow, 1);

    read_user(row, user);
    g_hash_table_replace(((Core *)core)->users, &user->id, user);
    return true;
}

void core_users_apply(Core *core, CoreChange *change)
{
    CoreUserRow *user;

    if (change->user.id == 0)
        return;
    if (change->user_gone) {
        g_hash_table_remove(core->users, &change->user.id);
        return;
    }
    user = g_memdup2(&change->user, sizeof change->user);
    g_hash_table_replace(core->users, &user->id, user);
    core_timers_arm(core->timers, &core->housekeeping, 0); /* suspends and frees nodes */
}

CoreUserRow *core_users_find(Core *core, const char *name)
{
    GHashTableIter iter;
    gpointer       each;

    g_hash_table_iter_init(&iter, core->users);
    while (name != NULL && g_hash_table_iter_next(&iter, NULL, &each))
        if (strcmp(((CoreUserRow *)each)->name, name) == 0)
            return each;
    return NULL;
}

static CoreUserInfo *describe(const CoreUserRow *row)
{
    CoreUserInfo *info = g_new0(CoreUserInfo, 1);

    info->name = g_strdup(row->name);
    info->note = g_strdup(row->note);
    info->disabled = row->disabled;
    info->max_nodes = row->max_nodes;
    info->created = row->created;
    info->expires = row->expires;
    return info;
}

/* Counts the nodes of those in @infos (&id → CoreUserInfo). */
static void count_nodes(Core *core, GHashTable *infos)
{
    GHashTableIter iter, nodes;
    gpointer       network, each;

    g_hash_table_iter_init(&iter, core->networks);
    while (g_hash_table_iter_next(&iter, NULL, &network)) {
        g_hash_table_iter_init(&nodes, ((CoreNetwork *)network)->nodes);
        while (g_hash_table_iter_next(&nodes, NULL, &each)) {
            const CoreNode *node = each;
            CoreUserInfo   *info = g_hash_table_lookup(infos, &node->row->owner);

            if (info == NULL)
                continue;
            info->nodes++;
            info->online += node->online;
        }
    }
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp((*(CoreUserInfo *const *)a)->name, (*(CoreUserInfo *const *)b)->name);
}

GPtrArray *core_users_describe(Core *core, const CoreUserRow *only)
{
    GPtrArray *values = g_ptr_array_new_with_free_func(core_values_free_user);
    g_autoptr(GHashTable) infos = g_hash_table_new(g_int64_hash, g_int64_equal);
    GHashTableIter iter;
    gpointer       each;

    g_hash_table_iter_init(&iter, core->users);
    while (g_hash_table_iter_next(&iter, NULL, &each)) {
        CoreUserRow  *row = each;
        CoreUserInfo *info;

        if (only != NULL && row != only)
            continue;
        info = describe(row);
        g_ptr_array_add(values, info);
        g_hash_table_insert(infos, &row->id, info);
    }
    count_nodes(core, infos);
    g_ptr_array_sort(values, by_name);
    return values;
}
