/* server/core/rows.c: rows of the database as values, in the column order of queries.c. */
#include "server/core/rows.h"

#include "common/glib/error.h"

#include <string.h>

void core_rows_clear_network(CoreNetworkRow *row)
{
    g_clear_pointer(&row->policy, mesh_signed_unref);
}

void core_rows_free_node(CoreNodeRow *row)
{
    if (row == NULL)
        return;
    mesh_signed_unref(row->k);
    mesh_signed_unref(row->m);
    g_free(row);
}

CoreNodeRow *core_rows_copy_node(const CoreNodeRow *row)
{
    CoreNodeRow *copy = g_memdup2(row, sizeof *row);

    mesh_signed_ref(copy->k);
    if (copy->m != NULL)
        mesh_signed_ref(copy->m);
    return copy;
}

int64_t core_rows_due(const CoreNodeRow *row)
{
    int64_t half = row->m_nbf + (row->m_exp - row->m_nbf) / 2;

    if (row->expires == 0)
        return half;
    return row->m_exp == row->expires ? row->expires : MIN(half, row->expires);
}

/* Bytes of another length leave zeros: such a key or address matches nobody. */
static void read_bytes(const StoreRow *row, int column, void *out, size_t want)
{
    size_t      len;
    const void *data = store_row_blob(row, column, &len);

    memset(out, 0, want);
    if (data != NULL && len == want)
        memcpy(out, data, want);
}

static void read_text(const StoreRow *row, int column, char *out, size_t size)
{
    const char *text = store_row_text(row, column);

    g_strlcpy(out, text != NULL ? text : "", size);
}

static MeshSigned *read_signed(const StoreRow *row, int column)
{
    const char *body = store_row_text(row, column);
    uint8_t     signature[MESH_SIGN_BYTES];

    if (body == NULL || body[0] == '\0')
        return NULL;
    read_bytes(row, column + 1, signature, sizeof signature);
    return mesh_signed_new(body, strlen(body), signature, NULL);
}

void core_rows_read_network(const StoreRow *row, CoreNetworkRow *out)
{
    const char *ip4 = store_row_text(row, 2);

    *out = (CoreNetworkRow){ 0 };
    read_bytes(row, 0, &out->net.id, sizeof out->net.id);
    read_text(row, 1, out->net.name, sizeof out->net.name);
    if (ip4 != NULL && mesh_ip_parse_prefix(ip4, &out->net.ip4) < 0)
        out->net.ip4.addr.family = 0;
    if (mesh_ip_parse_prefix(store_row_text(row, 3), &out->net.ip6) < 0)
        out->net.ip6.addr.family = 0;
    out->approve = store_row_int(row, 4) != 0;
    out->ver = (uint64_t)store_row_int(row, 5);
    out->epoch = (uint64_t)store_row_int(row, 6);
    out->next_ip4 = (uint32_t)store_row_int(row, 9);
    out->pver = (uint64_t)store_row_int(row, 10);
    out->policy = read_signed(row, 11);
    out->created = store_row_int(row, 13);
    out->max_nodes = (unsigned)store_row_int(row, 14);
    read_bytes(row, 15, &out->net.lan, sizeof out->net.lan);
}

void core_rows_read_node(const StoreRow *row, MeshNetworkId *out_net, CoreNodeRow *out)
{
    *out = (CoreNodeRow){ 0 };
    read_bytes(row, 0, out_net, sizeof *out_net);
    read_bytes(row, 1, &out->node, sizeof out->node);
    out->index = (uint32_t)store_row_int(row, 2);
    read_text(row, 3, out->name, sizeof out->name);
    read_bytes(row, 4, &out->wg, sizeof out->wg);
    out->ip4 = (uint32_t)store_row_int(row, 5); /* null reads as 0 */
    read_bytes(row, 6, out->ip6, sizeof out->ip6);
    out->state = (CoreNodeState)store_row_int(row, 7);
    out->serial = (uint64_t)store_row_int(row, 8);
    out->k_seq = (uint64_t)store_row_int(row, 9);
    out->k = read_signed(row, 10);
    out->m = read_signed(row, 12);
    out->m_nbf = store_row_int(row, 14);
    out->m_exp = store_row_int(row, 15);
    out->expires = store_row_int(row, 16);
    out->want_ip4 = store_row_int(row, 17) != 0;
    out->ver = (uint64_t)store_row_int(row, 18);
    out->created = store_row_int(row, 19);
    out->last_seen = store_row_int(row, 20);
    read_text(row, 21, out->os, sizeof out->os);
    read_text(row, 22, out->version, sizeof out->version);
    out->owner = store_row_int(row, 24); /* 23: due */
    out->suspended = store_row_int(row, 25) != 0;
}

void core_rows_read_tomb(const StoreRow *row, MeshNetworkId *out_net, CoreTombRow *out)
{
    *out = (CoreTombRow){ 0 };
    read_bytes(row, 0, out_net, sizeof *out_net);
    read_bytes(row, 1, &out->node, sizeof out->node);
    out->index = (uint32_t)store_row_int(row, 2);
    out->serial = (uint64_t)store_row_int(row, 3);
    out->ip4 = (uint32_t)store_row_int(row, 4);
    out->removed = store_row_int(row, 5);
    out->ver = (uint64_t)store_row_int(row, 6);
    out->parted = store_row_int(row, 7) != 0;
}

typedef struct {
    void *out;
    bool  found;
} OneRow;

static bool on_network(const StoreRow *row, void *user_data)
{
    OneRow *one = user_data;

    core_rows_read_network(row, one->out);
    one->found = true;
    return false;
}

bool core_rows_get_network(StoreTx *tx, const MeshNetworkId *id, CoreNetworkRow *out,
                           GError **error)
{
    OneRow    one = { .out = out };
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(id, sizeof *id)), .on_row = on_network,
                       .user_data = &one };

    if (!store_query(tx, STORE_NETWORK_GET, &call, error))
        return false;
    if (!one.found)
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_NO_NETWORK, "no such network");
    return one.found;
}

static bool on_node(const StoreRow *row, void *user_data)
{
    OneRow       *one = user_data;
    MeshNetworkId net;

    core_rows_read_node(row, &net, one->out);
    one->found = true;
    return false;
}

CoreNodeRow *core_rows_get_node(StoreTx *tx, const MeshNetworkId *net, const MeshKey *node,
                                GError **error)
{
    CoreNodeRow *row = g_new0(CoreNodeRow, 1);
    OneRow       one = { .out = row };
    StoreCall    call = { STORE_ARGS(STORE_ARG_BLOB(net, sizeof *net),
                                     STORE_ARG_BLOB(node, sizeof *node)),
                          .on_row = on_node, .user_data = &one };

    if (store_query(tx, STORE_NODE_GET, &call, error) && one.found)
        return row;
    core_rows_free_node(row);
    return NULL;
}

static bool on_tomb(const StoreRow *row, void *user_data)
{
    OneRow *one = user_data;

    (void)row;
    one->found = true;
    return false;
}

bool core_rows_get_tomb(StoreTx *tx, const MeshNetworkId *net, const MeshKey *node, GError **error)
{
    OneRow    one = { 0 };
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(net, sizeof *net),
                                  STORE_ARG_BLOB(node, sizeof *node)),
                       .on_row = on_tomb, .user_data = &one };

    return store_query(tx, STORE_TOMBSTONE_GET, &call, error) && one.found;
}

static StoreArg body_arg(const MeshSigned *object)
{
    return object == NULL ? STORE_ARG_NULL : STORE_ARG_TEXT(mesh_signed_get_body(object, NULL));
}

static StoreArg signature_arg(const MeshSigned *object)
{
    if (object == NULL)
        return STORE_ARG_NULL;
    return STORE_ARG_BLOB(mesh_signed_get_signature(object)->bytes, MESH_SIGN_BYTES);
}

bool core_rows_save_node(StoreTx *tx, const MeshNetworkId *net, const CoreNodeRow *row, bool insert,
                         GError **error)
{
    StoreCall call = { STORE_ARGS(
        STORE_ARG_BLOB(net, sizeof *net), STORE_ARG_BLOB(&row->node, sizeof row->node),
        STORE_ARG_INT(row->index), STORE_ARG_TEXT(row->name),
        STORE_ARG_BLOB(&row->wg, sizeof row->wg),
        row->ip4 != 0 ? STORE_ARG_INT(row->ip4) : STORE_ARG_NULL,
        STORE_ARG_BLOB(row->ip6, sizeof row->ip6), STORE_ARG_INT(row->state),
        STORE_ARG_INT(row->serial), STORE_ARG_INT(row->k_seq), body_arg(row->k),
        signature_arg(row->k), body_arg(row->m), signature_arg(row->m), STORE_ARG_INT(row->m_nbf),
        STORE_ARG_INT(row->m_exp), STORE_ARG_INT(row->expires), STORE_ARG_INT(row->want_ip4),
        STORE_ARG_INT(row->ver), STORE_ARG_INT(row->created), STORE_ARG_INT(row->last_seen),
        STORE_ARG_TEXT(row->os), STORE_ARG_TEXT(row->version), STORE_ARG_INT(core_rows_due(row)),
        STORE_ARG_INT(row->owner), STORE_ARG_INT(row->suspended)) };

    return store_query(tx, insert ? STORE_NODE_INSERT : STORE_NODE_UPDATE, &call, error);
}

static bool on_number(const StoreRow *row, void *user_data)
{
    if (!store_row_null(row, 0))
        *(int64_t *)user_data = store_row_int(row, 0);
    return true; /* an UPDATE … RETURNING has to be run to its end */
}

bool core_rows_number(StoreTx *tx, StoreQuery query, const StoreCall *call, int64_t *inout_number,
                      GError **error)
{
    StoreCall with = *call;

    with.on_row = on_number;
    with.user_data = inout_number;
    return store_query(tx, query, &with, error);
}
