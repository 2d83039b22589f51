/* server/core/certify.c: membership certificates, names, durable records. Storage thread. */
#include "server/core/certify.h"

#include "common/glib/error.h"
#include "common/proto/member.h"
#include "server/core/addresses.h"

#include <string.h>
#include <sys/socket.h>

bool core_certify_sign(CoreChange *change, CoreNodeRow *row, GError **error)
{
    g_autoptr(MeshMember) member = mesh_member_new();
    MeshSigned *object;

    if (!core_change_next(change, STORE_NETWORK_SERIAL, &member->serial, error))
        return false;
    member->node = row->node;
    g_strlcpy(member->name, row->name, sizeof member->name);
    member->ip4 = core_addresses_make4(row->ip4);
    member->ip6 = mesh_ip_make_addr(AF_INET6, row->ip6);
    member->nbf = change->now;
    member->exp = change->now + MESH_MEMBER_MAX_LIFE_S;
    if (row->expires != 0 && row->expires < member->exp)
        member->exp = row->expires;
    object = mesh_member_sign(member, &change->net, core_signer_get_secret(change->signer), error);
    if (object == NULL)
        return false;
    mesh_signed_unref(row->m);
    row->m = object;
    row->m_ours = true;
    row->serial = member->serial;
    row->m_nbf = member->nbf;
    row->m_exp = member->exp;
    return true;
}

bool core_certify_admit(CoreChange *change, CoreNodeRow *row, GError **error)
{
    if (row->want_ip4 && row->ip4 == 0 && !core_addresses_assign4(change, row, error))
        return false;
    row->state = CORE_NODE_ACTIVE;
    return core_certify_sign(change, row, error);
}

static bool on_any(const StoreRow *row, void *user_data)
{
    (void)row;
    *(bool *)user_data = true;
    return false;
}

bool core_certify_name_taken(CoreChange *change, const char *name, bool *out_taken, GError **error)
{
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_TEXT(name)),
                       .on_row = on_any, .user_data = out_taken };

    *out_taken = false;
    return store_query(change->tx, STORE_NODE_NAMED, &call, error);
}

/* "label-n", the label cut where it must be; n 1: the label itself. */
static void number_name(const char *label, unsigned n, char out_name[MESH_NETWORK_NAME_SIZE])
{
    char suffix[16] = "";
    int  room;

    if (n > 1)
        g_snprintf(suffix, sizeof suffix, "-%u", n);
    room = MESH_NETWORK_NAME_SIZE - 1 - (int)strlen(suffix);
    g_snprintf(out_name, MESH_NETWORK_NAME_SIZE, "%.*s%s", room, label, suffix);
}

static bool number_taken(CoreChange *change, const char *label, unsigned n, bool *out_taken,
                         GError **error)
{
    char name[MESH_NETWORK_NAME_SIZE];

    number_name(label, n, name);
    return core_certify_name_taken(change, name, out_taken, error);
}

/* Doubles until a number is free, then halves down to the first free one after a taken one: a
 * fleet of thousands with one host name costs a few look-ups each. */
bool core_certify_choose_name(CoreChange *change, const char *wish,
                              char out_name[MESH_NETWORK_NAME_SIZE], GError **error)
{
    char     label[MESH_NETWORK_NAME_SIZE];
    unsigned used = 0, free_one = 1;
    bool     taken = true;

    mesh_network_fold_label(wish, label);
    for (;;) {
        if (!number_taken(change, label, free_one, &taken, error))
            return false;
        if (!taken)
            break;
        used = free_one;
        free_one *= 2;
    }
    while (free_one - used > 1) {
        unsigned middle = used + (free_one - used) / 2;

        if (!number_taken(change, label, middle, &taken, error))
            return false;
        if (taken)
            used = middle;
        else
            free_one = middle;
    }
    number_name(label, free_one, out_name);
    return true;
}

typedef struct {
    const MeshKey *self;
    bool           other;
} WgOwner;

static bool on_wg_owner(const StoreRow *row, void *user_data)
{
    WgOwner    *owner = user_data;
    size_t      len;
    const void *node = store_row_blob(row, 0, &len);

    owner->other = len != MESH_KEY_BYTES || memcmp(node, owner->self->bytes, len) != 0;
    return false;
}

bool core_certify_take_k(CoreChange *change, CoreNodeRow *row, MeshSigned *object,
                         const MeshRecordK *k, GError **error)
{
    WgOwner   owner = { .self = &row->node };
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(&change->net, sizeof change->net),
                                  STORE_ARG_BLOB(&k->wg, sizeof k->wg)),
                       .on_row = on_wg_owner, .user_data = &owner };

    if (k->seq <= row->k_seq) {
        if (mesh_signed_equal(object, row->k))
            return true;
        g_set_error(error, MESH_ERROR, MESH_ERROR_CONFLICT,
                    "k: seq %" G_GUINT64_FORMAT " is not above the stored %" G_GUINT64_FORMAT,
                    k->seq, row->k_seq);
        return false;
    }
    if (!store_query(change->tx, STORE_NODE_WITH_WG, &call, error))
        return false;
    if (owner.other) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_CONFLICT,
                            "k.wg: this WireGuard key belongs to another node");
        return false;
    }
    mesh_signed_unref(row->k);
    row->k = mesh_signed_ref(object);
    row->k_seq = k->seq;
    row->wg = k->wg;
    return true;
}
