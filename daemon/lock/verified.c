/* daemon/lock/verified.c: see verified.h and build.h. */
#include "daemon/lock/verified.h"

#include "daemon/lock/build.h"
#include "daemon/lock/compare.h"
#include "daemon/lock/lookup.h"

#include <string.h>

struct LockVerified {
    grefcount        refs;
    LockVerifiedHead head;
    MeshAcl         *policy; /* owned; head.policy */
    GArray          *rows;   /* owned, of MeshAclRow; head.rows */
    char            *policy_error;
    GPtrArray       *peers;    /* of const LockPeer *, by index; references */
    GArray          *left_out; /* of LockLeftOut; each owns its reason */
    LockLookup      *lookup;   /* of peers */
};

/* A peer as it is shared. */
typedef struct {
    LockPeer  peer; /* first: it is known by its address */
    grefcount refs;
} Shared;

const LockPeer *lock_build_share(const LockPeer *peer)
{
    Shared *shared = g_new(Shared, 1);

    shared->peer = *peer;
    g_ref_count_init(&shared->refs);
    return &shared->peer;
}

const LockPeer *lock_build_ref(const LockPeer *peer)
{
    g_ref_count_inc(&((Shared *)(gpointer)peer)->refs);
    return peer;
}

void lock_build_unref(gpointer peer)
{
    Shared *shared = peer;

    if (shared == NULL || !g_ref_count_dec(&shared->refs))
        return;
    mesh_member_unref(shared->peer.member);
    g_free(shared->peer.endpoints);
    g_free(shared->peer.relay);
    g_free(shared->peer.tcp);
    g_clear_pointer(&shared->peer.owner, g_ref_string_release);
    g_free(shared);
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
    self->peers = g_ptr_array_new_with_free_func(lock_build_unref);
    self->left_out = g_array_new(FALSE, TRUE, sizeof(LockLeftOut));
    g_array_set_clear_func(self->left_out, clear_left_out);
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
    lock_lookup_free(self->lookup);
    g_ptr_array_unref(self->peers);
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

void lock_build_leave_out(LockVerified *self, uint32_t index, const char *name, const char *reason)
{
    LockLeftOut left_out = { .index = index, .reason = g_strdup(reason) };

    if (name != NULL)
        g_strlcpy(left_out.name, name, sizeof(left_out.name));
    else
        g_snprintf(left_out.name, sizeof(left_out.name), "#%u", index);
    g_array_append_val(self->left_out, left_out);
}

static const LockPeer *peer_at(const GPtrArray *peers, guint at)
{
    return at < peers->len ? peers->pdata[at] : NULL;
}

void lock_verified_compare(const LockVerified *before, const LockVerified *now, GPtrArray *gone,
                           GPtrArray *added)
{
    guint n = now->peers->len, n_before = before != NULL ? before->peers->len : 0;

    for (guint i = 0, j = 0; i < n_before || j < n;) {
        const LockPeer *old = i < n_before ? before->peers->pdata[i] : NULL;
        const LockPeer *peer = peer_at(now->peers, j);

        i += old != NULL && (peer == NULL || old->index <= peer->index) ? 1 : 0;
        j += peer != NULL && (old == NULL || peer->index <= old->index) ? 1 : 0;
        if (old == peer)
            continue;
        if (old != NULL && (peer == NULL || old->index <= peer->index))
            g_ptr_array_add(gone, (gpointer)old);
        if (peer != NULL && (old == NULL || peer->index <= old->index))
            g_ptr_array_add(added, (gpointer)peer);
    }
}

bool lock_build_set_peers(LockVerified *self, GPtrArray *peers, const LockVerified *base)
{
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    g_autoptr(GPtrArray) added = g_ptr_array_new();
    bool apart = true;

    lock_lookup_free(self->lookup);
    g_ptr_array_unref(self->peers);
    self->peers = g_ptr_array_ref(peers);
    lock_verified_compare(base, self, gone, added);
    self->lookup = lock_lookup_new(base != NULL ? base->lookup : NULL, gone, added);
    for (guint i = 0; apart && i < added->len; i++)
        apart = !lock_lookup_is_shared(self->lookup, added->pdata[i]);
    return apart;
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
    return self->peers->pdata[at];
}

const LockPeer *lock_verified_find_index(const LockVerified *self, uint32_t index)
{
    guint low = 0, high = self->peers->len;

    while (low < high) {
        guint           middle = low + (high - low) / 2;
        const LockPeer *peer = self->peers->pdata[middle];

        if (peer->index == index)
            return peer;
        if (peer->index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const LockPeer *lock_verified_find_node(const LockVerified *self, const MeshKey *node)
{
    return lock_lookup_find_node(self->lookup, node);
}

const LockPeer *lock_verified_find_wg(const LockVerified *self, const MeshKey *wg)
{
    return lock_lookup_find_wg(self->lookup, wg);
}

const LockPeer *lock_verified_find_name(const LockVerified *self, const char *name)
{
    return lock_lookup_find_name(self->lookup, name);
}

const LockPeer *lock_verified_find_addr(const LockVerified *self, const MeshAddr *addr)
{
    return lock_lookup_find_addr(self->lookup, addr);
}

const LockPeer *lock_verified_find_addr_from(const LockVerified *self, const MeshAddr *addr,
                                             MeshAddr *out_addr)
{
    return lock_lookup_find_addr_from(self->lookup, addr, out_addr);
}

static bool are_peers_alike(const LockPeer *a, const LockPeer *b)
{
    /* a member is opened once and shared by all maps that follow */
    return a == b || (a->member == b->member && mesh_key_equal(&a->wg, &b->wg) &&
                      a->offers_aes == b->offers_aes);
}

static bool are_rows_alike(const MeshAclRow *a, const MeshAclRow *b)
{
    return a->accept == b->accept && a->protocol == b->protocol && a->port_first == b->port_first &&
           a->port_last == b->port_last && mesh_ip_equal_prefix(&a->source, &b->source) &&
           mesh_ip_equal_prefix(&a->destination, &b->destination);
}

bool lock_verified_has_same_rows(const LockVerified *a, const LockVerified *b)
{
    const LockVerifiedHead *x = &a->head, *y = &b->head;

    if (x->n_rows != y->n_rows)
        return false;
    for (size_t i = 0; i < x->n_rows; i++)
        if (!are_rows_alike(&x->rows[i], &y->rows[i]))
            return false;
    return true;
}

bool lock_verified_is_alike(const LockVerified *a, const LockVerified *b)
{
    const LockVerifiedHead *x = &a->head, *y = &b->head;

    if (a->peers->len != b->peers->len || x->policy->ver != y->policy->ver ||
        x->self->serial != y->self->serial || strcmp(x->network.name, y->network.name) != 0 ||
        !lock_verified_has_same_rows(a, b))
        return false;
    for (guint i = 0; i < a->peers->len; i++)
        if (!are_peers_alike(a->peers->pdata[i], b->peers->pdata[i]))
            return false;
    return true;
}

const LockLeftOut *lock_verified_get_left_out(const LockVerified *self, size_t *out_count)
{
    *out_count = self->left_out->len;
    return (const LockLeftOut *)(void *)self->left_out->data;
}
