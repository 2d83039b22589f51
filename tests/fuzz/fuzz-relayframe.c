/* tests/fuzz/fuzz-relayframe.c: frames of the relay, with and without a session, at both ends. What
 * is accepted encodes to bytes of one length that read back the same; a stream cut anywhere reads
 * the same frames; the right MAC is the only one.
 *
 * Input: a byte picks who reads what, the rest is it (a MAC in it is put right, or not). */
#include "common/codec/relaybind.h"
#include "common/codec/relayframe.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"
#include "common/std/key.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <errno.h>

#define MAX_BYTES 4096

static const MeshRelayKey key = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

static void assert_same(const MeshRelayFrame *a, const MeshRelayFrame *b)
{
    assert(a->kind == b->kind && a->session == b->session && a->arg == b->arg);
    assert(a->life_s == b->life_s && mesh_endpoint_equal(&a->seen, &b->seen));
    assert(memcmp(a->cookie, b->cookie, sizeof a->cookie) == 0);
    assert(a->data.len == b->data.len);
    assert(a->data.len == 0 || memcmp(a->data.data, b->data.data, a->data.len) == 0);
}

/* Writes the MAC that this frame should have. */
static void seal(uint8_t *bytes, size_t len)
{
    size_t covered = len - MESH_RELAY_HEAD_BYTES;

    if (bytes[0] == MESH_RELAY_DATA && covered > 16)
        covered = 16;
    if (covered > 24)
        covered = 24;
    mesh_relaykey_mac(&key, MESH_SPAN(bytes, 8), MESH_SPAN(bytes + 16, covered), bytes + 8);
}

static void try_datagram(MeshRelayWay way, uint8_t *bytes, size_t len, bool mend)
{
    MeshRelayFrame seen, frame, back;
    uint8_t        again[MESH_RELAY_HEAD_BYTES + MESH_RELAY_MAX_DATA_BYTES];
    size_t         again_len = 0;
    int            rc;

    if (mesh_relayframe_peek(way, MESH_SPAN(bytes, len), &seen) < 0) {
        assert(mesh_relayframe_decode(way, &key, MESH_SPAN(bytes, len), &frame) == -EBADMSG);
        return;
    }
    if (mend)
        seal(bytes, len);
    rc = mesh_relayframe_decode(way, &key, MESH_SPAN(bytes, len), &frame);
    assert(rc == 0 || (rc == -EACCES && !mend));
    if (rc < 0)
        return;
    assert(seen.kind == frame.kind && seen.session == frame.session && seen.arg == frame.arg);
    assert(mesh_relayframe_encode(&frame, &key, again, sizeof again, &again_len) == 0);
    assert(again_len == len);
    assert(mesh_relayframe_decode(way, &key, MESH_SPAN(again, again_len), &back) == 0);
    assert_same(&frame, &back);
    bytes[8] ^= 1;
    assert(mesh_relayframe_decode(way, &key, MESH_SPAN(bytes, len), &frame) == -EACCES);
}

/* One frame off the front, given whole and given byte by byte. Returns its length, 0 at the end. */
static size_t try_stream_frame(MeshRelayWay way, const uint8_t *bytes, size_t len)
{
    MeshReader     r = mesh_bytes_make_reader(bytes, len);
    MeshRelayFrame frame, back;
    uint8_t        again[MESH_RELAY_MAX_STREAM_BYTES];
    size_t         used, again_len = 0;

    if (mesh_relayframe_decode_stream(way, &r, &frame) < 0) {
        assert(mesh_bytes_left(&r) == len);
        return 0;
    }
    used = len - mesh_bytes_left(&r);
    for (size_t part = used > 40 ? used - 40 : 0; part < used; part++) {
        MeshReader cut = mesh_bytes_make_reader(bytes, part);

        assert(mesh_relayframe_decode_stream(way, &cut, &back) == -EAGAIN);
    }
    assert(mesh_relayframe_encode_stream(&frame, again, sizeof again, &again_len) == 0);
    assert(again_len == used);
    r = mesh_bytes_make_reader(again, again_len);
    assert(mesh_relayframe_decode_stream(way, &r, &back) == 0);
    assert_same(&frame, &back);
    return used;
}

static void try_strangers(const uint8_t *bytes, size_t len)
{
    MeshSpan          datagram = MESH_SPAN(bytes, len);
    MeshRelayGreeting greeting;
    MeshRelayBind     bind;
    MeshRelayBound    bound;
    uint8_t           head[8], again[MESH_RELAYBIND_HELLO_BYTES];

    if (mesh_relaybind_decode_hello(datagram, &greeting) == 0)
        assert(len >= MESH_RELAYBIND_HELLO_BYTES);
    if (mesh_relaybind_decode_cookie(datagram, &greeting) == 0) {
        mesh_relaybind_encode_cookie(&greeting, again);
        assert(memcmp(again + 4, bytes + 4, MESH_RELAYBIND_COOKIE_BYTES - 4) == 0);
    }
    if (mesh_relaybind_decode_reset(datagram, head) == 0) {
        mesh_relaybind_encode_reset(head, again);
        assert(memcmp(again + 4, bytes + 4, MESH_RELAYBIND_RESET_BYTES - 4) == 0);
    }
    if (mesh_relaybind_decode_bind(datagram, &bind) == 0) {
        const MeshKey node = { { 1 } }, rk = { { 2 } };

        assert((const uint8_t *)bind.token.data > bytes && bind.token.len < len);
        assert(mesh_relaybind_verify_bind(datagram, &rk, &node) == -EBADMSG);
    }
    if (mesh_relaybind_decode_bound(datagram, &key, &bound) == 0)
        assert(bound.session <= MESH_RELAY_SESSION_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput    in = fuzz_make_input(data, len);
    uint8_t      what = fuzz_take_u8(&in);
    MeshRelayWay way = (what & 1) != 0 ? MESH_RELAY_DOWN : MESH_RELAY_UP;
    size_t       n = in.left < MAX_BYTES ? in.left : MAX_BYTES;
    uint8_t     *bytes = malloc(n == 0 ? 1 : n); /* its own end: reading over it is seen */

    assert(bytes != NULL && mesh_key_init() == 0 && mesh_hash_init() == 0);
    fuzz_take_bytes(&in, bytes, n);
    switch (what >> 1 & 3) {
    case 0:
        try_datagram(way, bytes, n, (what & 0x80) == 0);
        break;
    case 1:
        for (size_t at = 0, used = 1; used > 0; at += used)
            used = try_stream_frame(way, bytes + at, n - at);
        break;
    default:
        try_strangers(bytes, n);
        break;
    }
    free(bytes);
    return 0;
}
