/* daemon/lock/peers.c: see peers.h. The rules are docs/PROTOCOL.md §4, "What a node checks". */
#include "daemon/lock/peers.h"

#include "common/glib/error.h"

#include <sys/socket.h>

/* What verified under one index. */
typedef struct {
    MeshSigned *m, *k, *e; /* the objects; NULL: none verified yet */
    MeshMember *member;
    MeshRecordK record;
    MeshRecordE ephemeral;
} Known;

struct LockPeers {
    GHashTable *known; /* index → owned Known */
};

static void free_known(gpointer data)
{
    Known *known = data;

    mesh_signed_unref(known->m);
    mesh_signed_unref(known->k);
    mesh_signed_unref(known->e);
    mesh_member_unref(known->member);
    g_free(known);
}

LockPeers *lock_peers_new(void)
{
    LockPeers *self = g_new0(LockPeers, 1);

    self->known = g_hash_table_new_full(NULL, NULL, NULL, free_known);
    return self;
}

void lock_peers_free(LockPeers *self)
{
    if (self == NULL)
        return;
    g_hash_table_unref(self->known);
    g_free(self);
}

static Known *get_known(LockPeers *self, uint32_t index)
{
    Known *known = g_hash_table_lookup(self->known, GUINT_TO_POINTER(index));

    if (known != NULL)
        return known;
    if (g_hash_table_size(self->known) >= MESH_NETMAP_MAX_PEERS)
        g_hash_table_remove_all(self->known); /* it is a memory of work done, no more */
    known = g_new0(Known, 1);
    g_hash_table_insert(self->known, GUINT_TO_POINTER(index), known);
    return known;
}

static void remember(MeshSigned **slot, MeshSigned *object)
{
    mesh_signed_unref(*slot);
    *slot = mesh_signed_ref(object);
}

static bool open_member(Known *known, const LockPeersRules *rules, const MeshPeer *peer,
                        GError **error)
{
    MeshMember *member;

    if (mesh_signed_equal(known->m, peer->m))
        return true;
    member = mesh_member_open(peer->m, rules->net, rules->server, error);
    if (member == NULL)
        return false;
    if (known->member != NULL && !mesh_key_equal(&known->member->node, &member->node)) {
        g_clear_pointer(&known->k, mesh_signed_unref); /* the index went to another node */
        g_clear_pointer(&known->e, mesh_signed_unref);
    }
    mesh_member_unref(known->member);
    known->member = member;
    remember(&known->m, peer->m);
    return true;
}

static bool open_k(Known *known, const LockPeersRules *rules, const MeshPeer *peer, GError **error)
{
    if (mesh_signed_equal(known->k, peer->k))
        return true;
    if (!mesh_record_open_k(peer->k, rules->net, &known->member->node, &known->record, error)) {
        g_clear_pointer(&known->k, mesh_signed_unref);
        return false;
    }
    remember(&known->k, peer->k);
    return true;
}

/* E harms nobody but its own peer's endpoints: what is wrong with it is not an error of the peer.
 * The last good one stays until it ends. */
static const MeshRecordE *open_e(Known *known, const LockPeersRules *rules, const MeshPeer *peer)
{
    LockFloor  *floor = lock_floors_find(rules->floors, &known->member->node);
    MeshRecordE next;

    if (peer->e != NULL && !mesh_signed_equal(known->e, peer->e) &&
        mesh_record_open_e(peer->e, rules->net, &known->member->node, &next, NULL) &&
        (floor == NULL || next.seq > floor->e_seq)) {
        known->ephemeral = next;
        remember(&known->e, peer->e);
        if (floor != NULL)
            floor->e_seq = next.seq;
    }
    return known->e != NULL && known->ephemeral.exp > rules->now ? &known->ephemeral : NULL;
}

static bool is_inside_any(const GArray *prefixes, const MeshAddr *addr)
{
    for (guint i = 0; prefixes != NULL && i < prefixes->len; i++)
        if (mesh_ip_contains(&g_array_index(prefixes, MeshPrefix, i), addr))
            return true;
    return false;
}

/* An endpoint inside a network that we are in would put a tunnel into a tunnel; the others lead
 * nowhere, or to ourselves. */
static bool is_worth_trying(const LockPeersRules *rules, const MeshAddr *addr)
{
    MeshIpClass kind = mesh_ip_class(addr);

    if (kind == MESH_IP_NONE || kind == MESH_IP_LOOPBACK || kind == MESH_IP_LINK_LOCAL ||
        kind == MESH_IP_MULTICAST)
        return false;
    return !mesh_ip_contains(&rules->policy->net4, addr) &&
           !mesh_ip_contains(&rules->policy->net6, addr) && !is_inside_any(rules->foreign, addr);
}

static void take_endpoints(const LockPeersRules *rules, const MeshRecordE *record, LockPeer *out)
{
    static const MeshRecordKind order[] = { MESH_RECORD_STATIC, MESH_RECORD_LOCAL,
                                            MESH_RECORD_OBSERVED };

    for (size_t o = 0; o < G_N_ELEMENTS(order); o++) {
        for (size_t i = 0; i < record->n_endpoints; i++) {
            const MeshRecordEndpoint *endpoint = &record->endpoints[i];

            if (endpoint->kind == order[o] && out->n_endpoints < LOCK_MAX_ENDPOINTS &&
                is_worth_trying(rules, &endpoint->endpoint.addr))
                out->endpoints[out->n_endpoints++] = *endpoint;
        }
    }
}

bool lock_peers_check_addresses(const MeshAcl *policy, const MeshMember *member, GError **error)
{
    char            text[MESH_IP_ADDR_TEXT_SIZE];
    const MeshAddr *bad = NULL;

    if (member->ip4.family != 0 && !mesh_ip_contains(&policy->net4, &member->ip4))
        bad = &member->ip4;
    if (!mesh_ip_contains(&policy->net6, &member->ip6))
        bad = &member->ip6;
    if (bad == NULL)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_UNVERIFIED,
                "its address %s is outside the network's prefixes", mesh_ip_format_addr(bad, text));
    return false;
}

/* When the clock alone will change the verdict on @member. */
static int64_t get_turn(const MeshMember *member, int64_t now)
{
    if (now < member->nbf - MESH_MEMBER_SKEW_S)
        return member->nbf - MESH_MEMBER_SKEW_S;
    return now < member->exp ? member->exp : INT64_MAX;
}

static bool judge_member(Known *known, const LockPeersRules *rules, const MeshPeer *peer,
                         LockVerdict *out, GError **error)
{
    if (!open_member(known, rules, peer, error))
        return false;
    g_strlcpy(out->name, known->member->name, sizeof(out->name));
    out->next_change = get_turn(known->member, rules->now);
    return lock_floors_take_member(rules->floors, known->member, peer->m, error) &&
           mesh_member_check_time(known->member, rules->now, error) &&
           lock_peers_check_addresses(rules->policy, known->member, error);
}

bool lock_peers_judge(LockPeers *self, const LockPeersRules *rules, const MeshPeer *peer,
                      LockVerdict *out, GError **error)
{
    Known             *known = get_known(self, peer->index);
    const MeshRecordE *ephemeral;

    *out = (LockVerdict){ .next_change = INT64_MAX };
    if (!judge_member(known, rules, peer, out, error) || !open_k(known, rules, peer, error) ||
        !lock_floors_take_k(rules->floors, &known->record, peer->k, error))
        return false;
    out->peer.index = peer->index;
    out->peer.online = peer->online;
    out->peer.member = mesh_member_ref(known->member);
    out->peer.wg = known->record.wg;
    out->peer.k_seq = known->record.seq;
    ephemeral = open_e(known, rules, peer);
    if (ephemeral == NULL)
        return true;
    out->peer.e_seq = ephemeral->seq;
    out->next_change = MIN(out->next_change, ephemeral->exp);
    take_endpoints(rules, ephemeral, &out->peer);
    return true;
}
