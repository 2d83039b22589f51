/* common/codec/relayframe.c: see relayframe.h. */
#include "common/codec/relayframe.h"

#include "common/codec/seenat.h"
#include "common/std/writer.h"

#include <errno.h>
#include <string.h>

/* What a kind's payload is made of. */
typedef enum { NOTHING, DATA, ZEROS, SEEN_AND_LIFE, SEEN, COOKIE } Shape;

enum { MACED_DATA_BYTES = 16, QUESTION_BYTES = 24 };

typedef struct {
    uint8_t kind;
    bool    up, down; /* who may send it */
    bool    udp;      /* has a form with a MAC */
    uint8_t shape;
} Row;

static const Row rows[] = {
    { MESH_RELAY_DATA, true, true, true, DATA },
    { MESH_RELAY_PING, true, false, true, ZEROS },
    { MESH_RELAY_PONG, false, true, true, SEEN_AND_LIFE },
    { MESH_RELAY_WHERE, true, false, true, ZEROS },
    { MESH_RELAY_AT, false, true, true, SEEN },
    { MESH_RELAY_GONE, false, true, true, NOTHING },
    { MESH_RELAY_MOVE, false, true, true, COOKIE },
    { MESH_RELAY_MOVED, true, false, true, COOKIE },
    { MESH_RELAY_RESTART, false, true, true, NOTHING },
    { MESH_RELAY_CLOSE, true, false, true, NOTHING },
    { MESH_RELAY_CONGESTED, false, true, true, NOTHING },
    { MESH_RELAY_BOUND, false, true, false, SEEN_AND_LIFE },
};

static const Row *find_row(uint8_t kind)
{
    for (size_t i = 0; i < MESH_N_ELEMENTS(rows); i++)
        if (rows[i].kind == kind)
            return &rows[i];
    return NULL;
}

static const Row *find_row_for(uint8_t kind, MeshRelayWay way)
{
    const Row *row = find_row(kind);

    return row != NULL && (way == MESH_RELAY_UP ? row->up : row->down) ? row : NULL;
}

static bool fits(const Row *row, size_t payload_bytes)
{
    switch ((Shape)row->shape) {
    case NOTHING:
        return payload_bytes == 0;
    case DATA:
        return payload_bytes >= 1 && payload_bytes <= MESH_RELAY_MAX_DATA_BYTES;
    case COOKIE:
        return payload_bytes == MESH_RELAYKEY_COOKIE_BYTES;
    case ZEROS:
    case SEEN:
    case SEEN_AND_LIFE:
        return payload_bytes == QUESTION_BYTES;
    }
    return false;
}

static uint32_t load24(const uint8_t *at)
{
    return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}

static void store24(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 16);
    at[1] = (uint8_t)(value >> 8);
    at[2] = (uint8_t)value;
}

static uint32_t load32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | load24(at + 1);
}

static void store32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    store24(at + 1, value);
}

int mesh_relayframe_peek(MeshRelayWay way, MeshSpan datagram, MeshRelayFrame *out_frame)
{
    const uint8_t *at = datagram.data;
    const Row     *row;

    if (datagram.len < MESH_RELAY_HEAD_BYTES)
        return -EBADMSG;
    row = find_row_for(at[0], way);
    if (row == NULL || !row->udp || !fits(row, datagram.len - MESH_RELAY_HEAD_BYTES))
        return -EBADMSG;
    *out_frame =
        (MeshRelayFrame){ .kind = at[0], .session = load24(at + 1), .arg = load32(at + 4) };
    return 0;
}

/* Of DATA the first bytes of the payload, of all others the whole. */
static void make_mac(const MeshRelayKey *key, const uint8_t *frame, size_t payload_bytes,
                     uint8_t *out_mac)
{
    size_t n = payload_bytes;

    if (frame[0] == MESH_RELAY_DATA && n > MACED_DATA_BYTES)
        n = MACED_DATA_BYTES;
    mesh_relaykey_mac(key, MESH_SPAN(frame, MESH_RELAY_HEAD_BYTES - MESH_RELAYKEY_MAC_BYTES),
                      MESH_SPAN(frame + MESH_RELAY_HEAD_BYTES, n), out_mac);
}

bool mesh_relayframe_check(const MeshRelayKey *key, MeshSpan datagram)
{
    const uint8_t *frame = datagram.data;
    uint8_t        want[MESH_RELAYKEY_MAC_BYTES];

    make_mac(key, frame, datagram.len - MESH_RELAY_HEAD_BYTES, want);
    return mesh_relaykey_mac_equal(want, frame + MESH_RELAY_HEAD_BYTES - sizeof(want));
}

/* Reserved bytes are ignored, so that a later version may use them. */
static int decode_payload(const Row *row, MeshReader *r, MeshRelayFrame *frame)
{
    switch ((Shape)row->shape) {
    case DATA:
        frame->data = MESH_SPAN(r->at, mesh_bytes_left(r));
        return 0;
    case SEEN:
        return mesh_seenat_read(r, &frame->seen) ? 0 : -EBADMSG;
    case SEEN_AND_LIFE:
        if (!mesh_seenat_read(r, &frame->seen) || !mesh_bytes_read_u32be(r, &frame->life_s))
            return -EBADMSG;
        return 0;
    case COOKIE:
        return mesh_bytes_read_copy(r, frame->cookie, sizeof(frame->cookie)) ? 0 : -EBADMSG;
    case NOTHING:
    case ZEROS:
        return 0;
    }
    return -EBADMSG;
}

int mesh_relayframe_decode(MeshRelayWay way, const MeshRelayKey *key, MeshSpan datagram,
                           MeshRelayFrame *out_frame)
{
    MeshRelayFrame frame;
    MeshReader     r;
    int            rc = mesh_relayframe_peek(way, datagram, &frame);

    if (rc < 0)
        return rc;
    if (!mesh_relayframe_check(key, datagram))
        return -EACCES;
    r = mesh_bytes_make_reader((const uint8_t *)datagram.data + MESH_RELAY_HEAD_BYTES,
                               datagram.len - MESH_RELAY_HEAD_BYTES);
    rc = decode_payload(find_row((uint8_t)frame.kind), &r, &frame);
    if (rc < 0)
        return rc;
    *out_frame = frame;
    return 0;
}

static void encode_payload(const Row *row, const MeshRelayFrame *frame, MeshWriter *w)
{
    switch ((Shape)row->shape) {
    case NOTHING:
        return;
    case DATA:
        mesh_writer_bytes(w, frame->data.data, frame->data.len);
        return;
    case ZEROS:
        mesh_writer_zeros(w, QUESTION_BYTES);
        return;
    case SEEN:
        mesh_seenat_write(w, &frame->seen);
        mesh_writer_zeros(w, QUESTION_BYTES - MESH_SEENAT_BYTES);
        return;
    case SEEN_AND_LIFE:
        mesh_seenat_write(w, &frame->seen);
        mesh_writer_u32be(w, frame->life_s);
        mesh_writer_zeros(w, 2);
        return;
    case COOKIE:
        mesh_writer_bytes(w, frame->cookie, sizeof(frame->cookie));
        return;
    }
}

static bool is_encodable(const Row *row, const MeshRelayFrame *frame)
{
    return row != NULL && (row->shape != DATA || fits(row, frame->data.len)) &&
           frame->session <= MESH_RELAY_SESSION_MAX;
}

int mesh_relayframe_encode(const MeshRelayFrame *frame, const MeshRelayKey *key, uint8_t *out,
                           size_t size, size_t *out_len)
{
    const Row *row = find_row((uint8_t)frame->kind);
    MeshWriter w = mesh_writer_make(out, size);
    size_t     len;
    int        rc;

    if (!is_encodable(row, frame) || !row->udp)
        return -EINVAL;
    mesh_writer_u32be(&w, (uint32_t)frame->kind << 24 | frame->session);
    mesh_writer_u32be(&w, frame->arg);
    mesh_writer_zeros(&w, MESH_RELAYKEY_MAC_BYTES);
    encode_payload(row, frame, &w);
    rc = mesh_writer_finish(&w, &len);
    if (rc < 0)
        return rc;
    make_mac(key, out, len - MESH_RELAY_HEAD_BYTES,
             out + MESH_RELAY_HEAD_BYTES - MESH_RELAYKEY_MAC_BYTES);
    *out_len = len;
    return 0;
}

void mesh_relayframe_put_head(uint8_t *frame, size_t len, uint32_t session, uint32_t i,
                              const MeshRelayKey *key)
{
    frame[0] = MESH_RELAY_DATA;
    store24(frame + 1, session);
    store32(frame + 4, i);
    make_mac(key, frame, len, frame + MESH_RELAY_HEAD_BYTES - MESH_RELAYKEY_MAC_BYTES);
}

int mesh_relayframe_decode_stream(MeshRelayWay way, MeshReader *r, MeshRelayFrame *out_frame)
{
    MeshReader     ahead = *r, payload;
    MeshRelayFrame frame = { .session = 0 };
    const Row     *row;
    uint32_t       first;
    int            rc;

    if (mesh_bytes_left(r) > 0 && find_row_for(r->at[0], way) == NULL)
        return -EBADMSG; /* at once: a stream of nonsense is not waited for */
    if (!mesh_bytes_read_u32be(&ahead, &first) || !mesh_bytes_read_u32be(&ahead, &frame.arg))
        return -EAGAIN;
    row = find_row_for((uint8_t)(first >> 24), way);
    if (row == NULL || !fits(row, first & 0xFFFFFF))
        return -EBADMSG;
    if (!mesh_bytes_take(&ahead, first & 0xFFFFFF, &payload))
        return -EAGAIN;
    frame.kind = row->kind;
    rc = decode_payload(row, &payload, &frame);
    if (rc < 0)
        return rc;
    *r = ahead;
    *out_frame = frame;
    return 0;
}

int mesh_relayframe_encode_stream(const MeshRelayFrame *frame, uint8_t *out, size_t size,
                                  size_t *out_len)
{
    const Row *row = find_row((uint8_t)frame->kind);
    MeshWriter w = mesh_writer_make(out, size);
    size_t     len;
    int        rc;

    if (!is_encodable(row, frame))
        return -EINVAL;
    mesh_writer_u32be(&w, (uint32_t)frame->kind << 24);
    mesh_writer_u32be(&w, frame->arg);
    encode_payload(row, frame, &w);
    rc = mesh_writer_finish(&w, &len);
    if (rc < 0)
        return rc;
    store24(out + 1, (uint32_t)(len - MESH_RELAY_STREAM_HEAD_BYTES));
    *out_len = len;
    return 0;
}
