/* daemon/lock/peers.c: see peers.h. The rules are docs/PROTOCOL.md §4, "What a node checks". */
#include "daemon/lock/peers.h"

#include "common/glib/error.h"
#include "daemon/lock/build.h"

#include <sys/socket.h>

/* What was opened under one index. Objects are remembered to know them again. */
typedef struct {
    MeshSigned  *m, *bad_m; /* the last that verified, the last that did not */
    MeshSigned  *k, *bad_k;
    MeshSigned  *e; /* the last that was opened */
    MeshMember  *member;
    MeshKey      wg;
    uint64_t     k_seq;
    bool         k_aes;
    LockHash     m_hash, k_hash;
    char        *m_why, *k_why;    /* of the bad ones */
    MeshRecordE *ephemeral, *next; /* in use; verified, and to be judged. Owned */

    /* Of the last judgement, if it was PASSED and all was opened. */
    const LockPeer  *passed; /* reference; NULL: none, or something it came of is another now */
    int64_t          until;  /* its next_change */
    const LockFloor *floor;  /* by which it was judged; borrowed, good in this round alone */
    unsigned         moves;  /* of that, then */
    unsigned         round;  /* LockPeers.round, then */
} Known;

struct LockPeers {
    GHashTable *known; /* index → owned Known */
    /* what all are judged by; another round begins when it changes */
    unsigned   round;
    MeshPrefix net4, net6;
    GArray    *foreign; /* of MeshPrefix */
    int64_t    now;
};

static void forget_verdict(Known *known)
{
    lock_build_unref((gpointer)g_steal_pointer(&known->passed));
}

/* All that hangs on the node key. */
static void forget_records(Known *known)
{
    g_clear_pointer(&known->k, mesh_signed_unref);
    g_clear_pointer(&known->bad_k, mesh_signed_unref);
    g_clear_pointer(&known->e, mesh_signed_unref);
    g_clear_pointer(&known->k_why, g_free);
    g_clear_pointer(&known->ephemeral, g_free);
    g_clear_pointer(&known->next, g_free);
}

static void free_known(gpointer data)
{
    Known *known = data;

    forget_verdict(known);
    forget_records(known);
    mesh_signed_unref(known->m);
    mesh_signed_unref(known->bad_m);
    mesh_member_unref(known->member);
    g_free(known->m_why);
    g_free(known);
}

LockPeers *lock_peers_new(void)
{
    LockPeers *self = g_new0(LockPeers, 1);

    self->known = g_hash_table_new_full(NULL, NULL, NULL, free_known);
    self->foreign = g_array_new(FALSE, TRUE, sizeof(MeshPrefix));
    return self;
}

void lock_peers_free(LockPeers *self)
{
    if (self == NULL)
        return;
    g_hash_table_unref(self->known);
    g_array_unref(self->foreign);
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
    mesh_signed_ref(object);
    mesh_signed_unref(*slot);
    *slot = object;
}

static void replace_text(char **slot, char *text)
{
    g_free(*slot);
    *slot = text;
}

/* ---- opening ---- */

/* Which objects of @peer were not opened yet; LOCK_CHECK_…. Of one whose M is refused nothing else
 * is worth a signature. */
static unsigned list_wants(const Known *known, const MeshPeer *peer)
{
    unsigned wants = 0;

    if (known != NULL && mesh_signed_equal(known->bad_m, peer->m))
        return 0;
    if (known == NULL || !mesh_signed_equal(known->m, peer->m))
        wants |= LOCK_CHECK_M;
    if (known == NULL ||
        (!mesh_signed_equal(known->k, peer->k) && !mesh_signed_equal(known->bad_k, peer->k)))
        wants |= LOCK_CHECK_K;
    if (peer->e != NULL && (known == NULL || !mesh_signed_equal(known->e, peer->e)))
        wants |= LOCK_CHECK_E;
    return wants;
}

static LockCheck make_check(const Known *known, const MeshPeer *peer, unsigned wants)
{
    LockCheck check = { .index = peer->index,
                        .wants = wants,
                        .m = mesh_signed_ref(peer->m),
                        .k = mesh_signed_ref(peer->k),
                        .e = mesh_signed_ref(peer->e) };

    if (known != NULL && known->member != NULL) {
        check.has_node = true;
        check.node = known->member->node;
    }
    return check;
}

static void take_m(Known *known, LockCheck *check)
{
    if (known->member != NULL && !mesh_key_equal(&known->member->node, &check->node))
        forget_records(known); /* the index went to another node */
    mesh_member_unref(known->member);
    known->member = g_steal_pointer(&check->member);
    known->m_hash = check->m_hash;
    remember(&known->m, check->m);
    g_clear_pointer(&known->bad_m, mesh_signed_unref);
    g_clear_pointer(&known->m_why, g_free);
}

static void take_k(Known *known, LockCheck *check)
{
    if (check->k_why != NULL) {
        remember(&known->bad_k, check->k);
        replace_text(&known->k_why, g_steal_pointer(&check->k_why));
        return;
    }
    known->wg = check->wg;
    known->k_seq = check->k_seq;
    known->k_aes = check->k_aes;
    known->k_hash = check->k_hash;
    remember(&known->k, check->k);
}

void lock_peers_take(LockPeers *self, LockCheck *check)
{
    Known *known = get_known(self, check->index);

    forget_verdict(known);
    if (check->m_why != NULL) {
        remember(&known->bad_m, check->m);
        replace_text(&known->m_why, g_steal_pointer(&check->m_why));
        return;
    }
    if (check->member != NULL)
        take_m(known, check);
    if (known->member == NULL || !mesh_key_equal(&known->member->node, &check->node))
        return; /* of the node that had this index before */
    if ((check->wants & LOCK_CHECK_K) != 0)
        take_k(known, check);
    if ((check->wants & LOCK_CHECK_E) != 0 && check->e != NULL) {
        remember(&known->e, check->e);
        g_free(known->next);
        known->next = g_steal_pointer(&check->ephemeral);
    }
}

static void add_work(LockPeers *self, const MeshPeer *peer, unsigned only, GArray *list)
{
    const Known *known = g_hash_table_lookup(self->known, GUINT_TO_POINTER(peer->index));
    unsigned     wants = list_wants(known, peer);
    LockCheck    check;

    if ((wants & only) == 0)
        return;
    check = make_check(known, peer, wants);
    g_array_append_val(list, check);
}

GArray *lock_peers_list_work(LockPeers *self, const MeshNetmap *map, size_t max)
{
    static const struct {
        unsigned only;
        bool     online;
    } sweeps[] = { { LOCK_CHECK_M | LOCK_CHECK_K, true },
                   { LOCK_CHECK_M | LOCK_CHECK_K, false },
                   { LOCK_CHECK_E, true },
                   { LOCK_CHECK_E, false } };
    GArray *list = g_array_new(FALSE, TRUE, sizeof(LockCheck));
    size_t  n = mesh_netmap_count(map);

    for (size_t s = 0; s < G_N_ELEMENTS(sweeps); s++) {
        if (s == 2 && list->len > 0) /* these two would list the same peers again */
            break;
        for (size_t i = 0; i < n && list->len < max; i++) {
            const MeshPeer *peer = mesh_netmap_get_peer(map, i);

            if (peer->online == sweeps[s].online)
                add_work(self, peer, sweeps[s].only, list);
        }
    }
    return list;
}

/* Opens @peer here and now, if there is something to open and there may be. Returns what is still
 * not opened. */
static unsigned open_some(LockPeers *self, const LockPeersRules *rules, const MeshPeer *peer)
{
    const Known *known = g_hash_table_lookup(self->known, GUINT_TO_POINTER(peer->index));
    unsigned     wants = list_wants(known, peer);
    LockCheck    check;

    if (wants == 0 || *rules->left == 0)
        return wants;
    --*rules->left;
    check = make_check(known, peer, wants);
    lock_check_open(&check, rules->check);
    lock_peers_take(self, &check);
    lock_check_clear(&check);
    return 0; /* rules.check.later is not set here */
}

/* ---- judging ---- */

/* E harms nobody but its own peer's endpoints: what is wrong with it is not an error of the peer.
 * The last good one stays until it ends. */
static const MeshRecordE *judge_e(Known *known, const LockPeersRules *rules)
{
    LockFloor *floor = lock_floors_find(rules->floors, &known->member->node);

    if (known->next != NULL && (floor == NULL || known->next->seq > floor->e_seq)) {
        g_free(known->ephemeral);
        known->ephemeral = g_steal_pointer(&known->next);
        if (floor != NULL)
            floor->e_seq = known->ephemeral->seq;
    }
    g_clear_pointer(&known->next, g_free);
    return known->ephemeral != NULL && known->ephemeral->exp > rules->now ? known->ephemeral : NULL;
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
    static const MeshRecordKind order[] = { MESH_RECORD_STATIC, MESH_RECORD_MAPPED,
                                            MESH_RECORD_LOCAL, MESH_RECORD_OBSERVED };
    MeshRecordEndpoint          found[LOCK_MAX_ENDPOINTS];
    size_t                      n = 0;

    for (size_t o = 0; o < G_N_ELEMENTS(order); o++) {
        for (size_t i = 0; i < record->n_endpoints; i++) {
            const MeshRecordEndpoint *endpoint = &record->endpoints[i];

            if (endpoint->kind == order[o] && n < LOCK_MAX_ENDPOINTS &&
                is_worth_trying(rules, &endpoint->endpoint.addr))
                found[n++] = *endpoint;
        }
    }
    out->endpoints = g_memdup2(found, n * sizeof(found[0]));
    out->n_endpoints = n;
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

static bool refuse(const char *why, GError **error)
{
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_UNVERIFIED, why);
    return false;
}

static bool judge_member(Known *known, const LockPeersRules *rules, const MeshPeer *peer,
                         LockVerdict *out, GError **error)
{
    if (mesh_signed_equal(known->bad_m, peer->m))
        return refuse(known->m_why, error);
    g_strlcpy(out->name, known->member->name, sizeof(out->name));
    out->next_change = get_turn(known->member, rules->now);
    return lock_floors_take_member(rules->floors, known->member, &known->m_hash, error) &&
           mesh_member_check_time(known->member, rules->now, error) &&
           lock_peers_check_addresses(rules->policy, known->member, error);
}

static bool judge_k(Known *known, const LockPeersRules *rules, const MeshPeer *peer, GError **error)
{
    if (mesh_signed_equal(known->bad_k, peer->k))
        return refuse(known->k_why, error);
    return lock_floors_take_k(rules->floors, &known->member->node, known->k_seq, &known->k_hash,
                              error);
}

static bool are_prefixes_alike(const GArray *a, const GArray *b)
{
    if (a->len != b->len)
        return false;
    for (guint i = 0; i < a->len; i++)
        if (!mesh_ip_equal_prefix(&g_array_index(a, MeshPrefix, i),
                                  &g_array_index(b, MeshPrefix, i)))
            return false;
    return true;
}

void lock_peers_begin(LockPeers *self, const LockPeersRules *rules)
{
    if (!mesh_ip_equal_prefix(&self->net4, &rules->policy->net4) ||
        !mesh_ip_equal_prefix(&self->net6, &rules->policy->net6) ||
        !are_prefixes_alike(self->foreign, rules->foreign) || rules->now < self->now)
        self->round++;
    self->net4 = rules->policy->net4;
    self->net6 = rules->policy->net6;
    self->now = rules->now;
    g_array_set_size(self->foreign, 0);
    if (rules->foreign->len > 0)
        g_array_append_vals(self->foreign, rules->foreign->data, rules->foreign->len);
}

void lock_peers_renew_floors(LockPeers *self)
{
    self->round++;
}

/* Would judging @peer anew come to what it came to the last time? */
static bool stands(const LockPeers *self, const Known *known, const MeshPeer *peer)
{
    const LockPeer *passed = known->passed;

    return passed != NULL && known->round == self->round && self->now < known->until &&
           known->moves == known->floor->moves && passed->online == peer->online &&
           passed->last_seen == peer->last_seen && passed->owner == peer->owner &&
           mesh_signed_equal(known->m, peer->m) && mesh_signed_equal(known->k, peer->k) &&
           (peer->e == NULL || mesh_signed_equal(known->e, peer->e));
}

static void note_verdict(LockPeers *self, Known *known, LockFloors *floors,
                         const LockVerdict *verdict)
{
    known->passed = lock_build_ref(verdict->peer);
    known->until = verdict->next_change;
    known->floor = lock_floors_find(floors, &known->member->node);
    known->moves = known->floor->moves;
    known->round = self->round;
}

/* An E that names another K than the newest is of a program that does not know what that one says:
 * an older version, running on the state of a newer one. */
static bool offers_aes(const Known *known, const MeshRecordE *e)
{
    return known->k_aes && (e == NULL || (e->has_k_hash && memcmp(e->k_hash, &known->k_hash,
                                                                  sizeof(e->k_hash)) == 0));
}

static const LockPeer *make_peer(Known *known, const LockPeersRules *rules, const MeshPeer *peer,
                                 int64_t *next_change)
{
    const MeshRecordE *ephemeral = judge_e(known, rules);
    LockPeer           made = { .index = peer->index,
                                .online = peer->online,
                                .last_seen = peer->last_seen,
                                .member = mesh_member_ref(known->member),
                                .wg = known->wg,
                                .k_seq = known->k_seq,
                                .offers_aes = offers_aes(known, ephemeral) };

    made.owner = peer->owner != NULL ? g_ref_string_acquire(peer->owner) : NULL;
    if (ephemeral == NULL)
        return lock_build_share(&made);
    made.e_seq = ephemeral->seq;
    *next_change = MIN(*next_change, ephemeral->exp);
    take_endpoints(rules, ephemeral, &made);
    made.has_probe_key = ephemeral->has_probe_key;
    made.probe_key = ephemeral->probe_key;
    made.n_relays = ephemeral->n_relays;
    memcpy(made.relays, ephemeral->relays, sizeof made.relays);
    if (ephemeral->relay.port != 0)
        made.relay = g_memdup2(&ephemeral->relay, sizeof ephemeral->relay);
    if (ephemeral->tcp.addr.family != 0 && is_worth_trying(rules, &ephemeral->tcp.addr))
        made.tcp = g_memdup2(&ephemeral->tcp, sizeof ephemeral->tcp);
    return lock_build_share(&made);
}

LockPeersEnd lock_peers_judge(LockPeers *self, const LockPeersRules *rules, const MeshPeer *peer,
                              LockVerdict *out, GError **error)
{
    Known   *known = g_hash_table_lookup(self->known, GUINT_TO_POINTER(peer->index));
    unsigned waits;

    *out = (LockVerdict){ .next_change = INT64_MAX };
    if (known != NULL && stands(self, known, peer)) {
        out->peer = lock_build_ref(known->passed);
        out->next_change = known->until;
        return LOCK_PEERS_PASSED;
    }
    waits = open_some(self, rules, peer);
    if ((waits & (LOCK_CHECK_M | LOCK_CHECK_K)) != 0)
        return LOCK_PEERS_WAITING;
    known = get_known(self, peer->index);
    forget_verdict(known);
    if (!judge_member(known, rules, peer, out, error) || !judge_k(known, rules, peer, error))
        return LOCK_PEERS_REFUSED;
    out->e_waits = waits != 0;
    out->peer = make_peer(known, rules, peer, &out->next_change);
    if (!out->e_waits)
        note_verdict(self, known, rules->floors, out);
    return LOCK_PEERS_PASSED;
}
