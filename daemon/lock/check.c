/* daemon/lock/check.c: see check.h. */
#include "daemon/lock/check.h"

#include <stdlib.h>
#include <string.h>

G_STATIC_ASSERT((int)LOCK_CHECK_HASH_BYTES == (int)MESH_RECORD_HASH_BYTES);

LockHash lock_check_hash(const MeshSigned *object)
{
    LockHash hash = { { 0 } };

    mesh_record_hash(object, hash.bytes);
    return hash;
}

int lock_check_compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(LockHash));
}

/* A body that verified once has not become another: it names its type, network and node, and the
 * hash is of all of it. */
static bool is_listed(GBytes *hashes, const LockHash *hash)
{
    gsize       len;
    const void *list;

    if (hashes == NULL)
        return false;
    list = g_bytes_get_data(hashes, &len);
    return len > 0 &&
           bsearch(hash, list, len / sizeof(*hash), sizeof(*hash), lock_check_compare_hashes);
}

static bool open_m(LockCheck *self, const LockCheckRules *rules)
{
    g_autoptr(GError) error = NULL;

    self->m_hash = lock_check_hash(self->m);
    if (is_listed(rules->proven, &self->m_hash) || is_listed(rules->vouched, &self->m_hash))
        self->member = mesh_member_reopen(self->m, &rules->net, &error);
    else
        self->member = mesh_member_open(self->m, &rules->net, &rules->server, &error);
    if (self->member == NULL) {
        self->m_why = g_strdup(error->message);
        return false;
    }
    if (!self->has_node || !mesh_key_equal(&self->node, &self->member->node))
        self->wants |= LOCK_CHECK_K | LOCK_CHECK_E; /* the index went to another node */
    self->node = self->member->node;
    self->has_node = true;
    return true;
}

static void open_e(LockCheck *self, const LockCheckRules *rules)
{
    MeshRecordE record;

    if (mesh_record_open_e(self->e, &rules->net, &self->node, &record, NULL))
        self->ephemeral = g_memdup2(&record, offsetof(MeshRecordE, endpoints) +
                                                 record.n_endpoints * sizeof(record.endpoints[0]));
}

/* Both are signed with the node's key: an E that verified and names this very K proves it. */
static bool is_vouched(const LockCheck *self)
{
    const MeshRecordE *e = self->ephemeral;

    return e != NULL && e->has_k_hash && memcmp(e->k_hash, &self->k_hash, sizeof(e->k_hash)) == 0;
}

static void open_k(LockCheck *self, const LockCheckRules *rules)
{
    g_autoptr(GError) error = NULL;
    bool        with_e = (self->wants & LOCK_CHECK_E) != 0 && self->e != NULL;
    bool        proven, good;
    MeshRecordK record;

    self->k_hash = lock_check_hash(self->k);
    proven = is_listed(rules->proven, &self->k_hash);
    if (with_e && proven && rules->later)
        self->wants &= ~(unsigned)LOCK_CHECK_E;
    else if (with_e)
        open_e(self, rules);
    if (proven || is_vouched(self))
        good = mesh_record_reopen_k(self->k, &rules->net, &self->node, &record, &error);
    else
        good = mesh_record_open_k(self->k, &rules->net, &self->node, &record, &error);
    if (!good) {
        self->k_why = g_strdup(error->message);
        return;
    }
    self->wg = record.wg;
    self->k_seq = record.seq;
    self->k_aes = mesh_record_has_suite(&record, MESH_RECORD_SUITE_AES);
}

void lock_check_open(LockCheck *self, const LockCheckRules *rules)
{
    if ((self->wants & LOCK_CHECK_M) != 0 && !open_m(self, rules))
        return;
    if ((self->wants & LOCK_CHECK_K) != 0)
        open_k(self, rules);
    else if ((self->wants & LOCK_CHECK_E) != 0 && self->e != NULL)
        open_e(self, rules);
}

void lock_check_clear(LockCheck *self)
{
    g_clear_pointer(&self->m, mesh_signed_unref);
    g_clear_pointer(&self->k, mesh_signed_unref);
    g_clear_pointer(&self->e, mesh_signed_unref);
    g_clear_pointer(&self->member, mesh_member_unref);
    g_clear_pointer(&self->ephemeral, g_free);
    g_clear_pointer(&self->m_why, g_free);
    g_clear_pointer(&self->k_why, g_free);
}
