#include "daemon/path/relaysession.h"

#include "common/codec/relaybind.h"
#include "common/codec/relayframe.h"
#include "common/glib/backoff.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"
#include "daemon/path/lifetime.h"
#include "daemon/path/relaystream.h"
#include "daemon/path/ways.h"
#include "daemon/wire/ways.h"

#include <string.h>
#include <sys/socket.h>

enum {
    ANSWER_MS = 500, /* then the question is put again, at the other family's address */
    TRIES = 4,       /* of one question; then later */
    PROVE_MS = 500,  /* between the pings of a session in doubt; of a near relay less: */
    PROVE_LEAST_MS = 250,
    MISSED = 2,          /* pings without an answer: the session is lost */
    HURRY_EACH_MS = 100, /* while data waits, between them; of a far relay more: */
    HURRY_EACH_MAX_MS = 250,
    HURRY_LEAST_MS = 150, /* and after the last of them */
    HURRY_MISSED = 3,
    HURRY_A_SECOND = 1,       /* flows that are slow to answer make no more pings than that, */
    HURRY_BURST = 3,          /*   but for the first ones */
    RESET_EACH_MS = 1000,     /* RESET is not authentic: it makes us say HELLO so often */
    REBIND_LEFT_PERCENT = 25, /* of a token's life: then with the next one */
    UNANSWERED = 2,           /* questions, or pings of a session in doubt: then over TLS, too */
    UDP_AGAIN_MS = 30000,     /* while the stream is used, UDP is tried again; doubling to */
    UDP_AGAIN_MAX_MS = 600000,
    UDP_SOON_MS = 5000, /* but not sooner than this, whatever happens */
};

typedef enum { OFF, GREETED, BINDING, BOUND, WAITING } State;

struct PathRelaySession {
    PathRelayHost *host;
    PathRelay      told;
    uint8_t        link; /* 1…; number in the data plane */
    bool           wanted;
    State          state;
    unsigned       tries;  /* of the question under way, or pings unanswered */
    bool           second; /* its second address is tried */
    MeshEndpoint   at;     /* where we talk to it */
    uint8_t        nonce[MESH_RELAYKEY_NONCE_BYTES];
    uint8_t        cookie[MESH_RELAYKEY_COOKIE_BYTES];
    MeshKey        secret; /* ephemeral */
    MeshRelayKeys  keys;
    uint32_t     session, sequence, answered; /* numbers of pings: the last, and of the last PONG */
    int64_t      bound_ms, reset_ms;
    bool         hurried; /* it is in doubt, and data waits for its pings */
    PathAim      hurries;
    uint32_t     life_s;
    MeshEndpoint seen;
    int64_t      pinged_us, rtt_us;     /* oldest ping unanswered, 0: none; round trip */
    int64_t      sent_us[HURRY_MISSED]; /* the last pings, by number */
    guint        timer;
    MeshBackoff  backoff;
    PathRelayStream *stream;     /* owned */
    bool             beside;     /* UDP is asked now and then, beside it */
    unsigned         again_ms;   /* until UDP is tried again beside the stream */
    int64_t          greeted_us; /* the same, of the question under way */
    int64_t          greeted_ms; /* boot clock: when that was begun last */
};

static gboolean on_timer(gpointer user_data);
static void     greet(PathRelaySession *self);

static void wait(PathRelaySession *self, unsigned in_ms)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    self->timer = g_timeout_add(in_ms, on_timer, self);
}

static void send_to(PathRelaySession *self, const uint8_t *bytes, size_t len)
{
    WireWay way = { .endpoint = self->at };
    int     rc = wire_ways_send(self->host->plane, &way, 0, (MeshSpan){ bytes, len });

    if (rc < 0)
        mesh_log_debug("relay %s: cannot send: %s", self->told.name, g_strerror(-rc));
}

static void send_frame(PathRelaySession *self, const MeshRelayFrame *frame)
{
    uint8_t bytes[64];
    size_t  len;

    if (mesh_relayframe_encode(frame, &self->keys.up, bytes, sizeof bytes, &len) == 0)
        send_to(self, bytes, len);
}

static unsigned get_silence_ms(const PathRelaySession *self)
{
    const PathRelayHost *host = self->host;

    return host->get_silence_ms != NULL ? host->get_silence_ms(host->user_data)
                                        : PATH_LIFETIME_UNKNOWN_MS;
}

static void tell(PathRelaySession *self)
{
    self->host->changed(self->told.id, self->host->user_data);
}

/* The link goes, so peers are not sent where nobody forwards. */
static void lose(PathRelaySession *self)
{
    bool was = self->session != 0;

    self->state = OFF;
    self->session = 0;
    self->hurried = false;
    mesh_key_wipe(&self->keys, sizeof self->keys);
    if (!was)
        return; /* the link is not ours: there is none, or it is the stream's */
    wire_ways_remove_link(self->host->plane, self->link);
    tell(self);
}

static bool choose_address(PathRelaySession *self)
{
    const PathRelayHost *host = self->host;
    bool                 has4 = host->has4 && self->told.at4.addr.family != 0;
    bool                 has6 = host->has6 && self->told.at6.addr.family != 0;

    if (!has4 && !has6)
        return false;
    /* IPv4 first: what it sees us as is what peers behind NAT need, IPv6 addresses we know. */
    self->at = has4 && (!has6 || !self->second) ? self->told.at4 : self->told.at6;
    return true;
}

/* UDP cannot be used to it at all? */
static void look_for_stream(PathRelaySession *self)
{
    const PathRelayHost *host = self->host;

    if (self->wanted && (host->has4 || host->has6))
        path_relaystream_want(self->stream);
}

static void greet(PathRelaySession *self)
{
    MeshRelayGreeting greeting;
    uint8_t           bytes[MESH_RELAYBIND_HELLO_BYTES];

    if (!self->wanted || !choose_address(self)) {
        self->state = OFF;
        look_for_stream(self);
        return;
    }
    self->state = GREETED;
    self->greeted_ms = mesh_clock_boot_ms();
    self->greeted_us = mesh_clock_boot_ns() / 1000;
    mesh_key_random(self->nonce, sizeof self->nonce);
    memcpy(greeting.nonce, self->nonce, sizeof greeting.nonce);
    mesh_relaybind_encode_hello(&greeting, bytes);
    send_to(self, bytes, sizeof bytes);
    wait(self, ANSWER_MS);
    if (self->host->over_tls) /* UDP has nothing to hope for: its answer ends this */
        path_relaystream_want(self->stream);
}

static void bind_session(PathRelaySession *self)
{
    const PathRelayMap *map = &self->host->map;
    uint8_t             bytes[MESH_RELAYBIND_MAX_BYTES];
    MeshWriter          w = mesh_writer_make(bytes, sizeof bytes);
    MeshRelayBind       bind = { .token = map->token, .token_signature = map->token_signature };
    MeshRelayPublics    publics = { .relay = self->told.key };
    int                 rc;

    mesh_key_make_private(&self->secret);
    mesh_key_make_public(&self->secret, &bind.ephemeral);
    publics.ephemeral = bind.ephemeral;
    mesh_relaybind_name_server(&map->server, bind.server_id);
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

static void ping(PathRelaySession *self)
{
    int64_t now_us = mesh_clock_boot_ns() / 1000;

    if (self->pinged_us == 0)
        self->pinged_us = now_us;
    self->sent_us[++self->sequence % HURRY_MISSED] = now_us;
    send_frame(self, &(MeshRelayFrame){ .kind = MESH_RELAY_PING,
                                        .session = self->session,
                                        .arg = self->sequence });
}

/* Packets go over TLS: now and then a look whether UDP is back. */
static void wait_beside_stream(PathRelaySession *self)
{
    self->beside = true;
    self->state = WAITING;
    wait(self, self->again_ms);
    self->again_ms = MIN(self->again_ms * 2, (unsigned)UDP_AGAIN_MAX_MS);
}

/* Nobody answered. */
static void try_again(PathRelaySession *self)
{
    bool streaming = path_relaystream_is_bound(self->stream);

    if (++self->tries >= UNANSWERED)
        path_relaystream_want(self->stream);
    if (self->tries < (streaming ? UNANSWERED : TRIES)) {
        self->second = !self->second;
        greet(self);
        return;
    }
    self->tries = 0;
    lose(self);
    if (streaming) {
        wait_beside_stream(self);
        return;
    }
    self->state = WAITING;
    wait(self, mesh_backoff_next_ms(&self->backoff));
    tell(self); /* who hoped for it goes on without */
}

static bool token_ends_soon(const PathRelaySession *self)
{
    int64_t age_s = (mesh_clock_boot_ms() - self->bound_ms) / 1000;

    return age_s * 100 > (int64_t)self->life_s * (100 - REBIND_LEFT_PERCENT);
}

static unsigned get_limit(const PathRelaySession *self)
{
    return self->hurried ? HURRY_MISSED : MISSED;
}

/* Until the next ping of a session in doubt, or the end of it. */
static unsigned get_patience_ms(const PathRelaySession *self)
{
    int64_t ms = self->rtt_us == 0 ? PROVE_MS : 3 * self->rtt_us / 1000;

    if (self->hurried && self->tries < HURRY_MISSED)
        return (unsigned)CLAMP(ms / 3, HURRY_EACH_MS, HURRY_EACH_MAX_MS);
    return (unsigned)CLAMP(ms, self->hurried ? HURRY_LEAST_MS : PROVE_LEAST_MS, PROVE_MS);
}

/* A session that is kept: a ping now and then, more of them while it is in doubt. */
static void keep(PathRelaySession *self)
{
    if (self->tries >= get_limit(self)) {
        mesh_log_info("relay %s does not answer any more", self->told.name);
        self->tries = 0;
        lose(self);
        path_relaystream_want(self->stream);
        greet(self);
        return;
    }
    if (token_ends_soon(self)) {
        self->tries = 0;
        greet(self); /* the link stays until another takes its place */
        return;
    }
    if (self->tries++ > 0 && self->host->late != NULL)
        self->host->late(self->told.id, self->host->user_data);
    ping(self);
    wait(self, get_patience_ms(self));
}

static gboolean on_timer(gpointer user_data)
{
    PathRelaySession *self = user_data;

    self->timer = 0;
    if (self->state == BOUND)
        keep(self);
    else if (self->state == WAITING)
        greet(self);
    else
        try_again(self);
    return G_SOURCE_REMOVE;
}

/* Whether it is ours; so the others. Relays may share an address: what else names us has to fit. */
static bool take_bound(PathRelaySession *self, MeshSpan bytes)
{
    MeshRelayBound bound;
    WireLink       link = { .relay = self->at };

    if (mesh_relaybind_decode_bound(bytes, &self->keys.down, &bound) < 0 ||
        memcmp(bound.nonce, self->nonce, sizeof self->nonce) != 0)
        return false;
    mesh_key_wipe(&self->secret, sizeof self->secret);
    if (bound.status != MESH_RELAYBIND_OK) {
        mesh_log_warning("relay %s refuses us: reason %d", self->told.name, (int)bound.status);
        lose(self);
        self->state = WAITING;
        wait(self, mesh_backoff_next_ms(&self->backoff));
        tell(self); /* who hoped for it goes on without */
        return true;
    }
    link.session = self->session = bound.session;
    link.keys = self->keys;
    if (wire_ways_put_link(self->host->plane, self->link, &link) < 0)
        return true;
    mesh_key_wipe(&link, sizeof link);
    if (self->beside)
        mesh_log_info("relay %s is used over UDP again", self->told.name);
    mesh_log_debug("relay %s is bound over UDP", self->told.name);
    self->beside = false;
    path_relaystream_drop(self->stream, true);
    self->again_ms = UDP_AGAIN_MS;
    self->state = BOUND;
    self->tries = 0;
    self->pinged_us = 0;
    self->hurried = false;
    self->bound_ms = mesh_clock_boot_ms();
    self->life_s = bound.life_s;
    self->seen = bound.seen;
    mesh_backoff_reset(&self->backoff);
    wait(self, get_silence_ms(self));
    tell(self);
    return true;
}

static void take_pong(PathRelaySession *self, const MeshRelayFrame *frame)
{
    bool moved = !mesh_endpoint_equal(&frame->seen, &self->seen);

    /* One for one: else a relay makes us tell everybody of a new address as often as it likes. */
    if (self->state != BOUND || self->sequence - frame->arg >= HURRY_MISSED ||
        self->sequence - frame->arg >= self->sequence - self->answered)
        return;
    self->answered = frame->arg;
    self->rtt_us = mesh_clock_boot_ns() / 1000 - self->sent_us[frame->arg % HURRY_MISSED];
    self->pinged_us = 0;
    self->tries = 0;
    self->hurried = false;
    self->seen = frame->seen;
    /* A new place may mean that the old mapping had ended: what was known of that is void. */
    wait(self, moved ? PATH_LIFETIME_UNKNOWN_MS : get_silence_ms(self));
    if (moved)
        tell(self);
}

static bool take_frame(PathRelaySession *self, MeshSpan bytes)
{
    MeshRelayFrame frame;

    if (self->state == OFF ||
        mesh_relayframe_decode(MESH_RELAY_DOWN, &self->keys.down, bytes, &frame) < 0 ||
        frame.session != self->session)
        return false;
    if (frame.kind == MESH_RELAY_PONG)
        take_pong(self, &frame);
    else if (frame.kind == MESH_RELAY_AT)
        self->host->found(self->told.id, frame.arg, &frame.seen, self->host->user_data);
    else if (frame.kind == MESH_RELAY_GONE && self->host->gone != NULL)
        self->host->gone(self->told.id, frame.arg, self->host->user_data);
    else if (frame.kind == MESH_RELAY_MOVE) {
        frame.kind = MESH_RELAY_MOVED;
        send_frame(self, &frame);
        ping(self); /* its answer tells where we are seen now */
    } else if (frame.kind == MESH_RELAY_RESTART) {
        lose(self);
        self->state = WAITING;
        wait(self, MIN(frame.arg, 60000u) + mesh_backoff_uniform(0, 1000));
    }
    return true;
}

static bool take_cookie(PathRelaySession *self, MeshSpan bytes)
{
    MeshRelayGreeting greeting;

    if (self->state != GREETED || mesh_relaybind_decode_cookie(bytes, &greeting) < 0 ||
        memcmp(greeting.nonce, self->nonce, sizeof self->nonce) != 0)
        return false;
    memcpy(self->cookie, greeting.cookie, sizeof self->cookie);
    self->rtt_us = mesh_clock_boot_ns() / 1000 - self->greeted_us;
    if (!path_relaystream_is_bound(self->stream))   /* UDP works: a stream that opened after the */
        path_relaystream_drop(self->stream, false); /* BIND would end its session */
    bind_session(self);
    return true;
}

static bool take_reset(PathRelaySession *self, MeshSpan bytes)
{
    int64_t  now_ms = mesh_clock_boot_ms();
    uint8_t  head[8];
    uint32_t session;

    if (self->state != BOUND || mesh_relaybind_decode_reset(bytes, head) < 0)
        return false;
    session = (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
    if (session != self->session)
        return false; /* of a frame that was not ours, or of an older session */
    if (now_ms - self->reset_ms < RESET_EACH_MS)
        return true;
    self->reset_ms = now_ms;
    self->tries = 0;
    greet(self); /* the link stays: who forges RESET takes nothing from us */
    return true;
}

bool path_relaysession_take(PathRelaySession *self, const WireEvent *event)
{
    MeshSpan bytes = { event->data, event->n_data };

    if (path_relaystream_take(self->stream, event))
        return true;
    if (event->kind == WIRE_EVENT_LINK_DOWN)
        return false; /* of a stream whose place was taken */
    if (self->state == OFF ||
        (event->way.link != self->link && !mesh_endpoint_equal(&event->endpoint, &self->at)))
        return false;
    if (event->data[0] == MESH_RELAYBIND_KIND_COOKIE)
        return take_cookie(self, bytes);
    if (event->data[0] == MESH_RELAYBIND_KIND_BOUND)
        return self->state == BINDING && take_bound(self, bytes);
    if (event->data[0] == MESH_RELAYBIND_KIND_RESET)
        return take_reset(self, bytes);
    return take_frame(self, bytes);
}

/* ---- front ---- */

PathRelaySession *path_relaysession_new(PathRelayHost *host, const PathRelay *relay, uint8_t link)
{
    PathRelaySession *self = g_new0(PathRelaySession, 1);

    self->host = host;
    self->told = *relay;
    self->link = link;
    self->backoff = mesh_backoff_make();
    self->again_ms = UDP_AGAIN_MS;
    self->stream = path_relaystream_new(host, &self->told, link);
    return self;
}

void path_relaysession_free(PathRelaySession *self)
{
    if (self == NULL)
        return;
    if (self->state == BOUND)
        send_frame(self, &(MeshRelayFrame){ .kind = MESH_RELAY_CLOSE, .session = self->session });
    g_clear_handle_id(&self->timer, g_source_remove);
    path_relaystream_free(self->stream);
    wire_ways_remove_link(self->host->plane, self->link);
    mesh_key_wipe(self, sizeof *self);
    g_free(self);
}

uint8_t path_relaysession_get_link(const PathRelaySession *self)
{
    return self->link;
}

void path_relaysession_get_view(const PathRelaySession *self, PathRelayView *out_view)
{
    bool hopeful = self->state == GREETED || self->state == BINDING;

    if (self->session == 0 && path_relaystream_is_bound(self->stream)) {
        path_relaystream_get_view(self->stream, out_view);
        out_view->tls = true;
        return;
    }
    *out_view = (PathRelayView){ .bound = self->session != 0,
                                 .hopeful = hopeful || path_relaystream_is_hopeful(self->stream),
                                 .at = self->at,
                                 .seen = self->seen,
                                 .rtt_us = self->rtt_us };
    if (self->pinged_us != 0)
        out_view->unanswered_us = mesh_clock_boot_ns() / 1000 - self->pinged_us;
}

void path_relaysession_want(PathRelaySession *self)
{
    self->wanted = true;
    if (self->state == OFF && self->timer == 0)
        greet(self);
}

void path_relaysession_renew(PathRelaySession *self)
{
    path_relaystream_renew(self->stream);
    if (!self->wanted || (self->state != OFF && self->state != WAITING))
        return;
    if (path_relaystream_is_bound(self->stream))
        return; /* UDP is asked again in its time: a change of the two may lose what is under way */
    mesh_backoff_reset(&self->backoff);
    greet(self);
}

/* Data is not answered: three pings in short order. */
static void hurry(PathRelaySession *self)
{
    int64_t now_ms = mesh_clock_boot_ms();

    self->hurried = true;
    if (self->tries == 0 && !path_ways_spend(&self->hurries, HURRY_A_SECOND, HURRY_BURST, now_ms)) {
        wait(self, (unsigned)CLAMP(self->hurries.since_ms + 1000 / HURRY_A_SECOND - now_ms, 1,
                                   1000 / HURRY_A_SECOND));
        return;
    }
    self->tries = 1;
    ping(self);
    wait(self, get_patience_ms(self));
}

void path_relaysession_doubt(PathRelaySession *self, bool now)
{
    bool soon = mesh_clock_boot_ms() - self->greeted_ms < UDP_SOON_MS;

    path_relaystream_doubt(self->stream);
    if (!now && self->state == BOUND) {
        if (!self->hurried)
            hurry(self);
    } else if (self->state == BOUND && self->tries == 0) {
        self->tries = 1;
        ping(self);
        wait(self, get_patience_ms(self));
    } else if (self->state == WAITING && !(soon && path_relaystream_is_bound(self->stream))) {
        self->again_ms = UDP_AGAIN_MS;
        mesh_backoff_reset(&self->backoff);
        greet(self);
    }
}

void path_relaysession_ping(PathRelaySession *self)
{
    if (self->session != 0)
        ping(self);
    else
        path_relaystream_ping(self->stream);
}

void path_relaysession_ask(PathRelaySession *self, uint32_t index)
{
    if (self->session != 0)
        send_frame(self, &(MeshRelayFrame){
                             .kind = MESH_RELAY_WHERE, .session = self->session, .arg = index });
    else
        path_relaystream_ask(self->stream, index);
}
