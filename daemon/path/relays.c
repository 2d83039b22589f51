#include "daemon/path/relays.h"

#include "common/codec/relaybind.h"
#include "common/codec/relayframe.h"
#include "common/glib/backoff.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"
#include "daemon/wire/ways.h"

#include <string.h>
#include <sys/socket.h>

enum {
    ANSWER_MS = 500,         /* then the question is put again, at the other family's address */
    TRIES = 4,               /* of one question; then later */
    KEEPALIVE_MS = 25000,    /* while the life of a mapping is not known */
    PROVE_MS = 500,          /* between the pings of a session in doubt */
    MISSED = 3,              /* pings without an answer: the session is lost */
    RESET_EACH_MS = 1000,    /* RESET is not authentic: it makes us say HELLO so often */
    REBIND_LEFT_PERCENT = 25 /* of a token's life: then with the next one */
};

typedef enum { OFF, GREETED, BINDING, BOUND, WAITING } State;

typedef struct {
    PathRelays   *owner;
    PathRelay     told;
    uint8_t       link; /* 1…; number in the data plane */
    bool          wanted;
    State         state;
    unsigned      tries;  /* of the question under way, or pings unanswered */
    bool          second; /* its second address is tried */
    MeshEndpoint  at;     /* where we talk to it */
    uint8_t       nonce[MESH_RELAYKEY_NONCE_BYTES];
    uint8_t       cookie[MESH_RELAYKEY_COOKIE_BYTES];
    MeshKey       secret; /* ephemeral */
    MeshRelayKeys keys;
    uint32_t     session, sequence, answered; /* numbers of pings: the last, and of the last PONG */
    int64_t      bound_ms, reset_ms;
    uint32_t     life_s;
    MeshEndpoint seen;
    int64_t      pinged_us, rtt_us; /* oldest ping unanswered, 0: none; last round trip */
    guint        timer;
    MeshBackoff  backoff;
} Session;

struct PathRelays {
    WirePlane       *plane; /* borrowed */
    PathRelaysEvents events;
    void            *user_data;
    PathRelayMap     map; /* relays and token are owned copies */
    GPtrArray       *sessions;
    bool             has4, has6;
};

static gboolean on_timer(gpointer user_data);
static void     greet(Session *self);

static void wait(Session *self, unsigned in_ms)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    self->timer = g_timeout_add(in_ms, on_timer, self);
}

static void send_to(Session *self, const uint8_t *bytes, size_t len)
{
    WireWay way = { .endpoint = self->at };
    int     rc = wire_ways_send(self->owner->plane, &way, 0, (MeshSpan){ bytes, len });

    if (rc < 0)
        mesh_log_debug("relay %s: cannot send: %s", self->told.name, g_strerror(-rc));
}

static void send_frame(Session *self, const MeshRelayFrame *frame)
{
    uint8_t bytes[64];
    size_t  len;

    if (mesh_relayframe_encode(frame, &self->keys.up, bytes, sizeof bytes, &len) == 0)
        send_to(self, bytes, len);
}

static void tell(Session *self)
{
    self->owner->events.changed(self->told.id, self->owner->user_data);
}

/* The link goes, so peers are not sent where nobody forwards. */
static void lose(Session *self)
{
    bool was = self->session != 0;

    self->state = OFF;
    self->session = 0;
    wire_ways_remove_link(self->owner->plane, self->link);
    mesh_key_wipe(&self->keys, sizeof self->keys);
    if (was)
        tell(self);
}

static bool choose_address(Session *self)
{
    const PathRelays *owner = self->owner;
    bool              has4 = owner->has4 && self->told.at4.addr.family != 0;
    bool              has6 = owner->has6 && self->told.at6.addr.family != 0;

    if (!has4 && !has6)
        return false;
    /* IPv4 first: what it sees us as is what peers behind NAT need, IPv6 addresses we know. */
    self->at = has4 && (!has6 || !self->second) ? self->told.at4 : self->told.at6;
    return true;
}

static void greet(Session *self)
{
    MeshRelayGreeting greeting;
    uint8_t           bytes[MESH_RELAYBIND_HELLO_BYTES];

    if (!self->wanted || !choose_address(self)) {
        self->state = OFF;
        return;
    }
    self->state = GREETED;
    mesh_key_random(self->nonce, sizeof self->nonce);
    memcpy(greeting.nonce, self->nonce, sizeof greeting.nonce);
    mesh_relaybind_encode_hello(&greeting, bytes);
    send_to(self, bytes, sizeof bytes);
    wait(self, ANSWER_MS);
}

static void bind_session(Session *self)
{
    const PathRelayMap *map = &self->owner->map;
    uint8_t             bytes[MESH_RELAYBIND_MAX_BYTES], server[MESH_HASH_BYTES];
    MeshWriter          w = mesh_writer_make(bytes, sizeof bytes);
    MeshSpan            key = { map->server.bytes, sizeof map->server.bytes };
    MeshRelayBind       bind = { .token = map->token, .token_signature = map->token_signature };
    MeshRelayPublics    publics = { .relay = self->told.key };
    int                 rc;

    mesh_key_make_private(&self->secret);
    mesh_key_make_public(&self->secret, &bind.ephemeral);
    publics.ephemeral = bind.ephemeral;
    mesh_hash_sha256(&key, 1, server);
    memcpy(bind.server_id, server, sizeof bind.server_id);
    memcpy(bind.network_id, map->net, sizeof bind.network_id);
    memcpy(bind.greeting.nonce, self->nonce, sizeof bind.greeting.nonce);
    memcpy(bind.greeting.cookie, self->cookie, sizeof bind.greeting.cookie);
    rc = mesh_relaykey_derive(&self->secret, false, &publics, &self->keys);
    if (rc == 0)
        rc = mesh_relaybind_encode_bind(&bind, &self->told.key, map->secret, &w);
    if (rc < 0) {
        mesh_log_warning("relay %s: cannot ask for a session: %s", self->told.name,
                         g_strerror(-rc));
        self->state = WAITING;
        wait(self, mesh_backoff_next_ms(&self->backoff));
        return;
    }
    self->state = BINDING;
    send_to(self, bytes, mesh_writer_length(&w));
    wait(self, ANSWER_MS);
}

static void ping(Session *self)
{
    if (self->pinged_us == 0)
        self->pinged_us = mesh_clock_boot_ns() / 1000;
    send_frame(self, &(MeshRelayFrame){ .kind = MESH_RELAY_PING,
                                        .session = self->session,
                                        .arg = ++self->sequence });
}

/* Nobody answered. */
static void try_again(Session *self)
{
    if (++self->tries < TRIES) {
        self->second = !self->second;
        greet(self);
        return;
    }
    self->tries = 0;
    lose(self);
    self->state = WAITING;
    wait(self, mesh_backoff_next_ms(&self->backoff));
    tell(self); /* who hoped for it goes on without */
}

static bool token_ends_soon(const Session *self)
{
    int64_t age_s = (mesh_clock_boot_ms() - self->bound_ms) / 1000;

    return age_s * 100 > (int64_t)self->life_s * (100 - REBIND_LEFT_PERCENT);
}

/* A session that is kept: a ping now and then, more of them while it is in doubt. */
static void keep(Session *self)
{
    if (self->tries >= MISSED) {
        mesh_log_info("relay %s does not answer any more", self->told.name);
        self->tries = 0;
        lose(self);
        greet(self);
        return;
    }
    if (token_ends_soon(self)) {
        self->tries = 0;
        greet(self); /* the link stays until another takes its place */
        return;
    }
    self->tries++;
    ping(self);
    wait(self, PROVE_MS);
}

static gboolean on_timer(gpointer user_data)
{
    Session *self = user_data;

    self->timer = 0;
    if (self->state == BOUND)
        keep(self);
    else if (self->state == WAITING)
        greet(self);
    else
        try_again(self);
    return G_SOURCE_REMOVE;
}

static void take_bound(Session *self, MeshSpan bytes)
{
    MeshRelayBound bound;
    WireLink       link = { .relay = self->at };

    if (mesh_relaybind_decode_bound(bytes, &self->keys.down, &bound) < 0 ||
        memcmp(bound.nonce, self->nonce, sizeof self->nonce) != 0)
        return;
    mesh_key_wipe(&self->secret, sizeof self->secret);
    if (bound.status != MESH_RELAYBIND_OK) {
        mesh_log_warning("relay %s refuses us: reason %d", self->told.name, (int)bound.status);
        lose(self);
        self->state = WAITING;
        wait(self, mesh_backoff_next_ms(&self->backoff));
        return;
    }
    link.session = self->session = bound.session;
    link.keys = self->keys;
    if (wire_ways_put_link(self->owner->plane, self->link, &link) < 0)
        return;
    mesh_key_wipe(&link, sizeof link);
    self->state = BOUND;
    self->tries = 0;
    self->pinged_us = 0;
    self->bound_ms = mesh_clock_boot_ms();
    self->life_s = bound.life_s;
    self->seen = bound.seen;
    mesh_backoff_reset(&self->backoff);
    wait(self, KEEPALIVE_MS);
    tell(self);
}

static void take_pong(Session *self, const MeshRelayFrame *frame)
{
    bool moved = !mesh_endpoint_equal(&frame->seen, &self->seen);

    /* One for one: else a relay makes us tell everybody of a new address as often as it likes. */
    if (self->state != BOUND || self->sequence - frame->arg >= MISSED ||
        self->sequence - frame->arg >= self->sequence - self->answered)
        return;
    self->answered = frame->arg;
    if (self->pinged_us != 0)
        self->rtt_us = mesh_clock_boot_ns() / 1000 - self->pinged_us;
    self->pinged_us = 0;
    self->tries = 0;
    self->seen = frame->seen;
    wait(self, KEEPALIVE_MS);
    if (moved)
        tell(self);
}

static void take_frame(Session *self, MeshSpan bytes)
{
    MeshRelayFrame frame;

    if (self->state == OFF ||
        mesh_relayframe_decode(MESH_RELAY_DOWN, &self->keys.down, bytes, &frame) < 0 ||
        frame.session != self->session)
        return;
    if (frame.kind == MESH_RELAY_PONG)
        take_pong(self, &frame);
    else if (frame.kind == MESH_RELAY_AT)
        self->owner->events.found(self->told.id, frame.arg, &frame.seen, self->owner->user_data);
    else if (frame.kind == MESH_RELAY_MOVE) {
        frame.kind = MESH_RELAY_MOVED;
        send_frame(self, &frame);
        ping(self); /* its answer tells where we are seen now */
    } else if (frame.kind == MESH_RELAY_RESTART) {
        lose(self);
        self->state = WAITING;
        wait(self, MIN(frame.arg, 60000u) + mesh_backoff_uniform(0, 1000));
    }
}

static void take_cookie(Session *self, MeshSpan bytes)
{
    MeshRelayGreeting greeting;

    if (self->state != GREETED || mesh_relaybind_decode_cookie(bytes, &greeting) < 0 ||
        memcmp(greeting.nonce, self->nonce, sizeof self->nonce) != 0)
        return;
    memcpy(self->cookie, greeting.cookie, sizeof self->cookie);
    bind_session(self);
}

static void take_reset(Session *self, MeshSpan bytes)
{
    int64_t  now_ms = mesh_clock_boot_ms();
    uint8_t  head[8];
    uint32_t session;

    if (self->state != BOUND || now_ms - self->reset_ms < RESET_EACH_MS ||
        mesh_relaybind_decode_reset(bytes, head) < 0)
        return;
    session = (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
    if (session != self->session)
        return; /* of a frame that was not ours, or of an older session */
    self->reset_ms = now_ms;
    self->tries = 0;
    greet(self); /* the link stays: who forges RESET takes nothing from us */
}

static Session *find_at(PathRelays *self, const WireEvent *event)
{
    for (guint i = 0; i < self->sessions->len; i++) {
        Session *session = g_ptr_array_index(self->sessions, i);

        if (session->state != OFF && (event->way.link == session->link ||
                                      mesh_endpoint_equal(&event->endpoint, &session->at)))
            return session;
    }
    return NULL;
}

bool path_relays_handle(PathRelays *self, const WireEvent *event)
{
    Session *session;
    MeshSpan bytes = { event->data, event->n_data };

    if (event->n_data == 0 || event->data[0] <= MESH_RELAY_DATA || event->data[0] > 0x5f)
        return false;
    if (event->way.link != 0 && event->way.index != WIRE_WHOLE_FRAME)
        return true; /* the payload of a node at that relay, which speaks for itself alone */
    session = find_at(self, event);
    if (session == NULL)
        return true;
    if (event->data[0] == MESH_RELAYBIND_KIND_COOKIE)
        take_cookie(session, bytes);
    else if (event->data[0] == MESH_RELAYBIND_KIND_BOUND && session->state == BINDING)
        take_bound(session, bytes);
    else if (event->data[0] == MESH_RELAYBIND_KIND_RESET)
        take_reset(session, bytes);
    else
        take_frame(session, bytes);
    return true;
}

/* ---- which relays ---- */

static void free_session(gpointer data)
{
    Session *self = data;

    if (self->state == BOUND)
        send_frame(self, &(MeshRelayFrame){ .kind = MESH_RELAY_CLOSE, .session = self->session });
    g_clear_handle_id(&self->timer, g_source_remove);
    wire_ways_remove_link(self->owner->plane, self->link);
    mesh_key_wipe(self, sizeof *self);
    g_free(self);
}

static void clear_map(PathRelayMap *map)
{
    g_free((gpointer)map->relays);
    g_free((gpointer)map->token.data);
    memset(map, 0, sizeof *map);
}

PathRelays *path_relays_new(WirePlane *plane, const PathRelaysEvents *events, void *user_data)
{
    PathRelays *self = g_new0(PathRelays, 1);

    self->plane = plane;
    self->events = *events;
    self->user_data = user_data;
    self->sessions = g_ptr_array_new_with_free_func(free_session);
    return self;
}

void path_relays_free(PathRelays *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->sessions);
    clear_map(&self->map);
    g_free(self);
}

static bool is_same_relay(const PathRelay *a, const PathRelay *b)
{
    return a->id == b->id && mesh_key_equal(&a->key, &b->key) &&
           mesh_endpoint_equal(&a->at4, &b->at4) && mesh_endpoint_equal(&a->at6, &b->at6);
}

static bool is_listed(const PathRelayMap *map, const PathRelay *relay)
{
    for (size_t i = 0; i < map->n_relays; i++)
        if (is_same_relay(&map->relays[i], relay))
            return true;
    return false;
}

static Session *find_id(PathRelays *self, uint16_t id)
{
    for (guint i = 0; i < self->sessions->len; i++) {
        Session *session = g_ptr_array_index(self->sessions, i);

        if (session->told.id == id)
            return session;
    }
    return NULL;
}

static Session *find_link(PathRelays *self, uint8_t link)
{
    for (guint i = 0; i < self->sessions->len; i++) {
        Session *session = g_ptr_array_index(self->sessions, i);

        if (session->link == link)
            return session;
    }
    return NULL;
}

static void add_session(PathRelays *self, const PathRelay *relay)
{
    Session *session;
    uint8_t  link = 1;

    while (link <= WIRE_MAX_LINKS && find_link(self, link) != NULL)
        link++;
    if (link > WIRE_MAX_LINKS)
        return; /* the rest of a long list is for others */
    session = g_new0(Session, 1);
    session->owner = self;
    session->told = *relay;
    session->link = link;
    session->backoff = mesh_backoff_make();
    g_ptr_array_add(self->sessions, session);
}

static void want(Session *self)
{
    self->wanted = true;
    if (self->state == OFF && self->timer == 0)
        greet(self);
}

/* Perhaps it refused the token that we had. */
static void renew(Session *self)
{
    if (self->state != WAITING)
        return;
    mesh_backoff_reset(&self->backoff);
    greet(self);
}

/* Where peers look for us first: the first of the map that takes new nodes. */
static Session *get_home(PathRelays *self)
{
    for (size_t i = 0; i < self->map.n_relays; i++)
        if (self->map.relays[i].usable)
            return find_id(self, self->map.relays[i].id);
    return NULL;
}

void path_relays_set(PathRelays *self, const PathRelayMap *map)
{
    Session *home;
    uint16_t lost = 0;

    clear_map(&self->map);
    self->map = *map;
    self->map.relays = g_memdup2(map->relays, map->n_relays * sizeof map->relays[0]);
    self->map.token.data = g_memdup2(map->token.data, map->token.len);
    for (guint i = self->sessions->len; i-- > 0;) {
        Session *session = g_ptr_array_index(self->sessions, i);

        if (is_listed(map, &session->told)) {
            renew(session);
            continue;
        }
        lost = session->session != 0 ? session->told.id : lost;
        g_ptr_array_remove_index(self->sessions, i);
    }
    for (size_t i = 0; i < map->n_relays; i++)
        if (find_id(self, map->relays[i].id) == NULL)
            add_session(self, &map->relays[i]);
    home = get_home(self);
    if (home != NULL)
        want(home);
    if (lost != 0) /* peers are still sent to its link, which may be another relay's next */
        self->events.changed(lost, self->user_data);
}

void path_relays_set_families(PathRelays *self, bool has4, bool has6)
{
    if (self->has4 == has4 && self->has6 == has6)
        return;
    self->has4 = has4;
    self->has6 = has6;
    for (guint i = 0; i < self->sessions->len; i++) {
        Session *session = g_ptr_array_index(self->sessions, i);

        if (session->wanted && session->state != BOUND)
            greet(session);
    }
}

bool path_relays_get_way(PathRelays *self, const PathPeer *peer, bool want_it, WireWay *out_way)
{
    for (size_t i = 0; i < peer->n_relays; i++) {
        Session *session = find_id(self, peer->relays[i]);

        if (session == NULL)
            continue;
        if (want_it)
            want(session);
        if (session->session == 0)
            continue;
        *out_way = (WireWay){ .link = session->link, .index = peer->index };
        return true;
    }
    return false;
}

void path_relays_ask(PathRelays *self, const WireWay *way)
{
    Session *session = find_link(self, way->link);

    if (session != NULL && session->session != 0)
        send_frame(session, &(MeshRelayFrame){ .kind = MESH_RELAY_WHERE,
                                               .session = session->session,
                                               .arg = way->index });
}

bool path_relays_look(PathRelays *self, const WireWay *way, bool ping_it, PathRelayLook *out_look)
{
    Session *session = way == NULL ? get_home(self) : find_link(self, way->link);

    if (session == NULL || session->session == 0)
        return false;
    *out_look =
        (PathRelayLook){ .alt = mesh_endpoint_make(&session->at.addr, session->told.alt_port),
                         .seen = session->seen,
                         .rtt_us = session->rtt_us };
    if (session->pinged_us != 0)
        out_look->unanswered_us = mesh_clock_boot_ns() / 1000 - session->pinged_us;
    if (ping_it)
        ping(session);
    return true;
}

void path_relays_doubt(PathRelays *self)
{
    for (guint i = 0; i < self->sessions->len; i++) {
        Session *session = g_ptr_array_index(self->sessions, i);

        if (session->state == BOUND && session->tries == 0) {
            session->tries = 1;
            ping(session);
            wait(session, PROVE_MS);
        } else if (session->state == WAITING) {
            mesh_backoff_reset(&session->backoff);
            greet(session);
        }
    }
}

bool path_relays_is_hopeful(PathRelays *self)
{
    Session *home = get_home(self);

    return home != NULL && (home->state == GREETED || home->state == BINDING);
}

bool path_relays_get_home(PathRelays *self, uint16_t *out_id, MeshEndpoint *out_seen)
{
    Session *home = get_home(self);

    if (home == NULL || home->session == 0)
        return false;
    *out_id = home->told.id;
    *out_seen = home->seen;
    return true;
}

const char *path_relays_name(PathRelays *self, uint8_t link)
{
    Session *session = find_link(self, link);

    return session != NULL ? session->told.name : NULL;
}
