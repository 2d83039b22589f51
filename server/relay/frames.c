/* server/relay/frames.c: what sessions send. Runs of DATA for one receiver are judged together: one
 * look-up, one lock, one message out. */
#include "server/relay/forward.h"

#include <string.h>

static size_t segment_len(const RelayDatagrams *datagrams, size_t at)
{
    size_t left = datagrams->len - at;

    return left < datagrams->segment ? left : datagrams->segment;
}

/* The session of a frame; NULL: it is told to say HELLO again. */
static RelaySession *find_session(Relay *self, const RelayDatagrams *from, const uint8_t *frame,
                                  uint32_t number)
{
    RelaySession *session = relay_table_find(self->table, number);

    if (session != NULL && session->stream == NULL && session->exp_ms > self->now_ms)
        return session;
    relay_count(self, RELAY_COUNT_UNKNOWN, 1);
    relay_strangers_reset(self, from, frame);
    return NULL;
}

static MeshRelayClaim make_claim(const RelaySession *session, const MeshEndpoint *source)
{
    MeshRelayClaim claim = { .purpose = MESH_RELAY_MOVED, .source = *source };

    memcpy(claim.nonce, &session->number, sizeof(session->number));
    return claim;
}

static bool is_elsewhere(const RelaySession *session, const RelayDatagrams *from)
{
    return session->remote.port != from->from.port || session->remote.scope != from->from.scope ||
           !mesh_ip_equal_addr(&session->remote.addr, &from->from.addr);
}

/* A frame whose MAC holds came from a new address: it has to prove that it is there. */
static void ask_to_move(Relay *self, RelaySession *session, const RelayDatagrams *from, size_t len)
{
    MeshRelayFrame frame = { .kind = MESH_RELAY_MOVE, .session = session->number };
    MeshRelayClaim claim = make_claim(session, &from->from);
    RelayTarget    target = { .remote = &from->from, .local = &from->local };
    uint8_t        bytes[RELAY_OUT_SMALL_BYTES];
    size_t         out_len;

    if (len < MESH_RELAY_HEAD_BYTES + sizeof(frame.cookie) ||
        !relay_allowance_take(&session->moves, 1, self->outs[RELAY_MAIN].now_ns))
        return;
    mesh_relaykey_cookie_make(&self->jar, &claim, frame.cookie);
    if (mesh_relayframe_encode(&frame, &session->keys.down, bytes, sizeof(bytes), &out_len) == 0)
        relay_out_put_copy(&self->outs[RELAY_MAIN], &target, bytes, out_len);
}

static void heard(Relay *self, RelaySession *session, const RelayDatagrams *from, size_t len)
{
    atomic_store_explicit(&session->heard_ms, self->now_ms, memory_order_relaxed);
    if (is_elsewhere(session, from))
        ask_to_move(self, session, from, len);
}

/* The frames from @at on that are of one session for one receiver. Returns: where they end. */
static size_t take_data(Relay *self, const RelayDatagrams *from, size_t at)
{
    const uint8_t *first = from->data + at;
    RelayRun       run = { .data = from->data + at, .segment = from->segment };
    MeshRelayFrame frame;
    RelaySession  *session;
    bool           over = false;

    if (mesh_relayframe_peek(MESH_RELAY_UP, MESH_SPAN(first, segment_len(from, at)), &frame) < 0) {
        relay_count(self, RELAY_COUNT_FORGED, 1);
        return at + segment_len(from, at);
    }
    session = find_session(self, from, first, frame.session);
    if (session == NULL)
        return at + segment_len(from, at);
    run.index = frame.arg;
    while (at < from->len && !over) {
        size_t   len = segment_len(from, at);
        MeshSpan datagram = MESH_SPAN(from->data + at, len);

        /* Eight equal bytes: kind, session and receiver. */
        if (len <= MESH_RELAY_HEAD_BYTES || memcmp(from->data + at, first, 8) != 0)
            break;
        at += len;
        over = true; /* whatever is refused ends the run: it lies in between */
        if (!mesh_relayframe_check(&session->keys.up, datagram)) {
            relay_count(self, RELAY_COUNT_FORGED, 1);
        } else if (!relay_allowance_take(&session->up, len, self->outs[RELAY_MAIN].now_ns)) {
            relay_count(self, RELAY_COUNT_RATE, 1);
            relay_forward_notice(self, &self->outs[RELAY_MAIN], session, MESH_RELAY_CONGESTED,
                                 run.index);
        } else {
            run.len += len;
            over = false;
        }
    }
    if (run.len > 0) {
        heard(self, session, from, run.segment);
        relay_forward_run(self, &self->outs[RELAY_MAIN], session, &run);
    }
    return at;
}

static void answer_ping(Relay *self, const RelaySession *session, const RelayDatagrams *from,
                        uint32_t sequence)
{
    const MeshRelayFrame pong = {
        .kind = MESH_RELAY_PONG,
        .session = session->number,
        .arg = sequence,
        .seen = from->from,
        .life_s = (uint32_t)((session->exp_ms - self->now_ms) / 1000),
    };
    RelayTarget target = { .remote = &from->from, .local = &from->local };
    uint8_t     bytes[RELAY_OUT_SMALL_BYTES];
    size_t      len;

    if (mesh_relayframe_encode(&pong, &session->keys.down, bytes, sizeof(bytes), &len) == 0)
        relay_out_put_copy(&self->outs[RELAY_MAIN], &target, bytes, len);
}

static void answer_where(Relay *self, RelaySession *session, uint32_t index)
{
    const RelaySession *other = relay_table_find_node(self->table, &session->node, index);
    MeshRelayFrame      frame = { .kind = MESH_RELAY_AT, .session = session->number, .arg = index };

    if (other == NULL) {
        relay_forward_notice(self, &self->outs[RELAY_MAIN], session, MESH_RELAY_GONE, index);
        return;
    }
    if (other->stream == NULL)
        frame.seen = other->remote;
    relay_forward_frame(self, &self->outs[RELAY_MAIN], session, &frame);
}

/* These two change the table: the shared lock is let go in between. */
static void move(Relay *self, const RelayDatagrams *from, const MeshRelayFrame *frame)
{
    RelaySession  *session = relay_table_find(self->table, frame->session);
    MeshRelayClaim claim = make_claim(session, &from->from);

    if (!mesh_relaykey_cookie_check(&self->jar, &claim, frame->cookie))
        return;
    relay_table_unlock(self->table);
    relay_table_write(self->table);
    session = relay_table_find(self->table, frame->session);
    if (session != NULL) {
        session->remote = from->from;
        session->local = from->local;
    }
    relay_table_unlock(self->table);
    relay_table_read(self->table);
}

static void end(Relay *self, uint32_t number)
{
    RelaySession *session;

    relay_table_unlock(self->table);
    relay_table_write(self->table);
    session = relay_table_find(self->table, number);
    if (session != NULL)
        relay_stream_end_session(self, session);
    relay_table_unlock(self->table);
    relay_table_read(self->table);
}

static void take_other(Relay *self, const RelayDatagrams *from, MeshSpan datagram)
{
    MeshRelayFrame frame;
    RelaySession  *session;

    if (mesh_relayframe_peek(MESH_RELAY_UP, datagram, &frame) < 0) {
        relay_strangers_take(self, from, datagram, RELAY_MAIN);
        return;
    }
    session = find_session(self, from, datagram.data, frame.session);
    if (session == NULL)
        return;
    if (mesh_relayframe_decode(MESH_RELAY_UP, &session->keys.up, datagram, &frame) < 0) {
        relay_count(self, RELAY_COUNT_FORGED, 1);
        return;
    }
    if (!relay_allowance_take(&session->up, datagram.len, self->outs[RELAY_MAIN].now_ns)) {
        relay_count(self, RELAY_COUNT_RATE, 1);
        return;
    }
    if (frame.kind != MESH_RELAY_MOVED)
        heard(self, session, from, datagram.len);
    switch (frame.kind) {
    case MESH_RELAY_PING:
        answer_ping(self, session, from, frame.arg);
        return;
    case MESH_RELAY_WHERE:
        answer_where(self, session, frame.arg);
        return;
    case MESH_RELAY_MOVED:
        move(self, from, &frame);
        return;
    case MESH_RELAY_CLOSE:
        end(self, frame.session);
        return;
    default:
        return;
    }
}

void relay_frames_take(Relay *self, const RelayDatagrams *datagrams)
{
    size_t at = 0;

    while (at < datagrams->len) {
        if (datagrams->data[at] == MESH_RELAY_DATA) {
            at = take_data(self, datagrams, at);
            continue;
        }
        take_other(self, datagrams, MESH_SPAN(datagrams->data + at, segment_len(datagrams, at)));
        at += segment_len(datagrams, at);
    }
}
