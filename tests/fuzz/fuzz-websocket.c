/* tests/fuzz/fuzz-websocket.c: what a relay, or a client of one, may say in WebSocket messages. Cut
 * anywhere it carries the same bytes to the same end; the frames in it are taken apart; what is
 * wrapped is what comes out.
 *
 * Input: a byte picks who reads, one how it is cut, the rest is the stream. */
#include "common/codec/relayframe.h"
#include "common/codec/websocket.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <errno.h>

#define MAX_BYTES 8192

/* Returns what the whole ended with. */
static int decode(bool from_client, uint8_t *bytes, size_t len, size_t step, size_t *out_len)
{
    MeshWebsocket self;
    uint8_t       pong[MESH_WEBSOCKET_HEAD_BYTES + MESH_WEBSOCKET_CONTROL_BYTES];
    size_t        n_out = 0;
    int           rc = 0;

    mesh_websocket_init(&self, from_client);
    for (size_t at = 0; rc == 0 && at < len; at += step) {
        size_t   n = len - at < step ? len - at : step;
        uint8_t *piece = malloc(n); /* its own end: reading over it is seen */

        assert(piece != NULL);
        memcpy(piece, bytes + at, n);
        rc = mesh_websocket_decode(&self, piece, n, &n);
        memcpy(bytes + n_out, piece, n);
        n_out += n;
        free(piece);
        assert(mesh_websocket_take_pong(&self, NULL, pong) <= sizeof(pong));
    }
    *out_len = n_out;
    return rc;
}

static void take_frames(const uint8_t *bytes, size_t len)
{
    MeshReader     r = mesh_bytes_make_reader(bytes, len);
    MeshRelayFrame frame;

    while (mesh_relayframe_decode_stream(MESH_RELAY_DOWN, &r, &frame) == 0)
        assert(frame.kind != MESH_RELAY_DATA || frame.data.len <= MESH_RELAY_MAX_DATA_BYTES);
}

static void try_wrap(const uint8_t *mask, const uint8_t *bytes, size_t len)
{
    uint8_t *room = malloc(MESH_WEBSOCKET_HEAD_BYTES + len), *payload;
    size_t   head, got;

    assert(room != NULL);
    payload = room + MESH_WEBSOCKET_HEAD_BYTES;
    memcpy(payload, bytes, len);
    head = mesh_websocket_wrap(mask, payload, len);
    memmove(room, payload - head, head + len);
    assert(decode(mask != NULL, room, head + len, head + len, &got) == 0);
    assert(got == len && memcmp(room, bytes, len) == 0);
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput in = fuzz_make_input(data, len);
    bool      from_client = (fuzz_take_u8(&in) & 1) != 0;
    size_t    step = (size_t)fuzz_take_u8(&in) + 1;
    size_t    n = in.left < MAX_BYTES ? in.left : MAX_BYTES, n_whole, n_cut;
    uint8_t   whole[MAX_BYTES + 1], cut[MAX_BYTES + 1], mask[4] = { 1, 0, 0x80, 0xff };
    int       rc;

    fuzz_take_bytes(&in, whole, n);
    memcpy(cut, whole, n);
    if (n > 0)
        try_wrap(from_client ? mask : NULL, whole, n);
    rc = decode(from_client, whole, n, n == 0 ? 1 : n, &n_whole);
    assert(rc == decode(from_client, cut, n, step, &n_cut));
    assert(n_whole == n_cut && memcmp(whole, cut, n_whole) == 0);
    take_frames(whole, n_whole);
    return 0;
}
