#include "daemon/path/relays.h"

#include "common/codec/relayframe.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/path/relayset.h"
#include "daemon/wire/ways.h"

#include <string.h>

enum {
    SWEEP_MS = 60000,     /* then sessions that nobody needs any more are looked for */
    IDLE_SWEEPS = 2,      /* so often nobody needed it: it ends */
    MEASURE_SWEEPS = 120, /* every two hours */
    ABSENT_MS = 10000     /* a node that was not there is looked for elsewhere so long */
};

static gboolean on_sweep(gpointer user_data);

/* ---- entries ---- */

PathRelayEntry *path_relayset_get(const PathRelays *self, guint i)
{
    return g_ptr_array_index(self->entries, i);
}

PathRelayEntry *path_relayset_find(const PathRelays *self, uint16_t id)
{
    for (guint i = 0; id != 0 && i < self->entries->len; i++)
        if (path_relayset_get(self, i)->told.id == id)
            return path_relayset_get(self, i);
    return NULL;
}

static PathRelayEntry *find_link(const PathRelays *self, uint8_t link)
{
    for (guint i = 0; i < self->entries->len; i++)
        if (path_relayset_get(self, i)->session != NULL &&
            path_relaysession_get_link(path_relayset_get(self, i)->session) == link)
            return path_relayset_get(self, i);
    return NULL;
}

PathRelayView path_relayset_view(const PathRelayEntry *entry)
{
    PathRelayView out = { .bound = false };

    if (entry != NULL && entry->session != NULL)
        path_relaysession_get_view(entry->session, &out);
    return out;
}

static void free_entry(gpointer data)
{
    PathRelayEntry *self = data;

    path_relaysession_free(self->session);
    g_free(self);
}

void path_relayset_want(PathRelays *self, PathRelayEntry *entry)
{
    uint8_t link = 1;

    entry->idle = 0;
    if (self->sweep_timer == 0)
        self->sweep_timer = g_timeout_add(SWEEP_MS, on_sweep, self);
    while (entry->session == NULL && link < PATH_FIRST_PEER_LINK && find_link(self, link) != NULL)
        link++;
    if (link >= PATH_FIRST_PEER_LINK)
        return;
    if (entry->session == NULL)
        entry->session = path_relaysession_new(&self->host, &entry->told, link);
    path_relaysession_want(entry->session);
}

/* ---- what sessions tell ---- */

static void on_session(uint16_t relay, void *user_data)
{
    PathRelays     *self = user_data;
    PathRelayEntry *entry = path_relayset_find(self, relay);

    if (entry == NULL)
        return;
    if (path_relayset_view(entry).bound)
        self->host.over_tls = path_relayset_view(entry).tls;
    path_relayhome_bound(self, entry);
}

static void on_found(uint16_t relay, uint32_t index, const MeshEndpoint *at, void *user_data)
{
    PathRelays *self = user_data;

    self->events.found(relay, index, at, self->user_data);
}

static bool is_absent(const PathRelays *self, uint16_t relay, uint32_t index)
{
    int64_t now_ms = mesh_clock_boot_ms();

    for (unsigned i = 0; i < PATH_RELAYSET_ABSENT; i++)
        if (self->absent[i].until_ms > now_ms && self->absent[i].relay == relay &&
            self->absent[i].index == index)
            return true;
    return false;
}

static void on_gone(uint16_t relay, uint32_t index, void *user_data)
{
    PathRelays *self = user_data;

    if (is_absent(self, relay, index))
        return;
    self->absent[self->next_absent++ % PATH_RELAYSET_ABSENT] = (PathRelayAbsent){
        .relay = relay, .index = index, .until_ms = mesh_clock_boot_ms() + ABSENT_MS
    };
    self->events.gone(index, self->user_data);
}

static void on_late(uint16_t relay, void *user_data)
{
    PathRelays     *self = user_data;
    PathRelayEntry *entry = path_relayset_find(self, relay);

    path_relayhome_late(self, relay);
    if (entry != NULL && self->events.late != NULL)
        self->events.late(path_relaysession_get_link(entry->session), self->user_data);
}

/* ---- sessions that nobody needs ---- */

static bool is_needed(const PathRelays *self, const PathRelayEntry *entry)
{
    if (entry->told.id == self->home || entry->told.id == self->next)
        return true;
    return entry->bound &&
           self->events.is_used(path_relaysession_get_link(entry->session), self->user_data);
}

static gboolean on_sweep(gpointer user_data)
{
    PathRelays *self = user_data;

    for (guint i = 0; i < self->entries->len; i++) {
        PathRelayEntry *entry = path_relayset_get(self, i);

        if (entry->session == NULL || is_needed(self, entry))
            entry->idle = 0;
        else if (++entry->idle >= IDLE_SWEEPS) {
            entry->idle = 0;
            entry->bound = false;
            g_clear_pointer(&entry->session, path_relaysession_free);
            self->events.changed(entry->told.id, self->user_data);
        }
    }
    if (++self->sweeps % MEASURE_SWEEPS == 0 && self->entries->len > 1)
        self->events.measure(self->user_data);
    path_relayhome_calm(self);
    (void)path_relayhome_settle(self, false);
    return G_SOURCE_CONTINUE;
}

/* ---- the map ---- */

static void clear_map(PathRelayMap *map)
{
    g_free((gpointer)map->relays);
    g_free((gpointer)map->token.data);
    memset(map, 0, sizeof *map);
}

static unsigned get_silence_ms(void *user_data)
{
    const PathRelays *self = user_data;

    return self->events.get_silence_ms(self->user_data);
}

PathRelays *path_relays_new(WirePlane *plane, PathPeerRelays *peers, const PathRelaysEvents *events,
                            void *user_data)
{
    PathRelays *self = g_new0(PathRelays, 1);

    self->host = (PathRelayHost){ .plane = plane,
                                  .changed = on_session,
                                  .found = on_found,
                                  .gone = on_gone,
                                  .late = on_late,
                                  .get_silence_ms = get_silence_ms,
                                  .user_data = self };
    self->events = *events;
    self->user_data = user_data;
    self->entries = g_ptr_array_new_with_free_func(free_entry);
    self->peers = peers;
    return self;
}

void path_relays_free(PathRelays *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->first_timer, g_source_remove);
    g_clear_handle_id(&self->sweep_timer, g_source_remove);
    g_ptr_array_unref(self->entries);
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

/* The entry of @relay, as it was if it is the same; taken out of @old. */
static PathRelayEntry *take_entry(GPtrArray *old, const PathRelay *relay)
{
    PathRelayEntry *entry = NULL;

    for (guint i = 0; i < old->len && entry == NULL; i++)
        if (is_same_relay(&((PathRelayEntry *)g_ptr_array_index(old, i))->told, relay))
            entry = g_ptr_array_steal_index(old, i);
    if (entry == NULL)
        entry = g_new0(PathRelayEntry, 1);
    entry->told = *relay;
    return entry;
}

/* Ends what is left of the map before. Returns one that was bound; 0: none. */
static uint16_t drop_others(GPtrArray *old)
{
    uint16_t lost = 0;

    for (guint i = 0; i < old->len; i++)
        if (path_relayset_view(g_ptr_array_index(old, i)).bound)
            lost = ((PathRelayEntry *)g_ptr_array_index(old, i))->told.id;
    g_ptr_array_unref(old);
    return lost;
}

/* Entries for the relays of our map, with the addresses that lead there from here. */
static void use_map(PathRelays *self)
{
    const PathRelayMap *map = &self->host.map;
    GPtrArray          *old = self->entries;
    uint16_t            lost;

    self->entries = g_ptr_array_new_with_free_func(free_entry);
    for (size_t i = 0; i < map->n_relays && i < PATH_MAX_RELAYS; i++) {
        PathRelay relay = map->relays[i];

        path_prefix64_fill(&self->prefix, &relay);
        g_ptr_array_add(self->entries, take_entry(old, &relay));
    }
    lost = drop_others(old);
    for (guint i = 0; i < self->entries->len; i++)
        if (path_relayset_get(self, i)->session !=
            NULL) /* perhaps it refused the token that we had */
            path_relaysession_renew(path_relayset_get(self, i)->session);
    if (path_relayset_find(self, self->next) == NULL)
        self->next = 0;
    if (!path_relayhome_settle(self, false) &&
        lost != 0) /* peers are still sent to its link, which may be another relay's next */
        self->events.changed(lost, self->user_data);
}

void path_relays_set(PathRelays *self, const PathRelayMap *map)
{
    PathRelayMap *own = &self->host.map;

    clear_map(own);
    *own = *map;
    own->relays = g_memdup2(map->relays, map->n_relays * sizeof map->relays[0]);
    own->token.data = g_memdup2(map->token.data, map->token.len);
    path_peerrelays_set(self->peers, own);
    use_map(self);
}

void path_relays_set_reach(PathRelays *self, const PathReach *reach)
{
    bool same = reach->prefix.bits == self->prefix.bits &&
                mesh_ip_equal_addr(&reach->prefix.addr, &self->prefix.addr);

    self->prefix = reach->prefix;
    path_peerrelays_set_reach(self->peers, reach);
    if (!same)
        use_map(self);
    if (self->host.has4 == reach->has4 && self->host.has6 == reach->has6)
        return;
    self->host.has4 = reach->has4;
    self->host.has6 = reach->has6;
    for (guint i = 0; i < self->entries->len; i++)
        if (path_relayset_get(self, i)->session != NULL)
            path_relaysession_renew(path_relayset_get(self, i)->session);
}

/* ---- front ---- */

bool path_relays_handle(PathRelays *self, const WireEvent *event)
{
    if (event->kind == WIRE_EVENT_LINK_DOWN) {
        PathRelayEntry *entry = find_link(self, event->way.link);

        return entry != NULL && path_relaysession_take(entry->session, event);
    }
    if (event->n_data == 0 || event->data[0] <= MESH_RELAY_DATA || event->data[0] > 0x5f)
        return false;
    if (event->way.link != 0 && event->way.index != WIRE_WHOLE_FRAME)
        return true; /* the payload of a node at that relay, which speaks for itself alone */
    for (guint i = 0; i < self->entries->len; i++)
        if (path_relayset_get(self, i)->session != NULL &&
            path_relaysession_take(path_relayset_get(self, i)->session, event))
            return true;
    (void)path_peerrelays_handle(self->peers, event);
    return true;
}

/* One of the peer's relays. @out_way: by it, if it is bound. */
static bool try_relay(PathRelays *self, PathRelayEntry *entry, const PathPeer *peer, bool want_it,
                      WireWay *out_way)
{
    if (entry == NULL || (entry->told.draining && entry->session == NULL))
        return false; /* no new session there */
    if (want_it)
        path_relayset_want(self, entry);
    if (!path_relayset_view(entry).bound)
        return false;
    *out_way =
        (WireWay){ .link = path_relaysession_get_link(entry->session), .index = peer->index };
    return true;
}

bool path_relays_get_way(PathRelays *self, const PathPeer *peer, bool want_it, WireWay *out_way)
{
    for (int absent = 0; absent <= 1; absent++) /* where it was not is better than nothing */
        for (size_t i = 0; i < peer->n_relays; i++)
            if (is_absent(self, peer->relays[i], peer->index) == (absent == 1) &&
                try_relay(self, path_relayset_find(self, peer->relays[i]), peer, want_it, out_way))
                return true;
    return false;
}

void path_relays_prepare(PathRelays *self, const PathPeer *peer)
{
    for (size_t i = 0; i < peer->n_relays; i++) {
        PathRelayEntry *entry = path_relayset_find(self, peer->relays[i]);

        if (entry != NULL && (entry->session != NULL || !entry->told.draining))
            path_relayset_want(self, entry);
    }
}

void path_relays_ask(PathRelays *self, const WireWay *way)
{
    PathRelayEntry *entry = find_link(self, way->link);

    if (entry != NULL)
        path_relaysession_ask(entry->session, way->index);
}

bool path_relays_look(PathRelays *self, const WireWay *way, bool ping_it, PathRelayLook *out_look)
{
    PathRelayEntry *entry =
        way == NULL ? path_relayset_find(self, self->home) : find_link(self, way->link);
    PathRelayView now = path_relayset_view(entry);

    if (!now.bound)
        return false;
    *out_look = (PathRelayLook){ .alt = mesh_endpoint_make(&now.at.addr, entry->told.alt_port),
                                 .seen = now.seen,
                                 .rtt_us = now.rtt_us,
                                 .unanswered_us = now.unanswered_us,
                                 .tls = now.tls };
    if (ping_it)
        path_relaysession_ping(entry->session);
    return true;
}

void path_relays_doubt(PathRelays *self, const WireWay *way)
{
    PathRelayEntry *entry = way != NULL ? find_link(self, way->link) : NULL;
    PathRelayEntry *home = path_relayset_find(self, self->home);

    if (entry != NULL)
        path_relaysession_doubt(entry->session, false);
    if (entry != NULL && home != entry && home != NULL && home->session != NULL)
        path_relaysession_doubt(home->session, false); /* by which answers come */
    for (guint i = 0; way == NULL && i < self->entries->len; i++)
        if (path_relayset_get(self, i)->session != NULL)
            path_relaysession_doubt(path_relayset_get(self, i)->session, true);
    if (entry == NULL)
        path_peerrelays_doubt(self->peers);
}

const char *path_relays_name(PathRelays *self, uint8_t link)
{
    PathRelayEntry *entry = find_link(self, link);

    return entry != NULL ? entry->told.name : path_peerrelays_name(self->peers, link);
}
