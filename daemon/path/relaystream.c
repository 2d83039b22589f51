#include "daemon/path/relaystream.h"

#include "common/codec/relayframe.h"
#include "common/glib/backoff.h"
#include "common/glib/log.h"
#include "common/proto/reqsign.h"
#include "common/std/base64.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/path/relaydial.h"
#include "daemon/wire/ways.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    ANSWER_MS = 2000,         /* from 101 to BOUND */
    KEEPALIVE_MS = 50000,     /* below what proxies give a silent tunnel */
    PROVE_MS = 350,           /* between the pings of a session in doubt */
    MISSED = 3,               /* of them without an answer: it is lost */
    REBIND_LEFT_PERCENT = 25, /* of a token's life: then with the next one */
    AGAIN_MS = 300,           /* first try after one that failed, at least */
    CLOCK_OFF_S = 60,         /* against the relay's: then with its time */
};

typedef enum { OFF, DIALLING, ADOPTED, BOUND, WAITING } State;

struct PathRelayStream {
    PathRelayHost   *host;
    const PathRelay *told;
    uint8_t          link;
    State            state;
    bool             open; /* the plane has a stream of ours; also while the next one is dialled */
    bool             websocket; /* the form that is tried, or works */
    bool             turned;    /* the other form was tried in this round, */
    bool             dated;     /* and the relay's clock */
    PathRelayDial   *dial;
    int64_t          ahead_s;                    /* of the relay's clock before ours */
    uint32_t         life_s, sequence, answered; /* the latter: numbers of pings */
    unsigned         tries;                      /* pings unanswered */
    int64_t          bound_ms, pinged_us, rtt_us;
    guint            timer;
    MeshBackoff      backoff;
};

static gboolean on_timer(gpointer user_data);
static void     dial(PathRelayStream *self);

static void wait(PathRelayStream *self, unsigned in_ms)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    self->timer = g_timeout_add(in_ms, on_timer, self);
}

static void tell(PathRelayStream *self)
{
    self->host->changed(self->told->id, self->host->user_data);
}

/* Returns: false: the stream has ended. */
static bool send_frame(PathRelayStream *self, const MeshRelayFrame *frame)
{
    const WireWay way = { .link = self->link, .index = WIRE_WHOLE_FRAME };
    uint8_t       bytes[64];
    size_t        len;

    if (mesh_relayframe_encode_stream(frame, bytes, sizeof bytes, &len) < 0)
        return true;
    return wire_ways_send(self->host->plane, &way, 0, (MeshSpan){ bytes, len }) != -ENOTCONN;
}

/* Peers are not sent where nobody forwards. */
static void close_link(PathRelayStream *self)
{
    if (!self->open)
        return;
    wire_ways_remove_link(self->host->plane, self->link);
    self->open = false;
    tell(self);
}

static void lose(PathRelayStream *self)
{
    self->state = WAITING;
    self->tries = 0;
    self->pinged_us = 0;
    g_clear_pointer(&self->dial, path_relaydial_cancel);
    close_link(self);
}

static void try_later(PathRelayStream *self)
{
    lose(self);
    wait(self, mesh_backoff_next_ms(&self->backoff));
}

/* ---- the request ---- */

static char *dup_token(const PathRelayMap *map)
{
    char             server[MESH_REQSIGN_FINGERPRINT_SIZE], net[MESH_HEX_SIZE(sizeof map->net)];
    char             signature[MESH_BASE64URL_SIZE(MESH_SIGN_BYTES)];
    size_t           size = MESH_BASE64URL_SIZE(map->token.len);
    g_autofree char *body = g_malloc(size);

    mesh_reqsign_fingerprint(&map->server, server);
    if (mesh_hex_encode(MESH_SPAN(map->net, sizeof map->net), net, sizeof net) < 0 ||
        mesh_base64url_encode(map->token, body, size) < 0 ||
        mesh_base64url_encode(MESH_SPAN(map->token_signature.bytes, MESH_SIGN_BYTES), signature,
                              sizeof signature) < 0)
        g_assert_not_reached(); /* the sizes are of these lengths */
    return g_strdup_printf("%s.%s.%s.%s", server, net, body, signature);
}

/* Signed as every request, for the server of our network: a relay knows those that it serves.
 * Owned. */
static char *make_headers(const PathRelayStream *self)
{
    const PathRelayMap *map = &self->host->map;
    char                fingerprint[MESH_REQSIGN_FINGERPRINT_SIZE];
    MeshReqsignRequest  request = { .method = "GET",
                                    .path = "/v1/relay",
                                    .fingerprint = fingerprint };
    MeshReqsignParams   params = { .created = mesh_clock_wall_s() + self->ahead_s,
                                   .nonce = mesh_reqsign_make_nonce() };
    MeshReqsignHeaders  values;
    g_autofree char    *token = dup_token(map);

    mesh_reqsign_fingerprint(&map->server, fingerprint);
    mesh_reqsign_next(&params.nonce);
    memcpy(params.node.bytes, map->secret->bytes + MESH_SIGN_SEED_BYTES, sizeof params.node.bytes);
    mesh_reqsign_sign(&request, &params, map->secret, &values);
    return g_strdup_printf("Content-Digest: %s\r\nMesh-Server: %s\r\nSignature-Input: %s\r\n"
                           "Signature: %s\r\nMesh-Token: %s\r\n",
                           values.content_digest, values.mesh_server, values.signature_input,
                           values.signature, token);
}

/* ---- opening ---- */

static void take_open(PathRelayStream *self, SSL *ssl)
{
    int rc = wire_ways_adopt_stream(self->host->plane, self->link, ssl, self->websocket);

    if (rc < 0) {
        int fd = SSL_get_fd(ssl);

        mesh_log_warning("relay %s: its stream cannot be used: %s", self->told->name,
                         g_strerror(-rc));
        SSL_free(ssl);
        close(fd);
        try_later(self);
        return;
    }
    self->open = true;
    self->state = ADOPTED;
    wait(self, ANSWER_MS);
}

/* Something that can be put right at once? */
static bool correct(PathRelayStream *self, const PathRelayDialResult *result)
{
    int64_t ahead_s = result->date_s - mesh_clock_wall_s();

    if (result->end != PATH_RELAYDIAL_REFUSED || result->by_proxy)
        return false;
    if (!self->dated && result->date_s != 0 && ABS(ahead_s - self->ahead_s) > CLOCK_OFF_S) {
        self->dated = true; /* once: whoever tells another time each time is not followed */
        self->ahead_s = ahead_s;
        return true;
    }
    if (self->turned)
        return false;
    self->turned = true; /* somebody between may know WebSocket alone, or not at all */
    self->websocket = !self->websocket;
    return true;
}

static void on_dialled(const PathRelayDialResult *result, void *user_data)
{
    PathRelayStream *self = user_data;

    self->dial = NULL;
    if (result->end == PATH_RELAYDIAL_OPEN) {
        take_open(self, result->ssl);
        return;
    }
    mesh_log_info("relay %s over TLS%s: %s", self->told->name,
                  self->websocket ? " and WebSocket" : "", result->why);
    if (correct(self, result)) {
        dial(self);
        return;
    }
    if (!self->open) {
        try_later(self);
        return;
    }
    self->state = BOUND; /* the one before is still there */
    wait(self, mesh_backoff_next_ms(&self->backoff));
}

static void dial(PathRelayStream *self)
{
    const PathRelay *told = self->told;
    g_autoptr(GError) error = NULL;
    MeshProxy       proxy = { .port = 0 };
    PathRelayTarget target = { .name = told->name,
                               .at4 = told->tls4,
                               .at6 = told->tls6,
                               .host = told->host,
                               .port = told->tls_port,
                               .key = told->tls_key,
                               .webpki = told->webpki,
                               .websocket = self->websocket };
    char           *headers = make_headers(self);

    if (mesh_proxy_find(told->host, &proxy, &error))
        target.proxy = &proxy;
    if (error != NULL)
        mesh_log_warning("relay %s: %s", told->name, error->message);
    target.headers = headers;
    g_clear_handle_id(&self->timer, g_source_remove);
    self->state = DIALLING;
    path_relaydial_cancel(self->dial);
    self->dial = path_relaydial_start(&target, on_dialled, self);
    mesh_proxy_wipe(&proxy);
    mesh_key_wipe(headers, strlen(headers));
    g_free(headers);
}

static void dial_anew(PathRelayStream *self)
{
    self->turned = self->dated = false;
    dial(self);
}

/* ---- keeping ---- */

/* Returns: false: there is no stream any more. */
static bool ping(PathRelayStream *self)
{
    if (self->pinged_us == 0)
        self->pinged_us = mesh_clock_boot_ns() / 1000;
    return send_frame(self, &(MeshRelayFrame){ .kind = MESH_RELAY_PING, .arg = ++self->sequence });
}

static void open_again(PathRelayStream *self)
{
    lose(self);
    dial_anew(self);
}

static bool token_ends_soon(const PathRelayStream *self)
{
    int64_t age_s = (mesh_clock_boot_ms() - self->bound_ms) / 1000;

    return age_s * 100 > (int64_t)self->life_s * (100 - REBIND_LEFT_PERCENT);
}

static void keep(PathRelayStream *self)
{
    if (self->tries >= MISSED) {
        mesh_log_info("relay %s does not answer over TLS any more", self->told->name);
        open_again(self);
        return;
    }
    if (token_ends_soon(self)) {
        self->tries = 0;
        dial_anew(self); /* this one goes on until the next takes its place */
        return;
    }
    if (self->tries++ > 0 && self->host->late != NULL)
        self->host->late(self->told->id, self->host->user_data);
    if (ping(self))
        wait(self, PROVE_MS);
    else
        open_again(self);
}

static gboolean on_timer(gpointer user_data)
{
    PathRelayStream *self = user_data;

    self->timer = 0;
    if (self->state == BOUND) {
        keep(self);
    } else if (self->state == WAITING) {
        dial_anew(self);
    } else if (self->state == ADOPTED) {
        self->websocket = !self->websocket; /* somebody lets 101 pass and no more */
        try_later(self);
    }
    return G_SOURCE_REMOVE;
}

/* ---- what comes ---- */

static void take_bound(PathRelayStream *self, const MeshRelayFrame *frame)
{
    if (self->state != ADOPTED)
        return;
    self->state = BOUND;
    self->tries = 0;
    self->pinged_us = 0;
    self->bound_ms = mesh_clock_boot_ms();
    self->life_s = frame->life_s;
    mesh_backoff_reset(&self->backoff);
    (void)ping(self); /* how far it is tells how soon silence means something */
    wait(self, KEEPALIVE_MS);
    mesh_log_info("relay %s is used over TLS%s", self->told->name,
                  self->websocket ? " and WebSocket" : "");
    tell(self);
}

static void take_pong(PathRelayStream *self, const MeshRelayFrame *frame)
{
    if (self->state != BOUND || self->sequence - frame->arg >= MISSED ||
        self->sequence - frame->arg >= self->sequence - self->answered)
        return;
    self->answered = frame->arg;
    if (self->pinged_us != 0)
        self->rtt_us = mesh_clock_boot_ns() / 1000 - self->pinged_us;
    self->pinged_us = 0;
    self->tries = 0;
    wait(self, KEEPALIVE_MS);
}

static void take_frame(PathRelayStream *self, const WireEvent *event)
{
    MeshReader     r = mesh_bytes_make_reader(event->data, event->n_data);
    MeshRelayFrame frame;

    if (mesh_relayframe_decode_stream(MESH_RELAY_DOWN, &r, &frame) < 0)
        return;
    switch (frame.kind) {
    case MESH_RELAY_BOUND:
        take_bound(self, &frame);
        return;
    case MESH_RELAY_PONG:
        take_pong(self, &frame);
        return;
    case MESH_RELAY_AT:
        self->host->found(self->told->id, frame.arg, &frame.seen, self->host->user_data);
        return;
    case MESH_RELAY_RESTART:
        lose(self);
        wait(self, MIN(frame.arg, 60000u) + mesh_backoff_uniform(0, 1000));
        return;
    default:
        return;
    }
}

/* An end may be told of the stream before this one: what there is now says. */
static void take_end(PathRelayStream *self, int why)
{
    if (ping(self))
        return;
    mesh_log_info("relay %s over TLS: the stream ended: %s", self->told->name, g_strerror(-why));
    if (self->state == BOUND) { /* it ends so, too, when we are bound over UDP: that will tell */
        lose(self);
        wait(self, AGAIN_MS);
    } else if (self->state == ADOPTED)
        try_later(self);
    else if (self->state == DIALLING) /* for the next one already */
        close_link(self);
}

bool path_relaystream_take(PathRelayStream *self, const WireEvent *event)
{
    if (!self->open || event->way.link != self->link)
        return false;
    if (event->kind == WIRE_EVENT_LINK_DOWN)
        take_end(self, event->id);
    else
        take_frame(self, event);
    return true;
}

/* ---- front ---- */

PathRelayStream *path_relaystream_new(PathRelayHost *host, const PathRelay *relay, uint8_t link)
{
    PathRelayStream *self = g_new0(PathRelayStream, 1);

    self->host = host;
    self->told = relay;
    self->link = link;
    self->backoff = mesh_backoff_make();
    self->backoff.first_min_ms = AGAIN_MS; /* it is what traffic goes by, and one connection */
    self->backoff.first_max_ms = self->backoff.base_ms = 2 * AGAIN_MS;
    return self;
}

void path_relaystream_free(PathRelayStream *self)
{
    if (self == NULL)
        return;
    if (self->open)
        (void)send_frame(self, &(MeshRelayFrame){ .kind = MESH_RELAY_CLOSE });
    path_relaydial_cancel(self->dial);
    g_clear_handle_id(&self->timer, g_source_remove);
    g_free(self);
}

static bool has_proxy(const PathRelayStream *self)
{
    MeshProxy proxy;
    bool      found = mesh_proxy_find(self->told->host, &proxy, NULL);

    mesh_proxy_wipe(&proxy);
    return found;
}

/* A proxy finds the relay's address itself; else it may not be looked up yet. */
static bool is_possible(const PathRelayStream *self)
{
    const PathRelay *told = self->told;

    return told->tls_port != 0 && self->host->map.secret != NULL &&
           (told->tls4.addr.family != 0 || told->tls6.addr.family != 0 || has_proxy(self));
}

void path_relaystream_want(PathRelayStream *self)
{
    if (self->state != OFF || !is_possible(self))
        return;
    dial_anew(self);
}

void path_relaystream_drop(PathRelayStream *self, bool taken)
{
    if (!taken)
        close_link(self);
    self->open = false; /* its place was taken, so it is closed */
    self->state = OFF;
    self->tries = 0;
    self->pinged_us = 0;
    g_clear_pointer(&self->dial, path_relaydial_cancel);
    g_clear_handle_id(&self->timer, g_source_remove);
}

void path_relaystream_renew(PathRelayStream *self)
{
    if (self->state != WAITING)
        return;
    mesh_backoff_reset(&self->backoff);
    dial_anew(self);
}

bool path_relaystream_is_hopeful(const PathRelayStream *self)
{
    return self->state == DIALLING || self->state == ADOPTED;
}

bool path_relaystream_is_bound(const PathRelayStream *self)
{
    return self->state == BOUND || (self->open && self->state == DIALLING);
}

void path_relaystream_get_view(const PathRelayStream *self, PathRelayView *out_view)
{
    *out_view = (PathRelayView){ .bound = path_relaystream_is_bound(self),
                                 .at = self->told->at4,
                                 .rtt_us = self->rtt_us };
    if (self->pinged_us != 0)
        out_view->unanswered_us = mesh_clock_boot_ns() / 1000 - self->pinged_us;
}

void path_relaystream_doubt(PathRelayStream *self)
{
    if (self->state == BOUND && self->tries == 0)
        keep(self);
    else
        path_relaystream_renew(self);
}

void path_relaystream_ping(PathRelayStream *self)
{
    if (self->state == BOUND)
        (void)ping(self);
}

void path_relaystream_ask(PathRelayStream *self, uint32_t index)
{
    if (self->state == BOUND)
        (void)send_frame(self, &(MeshRelayFrame){ .kind = MESH_RELAY_WHERE, .arg = index });
}
