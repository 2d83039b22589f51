#include "tests/load/node.h"

#include "common/proto/member.h"
#include "common/proto/register.h"
#include "common/proto/session.h"
#include "common/std/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define E_LIFE_S    80000
#define US_A_MS     1000
#define STREAM_HB_S 60

#define REPORT_AGAIN_US 1100000

/* --- identity -------------------------------------------------------------------------------- */

static MeshRecordEndpoint make_endpoint(unsigned number, uint64_t seq, unsigned which)
{
    uint8_t bytes[16] = { 10, (uint8_t)(number >> 8), (uint8_t)number, (uint8_t)(1 + which) };

    return (MeshRecordEndpoint){
        .endpoint = { .addr = mesh_ip_make_addr(AF_INET, bytes),
                      .port = (uint16_t)(1024 + (seq + which) % 60000) },
        .kind = which == 0 ? MESH_RECORD_OBSERVED : MESH_RECORD_LOCAL,
    };
}

static void sign_e(LoadNode *self)
{
    g_autoptr(GError) error = NULL;
    MeshRecordE record = { .node = self->id,
                           .seq = ++self->e_seq,
                           .exp = mesh_clock_wall_s() + E_LIFE_S,
                           .n_endpoints = 3,
                           .has_k_hash = true };

    mesh_record_hash(self->k, record.k_hash);
    for (unsigned i = 0; i < record.n_endpoints; i++)
        record.endpoints[i] = make_endpoint(self->number, self->e_seq, i);
    mesh_signed_unref(self->e);
    self->e = mesh_record_sign_e(&record, &self->crowd->link.network, &self->secret, &error);
    if (self->e == NULL)
        g_error("E: %s", error->message);
}

LoadNode *load_node_new(LoadCrowd *crowd, unsigned number)
{
    LoadNode *self = g_new0(LoadNode, 1);
    g_autoptr(GError) error = NULL;
    uint8_t     seed[MESH_SIGN_SEED_BYTES];
    MeshKey     private_key, public_key;
    MeshRecordK k;

    self->crowd = crowd;
    self->number = number;
    mesh_key_random(seed, sizeof seed);
    mesh_sign_make_pair(seed, &self->secret, &self->id);
    mesh_key_make_private(&private_key);
    mesh_key_make_public(&private_key, &public_key);
    k = mesh_record_make_k(&self->id, &public_key, 1);
    self->k = mesh_record_sign_k(&k, &crowd->link.network, &self->secret, &error);
    if (self->k == NULL)
        g_error("K: %s", error->message);
    self->nonce = mesh_reqsign_make_nonce();
    self->backoff = crowd->backoff;
    self->map = mesh_netmap_new();
    self->e_seq = (uint64_t)g_get_real_time() / 1000;
    sign_e(self);
    return self;
}

void load_node_free(LoadNode *self)
{
    if (self->stream != NULL)
        load_link_close(self->stream);
    if (self->post != NULL && self->post != self->stream)
        load_link_close(self->post);
    mesh_signed_unref(self->k);
    mesh_signed_unref(self->e);
    mesh_netmap_free(self->map);
    g_free(self);
}

/* --- requests -------------------------------------------------------------------------------- */

static void send_request(LoadNode *self, LoadLink *link, const char *name, const char *query,
                         MeshSpan body)
{
    const char      *method = query != NULL ? "GET" : "POST";
    g_autofree char *path = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    char               net[MESH_NETWORK_ID_TEXT_SIZE];
    MeshReqsignParams  params = { .created = mesh_clock_wall_s(), .node = self->id };
    MeshReqsignHeaders headers;

    path = g_strdup_printf("/v1/networks/%s/%s",
                           mesh_network_format_id(&self->crowd->link.network, net), name);
    mesh_reqsign_next(&self->nonce);
    params.nonce = self->nonce;
    mesh_reqsign_sign(&(MeshReqsignRequest){ .method = method,
                                             .path = path,
                                             .query = query,
                                             .body = body,
                                             .fingerprint = self->crowd->fingerprint },
                      &params, &self->secret, &headers);
    g_string_printf(text,
                    "%s %s%s%s HTTP/1.1\r\nHost: mesh\r\nContent-Digest: %s\r\nMesh-Server: %s\r\n"
                    "Signature-Input: %s\r\nSignature: %s\r\n",
                    method, path, query != NULL ? "?" : "", query != NULL ? query : "",
                    headers.content_digest, headers.mesh_server, headers.signature_input,
                    headers.signature);
    if (body.len > 0)
        g_string_append_printf(text, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                               body.len);
    g_string_append(text, "\r\n");
    g_string_append_len(text, body.data, (gssize)body.len);
    load_link_send(link, text->str, text->len);
}

static void send_register(LoadNode *self)
{
    MeshRegister     request = { .proto = 1, .k = self->k, .ip4 = true, .has_join = true };
    g_autofree char *text = NULL;
    size_t           len;

    (void)snprintf(request.name, sizeof request.name, "node-%u", self->number);
    (void)snprintf(request.os, sizeof request.os, "linux");
    (void)snprintf(request.version, sizeof request.version, "load");
    mesh_register_sign_join(&request, &self->crowd->link.network, &self->crowd->join_secret,
                            &self->crowd->join_public);
    text = mesh_register_encode(&request, &len);
    send_request(self, self->stream, "register", NULL, MESH_SPAN(text, len));
}

static void send_map(LoadNode *self)
{
    const MeshNetmapHead *head = mesh_netmap_get_head(self->map);
    g_autofree char      *query = NULL;

    query = g_strdup_printf("cursor=%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT "&hb=%d",
                            self->full ? 0 : head->epoch, self->full ? 0 : head->ver, STREAM_HB_S);
    self->greeted = false;
    send_request(self, self->stream, "map", query, MESH_SPAN(NULL, 0));
    mesh_netmap_begin(self->map, &self->nonce);
}

static void send_report(LoadNode *self)
{
    MeshReport       report = { .e = self->e };
    g_autofree char *text = NULL;
    size_t           len;

    self->report_wanted = false;
    self->report_sent = true;
    text = mesh_session_encode_report(&report, &len);
    send_request(self, self->post, "report", NULL, MESH_SPAN(text, len));
    self->report_sent_us = g_get_monotonic_time();
}

static uint32_t source_of(const LoadNode *self)
{
    /* each in a /24 of its own, as nodes in different houses are */
    return 0x7f010002U + (self->number / 254 << 16) + (self->number % 254 << 8);
}

/* The report did not come through: the server was too busy, or closed the connection just then. */
static void report_later(LoadNode *self)
{
    self->report_sent = self->report_wanted = false;
    self->report_again_us = g_get_monotonic_time() + REPORT_AGAIN_US;
}

/* Reports over the second connection, which is opened when there is none. */
static void want_report(LoadNode *self)
{
    bool connecting = self->post != NULL && self->report_wanted; /* opened() sends it */

    self->report_wanted = true;
    self->report_again_us = 0;
    if (self->report_sent || connecting)
        return;
    if (self->post != NULL) {
        send_report(self);
        return;
    }
    self->post = load_link_new(&self->crowd->net, source_of(self), self);
    if (self->post == NULL)
        report_later(self);
}

void load_node_move(LoadNode *self)
{
    sign_e(self);
    want_report(self);
}

/* --- connections ----------------------------------------------------------------------------- */

static void start_again(LoadNode *self)
{
    self->stream = NULL;
    self->state = LOAD_IDLE;
    self->mapped_us = 0;
    self->retry_us =
        g_get_monotonic_time() + (int64_t)mesh_backoff_next_ms(&self->backoff) * US_A_MS;
}

void load_node_tick(LoadNode *self, int64_t now_us)
{
    if (self->report_again_us != 0 && now_us >= self->report_again_us)
        want_report(self);
    if (self->state != LOAD_IDLE || self->retry_us == 0 || now_us < self->retry_us ||
        self->crowd->net.shaking >= self->crowd->max_shaking)
        return;
    self->state = LOAD_JOINS;
    self->stream = load_link_new(&self->crowd->net, source_of(self), self);
    if (self->stream == NULL)
        start_again(self);
}

static void on_opened(LoadLink *link)
{
    LoadNode *self = load_link_get_data(link);

    if (link == self->post)
        send_report(self);
    else if (self->registered)
        send_map(self);
    else
        send_register(self);
}

static void on_closed(LoadLink *link, const char *why)
{
    LoadNode *self = load_link_get_data(link);

    (void)why;
    if (link == self->post) {
        self->post = NULL;
        if (self->report_sent || self->report_wanted)
            report_later(self); /* else it was idle for long */
        return;
    }
    self->crowd->ends++;
    start_again(self);
}

static void drop_stream(LoadNode *self)
{
    load_link_close(self->stream);
    start_again(self);
}

static void complain(LoadNode *self, const char *what, const GError *error)
{
    if (self->crowd->bad++ < 5)
        (void)fprintf(stderr, "node %u: %s: %s\n", self->number, what, error->message);
}

/* --- answers --------------------------------------------------------------------------------- */

static void take_register(LoadNode *self, const char *body, size_t len)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshMember) member = NULL;
    MeshRegisterAnswer answer;

    if (!mesh_register_decode_answer(body, len, &answer, &error)) {
        complain(self, "register", error);
        drop_stream(self);
        return;
    }
    member =
        mesh_member_open(answer.m, &self->crowd->link.network, &self->crowd->link.server, &error);
    mesh_register_clear_answer(&answer);
    if (member == NULL || !mesh_key_equal(&member->node, &self->id)) {
        complain(self, "own membership", error);
        drop_stream(self);
        return;
    }
    self->registered = true;
    if (!self->crowd->enrols) {
        send_map(self);
        return;
    }
    self->post = self->stream;
    self->stream = NULL;
    send_report(self);
}

static void take_report(LoadNode *self, const char *body, size_t len)
{
    g_autoptr(GError) error = NULL;
    MeshReportAnswer answer;

    self->report_sent = false;
    self->reported_us = g_get_monotonic_time();
    if (!mesh_session_decode_report_answer(body, len, &answer, &error))
        complain(self, "report", error);
    else if (answer.e_seq != self->e_seq && !self->report_wanted)
        self->crowd->bad++;
    if (self->report_wanted)
        send_report(self);
    if (!self->crowd->enrols)
        return;
    load_link_close(self->post);
    self->post = NULL;
    self->state = LOAD_AWAY;
}

static void on_answer(LoadLink *link, unsigned status, const char *body, size_t len)
{
    LoadNode *self = load_link_get_data(link);

    if (status != 200) {
        if (self->crowd->refused++ < 5)
            (void)fprintf(stderr, "node %u: %u %.*s\n", self->number, status, (int)len, body);
        if (link == self->stream)
            drop_stream(self);
        else
            report_later(self);
        return;
    }
    if (link == self->post)
        take_report(self, body, len);
    else
        take_register(self, body, len);
}

/* --- lines ----------------------------------------------------------------------------------- */

static void note(LoadNode *self, const MeshMapline *line)
{
    const LoadCrowd *crowd = self->crowd;
    bool             wanted;

    if (line->type == MESH_MAPLINE_EP)
        wanted = crowd->watch_e != NULL && mesh_signed_equal(line->e, crowd->watch_e);
    else
        wanted = crowd->watch_delta && line->type == MESH_MAPLINE_DELTA;
    if (wanted && self->heard_us == 0)
        self->heard_us = g_get_monotonic_time();
}

static void apply(LoadNode *self, const MeshMapline *line)
{
    MeshNetmapChange change = MESH_NETMAP_NOTHING;
    g_autoptr(GError) error = NULL;

    if (!mesh_netmap_apply(self->map, line, &change, &error)) {
        complain(self, "map", error);
        drop_stream(self);
        return;
    }
    if (change == MESH_NETMAP_GAP) {
        self->crowd->gaps++;
        self->full = true;
        drop_stream(self);
        return;
    }
    if (line->type == MESH_MAPLINE_SNAP_END)
        self->full = false;
    if (line->type == MESH_MAPLINE_ON && line->all && line->end && self->state == LOAD_JOINS) {
        self->state = LOAD_LIVE;
        self->mapped_us = g_get_monotonic_time();
        mesh_backoff_reset(&self->backoff);
    }
}

static void take_hello(LoadNode *self, const MeshMapline *line)
{
    g_autoptr(GError) error = NULL;

    if (!load_memo_check_hello(self->crowd->memo, line, &mesh_netmap_get_head(self->map)->nonce,
                               &error))
        complain(self, "hello", error);
    self->greeted = true;
    apply(self, line);
    want_report(self);
}

static void on_line(LoadLink *link, const char *text, size_t len)
{
    LoadNode *self = load_link_get_data(link);
    g_autoptr(GError) error = NULL;
    const MeshMapline *line;

    if (len == 0)
        return;
    line = load_memo_take(self->crowd->memo, text, len, &error);
    if (line == NULL) {
        complain(self, "line", error);
        drop_stream(self);
        return;
    }
    switch (line->type) {
    case MESH_MAPLINE_RESYNC:
        self->crowd->resyncs++;
        drop_stream(self);
        self->retry_us = g_get_monotonic_time();
        break;
    case MESH_MAPLINE_RESTART:
    case MESH_MAPLINE_REPLACED:
    case MESH_MAPLINE_REVOKED:
        drop_stream(self);
        break;
    case MESH_MAPLINE_HELLO:
        take_hello(self, line);
        break;
    default:
        note(self, line);
        apply(self, line);
    }
}

const LoadLinkFuncs load_node_funcs = {
    .opened = on_opened,
    .answer = on_answer,
    .line = on_line,
    .closed = on_closed,
};

bool load_node_is_mapped(const LoadNode *self, unsigned peers, bool whole)
{
    if (self->state != LOAD_LIVE || mesh_netmap_count(self->map) != peers)
        return false;
    for (unsigned i = 0; whole && i < peers; i++) {
        const MeshPeer *peer = mesh_netmap_get_peer(self->map, i);

        if (!peer->online || peer->e == NULL)
            return false;
    }
    return true;
}
