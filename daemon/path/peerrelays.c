#include "daemon/path/peerrelays.h"

#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"
#include "daemon/path/relaysession.h"
#include "daemon/path/ways.h"

#include <string.h>
#include <sys/socket.h>

/* Of many offers those count that come first: more would only make a pair's choice finer. */
#define MAX_OFFERS 64

/* Where a relay is, its node merely says: sessions begun, of four HELLOs each, are so few that we
 * send no more than SECURITY.md allows on a member's word. */
enum { BEGUN_A_SECOND = 1, BEGUN_AT_ONCE = 4 };

typedef struct {
    MeshKey   wg; /* of the node that keeps it */
    PathRelay relay;
} Offer;

typedef struct {
    Offer             offer;
    unsigned          holds;
    PathRelaySession *session; /* owned */
} Held;

struct PathPeerRelays {
    PathRelayHost        host; /* its map has the token alone */
    PathPeerRelaysEvents events;
    PathPrefix64         prefix; /* of a session that begins */
    GArray              *offers; /* Offer */
    PathAim              begun;
    Held held[PATH_LAST_PEER_LINK - PATH_FIRST_PEER_LINK + 1]; /* session NULL: free */
};

static void on_changed(uint16_t relay, void *user_data)
{
    PathPeerRelays *self = user_data;

    (void)relay;
    self->events.changed(self->events.user_data);
}

static void on_found(uint16_t relay, uint32_t index, const MeshEndpoint *at, void *user_data)
{
    (void)relay, (void)index, (void)at, (void)user_data; /* nobody is asked for here */
}

PathPeerRelays *path_peerrelays_new(WirePlane *plane, const PathPeerRelaysEvents *events)
{
    PathPeerRelays *self = g_new0(PathPeerRelays, 1);

    self->host = (PathRelayHost){
        .plane = plane, .changed = on_changed, .found = on_found, .user_data = self
    };
    self->events = *events;
    self->offers = g_array_new(FALSE, TRUE, sizeof(Offer));
    return self;
}

static void drop(Held *held)
{
    path_relaysession_free(g_steal_pointer(&held->session));
    memset(held, 0, sizeof *held);
}

void path_peerrelays_free(PathPeerRelays *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(self->held); i++)
        drop(&self->held[i]);
    g_array_unref(self->offers);
    g_free((gpointer)self->host.map.token.data);
    g_free(self);
}

static void renew(PathPeerRelays *self)
{
    for (size_t i = 0; i < G_N_ELEMENTS(self->held); i++)
        if (self->held[i].session != NULL)
            path_relaysession_renew(self->held[i].session);
}

void path_peerrelays_set(PathPeerRelays *self, const PathRelayMap *map)
{
    g_free((gpointer)self->host.map.token.data);
    self->host.map = *map;
    self->host.map.relays = NULL;
    self->host.map.n_relays = 0;
    self->host.map.token.data = g_memdup2(map->token.data, map->token.len);
    renew(self);
}

void path_peerrelays_set_reach(PathPeerRelays *self, const PathReach *reach)
{
    self->prefix = reach->prefix;
    if (self->host.has4 == reach->has4 && self->host.has6 == reach->has6)
        return;
    self->host.has4 = reach->has4;
    self->host.has6 = reach->has6;
    renew(self);
}

/* The relay's port at the first of the node's addresses of each family: they are told best first.
 */
static bool make_offer(const PathPeer *peer, Offer *out)
{
    *out = (Offer){ .wg = peer->wg, .relay = { .usable = true, .key = peer->relay->key } };
    g_strlcpy(out->relay.name, peer->name, sizeof out->relay.name);
    for (size_t i = 0; i < peer->n_endpoints; i++) {
        const MeshAddr *addr = &peer->endpoints[i].endpoint.addr;
        MeshEndpoint   *at = addr->family == AF_INET ? &out->relay.at4 : &out->relay.at6;

        if (at->addr.family == 0 && mesh_ip_class(addr) != MESH_IP_LINK_LOCAL)
            *at = mesh_endpoint_make(addr, peer->relay->port);
    }
    return out->relay.at4.addr.family != 0 || out->relay.at6.addr.family != 0;
}

static bool is_offered(const GArray *offers, const MeshKey *key)
{
    for (guint i = 0; i < offers->len; i++)
        if (mesh_key_equal(&g_array_index(offers, Offer, i).relay.key, key))
            return true;
    return false;
}

bool path_peerrelays_offer(PathPeerRelays *self, const PathPeer *peers, size_t n_peers)
{
    GArray *now = g_array_new(FALSE, TRUE, sizeof(Offer));
    bool    more = false;
    Offer   offer;

    for (size_t i = 0; i < n_peers && now->len < MAX_OFFERS; i++) {
        if (peers[i].relay == NULL || !peers[i].online || !make_offer(&peers[i], &offer))
            continue;
        more |= !is_offered(self->offers, &offer.relay.key);
        g_array_append_val(now, offer);
    }
    g_array_unref(self->offers);
    self->offers = now;
    return more;
}

/* The same number at both ends of the pair. */
static uint64_t score(const Offer *offer, const MeshKey *a, const MeshKey *b)
{
    bool     turned = memcmp(a->bytes, b->bytes, MESH_KEY_BYTES) > 0;
    MeshSpan parts[] = { MESH_SPAN_TEXT("mesh1-peer-relay"),
                         MESH_SPAN(offer->relay.key.bytes, MESH_KEY_BYTES),
                         MESH_SPAN((turned ? b : a)->bytes, MESH_KEY_BYTES),
                         MESH_SPAN((turned ? a : b)->bytes, MESH_KEY_BYTES) };
    uint8_t  hash[MESH_HASH_BYTES];
    uint64_t number;

    mesh_hash_sha256(parts, G_N_ELEMENTS(parts), hash);
    memcpy(&number, hash, sizeof number);
    return GUINT64_FROM_BE(number);
}

static uint8_t hold(PathPeerRelays *self, const Offer *offer)
{
    Held *place = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(self->held); i++) {
        Held *held = &self->held[i];

        if (held->session != NULL && mesh_key_equal(&held->offer.relay.key, &offer->relay.key)) {
            held->holds++;
            return (uint8_t)(PATH_FIRST_PEER_LINK + i);
        }
        if (held->session == NULL && place == NULL)
            place = held;
    }
    if (place == NULL ||
        !path_ways_spend(&self->begun, BEGUN_A_SECOND, BEGUN_AT_ONCE, mesh_clock_boot_ms()))
        return 0;
    *place = (Held){ .offer = *offer, .holds = 1 };
    path_prefix64_fill(&self->prefix, &place->offer.relay);
    place->session = path_relaysession_new(&self->host, &place->offer.relay,
                                           (uint8_t)(PATH_FIRST_PEER_LINK + (place - self->held)));
    path_relaysession_want(place->session);
    return path_relaysession_get_link(place->session);
}

size_t path_peerrelays_hold(PathPeerRelays *self, const PathPeer *peer, const MeshKey *own,
                            uint8_t out_links[PATH_PAIR_RELAYS])
{
    const Offer *best[PATH_PAIR_RELAYS] = { NULL };
    uint64_t     scores[PATH_PAIR_RELAYS] = { 0 };
    size_t       n = 0;

    for (guint i = 0; i < self->offers->len; i++) {
        const Offer *offer = &g_array_index(self->offers, Offer, i);
        uint64_t     points = score(offer, own, &peer->probe_key);
        size_t       at = PATH_PAIR_RELAYS;

        if (mesh_key_equal(&offer->wg, &peer->wg))
            continue;
        while (at > 0 && (best[at - 1] == NULL || points > scores[at - 1]))
            at--;
        if (at == PATH_PAIR_RELAYS)
            continue;
        for (size_t down = PATH_PAIR_RELAYS - 1; down > at; down--) {
            best[down] = best[down - 1];
            scores[down] = scores[down - 1];
        }
        best[at] = offer;
        scores[at] = points;
    }
    for (size_t i = 0; i < PATH_PAIR_RELAYS && best[i] != NULL; i++) {
        uint8_t link = hold(self, best[i]);

        if (link != 0)
            out_links[n++] = link;
    }
    return n;
}

static Held *get(PathPeerRelays *self, uint8_t link)
{
    Held *held;

    if (link < PATH_FIRST_PEER_LINK || link > PATH_LAST_PEER_LINK)
        return NULL;
    held = &self->held[link - PATH_FIRST_PEER_LINK];
    return held->session != NULL ? held : NULL;
}

void path_peerrelays_release(PathPeerRelays *self, uint8_t link)
{
    Held *held = get(self, link);

    if (held != NULL && --held->holds == 0)
        drop(held);
}

bool path_peerrelays_is_bound(PathPeerRelays *self, uint8_t link)
{
    Held         *held = get(self, link);
    PathRelayView view;

    if (held == NULL)
        return false;
    path_relaysession_get_view(held->session, &view);
    return view.bound;
}

void path_peerrelays_doubt(PathPeerRelays *self)
{
    for (size_t i = 0; i < G_N_ELEMENTS(self->held); i++)
        if (self->held[i].session != NULL)
            path_relaysession_doubt(self->held[i].session, true);
}

bool path_peerrelays_handle(PathPeerRelays *self, const WireEvent *event)
{
    for (size_t i = 0; i < G_N_ELEMENTS(self->held); i++)
        if (self->held[i].session != NULL && path_relaysession_take(self->held[i].session, event))
            return true;
    return false;
}

const char *path_peerrelays_name(PathPeerRelays *self, uint8_t link)
{
    Held *held = get(self, link);

    return held != NULL ? held->offer.relay.name : NULL;
}
