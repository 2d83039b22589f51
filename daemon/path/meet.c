#include "daemon/path/meet.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/key.h"
#include "daemon/path/candidates.h"
#include "daemon/path/seeking.h"

enum {
    FAVOUR_US = 5000,      /* a node's relay spares the server's: it may be slower by so much */
    TCP_FAVOUR_US = 10000, /* the same of TCP straight to the peer: the relay is over TLS, too */
    PING_EACH_MS = 100,
};

_Static_assert(PATH_PAIR_RELAYS == G_N_ELEMENTS(((PathMeet *)0)->links), "one link a relay");

static PathPeerRelays *get_relays(const PathSeek *self)
{
    return self->host->peerrelays;
}

bool path_meet_is_direct(PathSeek *self)
{
    PathWay *active = path_seek_get_active(self);

    return active != NULL && active->to.link == 0;
}

static WireWay make_way(const PathSeek *self, uint8_t link)
{
    return (WireWay){ .link = link, .index = self->told->index };
}

static void ping_by_relay(PathSeek *self)
{
    MeshProbe probe = { .type = MESH_PROBE_PING, .length = MESH_PROBE_PONG_BYTES };

    if (self->relay.link == 0)
        return;
    mesh_key_random(&self->meet.txid, sizeof self->meet.txid);
    self->meet.sent_us = mesh_clock_boot_ns() / 1000;
    probe.txid = self->meet.txid;
    (void)path_seek_send(self, &probe, &self->relay, 0);
}

/* A ping by @link, if that is a way which is not proven. Returns: whether it was sent. */
static bool ping_link(PathSeek *self, uint8_t link, PathRank rank)
{
    WireWay  to = make_way(self, link);
    PathWay *way = path_ways_add(&self->ways, &to, rank, path_seek_get_active(self));

    if (way == NULL || way->valid ||
        mesh_clock_boot_ms() - way->pinged_ms < (way->pinged_ms != 0 ? PING_EACH_MS : 0))
        return false;
    way->trusted = true;
    (void)path_seek_ping(self, way, 0);
    return true;
}

/* Pings by what is bound and not proven. */
static void ping(PathSeek *self)
{
    bool asked = self->meet.tcp != 0 && ping_link(self, self->meet.tcp, PATH_RANK_TCP);

    for (size_t i = 0; i < self->meet.n_links; i++)
        if (path_peerrelays_is_bound(get_relays(self), self->meet.links[i]))
            asked |= ping_link(self, self->meet.links[i], PATH_RANK_PEER_RELAY);
    if (asked)
        ping_by_relay(self);
}

/* UDP is blocked here: the home relay is reached over TLS alone. */
static bool is_blocked(const PathSeek *self)
{
    PathRelayLook look;

    return path_relays_look(self->host->relays, NULL, false, &look) && look.seen.addr.family == 0;
}

/* Where the peer can be reached from anywhere, as far as its record tells. */
static size_t list_places(const PathSeek *self, MeshEndpoint out[PATH_TCP_PLACES])
{
    const GArray *own = self->host->addrs;
    size_t        n = 0;

    if (path_candidates_can_try((const MeshAddr *)(void *)own->data, own->len, &self->told->tcp))
        out[n++] = self->told->tcp;
    for (size_t i = 0; i < self->told->n_endpoints && n < PATH_TCP_PLACES; i++) {
        const MeshRecordEndpoint *place = &self->told->endpoints[i];

        if (path_candidates_is_public(place) &&
            path_candidates_can_try((const MeshAddr *)(void *)own->data, own->len,
                                    &place->endpoint))
            out[n++] = place->endpoint;
    }
    return n;
}

/* A peer's word alone aims us nowhere all the time: a call counts as a ping there. */
static bool may_dial(PathSeek *self, const MeshEndpoint *place)
{
    PathWay way = { .to = { .endpoint = *place } };

    way.trusted = self->seen.addr.family != 0 && mesh_ip_equal_addr(&self->seen.addr, &place->addr);
    return path_ways_may_aim(&self->host->aim, &self->aim, &way, mesh_clock_boot_ms());
}

static size_t keep_allowed(PathSeek *self, MeshEndpoint places[PATH_TCP_PLACES], size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (may_dial(self, &places[i]))
            places[kept++] = places[i];
    return kept;
}

void path_meet_dial(PathSeek *self)
{
    MeshEndpoint places[PATH_TCP_PLACES];
    PathTcpPeer  peer = { .index = self->told->index,
                          .from = self->keys.send_index,
                          .ours_stays = path_attempt_is_caller(self) };
    size_t       n = self->meet.tcp == 0 ? list_places(self, places) : 0;

    if (!self->tls_only && !is_blocked(self))
        return;
    if (path_seek_is_alive(self))
        self->host->wants_tcp(self->host->user_data);
    n = keep_allowed(self, places, n);
    if (n == 0 ||
        mesh_probekey_derive_psk(self->host->probe_private, &self->host->probe_public,
                                 &self->told->probe_key, self->host->net.bytes, &peer.psk) < 0)
        return;
    path_tcp_dial(self->host->tcp, &peer, places, n);
    mesh_key_wipe(&peer, sizeof peer);
}

static void release(PathSeek *self)
{
    for (size_t i = 0; i < self->meet.n_links; i++)
        path_peerrelays_release(get_relays(self), self->meet.links[i]);
    self->meet.n_links = 0;
}

/* Ways of sessions that are not there: who has one in use has none now. */
static bool drop_dead(PathSeek *self)
{
    bool lost = false;

    for (size_t i = self->ways.n; i-- > 0;) {
        uint8_t link = self->ways.list[i].to.link;

        if (link == 0 || link == self->meet.tcp ||
            (self->meet.n_links > 0 && path_peerrelays_is_bound(get_relays(self), link)))
            continue;
        if (wire_way_equal(&self->ways.list[i].to, &self->active)) {
            self->active = (WireWay){ .link = 0 };
            lost = true;
        }
        path_ways_remove(&self->ways, &self->ways.list[i]);
    }
    return lost;
}

/* What was too slow once is measured again, else the two ends would stay on different ways. */
static void doubt_unused(PathSeek *self)
{
    for (size_t i = 0; i < self->ways.n; i++) {
        PathWay *way = &self->ways.list[i];

        if (way->to.link != 0 && !wire_way_equal(&way->to, &self->active))
            way->valid = false;
    }
}

void path_meet_begin(PathSeek *self)
{
    uint8_t links[PATH_PAIR_RELAYS];
    size_t n = path_peerrelays_hold(get_relays(self), self->told, &self->host->probe_public, links);

    mesh_log_debug("no direct way to %u: %zu relays of other nodes to meet at", self->told->index,
                   n);
    release(self); /* after: what is held on stays bound */
    for (size_t i = 0; i < n; i++)
        self->meet.links[i] = links[i];
    self->meet.n_links = n;
    if (drop_dead(self)) /* it went by a relay that others are better than now */
        path_seek_steer(self, 0);
    doubt_unused(self);
    ping(self);
    path_meet_dial(self);
}

bool path_meet_end(PathSeek *self)
{
    release(self);
    path_tcp_close(self->host->tcp, self->meet.tcp);
    self->meet.tcp = 0;
    return drop_dead(self);
}

void path_meet_connected(PathSeek *self, uint8_t link)
{
    self->meet.tcp = link;
    if (path_meet_look(self))
        path_seek_steer(self, 0);
}

bool path_meet_look(PathSeek *self)
{
    bool lost = drop_dead(self);

    ping(self);
    return lost;
}

void path_meet_take_pong(PathSeek *self, uint64_t txid)
{
    if (self->meet.sent_us == 0 || txid != self->meet.txid)
        return;
    self->meet.relay_us = mesh_clock_boot_ns() / 1000 - self->meet.sent_us;
    self->meet.sent_us = 0;
}

bool path_meet_is_worth(const PathSeek *self, const PathWay *way)
{
    return self->meet.relay_us == 0 || self->relay.link == 0 ||
           way->rtt_us <=
               self->meet.relay_us + (way->rank == PATH_RANK_TCP ? TCP_FAVOUR_US : FAVOUR_US);
}

void path_meet_offered(PathSeek *self)
{
    if (self->relay.link != 0 && !path_meet_is_direct(self) && path_seek_is_alive(self))
        path_meet_begin(self);
}
