/* daemon/lock/claims.c: see claims.h. */
#include "daemon/lock/claims.h"

#include "daemon/lock/build.h"
#include "daemon/lock/keyhash.h"

#include <stdlib.h>

/* Who has what so far: key or address → name (borrowed). */
typedef struct {
    GHashTable *nodes, *wgs, *addrs;
} Taken;

static const char OURSELVES[] = "this node";

/* Does @peer run with the same node key and WireGuard key? */
static bool runs(const LockVerified *running, const LockPeer *peer)
{
    const LockPeer *now =
        running != NULL ? lock_verified_find_node(running, &peer->member->node) : NULL;

    return now != NULL && mesh_key_equal(&now->wg, &peer->wg) &&
           mesh_ip_equal_addr(&now->member->ip4, &peer->member->ip4) &&
           mesh_ip_equal_addr(&now->member->ip6, &peer->member->ip6);
}

/* A peer and what decides who comes first. */
typedef struct {
    const LockPeer *peer;
    bool            runs;
} Ranked;

static int compare_rank(const void *a, const void *b)
{
    const Ranked   *one = a, *other = b;
    const LockPeer *x = one->peer, *y = other->peer;

    if (one->runs != other->runs)
        return one->runs ? -1 : 1;
    if (x->member->serial != y->member->serial)
        return x->member->serial < y->member->serial ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void take(Taken *taken, const LockPeer *peer)
{
    MeshMember *member = peer->member;

    g_hash_table_insert(taken->nodes, &member->node, member->name);
    g_hash_table_insert(taken->wgs, (gpointer)&peer->wg, member->name);
    if (member->ip4.family != 0)
        g_hash_table_insert(taken->addrs, &member->ip4, member->name);
    g_hash_table_insert(taken->addrs, &member->ip6, member->name);
}

/* Why @peer may not stay; NULL: it may. Owned. */
static char *find_conflict(const Taken *taken, const LockPeer *peer)
{
    char            text[MESH_IP_ADDR_TEXT_SIZE];
    const MeshAddr *addrs[] = { &peer->member->ip4, &peer->member->ip6 };
    const char     *owner = g_hash_table_lookup(taken->nodes, &peer->member->node);

    if (owner != NULL)
        return g_strdup_printf("its node key is that of %s", owner);
    owner = g_hash_table_lookup(taken->wgs, &peer->wg);
    if (owner != NULL)
        return g_strdup_printf("its WireGuard key is that of %s", owner);
    for (size_t i = 0; i < G_N_ELEMENTS(addrs); i++) {
        owner = addrs[i]->family != 0 ? g_hash_table_lookup(taken->addrs, addrs[i]) : NULL;
        if (owner != NULL)
            return g_strdup_printf("its address %s is that of %s",
                                   mesh_ip_format_addr(addrs[i], text), owner);
    }
    return NULL;
}

static void take_ours(Taken *taken, const LockClaims *claims)
{
    g_hash_table_insert(taken->nodes, (gpointer)&claims->self->node, (gpointer)OURSELVES);
    if (claims->own_wg != NULL)
        g_hash_table_insert(taken->wgs, (gpointer)claims->own_wg, (gpointer)OURSELVES);
    if (claims->self->ip4.family != 0)
        g_hash_table_insert(taken->addrs, (gpointer)&claims->self->ip4, (gpointer)OURSELVES);
    g_hash_table_insert(taken->addrs, (gpointer)&claims->self->ip6, (gpointer)OURSELVES);
}

bool lock_claims_are_ours(const LockClaims *claims, const LockVerified *map)
{
    const MeshMember *self = claims->self;

    return lock_verified_find_node(map, &self->node) != NULL ||
           (claims->own_wg != NULL && lock_verified_find_wg(map, claims->own_wg) != NULL) ||
           lock_verified_find_addr(map, &self->ip4) != NULL ||
           lock_verified_find_addr(map, &self->ip6) != NULL;
}

static int compare_indexes(gconstpointer a, gconstpointer b)
{
    uint32_t x = (*(const LockPeer *const *)a)->index, y = (*(const LockPeer *const *)b)->index;

    return x < y ? -1 : x > y;
}

GPtrArray *lock_claims_settle(const LockClaims *claims, LockVerified *out)
{
    g_autofree Ranked *ranked = g_new0(Ranked, claims->peers->len + 1);
    GPtrArray         *winners = g_ptr_array_new_with_free_func(lock_build_unref);
    Taken              taken = {
                     g_hash_table_new(lock_keyhash_hash, lock_keyhash_equal),
                     g_hash_table_new(lock_keyhash_hash, lock_keyhash_equal),
                     g_hash_table_new(lock_keyhash_hash_addr, lock_keyhash_equal_addr),
    };

    for (guint i = 0; i < claims->peers->len; i++) {
        ranked[i].peer = claims->peers->pdata[i];
        ranked[i].runs = runs(claims->running, ranked[i].peer);
    }
    qsort(ranked, claims->peers->len, sizeof(*ranked), compare_rank);
    take_ours(&taken, claims);
    for (guint i = 0; i < claims->peers->len; i++) {
        g_autofree char *why = find_conflict(&taken, ranked[i].peer);

        if (why != NULL) {
            lock_build_leave_out(out, ranked[i].peer->index, ranked[i].peer->member->name, why);
            continue;
        }
        take(&taken, ranked[i].peer);
        g_ptr_array_add(winners, (gpointer)lock_build_ref(ranked[i].peer));
    }
    g_ptr_array_sort(winners, compare_indexes);
    g_hash_table_unref(taken.nodes);
    g_hash_table_unref(taken.wgs);
    g_hash_table_unref(taken.addrs);
    return winners;
}
