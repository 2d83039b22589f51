#include "daemon/path/relays.h"

#include "common/codec/relayframe.h"
#include "common/std/endpoint.h"
#include "daemon/path/relaysession.h"
#include "daemon/wire/ways.h"

#include <string.h>

struct PathRelays {
    PathRelayHost   host;
    GPtrArray      *sessions; /* owned PathRelaySession */
    PathPeerRelays *peers;    /* borrowed */
};

static guint count(const PathRelays *self)
{
    return self->sessions->len;
}

static PathRelaySession *get(const PathRelays *self, guint i)
{
    return g_ptr_array_index(self->sessions, i);
}

static PathRelaySession *find_link(PathRelays *self, uint8_t link)
{
    for (guint i = 0; i < count(self); i++)
        if (path_relaysession_get_link(get(self, i)) == link)
            return get(self, i);
    return NULL;
}

bool path_relays_handle(PathRelays *self, const WireEvent *event)
{
    if (event->kind == WIRE_EVENT_LINK_DOWN) {
        PathRelaySession *session = find_link(self, event->way.link);

        return session != NULL && path_relaysession_take(session, event);
    }
    if (event->n_data == 0 || event->data[0] <= MESH_RELAY_DATA || event->data[0] > 0x5f)
        return false;
    if (event->way.link != 0 && event->way.index != WIRE_WHOLE_FRAME)
        return true; /* the payload of a node at that relay, which speaks for itself alone */
    for (guint i = 0; i < count(self); i++)
        if (path_relaysession_take(get(self, i), event))
            return true;
    (void)path_peerrelays_handle(self->peers, event);
    return true;
}

static void free_session(gpointer data)
{
    path_relaysession_free(data);
}

static void clear_map(PathRelayMap *map)
{
    g_free((gpointer)map->relays);
    g_free((gpointer)map->token.data);
    memset(map, 0, sizeof *map);
}

PathRelays *path_relays_new(WirePlane *plane, PathPeerRelays *peers, const PathRelaysEvents *events,
                            void *user_data)
{
    PathRelays *self = g_new0(PathRelays, 1);

    self->host = (PathRelayHost){
        .plane = plane, .changed = events->changed, .found = events->found, .user_data = user_data
    };
    self->sessions = g_ptr_array_new_with_free_func(free_session);
    self->peers = peers;
    return self;
}

void path_relays_free(PathRelays *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->sessions);
    clear_map(&self->host.map);
    g_free(self);
}

static bool is_same_relay(const PathRelay *a, const PathRelay *b)
{
    return a->id == b->id && mesh_key_equal(&a->key, &b->key) &&
           mesh_endpoint_equal(&a->at4, &b->at4) && mesh_endpoint_equal(&a->at6, &b->at6) &&
           mesh_endpoint_equal(&a->tls4, &b->tls4) && mesh_endpoint_equal(&a->tls6, &b->tls6) &&
           mesh_key_equal(&a->tls_key, &b->tls_key) && strcmp(a->host, b->host) == 0;
}

static bool is_listed(const PathRelayMap *map, const PathRelay *relay)
{
    for (size_t i = 0; i < map->n_relays; i++)
        if (is_same_relay(&map->relays[i], relay))
            return true;
    return false;
}

static PathRelaySession *find_id(PathRelays *self, uint16_t id)
{
    for (guint i = 0; i < count(self); i++)
        if (path_relaysession_get_relay(get(self, i))->id == id)
            return get(self, i);
    return NULL;
}

static void add_session(PathRelays *self, const PathRelay *relay)
{
    uint8_t link = 1;

    while (link < PATH_FIRST_PEER_LINK && find_link(self, link) != NULL)
        link++;
    if (link >= PATH_FIRST_PEER_LINK)
        return; /* the rest of a long list is for others */
    g_ptr_array_add(self->sessions, path_relaysession_new(&self->host, relay, link));
}

/* Where peers look for us first: the first of the map that takes new nodes. */
static PathRelaySession *get_home(PathRelays *self)
{
    const PathRelayMap *map = &self->host.map;

    for (size_t i = 0; i < map->n_relays; i++)
        if (map->relays[i].usable)
            return find_id(self, map->relays[i].id);
    return NULL;
}

static bool is_bound(const PathRelaySession *session)
{
    PathRelayView view;

    path_relaysession_get_view(session, &view);
    return view.bound;
}

/* Ends the sessions at relays that are gone or others now. Returns one that was bound; 0: none. */
static uint16_t drop_others(PathRelays *self, const PathRelayMap *map)
{
    uint16_t lost = 0;

    for (guint i = count(self); i-- > 0;) {
        const PathRelay *relay = path_relaysession_get_relay(get(self, i));

        if (is_listed(map, relay)) {
            path_relaysession_renew(get(self, i)); /* perhaps it refused the token that we had */
            continue;
        }
        lost = is_bound(get(self, i)) ? relay->id : lost;
        g_ptr_array_remove_index(self->sessions, i);
    }
    return lost;
}

void path_relays_set(PathRelays *self, const PathRelayMap *map)
{
    PathRelayMap     *own = &self->host.map;
    PathRelaySession *home;
    uint16_t          lost;

    clear_map(own);
    *own = *map;
    own->relays = g_memdup2(map->relays, map->n_relays * sizeof map->relays[0]);
    own->token.data = g_memdup2(map->token.data, map->token.len);
    path_peerrelays_set(self->peers, own);
    lost = drop_others(self, map);
    for (size_t i = 0; i < map->n_relays; i++)
        if (find_id(self, map->relays[i].id) == NULL)
            add_session(self, &map->relays[i]);
    home = get_home(self);
    if (home != NULL)
        path_relaysession_want(home);
    if (lost != 0) /* peers are still sent to its link, which may be another relay's next */
        self->host.changed(lost, self->host.user_data);
}

void path_relays_set_families(PathRelays *self, bool has4, bool has6)
{
    if (self->host.has4 == has4 && self->host.has6 == has6)
        return;
    self->host.has4 = has4;
    self->host.has6 = has6;
    path_peerrelays_set_families(self->peers, has4, has6);
    for (guint i = 0; i < count(self); i++)
        path_relaysession_renew(get(self, i));
}

bool path_relays_get_way(PathRelays *self, const PathPeer *peer, bool want_it, WireWay *out_way)
{
    for (size_t i = 0; i < peer->n_relays; i++) {
        PathRelaySession *session = find_id(self, peer->relays[i]);

        if (session == NULL)
            continue;
        if (want_it)
            path_relaysession_want(session);
        if (!is_bound(session))
            continue;
        *out_way = (WireWay){ .link = path_relaysession_get_link(session), .index = peer->index };
        return true;
    }
    return false;
}

void path_relays_ask(PathRelays *self, const WireWay *way)
{
    PathRelaySession *session = find_link(self, way->link);

    if (session != NULL)
        path_relaysession_ask(session, way->index);
}

bool path_relays_look(PathRelays *self, const WireWay *way, bool ping_it, PathRelayLook *out_look)
{
    PathRelaySession *session = way == NULL ? get_home(self) : find_link(self, way->link);
    PathRelayView     view;
    uint16_t          alt;

    if (session == NULL || !is_bound(session))
        return false;
    alt = path_relaysession_get_relay(session)->alt_port;
    path_relaysession_get_view(session, &view);
    *out_look = (PathRelayLook){ .alt = mesh_endpoint_make(&view.at.addr, alt),
                                 .seen = view.seen,
                                 .rtt_us = view.rtt_us,
                                 .unanswered_us = view.unanswered_us };
    if (ping_it)
        path_relaysession_ping(session);
    return true;
}

void path_relays_doubt(PathRelays *self)
{
    for (guint i = 0; i < count(self); i++)
        path_relaysession_doubt(get(self, i));
    path_peerrelays_doubt(self->peers);
}

bool path_relays_is_hopeful(PathRelays *self)
{
    PathRelaySession *home = get_home(self);
    PathRelayView     view;

    if (home == NULL)
        return false;
    path_relaysession_get_view(home, &view);
    return view.hopeful;
}

bool path_relays_get_home(PathRelays *self, uint16_t *out_id, MeshEndpoint *out_seen)
{
    PathRelaySession *home = get_home(self);
    PathRelayView     view;

    if (home == NULL)
        return false;
    path_relaysession_get_view(home, &view);
    if (!view.bound)
        return false;
    *out_id = path_relaysession_get_relay(home)->id;
    *out_seen = view.seen;
    return true;
}

const char *path_relays_name(PathRelays *self, uint8_t link)
{
    PathRelaySession *session = find_link(self, link);

    return session != NULL ? path_relaysession_get_relay(session)->name
                           : path_peerrelays_name(self->peers, link);
}
