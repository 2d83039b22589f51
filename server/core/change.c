/* server/core/change.c: one durable change of one network. Storage thread. */
#include "server/core/change.h"

#include "common/glib/error.h"
#include "common/std/clock.h"

static void free_node(gpointer row)
{
    core_rows_free_node(row);
}

void core_change_init(CoreChange *self, StoreTx *tx, const CoreSigner *signer,
                      const MeshNetworkId *net)
{
    *self = (CoreChange){ .tx = tx, .signer = signer, .now = mesh_clock_wall_s(), .net = *net };
    self->put = g_ptr_array_new_with_free_func(free_node);
    self->facts = g_ptr_array_new_with_free_func(free_node);
    self->gone = g_array_new(FALSE, TRUE, sizeof(CoreTombRow));
    self->forgotten = g_array_new(FALSE, TRUE, sizeof(MeshKey));
}

void core_change_done(CoreChange *self)
{
    core_rows_clear_network(&self->network);
    g_clear_pointer(&self->subject, core_rows_free_node);
    g_clear_pointer(&self->put, g_ptr_array_unref);
    g_clear_pointer(&self->facts, g_ptr_array_unref);
    g_clear_pointer(&self->gone, g_array_unref);
    g_clear_pointer(&self->forgotten, g_array_unref);
    g_clear_pointer(&self->more, g_ptr_array_unref);
}

bool core_change_open(CoreChange *self, GError **error)
{
    if (!core_rows_get_network(self->tx, &self->net, &self->network, error))
        return false;
    self->network.net.server = *core_signer_get_public(self->signer);
    self->open = true;
    return true;
}

bool core_change_next(CoreChange *self, StoreQuery counter, uint64_t *out_number, GError **error)
{
    int64_t   number = 0;
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&self->net, sizeof self->net)) };

    if (!core_rows_number(self->tx, counter, &call, &number, error))
        return false;
    if (number == 0 && counter != STORE_NETWORK_INDEX) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_NO_NETWORK, "no such network");
        return false;
    }
    *out_number = (uint64_t)number;
    return true;
}

/* What no cursor may ask for any more; not at each version, it is only room. */
static bool trim(CoreChange *self, GError **error)
{
    int64_t   oldest = (int64_t)self->network.ver - CORE_LOG_ENTRIES;
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&self->net, sizeof self->net),
                                  STORE_ARG_INT(oldest),
                                  STORE_ARG_INT(self->now - CORE_LOG_LIFE_S)) };

    return self->network.ver % 64 != 0 || store_query(self->tx, STORE_LOG_TRIM, &call, error);
}

bool core_change_bump(CoreChange *self, GError **error)
{
    if (self->bumped)
        return true;
    if (!core_change_next(self, STORE_NETWORK_BUMP, &self->network.ver, error))
        return false;
    self->bumped = true;
    return trim(self, error);
}

static bool write_log(CoreChange *self, const char *kind, MeshSpan node, const MeshSigned *object,
                      GError **error)
{
    StoreCall call = {
        STORE_ARGS(STORE_ARG_BLOB(&self->net, sizeof self->net), STORE_ARG_INT(self->network.ver),
                   STORE_ARG_TEXT(kind), STORE_ARG_BLOB(node.data, node.len),
                   STORE_ARG_TEXT(object != NULL ? mesh_signed_get_body(object, NULL) : NULL),
                   STORE_ARG_INT(self->now))
    };

    return store_query(self->tx, STORE_LOG_INSERT, &call, error);
}

bool core_change_log(CoreChange *self, const char *kind, const MeshSigned *object, GError **error)
{
    return write_log(self, kind, MESH_SPAN(NULL, 0), object, error);
}

bool core_change_put(CoreChange *self, CoreNodeRow *row, bool insert, GError **error)
{
    g_ptr_array_add(self->put, row);
    if (!core_change_bump(self, error))
        return false;
    row->ver = self->network.ver;
    return core_rows_save_node(self->tx, &self->net, row, insert, error) &&
           write_log(self, "put", MESH_SPAN(&row->node, sizeof row->node), row->m, error);
}

bool core_change_put_facts(CoreChange *self, CoreNodeRow *row, GError **error)
{
    g_ptr_array_add(self->facts, row);
    return core_rows_save_node(self->tx, &self->net, row, false, error);
}

bool core_change_remove(CoreChange *self, const CoreNodeRow *row, bool parted, GError **error)
{
    CoreTombRow tomb = { .node = row->node,
                         .index = row->index,
                         .serial = row->serial,
                         .ip4 = row->ip4,
                         .removed = self->now,
                         .parted = parted };
    StoreCall delete = { STORE_ARGS(STORE_ARG_BLOB(&self->net, sizeof self->net),
                                    STORE_ARG_BLOB(&row->node, sizeof row->node)) };

    if (!core_change_bump(self, error))
        return false;
    tomb.ver = self->network.ver;
    g_array_append_val(self->gone, tomb);
    StoreCall insert = { STORE_ARGS(STORE_ARG_BLOB(&self->net, sizeof self->net),
                                    STORE_ARG_BLOB(&tomb.node, sizeof tomb.node),
                                    STORE_ARG_INT(tomb.index), STORE_ARG_INT(tomb.serial),
                                    tomb.ip4 != 0 ? STORE_ARG_INT(tomb.ip4) : STORE_ARG_NULL,
                                    STORE_ARG_INT(tomb.removed), STORE_ARG_INT(tomb.ver),
                                    STORE_ARG_INT(tomb.parted)) };

    return store_query(self->tx, STORE_NODE_DELETE, &delete, error) &&
           store_query(self->tx, STORE_TOMBSTONE_INSERT, &insert, error) &&
           write_log(self, "gone", MESH_SPAN(&tomb.node, sizeof tomb.node), NULL, error);
}
