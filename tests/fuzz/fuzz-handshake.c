/* tests/fuzz/fuzz-handshake.c: WireGuard messages of types 1-3 against both roles, each with a
 * session under way. Nothing made up is accepted, nothing pending is disturbed. */
#include "common/std/hash.h"
#include "common/std/key.h"
#include "daemon/wire/cookie.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The initiator's view and the responder's, of one handshake that waits for its response. */
static struct {
    WireIdentity      alice, bob;
    WireRemote        to_bob, to_alice;
    WireHandshake     pending;
    WireCookieJar     jar;
    WireCookieChecker checker;
    uint8_t           initiation[WIRE_INITIATION_BYTES];
    bool              ready;
} rig;

static void make_identity(WireIdentity *identity, uint8_t seed)
{
    memset(identity->private_key.bytes, seed, sizeof identity->private_key.bytes);
    mesh_key_make_public(&identity->private_key, &identity->public_key);
}

static void set_up(void)
{
    const MeshKey  none = { { 0 } };
    WireNoiseFresh fresh = { .timestamp = { 0x40 } };

    assert(mesh_key_init() == 0 && mesh_hash_init() == 0);
    make_identity(&rig.alice, 1);
    make_identity(&rig.bob, 2);
    memset(fresh.ephemeral.bytes, 3, sizeof fresh.ephemeral.bytes);
    assert(wire_noise_make_remote(&rig.alice, &rig.bob.public_key, &none, &rig.to_bob) == 0);
    assert(wire_noise_make_remote(&rig.bob, &rig.alice.public_key, &none, &rig.to_alice) == 0);
    rig.pending.local_index = 7;
    assert(wire_noise_create_initiation(&rig.pending, &rig.alice, &rig.to_bob, &fresh,
                                        rig.initiation) == 0);
    wire_cookie_jar_init(&rig.jar, &rig.bob.public_key);
    wire_cookie_checker_init(&rig.checker, &rig.bob.public_key);
    wire_cookie_add_macs(&rig.jar, rig.initiation, sizeof rig.initiation, 1);
    rig.ready = true;
}

/* Only the one real initiation opens: mac1 covers all that comes before it. */
static void try_initiation(const uint8_t *message)
{
    const MeshEndpoint source = { .port = 1 };
    const size_t       covered = WIRE_INITIATION_BYTES - 16;
    WireInitiation     opened;
    WireHandshake      handshake = { .local_index = 9 };
    uint8_t            timestamp[WIRE_TAI64N_BYTES];
    WireMac mac = wire_cookie_check(&rig.checker, message, WIRE_INITIATION_BYTES, &source, 2);
    bool    real = memcmp(message, rig.initiation, covered) == 0;

    assert(mac != WIRE_MAC_WITH_COOKIE);
    if (real)
        assert(mac == WIRE_MAC_NO_COOKIE);
    if (wire_noise_open_initiation(&rig.bob, message, &opened) < 0) {
        assert(!real);
        return;
    }
    if (wire_noise_finish_initiation(&opened, &rig.to_alice, timestamp, &handshake) < 0)
        assert(!real && handshake.state == WIRE_HANDSHAKE_NONE);
    else
        assert(handshake.state == WIRE_HANDSHAKE_CONSUMED && handshake.local_index == 9);
}

static void try_response(const uint8_t *message)
{
    WireHandshake before = rig.pending;

    assert(wire_noise_consume_response(&rig.pending, &rig.alice, &rig.to_bob, message) < 0);
    assert(memcmp(&before, &rig.pending, sizeof before) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *message = malloc(len == 0 ? 1 : len); /* its own end: reading over it is seen */

    if (!rig.ready)
        set_up();
    assert(message != NULL);
    if (len > 0)
        memcpy(message, data, len);
    switch (wire_noise_get_type(message, len)) {
    case WIRE_MESSAGE_INITIATION:
        try_initiation(message);
        try_initiation(rig.initiation);
        break;
    case WIRE_MESSAGE_RESPONSE:
        try_response(message);
        break;
    case WIRE_MESSAGE_COOKIE:
        assert(wire_cookie_take_reply(&rig.jar, message, 3) < 0);
        break;
    case WIRE_MESSAGE_DATA:
        assert(len >= WIRE_DATA_MIN_BYTES);
        break;
    case WIRE_MESSAGE_NONE:
        break;
    }
    free(message);
    return 0;
}
