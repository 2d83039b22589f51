/* daemon/lock/verified.c: see verified.h and build.h. */
#include "daemon/lock/verified.h"

#include "daemon/lock/build.h"
#include "daemon/lock/keyhash.h"

#include <stdlib.h>
#include <string.h>

struct LockVerified {
    grefcount        refs;
    LockVerifiedHead head;
    MeshAcl         *policy; /* owned; head.policy */
    GArray          *rows;   /* owned, of MeshAclRow; head.rows */
    char            *policy_error;
    GArray          *peers;    /* of LockPeer, by index; each holds a reference on member */
    GArray          *left_out; /* of LockLeftOut; each owns its reason */
    /* lookups, borrowed from peers: key → LockPeer */
    GHashTable *by_node, *by_wg, *by_name, *by_addr;
};

static void clear_peer(gpointer peer)
{
    mesh_member_unref(((LockPeer *)peer)->member);
    g_free(((LockPeer *)peer)->endpoints);
    g_free(((LockPeer *)peer)->relay);
    g_free(((LockPeer *)peer)->tcp);
    g_clear_pointer(&((LockPeer *)peer)->owner, g_ref_string_release);
}

static void clear_left_out(gpointer left_out)
{
    g_free(((LockLeftOut *)left_out)->reason);
}

LockVerified *lock_build_new(void)
{
    LockVerified *self = g_new0(LockVerified, 1);

    g_ref_count_init(&self->refs);
    self->head.next_change = INT64_MAX;
    self->peers = g_array_new(FALSE, TRUE, sizeof(LockPeer));
    g_array_set_clear_func(self->peers, clear_peer);
    self->left_out = g_array_new(FALSE, TRUE, sizeof(LockLeftOut));
    g_array_set_clear_func(self->left_out, clear_left_out);
    self->by_node = g_hash_table_new(lock_keyhash_hash, lock_keyhash_equal);
    self->by_wg = g_hash_table_new(lock_keyhash_hash, lock_keyhash_equal);
    self->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    self->by_addr = g_hash_table_new(lock_keyhash_hash_addr, lock_keyhash_equal_addr);
    return self;
}

LockVerified *lock_verified_ref(LockVerified *self)
{
    if (self != NULL)
        g_ref_count_inc(&self->refs);
    return self;
}

void lock_verified_unref(LockVerified *self)
{
    if (self == NULL || !g_ref_count_dec(&self->refs))
        return;
    g_hash_table_unref(self->by_node);
    g_hash_table_unref(self->by_wg);
    g_hash_table_unref(self->by_name);
    g_hash_table_unref(self->by_addr);
    g_array_unref(self->peers);
    g_array_unref(self->left_out);
    g_clear_pointer(&self->rows, g_array_unref);
    mesh_acl_free(self->policy);
    mesh_member_unref(self->head.self);
    g_free(self->policy_error);
    g_free(self);
}

LockVerifiedHead *lock_build_head(LockVerified *self)
{
    return &self->head;
}

void lock_build_set_policy(LockVerified *self, MeshAcl *policy, GArray *rows)
{
    self->policy = policy;
    self->rows = rows;
    self->head.policy = policy;
    self->head.rows = (const MeshAclRow *)(void *)rows->data;
    self->head.n_rows = rows->len;
}

void lock_build_set_self(LockVerified *self, MeshMember *self_member)
{
    self->head.self = self_member;
}

void lock_build_set_policy_error(LockVerified *self, char *text)
{
    self->policy_error = text;
    self->head.policy_error = text;
}

void lock_build_add_peer(LockVerified *self, const LockPeer *peer)
{
    LockPeer copy = *peer;

    mesh_member_ref(copy.member);
    copy.endpoints = g_memdup2(peer->endpoints, peer->n_endpoints * sizeof(*peer->endpoints));
    copy.relay = g_memdup2(peer->relay, sizeof(*peer->relay));
    copy.tcp = g_memdup2(peer->tcp, sizeof(*peer->tcp));
    if (copy.owner != NULL)
        g_ref_string_acquire(copy.owner);
    g_array_append_val(self->peers, copy);
}

void lock_build_leave_out(LockVerified *self, uint32_t index, const char *name, const char *reason)
{
    LockLeftOut left_out = { .index = index, .reason = g_strdup(reason) };

    if (name != NULL)
        g_strlcpy(left_out.name, name, sizeof(left_out.name));
    else
        g_snprintf(left_out.name, sizeof(left_out.name), "#%u", index);
    g_array_append_val(self->left_out, left_out);
}

static int compare_peers(const void *a, const void *b)
{
    uint32_t x = ((const LockPeer *)a)->index, y = ((const LockPeer *)b)->index;

    return x < y ? -1 : x > y;
}

void lock_build_finish(LockVerified *self)
{
    g_array_sort(self->peers, compare_peers);
    for (guint i = 0; i < self->peers->len; i++) {
        LockPeer *peer = &g_array_index(self->peers, LockPeer, i);

        g_hash_table_insert(self->by_node, &peer->member->node, peer);
        g_hash_table_insert(self->by_wg, &peer->wg, peer);
        if (!g_hash_table_contains(self->by_name, peer->member->name))
            g_hash_table_insert(self->by_name, peer->member->name, peer);
        if (peer->member->ip4.family != 0)
            g_hash_table_insert(self->by_addr, &peer->member->ip4, peer);
        g_hash_table_insert(self->by_addr, &peer->member->ip6, peer);
    }
}

const LockVerifiedHead *lock_verified_get_head(const LockVerified *self)
{
    return &self->head;
}

size_t lock_verified_count(const LockVerified *self)
{
    return self->peers->len;
}

const LockPeer *lock_verified_get_peer(const LockVerified *self, size_t at)
{
    return &g_array_index(self->peers, LockPeer, at);
}

const LockPeer *lock_verified_find_index(const LockVerified *self, uint32_t index)
{
    LockPeer wanted = { .index = index };

    if (self->peers->len == 0)
        return NULL;
    return bsearch(&wanted, self->peers->data, self->peers->len, sizeof(LockPeer), compare_peers);
}

const LockPeer *lock_verified_find_node(const LockVerified *self, const MeshKey *node)
{
    return g_hash_table_lookup(self->by_node, node);
}

const LockPeer *lock_verified_find_wg(const LockVerified *self, const MeshKey *wg)
{
    return g_hash_table_lookup(self->by_wg, wg);
}

const LockPeer *lock_verified_find_name(const LockVerified *self, const char *name)
{
    return g_hash_table_lookup(self->by_name, name);
}

const LockPeer *lock_verified_find_addr(const LockVerified *self, const MeshAddr *addr)
{
    return g_hash_table_lookup(self->by_addr, addr);
}

static bool are_peers_alike(const LockPeer *a, const LockPeer *b)
{
    /* a member is opened once and shared by all maps that follow */
    return a->member == b->member && mesh_key_equal(&a->wg, &b->wg);
}

static bool are_rows_alike(const MeshAclRow *a, const MeshAclRow *b)
{
    return a->accept == b->accept && a->protocol == b->protocol && a->port_first == b->port_first &&
           a->port_last == b->port_last && mesh_ip_equal_prefix(&a->source, &b->source) &&
           mesh_ip_equal_prefix(&a->destination, &b->destination);
}

bool lock_verified_is_alike(const LockVerified *a, const LockVerified *b)
{
    const LockVerifiedHead *x = &a->head, *y = &b->head;

    if (a->peers->len != b->peers->len || x->n_rows != y->n_rows ||
        x->policy->ver != y->policy->ver || x->self->serial != y->self->serial ||
        strcmp(x->network.name, y->network.name) != 0)
        return false;
    for (size_t i = 0; i < x->n_rows; i++)
        if (!are_rows_alike(&x->rows[i], &y->rows[i]))
            return false;
    for (guint i = 0; i < a->peers->len; i++)
        if (!are_peers_alike(&g_array_index(a->peers, LockPeer, i),
                             &g_array_index(b->peers, LockPeer, i)))
            return false;
    return true;
}

const LockLeftOut *lock_verified_get_left_out(const LockVerified *self, size_t *out_count)
{
    *out_count = self->left_out->len;
    return (const LockLeftOut *)(void *)self->left_out->data;
}
