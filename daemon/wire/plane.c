/* daemon/wire/plane.c: the front door: starts and stops the threads, publishes snapshots, carries
 * wishes in and news out. Everything here runs on the control thread. */
#include "daemon/wire/plane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"
#include "daemon/wire/config-read.h"
#include "daemon/wire/engines.h"
#include "daemon/wire/handed.h"
#include "daemon/wire/handshake.h"
#include "daemon/wire/shard.h"
#include "daemon/wire/shards.h"
#include "daemon/wire/state.h"
#include "daemon/wire/tun-offloads.h"
#include "daemon/wire/udp-open.h"
#include "daemon/wire/udp.h"
#include "daemon/wire/ways.h"

/* A configuration on its way into a snapshot. */
typedef struct {
    WirePlane *plane;
    WirePeer  *created; /* linked by next_new */
} Applying;

static WirePeer *make_peer(const WirePeerSpec *spec, void *data)
{
    Applying  *applying = data;
    WirePlane *plane = applying->plane;
    WirePeer  *peer = wire_peer_new(spec, plane->index, plane->next_shard++ % plane->n_shards);

    if (peer == NULL)
        return NULL;
    peer->next_new = applying->created;
    applying->created = peer;
    return peer;
}

/* As those that leave: the owner of one that comes again may still be read in a snapshot from
 * before it went, so it may have been met by now, and have a session. */
static void drop_created(Applying *applying)
{
    while (applying->created != NULL) {
        WirePeer *peer = applying->created;

        applying->created = peer->next_new;
        wire_peer_ask(applying->plane, peer, WIRE_ASK_END);
    }
}

/* They are to live; what links them is needed for something else. */
static void keep_created(Applying *applying)
{
    while (applying->created != NULL) {
        WirePeer *peer = applying->created;

        applying->created = peer->next_new;
        memset(&peer->deadline, 0, sizeof(peer->deadline));
    }
}

/* A peer that went ends; one that is new, or whose secret, keepalive or suite changed, is looked
 * at. */
static void follow_change(WireCard *was, WireCard *is, void *data)
{
    WirePlane *self = data;
    WirePeer  *peer;
    uint16_t   keepalive_s;

    if (is == NULL) {
        wire_peer_ask(self, wire_owner_get_peer(was->owner), WIRE_ASK_END);
        return;
    }
    peer = wire_owner_get_peer(is->owner);
    keepalive_s = atomic_exchange(&peer->keepalive_s, is->keepalive_s);
    if (was == NULL || !mesh_key_equal(wire_card_get_preshared(was), wire_card_get_preshared(is)) ||
        (keepalive_s == 0 && is->keepalive_s != 0))
        wire_peer_ask(self, peer, WIRE_ASK_KEYS);
    else if (keepalive_s != is->keepalive_s)
        wire_peer_ask(self, peer, WIRE_ASK_LOOK);
    if (was != NULL && was->suite != is->suite)
        wire_peer_ask(self, peer, WIRE_ASK_SUITE);
}

/* On success the snapshot before, which no thread needs any more, is retired. */
static int apply_own(WirePlane *self, const WireConfig *config)
{
    WireSnapshot *old = wire_rcu_load(&self->snapshot), *news;
    Applying      applying = { .plane = self };
    int           rc = wire_snapshot_new(config, old, make_peer, &applying, &news);

    if (rc == 0) {
        rc = wire_sockets_bind(&self->sockets, news->listen_port, news->fwmark);
        if (rc < 0)
            wire_snapshot_free(news);
    }
    if (rc < 0) {
        drop_created(&applying);
        return rc;
    }
    keep_created(&applying);
    wire_rcu_publish(&self->snapshot, news);
    wire_snapshot_compare(old, news, follow_change, self);
    wire_snapshot_retire(old);
    for (unsigned i = 0; i < self->n_shards; i++)
        wire_mailbox_ring(&self->to_in[i]); /* it may wait on sockets that are no more */
    wire_mailbox_ring(&self->to_handshake);
    return 0;
}

int wire_plane_apply(WirePlane *self, const WireConfig *config)
{
    WireConfig *apart;
    int         rc;

    if (wire_config_claim(config, self))
        return apply_own(self, config);
    apart = wire_config_dup_apart(config); /* it is another plane's, too */
    if (apart == NULL)
        return -ENOMEM;
    rc = wire_config_claim(apart, self) ? apply_own(self, apart) : -ENOMEM;
    wire_config_free(apart);
    return rc;
}

static int probe_gso(WirePlane *self, WireSwitch wish)
{
    int rc = wish == WIRE_SWITCH_OFF ? -EOPNOTSUPP : wire_udp_probe_gso();

    self->gso = rc == 0;
    self->sockets.gro = wish != WIRE_SWITCH_OFF && wire_udp_probe_gro();
    return wish == WIRE_SWITCH_ON ? rc : 0;
}

/* As many as there are queues. */
static int make_shards(WirePlane *self)
{
    int rc = 0;

    atomic_store(&self->busy_percent, WIRE_BUSY_PERCENT);
    for (unsigned i = 0; rc == 0 && i < wire_tun_count(self->tun); i++) {
        self->n_shards = i + 1;
        rc = wire_mailbox_init(&self->to_out[i]);
        if (rc == 0)
            rc = wire_mailbox_init(&self->to_in[i]);
        if (rc == 0 && i > 0)
            rc = wire_framering_new(WIRE_HANDED_BYTES, &self->handed[i]);
    }
    return rc;
}

/* The parts that need no thread. On failure wire_plane_stop() undoes what there is. */
static int make_parts(WirePlane *self, const WirePlaneOptions *options)
{
    WireConfig *empty = wire_config_new();
    int         rc = empty == NULL ? -ENOMEM : wire_tun_new(options, &self->tun);

    if (rc == 0)
        rc = make_shards(self);
    if (rc == 0)
        rc = wire_index_new(&self->index);
    if (rc == 0)
        rc = wire_flows_new(&self->flows);
    if (rc == 0)
        wire_index_set_shards(self->index, self->n_shards);
    if (rc == 0) {
        WireSnapshot *snapshot;

        rc = wire_snapshot_new(empty, NULL, make_peer, NULL, &snapshot);
        if (rc == 0)
            wire_rcu_publish(&self->snapshot, snapshot);
    }
    if (rc == 0)
        rc = wire_events_init(&self->events, self->n_shards);
    if (rc == 0)
        rc = wire_pings_init(&self->pings);
    if (rc == 0)
        rc = mesh_ring_new(sizeof(WireQueuedMessage), WIRE_MAX_MESSAGES, &self->messages);
    if (rc == 0)
        rc = mesh_ring_new(sizeof(WireQueuedMessage), WIRE_MAX_PROVEN, &self->proven);
    if (rc == 0)
        rc = wire_screen_new(&self->screen);
    if (rc == 0)
        rc = wire_mailbox_init(&self->to_handshake);
    if (rc == 0)
        rc = wire_sockets_init(&self->sockets, self->n_shards);
    if (rc == 0)
        rc = probe_gso(self, options->gso);
    wire_config_free(empty);
    return rc;
}

static WirePlane *make_plane(void)
{
    WirePlane *self = aligned_alloc(_Alignof(WirePlane), sizeof(WirePlane));

    if (self == NULL)
        return NULL;
    memset(self, 0, sizeof(*self));
    wire_engines_use(self, NULL);
    for (int s = 0; s < WIRE_N_SOCKETS; s++) {
        for (unsigned n = 0; n < WIRE_MAX_SHARDS; n++)
            self->sockets.fds[n][s] = -1;
    }
    for (size_t s = 0; s <= WIRE_MAX_SOCKETS; s++)
        self->sockets.adopted[s] = -1;
    return self;
}

int wire_plane_start(const WirePlaneOptions *wished, WirePlane **out_plane)
{
    WirePlaneOptions        found = *wished;
    const WirePlaneOptions *options = &found;
    WirePlane              *self;
    int                     rc = mesh_key_init();

    if (wished->shards > WIRE_MAX_SHARDS)
        return -EINVAL;
    if (wished->shards == 0)
        found.shards = (uint16_t)wire_shards_default();
    if (rc == 0)
        rc = mesh_hash_init();
    if (rc == 0)
        rc = wire_aead_init();
    if (rc < 0)
        return rc;
    self = make_plane();
    if (self == NULL)
        return -ENOMEM;
    self->only = options->suite;
    rc = make_parts(self, options);
    if (rc == 0)
        rc = wire_handshake_start(self, &self->handshaker);
    for (unsigned i = 0; rc == 0 && i < self->n_shards; i++)
        rc = wire_shard_start(self, i, &self->shards[i]);
    if (rc < 0) {
        if (self->tun != NULL && options->tun_fd >= 0)
            wire_tun_give_back(self->tun); /* taken over on success only */
        wire_plane_stop(self);
        return rc;
    }
    *out_plane = self;
    return 0;
}

/* No thread runs any more. Notes hold references; those of ended peers the base reference too. */
static void drop_notes(WirePlane *self)
{
    WireNote *note = wire_mailbox_take(&self->to_handshake);
    uint32_t  bits;

    while (note != NULL) {
        WirePeer *peer = wire_peer_of_handshake_note(note);

        note = wire_mailbox_next(note, &bits);
        if ((bits & WIRE_ASK_END) && !peer->ended)
            wire_peer_unref(peer);
        wire_peer_unref(peer);
    }
    for (unsigned i = 0; i < self->n_shards; i++) {
        note = wire_mailbox_take(&self->to_out[i]);
        while (note != NULL) {
            WirePeer *peer = wire_peer_of_out_note(note);

            note = wire_mailbox_next(note, &bits);
            wire_peer_unref(peer);
        }
    }
}

static void drop_peer(WirePeer *peer, void *data)
{
    (void)data;
    wire_peer_unref(peer);
}

static void drop_peers(WirePlane *self)
{
    WireSnapshot *snapshot = wire_rcu_load(&self->snapshot);

    if (snapshot == NULL)
        return;
    wire_snapshot_list_peers(snapshot, drop_peer, NULL);
    wire_snapshot_free(snapshot);
}

void wire_plane_stop(WirePlane *self)
{
    if (self == NULL)
        return;
    atomic_store_explicit(&self->stopping, true, memory_order_release);
    for (unsigned i = 0; i < self->n_shards; i++)
        wire_shard_stop(self->shards[i]);
    wire_handshake_stop(self->handshaker);
    drop_notes(self);
    drop_peers(self);
    wire_links_done(&self->links);
    wire_rcu_barrier(); /* deferred frees still reach into the index */
    mesh_key_free(self->identity_news);
    wire_index_free(self->index);
    wire_flows_free(self->flows);
    wire_sockets_done(&self->sockets);
    wire_tun_free(self->tun);
    wire_mailbox_done(&self->to_handshake);
    for (unsigned i = 0; i < self->n_shards; i++) {
        wire_mailbox_done(&self->to_out[i]);
        wire_mailbox_done(&self->to_in[i]);
        wire_framering_free(self->handed[i]);
    }
    mesh_ring_free(self->messages);
    mesh_ring_free(self->proven);
    wire_screen_free(self->screen);
    wire_pings_done(&self->pings);
    wire_events_done(&self->events);
    free(self);
}

int wire_plane_set_private_key(WirePlane *self, const MeshKey *private_key)
{
    WireIdentity *identity = mesh_key_alloc(sizeof(*identity));

    if (identity == NULL)
        return -ENOMEM;
    if (private_key != NULL && !mesh_key_is_zero(private_key)) {
        identity->private_key = *private_key;
        identity->private_key.bytes[0] &= 248; /* RFC 7748 §5, as `wg` reads it back */
        identity->private_key.bytes[31] = (identity->private_key.bytes[31] & 127) | 64;
        mesh_key_make_public(&identity->private_key, &identity->public_key);
    }
    wire_screen_set(self->screen, NULL); /* what is for the new key is judged behind this news */
    mesh_key_free(__atomic_exchange_n(&self->identity_news, identity, __ATOMIC_ACQ_REL));
    wire_mailbox_ring(&self->to_handshake);
    return 0;
}

static WirePeer *find_peer(WirePlane *self, const MeshKey *key)
{
    return wire_snapshot_get_peer(wire_rcu_load(&self->snapshot), key);
}

/* Then our source for it stays, too. */
static bool is_now(const WirePeer *peer, const WireWay *way)
{
    WireHop hop = { .link = 0 };
    WireWay now;

    (void)wire_route_get(&peer->route, &hop);
    now = wire_hop_get_way(&hop);
    return wire_way_equal(&now, way);
}

/* Memory for what set_way() sets. */
static int prepare_way(WirePeer *peer, const WireRoute *route)
{
    bool has_way = route->pinned ? wire_way_is_set(&route->way) : route->endpoint.addr.family != 0;
    int  rc = has_way ? wire_route_prepare(&peer->route) : 0;

    if (rc == 0 && route->pinned && wire_way_is_set(&route->copy))
        rc = wire_route_prepare(&peer->copy);
    return rc;
}

static void set_way(WirePeer *peer, const WireRoute *route)
{
    WireHop hop = wire_hop_from_way(&route->way), copy = wire_hop_from_way(&route->copy);
    bool    is_new = route->pinned && !atomic_load(&peer->pinned); /* it may have learned the way */

    if (!route->pinned) {
        hop = (WireHop){ .remote = route->endpoint };
        copy = (WireHop){ .link = 0 };
    }
    atomic_store(&peer->pinned, route->pinned);
    if (route->pinned ? !is_now(peer, &route->way) : wire_hop_is_set(&hop)) {
        wire_route_set(&peer->route, &hop);
        is_new = true;
    }
    if (is_new)
        atomic_store(&peer->tells_bursts, true);
    wire_route_set(&peer->copy, &copy);
    atomic_store(&peer->n_copies, route->n_copies);
    atomic_store(&peer->mtu, route->pinned ? route->mtu : 0);
    atomic_store(&peer->singly, route->pinned && route->singly);
    atomic_store(&peer->timers.silent_ms, route->pinned ? route->silent_ms : 0);
}

int wire_plane_set_route(WirePlane *self, const MeshKey *key, const WireRoute *route, bool initiate)
{
    WirePeer *peer = find_peer(self, key);
    int64_t   until_ms;
    int       rc;

    if (peer == NULL)
        return -ENOENT;
    if (route->n_candidates > WIRE_MAX_CANDIDATES)
        return -EINVAL;
    rc = prepare_way(peer, route);
    if (rc == 0)
        rc = wire_peer_give_route(peer, route);
    if (rc < 0)
        return rc;
    set_way(peer, route);
    atomic_store_explicit(&peer->has_candidates, route->pinned || route->n_candidates > 0,
                          memory_order_relaxed);
    until_ms = atomic_load_explicit(&peer->session_until_ms, memory_order_relaxed);
    wire_peer_ask(self, peer,
                  WIRE_ASK_ROUTE |
                      (initiate && mesh_clock_boot_ms() >= until_ms ? WIRE_ASK_SESSION : 0));
    return 0;
}

int wire_plane_send_raw(WirePlane *self, const MeshEndpoint *to, const uint8_t *bytes,
                        size_t n_bytes)
{
    return wire_ways_send(self, &(WireWay){ .endpoint = *to }, 0, (MeshSpan){ bytes, n_bytes });
}

int wire_plane_ping(WirePlane *self, const MeshAddr *source, const MeshAddr *destination,
                    uint16_t id, uint16_t sequence)
{
    WirePingSpec          spec = { *source, *destination, id, sequence };
    const WireAllowedIps *ips = wire_rcu_load(&self->snapshot)->allowed_ips;
    WirePeer             *peer = NULL;

    if (source->family != destination->family)
        return -EINVAL;
    if (destination->family == AF_INET)
        peer = wire_allowedips_get4(ips, destination->bytes);
    if (destination->family == AF_INET6)
        peer = wire_allowedips_get6(ips, destination->bytes);
    if (peer == NULL)
        return -ENOENT;
    return wire_pings_put(&self->pings, &spec);
}

int wire_plane_event_fd(const WirePlane *self)
{
    return wire_events_fd(&self->events);
}

bool wire_plane_next_event(WirePlane *self, WireEvent *out_event)
{
    return wire_events_pop(&self->events, out_event);
}

void wire_plane_get_info(WirePlane *self, WirePlaneInfo *out_info)
{
    WirePlaneInfo info = { .mtu = wire_tun_mtu(self->tun),
                           .up = wire_tun_up(self->tun),
                           .listen_port = atomic_load(&self->sockets.port),
                           .fwmark = self->sockets.fwmark,
                           .sent_ns = atomic_load(&self->sent_ns) };

    for (WireSuite suite = 0; suite < WIRE_N_SUITES; suite++) {
        const WireAead *engine = atomic_load(&self->engines[suite]);

        info.engines[suite] = engine != NULL ? engine->name : NULL;
    }
    strncpy(info.ifname, wire_tun_name(self->tun), sizeof(info.ifname) - 1);
    *out_info = info;
}

static bool is_on(const WirePlane *self, WireOffload offload)
{
    if (offload == WIRE_OFFLOAD_UDP_SEND)
        return self->gso;
    return offload == WIRE_OFFLOAD_UDP_RECEIVE ? self->sockets.gro
                                               : wire_tun_has_offload(self->tun, offload);
}

void wire_plane_get_stats(WirePlane *self, WireStats *out_stats)
{
    WireStats stats = { 0 };

    for (int t = 0; t < WIRE_MAX_THREADS; t++) {
        const WireCounters *counters = &self->counters[t];

        stats.rx_packets += wire_count_read(&counters->rx_packets);
        stats.tx_packets += wire_count_read(&counters->tx_packets);
        stats.rx_bytes += wire_count_read(&counters->rx_bytes);
        stats.tx_bytes += wire_count_read(&counters->tx_bytes);
        stats.queue_times += wire_count_read(&counters->queue_times);
        stats.queue_peak += wire_count_read(&counters->queue_peak);
        stats.marked += wire_count_read(&counters->marked);
        stats.cut += wire_count_read(&counters->cut);
        for (int d = 0; d < WIRE_N_DROPS; d++)
            stats.drops[d] += wire_count_read(&counters->drops[d]);
        for (int o = 0; o < WIRE_N_OFFLOADS; o++) {
            stats.offloads[o].units += wire_count_read(&counters->offloads[o].units);
            stats.offloads[o].packets += wire_count_read(&counters->offloads[o].packets);
            stats.offloads[o].refused += wire_count_read(&counters->offloads[o].refused);
            stats.offloads[o].held += wire_count_read(&counters->offloads[o].held);
            stats.offloads[o].given_up += wire_count_read(&counters->offloads[o].given_up);
        }
    }
    for (WireOffload o = 0; o < WIRE_N_OFFLOADS; o++)
        stats.offloads[o].on = is_on(self, o);
    *out_stats = stats;
}

int wire_plane_get_peer(WirePlane *self, const MeshKey *key, WirePeerInfo *out_info)
{
    WirePeer *peer = find_peer(self, key);

    if (peer == NULL)
        return -ENOENT;
    wire_peer_get_info(peer, mesh_clock_boot_ms(), out_info);
    return 0;
}
