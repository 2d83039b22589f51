/* daemon/lock/check.c: see check.h. */
#include "daemon/lock/check.h"

#include "common/std/hash.h"

#include <stdlib.h>
#include <string.h>

LockHash lock_check_hash(const MeshSigned *object)
{
    uint8_t     full[MESH_HASH_BYTES];
    size_t      len;
    const char *body = mesh_signed_get_body(object, &len);
    MeshSpan    part = MESH_SPAN(body, len);
    LockHash    hash;

    mesh_hash_sha256(&part, 1, full);
    memcpy(hash.bytes, full, sizeof(hash.bytes));
    return hash;
}

int lock_check_compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(LockHash));
}

/* A body that verified once has not become another: it names its type, network and node, and the
 * hash is of all of it. */
static bool is_proven(const LockCheckRules *rules, const LockHash *hash)
{
    gsize       len;
    const void *list;

    if (rules->proven == NULL)
        return false;
    list = g_bytes_get_data(rules->proven, &len);
    return len > 0 &&
           bsearch(hash, list, len / sizeof(*hash), sizeof(*hash), lock_check_compare_hashes);
}

static bool open_m(LockCheck *self, const LockCheckRules *rules)
{
    g_autoptr(GError) error = NULL;

    self->m_hash = lock_check_hash(self->m);
    if (is_proven(rules, &self->m_hash))
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

static void open_k(LockCheck *self, const LockCheckRules *rules)
{
    g_autoptr(GError) error = NULL;
    bool good;

    self->k_hash = lock_check_hash(self->k);
    if (is_proven(rules, &self->k_hash))
        good = mesh_record_reopen_k(self->k, &rules->net, &self->node, &self->record, &error);
    else
        good = mesh_record_open_k(self->k, &rules->net, &self->node, &self->record, &error);
    if (!good)
        self->k_why = g_strdup(error->message);
}

static void open_e(LockCheck *self, const LockCheckRules *rules)
{
    MeshRecordE record;

    if (mesh_record_open_e(self->e, &rules->net, &self->node, &record, NULL))
        self->ephemeral = g_memdup2(&record, offsetof(MeshRecordE, endpoints) +
                                                 record.n_endpoints * sizeof(record.endpoints[0]));
}

void lock_check_open(LockCheck *self, const LockCheckRules *rules)
{
    if ((self->wants & LOCK_CHECK_M) != 0 && !open_m(self, rules))
        return;
    if ((self->wants & LOCK_CHECK_K) != 0)
        open_k(self, rules);
    if ((self->wants & LOCK_CHECK_E) != 0 && self->e != NULL)
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
