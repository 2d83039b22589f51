/* daemon/lock/gate.c: see gate.h. The rules are docs/PROTOCOL.md §4, "What a node checks". */
#include "daemon/lock/gate.h"

#include "common/glib/error.h"
#include "common/proto/tip.h"
#include "common/std/clock.h"
#include "daemon/lock/build.h"
#include "daemon/lock/claims.h"
#include "daemon/lock/floors.h"
#include "daemon/lock/floorsfile.h"
#include "daemon/lock/gatelog.h"
#include "daemon/lock/peers.h"
#include "daemon/lock/vouched.h"
#include "daemon/lock/workinside.h"

#include <string.h>

struct LockGate {
    MeshNetworkId net;
    MeshKey       server, node, wg;
    bool          has_wg;
    GArray       *foreign; /* of MeshPrefix */
    LockFloors   *floors;
    LockPeers    *peers;   /* what was opened before */
    GBytes       *proven;  /* bodies that verified in earlier runs; NULL: none */
    MeshSigned   *set;     /* the statement over all M that was judged last; NULL: none */
    GBytes       *vouched; /* the bodies that it proves, until all were opened; NULL: none */
    LockVerified *running; /* in the data plane */
    LockVerified *last;    /* that came of the last map; NULL: none yet. The next is made from it */
    MeshSigned   *tips[2]; /* hello's and the delta's that were taken last */
};

enum { HELLO_TIP, DELTA_TIP };

LockGate *lock_gate_new(const MeshNetworkId *net, const MeshKey *server, const MeshKey *node)
{
    LockGate *self = g_new0(LockGate, 1);

    self->net = *net;
    self->server = *server;
    self->node = *node;
    self->foreign = g_array_new(FALSE, TRUE, sizeof(MeshPrefix));
    self->floors = lock_floors_new(net);
    self->peers = lock_peers_new();
    return self;
}

void lock_gate_free(LockGate *self)
{
    if (self == NULL)
        return;
    g_array_unref(self->foreign);
    lock_floors_free(self->floors);
    lock_peers_free(self->peers);
    g_clear_pointer(&self->proven, g_bytes_unref);
    mesh_signed_unref(self->set);
    g_clear_pointer(&self->vouched, g_bytes_unref);
    lock_verified_unref(self->running);
    lock_verified_unref(self->last);
    mesh_signed_unref(self->tips[HELLO_TIP]);
    mesh_signed_unref(self->tips[DELTA_TIP]);
    g_free(self);
}

void lock_gate_set_wg(LockGate *self, const MeshKey *wg)
{
    self->wg = *wg;
    self->has_wg = true;
}

void lock_gate_set_foreign(LockGate *self, const MeshPrefix *prefixes, size_t n_prefixes)
{
    g_array_set_size(self->foreign, 0);
    if (n_prefixes > 0)
        g_array_append_vals(self->foreign, prefixes, (guint)n_prefixes);
}

void lock_gate_set_running(LockGate *self, LockVerified *running)
{
    lock_verified_ref(running);
    lock_verified_unref(self->running);
    self->running = running;
}

int64_t lock_gate_now(const LockGate *self)
{
    return lock_floors_now(self->floors);
}

int64_t lock_gate_true_time(const LockGate *self)
{
    const LockFloors *floors = self->floors;

    if (!floors->heard)
        return 0;
    return floors->heard_s + (mesh_clock_boot_ms() - floors->heard_boot_ms) / 1000;
}

int64_t lock_gate_server_now(const LockGate *self)
{
    return self->floors->heard ? lock_gate_true_time(self) : lock_gate_now(self);
}

/* One of the two tips of @head. A tip is taken once: its time is that of its arrival. */
static bool take_tip(LockGate *self, const MeshNetmapHead *head, int which, GError **error)
{
    MeshSigned *object = which == HELLO_TIP ? head->tip : head->delta_tip;
    MeshTip     tip;

    if (object == NULL || mesh_signed_equal(self->tips[which], object))
        return true;
    if (!mesh_tip_open(object, &self->net, &self->server, &tip, error))
        return false;
    if (which == HELLO_TIP &&
        (!tip.has_nonce || tip.nonce.number != head->nonce.number ||
         memcmp(tip.nonce.start, head->nonce.start, sizeof(tip.nonce.start)) != 0)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_UNVERIFIED,
                    "tip: it does not answer this request, but an older one");
        return false;
    }
    if (!lock_floors_take_tip(self->floors, &tip, error))
        return false;
    if (which == HELLO_TIP) {
        self->floors->heard = true;
        self->floors->heard_s = tip.time;
        self->floors->heard_boot_ms = mesh_clock_boot_ms();
    }
    mesh_signed_unref(self->tips[which]);
    self->tips[which] = mesh_signed_ref(object);
    return true;
}

/* The map is from before what the tips told. */
static bool is_stale(const LockGate *self, const MeshNetmapHead *head)
{
    const LockFloors *floors = self->floors;

    return head->tip == NULL || head->epoch < floors->tip_epoch ||
           (head->epoch == floors->tip_epoch && head->ver < floors->tip_ver);
}

static bool check_head(const LockGate *self, const MeshNetmapHead *head, GError **error)
{
    const char *why = NULL;

    if (head->epoch == 0 || head->m == NULL || head->p == NULL)
        why = "it has no membership or policy";
    else if (head->has_network && !mesh_network_equal_id(&head->network.id, &self->net))
        why = "it is of another network";
    else if (head->has_network && !mesh_key_equal(&head->network.server, &self->server))
        why = "it names another server key than the join link";
    if (why == NULL)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_ANSWER, "map: %s", why);
    return false;
}

static MeshMember *open_own(LockGate *self, MeshSigned *m, GError **error)
{
    g_autoptr(MeshMember) member = mesh_member_open(m, &self->net, &self->server, error);
    LockHash hash = lock_check_hash(m);

    if (member == NULL)
        return NULL;
    if (!mesh_key_equal(&member->node, &self->node)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_UNVERIFIED,
                    "own membership: it is of another node");
        return NULL;
    }
    if (!lock_floors_take_member(self->floors, member, &hash, error))
        return NULL;
    return g_steal_pointer(&member);
}

/* Before the first tip our own clock is all there is, and it may be years off: the map that follows
 * brings a tip, and this membership is judged again. */
MeshMember *lock_gate_open_member(LockGate *self, MeshSigned *m, GError **error)
{
    g_autoptr(MeshMember) member = open_own(self, m, error);
    bool told = self->floors->heard || self->floors->time > 0;

    if (member == NULL || (told && !mesh_member_check_time(member, lock_gate_now(self), error)))
        return NULL;
    return g_steal_pointer(&member);
}

static LockCheckRules get_check_rules(const LockGate *self)
{
    return (LockCheckRules){
        .net = self->net, .server = self->server, .proven = self->proven, .vouched = self->vouched
    };
}

LockWork *lock_gate_take_work(LockGate *self, const MeshNetmap *map, size_t max)
{
    LockCheckRules rules = get_check_rules(self);
    GArray        *checks = lock_peers_list_work(self->peers, map, max);

    rules.later = true;
    if (checks->len > 0)
        return lock_work_new(&rules, checks);
    g_array_unref(checks);
    return NULL;
}

void lock_gate_put_work(LockGate *self, LockWork *work)
{
    for (guint i = 0; i < work->checks->len; i++)
        lock_peers_take(self->peers, &g_array_index(work->checks, LockCheck, i));
    lock_work_free(work);
}

/* A new statement of the server over all M of a snapshot. Few peers are as quickly verified singly,
 * and it says nothing of a map from disk. */
static void take_set(LockGate *self, const MeshNetmap *map)
{
    MeshSigned *set = mesh_netmap_get_head(map)->set;

    if (mesh_signed_equal(self->set, set))
        return;
    mesh_signed_unref(self->set);
    self->set = mesh_signed_ref(set);
    g_clear_pointer(&self->vouched, g_bytes_unref);
    self->vouched = lock_vouched_list(map, &self->net, &self->server);
}

/* Nearly always nobody claims what another has. */
static void settle_peers(LockGate *self, GPtrArray *passed, LockVerified *out)
{
    LockClaims claims = { passed, self->has_wg ? &self->wg : NULL, lock_build_head(out)->self,
                          self->running };
    g_autoptr(GPtrArray) winners = NULL;

    if (lock_build_set_peers(out, passed, self->last) && !lock_claims_are_ours(&claims, out))
        return;
    winners = lock_claims_settle(&claims, out);
    (void)lock_build_set_peers(out, winners, self->last); /* they are apart: that was settled */
}

/* Judges the peers of @map under @policy and settles their conflicts. */
static void judge_peers(LockGate *self, const MeshNetmap *map, const MeshAcl *policy,
                        LockVerified *out)
{
    LockCheckRules    check = get_check_rules(self);
    unsigned          left = LOCK_GATE_AT_ONCE;
    LockPeersRules    rules = { .policy = policy,
                                .foreign = self->foreign,
                                .floors = self->floors,
                                .now = lock_gate_now(self),
                                .check = &check,
                                .left = &left };
    LockVerifiedHead *head = lock_build_head(out);
    g_autoptr(GPtrArray) passed = g_ptr_array_new_with_free_func(lock_build_unref);

    lock_peers_begin(self->peers, &rules);
    for (size_t i = 0; i < mesh_netmap_count(map); i++) {
        const MeshPeer *peer = mesh_netmap_get_peer(map, i);
        LockVerdict     verdict;
        g_autoptr(GError) why = NULL;

        switch (lock_peers_judge(self->peers, &rules, peer, &verdict, &why)) {
        case LOCK_PEERS_PASSED:
            g_ptr_array_add(passed, (gpointer)verdict.peer);
            head->n_unheard += verdict.e_waits ? 1 : 0;
            break;
        case LOCK_PEERS_REFUSED:
            lock_build_leave_out(out, peer->index, verdict.name[0] != '\0' ? verdict.name : NULL,
                                 why->message);
            break;
        case LOCK_PEERS_WAITING:
            head->n_waiting++;
            break;
        }
        head->next_change = MIN(head->next_change, verdict.next_change);
    }
    if (head->n_waiting == 0)
        g_clear_pointer(&self->vouched, g_bytes_unref); /* nobody asks any more */
    settle_peers(self, passed, out);
}

static GArray *flatten(const LockVerified *verified, const MeshAcl *policy, GError **error)
{
    g_autoptr(GPtrArray) members = g_ptr_array_new();

    g_ptr_array_add(members, lock_verified_get_head(verified)->self);
    for (size_t i = 0; i < lock_verified_count(verified); i++)
        g_ptr_array_add(members, lock_verified_get_peer(verified, i)->member);
    return mesh_acl_flatten(policy, (MeshMember *const *)members->pdata, members->len, error);
}

/* The whole map under one policy, which is taken over if it works out. */
static LockVerified *verify_under(LockGate *self, const MeshNetmap *map, MeshSigned *p,
                                  GError **error)
{
    const MeshNetmapHead *head = mesh_netmap_get_head(map);
    g_autoptr(MeshAcl) policy = mesh_acl_open(p, &self->net, &self->server, error);
    g_autoptr(LockVerified) out = lock_build_new();
    LockVerifiedHead *told = lock_build_head(out);
    g_autoptr(MeshMember) own = NULL;
    uint64_t ver = policy != NULL ? policy->ver : 0;
    GArray  *rows;

    if (policy == NULL)
        return NULL;
    own = open_own(self, head->m, error);
    if (own == NULL || !mesh_member_check_time(own, lock_gate_now(self), error) ||
        !lock_peers_check_addresses(policy, own, error))
        return NULL;
    told->epoch = head->epoch;
    told->ver = head->ver;
    told->network = head->network;
    told->network.id = self->net;
    told->network.server = self->server;
    told->network.ip4 = policy->net4;
    told->network.ip6 = policy->net6;
    told->stale = is_stale(self, head);
    told->next_change = own->exp;
    lock_build_set_self(out, g_steal_pointer(&own));
    judge_peers(self, map, policy, out);
    rows = flatten(out, policy, error);
    if (rows == NULL)
        return NULL;
    lock_build_set_policy(out, g_steal_pointer(&policy), rows);
    if (!lock_floors_take_policy(self->floors, ver, p, error))
        return NULL;
    lock_verified_unref(self->last);
    self->last = lock_verified_ref(out);
    return g_steal_pointer(&out);
}

/* A policy from before the one that the tip of this very version names. */
static bool check_policy_version(LockGate *self, const MeshNetmapHead *head, GError **error)
{
    MeshTip  tip;
    MeshAcl *policy;
    bool     old;

    if (head->tip == NULL || !mesh_tip_open(head->tip, &self->net, &self->server, &tip, NULL) ||
        head->epoch != tip.epoch || head->ver < tip.ver)
        return true;
    policy = mesh_acl_open(head->p, &self->net, &self->server, NULL);
    old = policy != NULL && policy->ver < tip.pver;
    mesh_acl_free(policy);
    if (old)
        g_set_error(error, MESH_ERROR, MESH_ERROR_ROLLBACK,
                    "policy: older than the tip of this version says");
    return !old;
}

LockVerified *lock_gate_verify(LockGate *self, const MeshNetmap *map, GError **error)
{
    const MeshNetmapHead *head = mesh_netmap_get_head(map);
    g_autoptr(GError) why = NULL;
    g_autoptr(MeshSigned) last_good = mesh_signed_ref(self->floors->policy);
    LockVerified   *verified;
    const MeshGone *gone;
    size_t          n_gone;

    if (!check_head(self, head, error) || !take_tip(self, head, HELLO_TIP, error) ||
        !take_tip(self, head, DELTA_TIP, error) ||
        !lock_floors_take_map(self->floors, head, error) ||
        !check_policy_version(self, head, error))
        return NULL;
    take_set(self, map);
    gone = mesh_netmap_get_gone(map, &n_gone);
    for (size_t i = 0; i < n_gone; i++)
        lock_floors_take_gone(self->floors, &gone[i]);
    verified = verify_under(self, map, head->p, &why);
    if (verified != NULL)
        return verified;
    if (last_good == NULL || mesh_signed_equal(last_good, head->p)) {
        g_propagate_error(error, g_steal_pointer(&why));
        return NULL;
    }
    verified = verify_under(self, map, last_good, error);
    if (verified != NULL)
        lock_build_set_policy_error(verified, g_strdup(why->message));
    return verified;
}

char *lock_gate_encode_floors(LockGate *self, size_t *out_len)
{
    lock_floors_note_stored(self->floors);
    return lock_floors_encode(self->floors, out_len);
}

char *lock_gate_encode_raised(LockGate *self, size_t *out_len)
{
    char *text = lock_floors_encode_moved(self->floors, out_len);

    lock_floors_note_stored(self->floors);
    return text;
}

bool lock_gate_floors_changed(const LockGate *self)
{
    return self->floors->changed;
}

bool lock_gate_load_floors(LockGate *self, const char *text, size_t len, GError **error)
{
    g_autoptr(GPtrArray) none = g_ptr_array_new();

    return lock_gate_load_raised(self, text, len, none, error);
}

static bool read_floors(LockFloors *loaded, MeshSpan text, GPtrArray *raised, GError **error)
{
    if (!lock_floors_decode(loaded, text.data, text.len, error))
        return false;
    for (guint i = 0; i < raised->len; i++) {
        gsize       len = 0;
        const char *more = g_bytes_get_data(raised->pdata[i], &len);

        if (!lock_floors_take_moved(loaded, more, len, error))
            return false;
    }
    return true;
}

bool lock_gate_load_raised(LockGate *self, const char *text, size_t len, GPtrArray *raised,
                           GError **error)
{
    LockFloors *loaded = lock_floors_new(&self->net);
    g_autoptr(GError) why = NULL;

    if (!read_floors(loaded, MESH_SPAN(text, len), raised, &why)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "what was seen before cannot be read: %s",
                    why->message);
        lock_floors_free(loaded);
        return false;
    }
    lock_floors_free(self->floors);
    self->floors = loaded;
    lock_peers_renew_floors(self->peers);
    g_clear_pointer(&self->proven, g_bytes_unref);
    self->proven = lock_floors_list_proven(loaded);
    return true;
}
