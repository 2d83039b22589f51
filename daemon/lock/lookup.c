/* daemon/lock/lookup.c: sorted arrays of pointers; see lookup.h. */
#include "daemon/lock/lookup.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef enum { BY_NODE, BY_WG, BY_NAME, BY_IP4, BY_IP6, N_ORDERS } Order;

typedef struct {
    const LockPeer **rows; /* owned array of borrowed peers */
    size_t           n;
} Table;

struct LockLookup {
    Table tables[N_ORDERS];
};

/* What a peer is looked up by, in each order; NULL: it is not in that table. */
static const void *get_key(Order order, const LockPeer *peer)
{
    switch (order) {
    case BY_NODE:
        return peer->member->node.bytes;
    case BY_WG:
        return peer->wg.bytes;
    case BY_NAME:
        return peer->member->name;
    case BY_IP4:
        return peer->member->ip4.family == AF_INET ? peer->member->ip4.bytes : NULL;
    default:
        return peer->member->ip6.family == AF_INET6 ? peer->member->ip6.bytes : NULL;
    }
}

static int compare_keys(Order order, const void *a, const void *b)
{
    static const size_t lengths[] = {
        [BY_NODE] = MESH_KEY_BYTES, [BY_WG] = MESH_KEY_BYTES, [BY_IP4] = 4, [BY_IP6] = 16
    };

    return order == BY_NAME ? strcmp(a, b) : memcmp(a, b, lengths[order]);
}

/* Of one key the lower index first: the order is total. */
static int compare(Order order, const LockPeer *a, const LockPeer *b)
{
    int sign = compare_keys(order, get_key(order, a), get_key(order, b));

    return sign != 0 ? sign : (a->index > b->index) - (a->index < b->index);
}

static int compare_rows(const void *a, const void *b, void *order)
{
    return compare(*(const Order *)order, *(const LockPeer *const *)a, *(const LockPeer *const *)b);
}

/* The first row that is not before @peer. */
static size_t locate(const Table *table, Order order, const LockPeer *peer)
{
    size_t low = 0, high = table->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(order, table->rows[middle], peer) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first row whose key is not before @key. */
static size_t locate_key(const Table *table, Order order, const void *key)
{
    size_t low = 0, high = table->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_keys(order, get_key(order, table->rows[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Those of @peers that belong into this table, in its order. */
static Table sort(Order order, const GPtrArray *peers)
{
    Table table = { .rows = g_new(const LockPeer *, peers->len + 1) };

    for (guint i = 0; i < peers->len; i++)
        if (get_key(order, peers->pdata[i]) != NULL)
            table.rows[table.n++] = peers->pdata[i];
    g_qsort_with_data(table.rows, (int)table.n, sizeof *table.rows, compare_rows, &order);
    return table;
}

static void append_run(Table *out, const Table *base, size_t from, size_t to)
{
    if (from == to)
        return; /* of the first map there is no base */
    memcpy(out->rows + out->n, base->rows + from, (to - from) * sizeof *out->rows);
    out->n += to - from;
}

static Table merge(Order order, const Table *base, const Table *gone, const Table *added)
{
    Table  out = { .rows = g_new(const LockPeer *, base->n + added->n + 1) };
    size_t at = 0, g = 0, a = 0;

    while (g < gone->n || a < added->n) {
        size_t gone_at = g < gone->n ? locate(base, order, gone->rows[g]) : SIZE_MAX;
        size_t added_at = a < added->n ? locate(base, order, added->rows[a]) : SIZE_MAX;

        if (added_at <= gone_at) {
            append_run(&out, base, at, added_at);
            at = added_at;
            out.rows[out.n++] = added->rows[a++];
        } else {
            append_run(&out, base, at, gone_at);
            at = gone_at + 1;
            g++;
        }
    }
    append_run(&out, base, at, base->n);
    return out;
}

LockLookup *lock_lookup_new(const LockLookup *base, const GPtrArray *gone, const GPtrArray *added)
{
    static const LockLookup empty;
    LockLookup             *self = g_new0(LockLookup, 1);

    if (base == NULL)
        base = &empty;
    for (Order order = 0; order < N_ORDERS; order++) {
        Table without = sort(order, gone), with = sort(order, added);

        self->tables[order] = merge(order, &base->tables[order], &without, &with);
        g_free(without.rows);
        g_free(with.rows);
    }
    return self;
}

void lock_lookup_free(LockLookup *self)
{
    if (self == NULL)
        return;
    for (Order order = 0; order < N_ORDERS; order++)
        g_free(self->tables[order].rows);
    g_free(self);
}

static const LockPeer *find(const LockLookup *self, Order order, const void *key)
{
    const Table *table = &self->tables[order];
    size_t       at = locate_key(table, order, key);

    if (at == table->n || compare_keys(order, get_key(order, table->rows[at]), key) != 0)
        return NULL;
    return table->rows[at];
}

const LockPeer *lock_lookup_find_node(const LockLookup *self, const MeshKey *node)
{
    return find(self, BY_NODE, node->bytes);
}

const LockPeer *lock_lookup_find_wg(const LockLookup *self, const MeshKey *wg)
{
    return find(self, BY_WG, wg->bytes);
}

const LockPeer *lock_lookup_find_name(const LockLookup *self, const char *name)
{
    return find(self, BY_NAME, name);
}

const LockPeer *lock_lookup_find_addr(const LockLookup *self, const MeshAddr *addr)
{
    if (addr->family != AF_INET && addr->family != AF_INET6)
        return NULL;
    return find(self, addr->family == AF_INET ? BY_IP4 : BY_IP6, addr->bytes);
}

const LockPeer *lock_lookup_find_addr_from(const LockLookup *self, const MeshAddr *addr,
                                           MeshAddr *out_addr)
{
    const Table *v4 = &self->tables[BY_IP4], *v6 = &self->tables[BY_IP6];
    size_t       at = addr->family == AF_INET ? locate_key(v4, BY_IP4, addr->bytes) : v4->n;

    if (at < v4->n) {
        *out_addr = v4->rows[at]->member->ip4;
        return v4->rows[at];
    }
    at = addr->family == AF_INET6 ? locate_key(v6, BY_IP6, addr->bytes) : 0;
    if (at == v6->n)
        return NULL;
    *out_addr = v6->rows[at]->member->ip6;
    return v6->rows[at];
}

static bool is_shared_in(const LockLookup *self, Order order, const LockPeer *peer)
{
    const Table *table = &self->tables[order];
    const void  *key = get_key(order, peer);
    size_t       at;

    if (key == NULL)
        return false;
    at = locate_key(table, order, key);
    return at + 1 < table->n && compare_keys(order, get_key(order, table->rows[at + 1]), key) == 0;
}

bool lock_lookup_is_shared(const LockLookup *self, const LockPeer *peer)
{
    return is_shared_in(self, BY_NODE, peer) || is_shared_in(self, BY_WG, peer) ||
           is_shared_in(self, BY_IP4, peer) || is_shared_in(self, BY_IP6, peer);
}
