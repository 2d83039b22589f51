/* tests/fuzz/fuzz-stun.c: STUN messages from anybody. What is accepted is within the limits that
 * its reader relies on, and what we would answer to it reads back as that answer. */
#include "common/codec/stun.h"
#include "common/std/endpoint.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <sys/socket.h>

static void try_answer(MeshStunMessage message)
{
    MeshStunMessage back;
    uint8_t         out[MESH_STUN_MAX_BYTES];
    size_t          len = 0;

    if (mesh_stun_encode_answer(&message, out, sizeof out, &len) < 0) {
        assert(message.mapped.addr.family == 0 && message.error == 0);
        return;
    }
    assert(len <= MESH_STUN_REQUEST_BYTES);
    assert(mesh_stun_decode(MESH_SPAN(out, len), &back) == 0);
    assert(memcmp(back.txid, message.txid, sizeof back.txid) == 0);
    assert(mesh_endpoint_equal(&back.mapped, &message.mapped));
    if (message.mapped.addr.family != 0)
        return;
    assert(back.error == message.error && back.n_unknown == message.n_unknown);
    assert(memcmp(back.unknown, message.unknown, message.n_unknown * sizeof *back.unknown) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t        *bytes = malloc(len == 0 ? 1 : len); /* its own end: reading over it is seen */
    MeshStunMessage message;

    assert(bytes != NULL);
    if (len > 0)
        memcpy(bytes, data, len);
    if (mesh_stun_decode(MESH_SPAN(bytes, len), &message) == 0) {
        assert(mesh_stun_is(MESH_SPAN(bytes, len)) && len % 4 == 0);
        assert(message.n_unknown <= MESH_STUN_MAX_UNKNOWN);
        assert(message.change == 0 || message.has_change);
        assert(message.mapped.addr.family == 0 || message.mapped.addr.family == AF_INET ||
               message.mapped.addr.family == AF_INET6);
        assert(message.error == 0 || (message.error >= 300 && message.error <= 699));
        try_answer(message);
        message.mapped.addr.family = 0;
        message.mapped = (MeshEndpoint){ .port = 0 };
        try_answer(message);
    }
    free(bytes);
    return 0;
}
