/* Tests of daemon/wire/noise.c: known answers of both roles, and everything that must be refused.
 */
#include "common/std/base64.h"
#include "common/std/hash.h"
#include "common/std/key.h"
#include "daemon/wire/noise.h"
#include "tests/daemon/wire/vectors-noise.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define INDEX_I 0x01020304u
#define INDEX_R 0xa0b0c0d0u

/* Both ends of one handshake. */
typedef struct {
    WireIdentity   self_i, self_r;
    WireRemote     remote_i, remote_r; /* as seen by the initiator, by the responder */
    WireNoiseFresh fresh;
    MeshKey        ephemeral_r;
    WireHandshake  hs_i, hs_r;
    uint8_t        initiation[WIRE_INITIATION_BYTES];
    uint8_t        response[WIRE_RESPONSE_BYTES];
} Pair;

static void from_hex(const char *hex, void *out, size_t len)
{
    g_assert_cmpint(mesh_hex_decode(hex, out, len, NULL), ==, 0);
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    uint8_t want[256];

    from_hex(hex, want, len);
    g_assert_true(memcmp(bytes, want, len) == 0);
}

static void set_identity(WireIdentity *identity, const char *private_hex)
{
    from_hex(private_hex, identity->private_key.bytes, MESH_KEY_BYTES);
    mesh_key_make_public(&identity->private_key, &identity->public_key);
}

static void set_up(Pair *pair, const NoiseVector *v)
{
    MeshKey psk;

    memset(pair, 0, sizeof *pair);
    set_identity(&pair->self_i, v->static_i);
    set_identity(&pair->self_r, v->static_r);
    from_hex(v->psk, psk.bytes, MESH_KEY_BYTES);
    from_hex(v->eph_i, pair->fresh.ephemeral.bytes, MESH_KEY_BYTES);
    from_hex(v->timestamp, pair->fresh.timestamp, WIRE_TAI64N_BYTES);
    from_hex(v->eph_r, pair->ephemeral_r.bytes, MESH_KEY_BYTES);
    g_assert_cmpint(wire_noise_make_remote(&pair->self_i, &pair->self_r.public_key, &psk,
                                           &pair->remote_i),
                    ==, 0);
    g_assert_cmpint(wire_noise_make_remote(&pair->self_r, &pair->self_i.public_key, &psk,
                                           &pair->remote_r),
                    ==, 0);
    pair->hs_i.local_index = INDEX_I;
    pair->hs_r.local_index = INDEX_R;
    pair->hs_i.suite = v->suite;
}

static void initiate(Pair *pair)
{
    g_assert_cmpint(wire_noise_create_initiation(&pair->hs_i, &pair->self_i, &pair->remote_i,
                                                 &pair->fresh, pair->initiation),
                    ==, 0);
}

static void take_initiation(Pair *pair, uint8_t out_timestamp[WIRE_TAI64N_BYTES])
{
    WireInitiation opened;

    g_assert_cmpint(wire_noise_open_initiation(&pair->self_r, pair->initiation, &opened), ==, 0);
    g_assert_true(mesh_key_equal(&opened.public_key, &pair->self_i.public_key));
    g_assert_cmpint(wire_noise_finish_initiation(&opened, &pair->remote_r, out_timestamp,
                                                 &pair->hs_r),
                    ==, 0);
}

static void respond(Pair *pair)
{
    uint8_t timestamp[WIRE_TAI64N_BYTES];

    take_initiation(pair, timestamp);
    g_assert_cmpint(wire_noise_create_response(&pair->hs_r, &pair->remote_r, &pair->ephemeral_r,
                                               pair->response),
                    ==, 0);
}

static int take_response(Pair *pair)
{
    return wire_noise_consume_response(&pair->hs_i, &pair->self_i, &pair->remote_i, pair->response);
}

static void test_known_answer(gconstpointer data)
{
    const NoiseVector *v = data;
    Pair               pair;
    uint8_t            timestamp[WIRE_TAI64N_BYTES], send[32], receive[32];

    set_up(&pair, v);
    initiate(&pair);
    assert_hex(pair.initiation, WIRE_INITIATION_BYTES - 32, v->initiation);
    take_initiation(&pair, timestamp);
    assert_hex(timestamp, WIRE_TAI64N_BYTES, v->timestamp);
    g_assert_cmphex(pair.hs_r.remote_index, ==, INDEX_I);
    g_assert_cmpint(wire_noise_create_response(&pair.hs_r, &pair.remote_r, &pair.ephemeral_r,
                                               pair.response),
                    ==, 0);
    assert_hex(pair.response, WIRE_RESPONSE_BYTES - 32, v->response);
    g_assert_cmpint(take_response(&pair), ==, 0);
    g_assert_cmphex(pair.hs_i.remote_index, ==, INDEX_R);

    wire_noise_derive(&pair.hs_i, send, receive);
    assert_hex(send, 32, v->key_i);
    assert_hex(receive, 32, v->key_r);
    wire_noise_derive(&pair.hs_r, send, receive);
    assert_hex(send, 32, v->key_r);
    assert_hex(receive, 32, v->key_i);
}

static bool is_wiped(const WireHandshake *hs, uint32_t local_index)
{
    WireHandshake want = { .local_index = local_index };

    return memcmp(hs, &want, sizeof want) == 0;
}

static void test_derive_wipes(void)
{
    Pair    pair;
    uint8_t send[32], receive[32];

    set_up(&pair, &noise_vectors[0]);
    initiate(&pair);
    respond(&pair);
    g_assert_cmpint(take_response(&pair), ==, 0);
    wire_noise_derive(&pair.hs_i, send, receive);
    wire_noise_derive(&pair.hs_r, send, receive);
    g_assert_true(is_wiped(&pair.hs_i, INDEX_I));
    g_assert_true(is_wiped(&pair.hs_r, INDEX_R));
}

/* Each bit that is authenticated is flipped once. The sender index is not (mac1 covers it). */
static void test_forged_initiation(gconstpointer data)
{
    Pair           pair;
    WireInitiation opened;
    WireHandshake  before;
    uint8_t        timestamp[WIRE_TAI64N_BYTES];

    set_up(&pair, data);
    initiate(&pair);
    before = pair.hs_r;
    for (size_t at = 8; at < WIRE_INITIATION_BYTES - 32; at++) {
        int rc;

        pair.initiation[at] ^= 1;
        rc = wire_noise_open_initiation(&pair.self_r, pair.initiation, &opened);
        if (at >= 88) { /* the timestamp: the sender is known, but not proven */
            g_assert_cmpint(rc, ==, 0);
            rc = wire_noise_finish_initiation(&opened, &pair.remote_r, timestamp, &pair.hs_r);
        }
        g_assert_cmpint(rc, ==, -EBADMSG);
        g_assert_true(memcmp(&pair.hs_r, &before, sizeof before) == 0);
        pair.initiation[at] ^= 1;
    }
    respond(&pair); /* undisturbed it still works */
}

/* Garbage that races the real answer must not end the pending handshake. */
static void test_forged_response(gconstpointer data)
{
    Pair          pair;
    WireHandshake before;

    set_up(&pair, data);
    initiate(&pair);
    respond(&pair);
    before = pair.hs_i;
    for (size_t at = 8; at < WIRE_RESPONSE_BYTES - 32; at++) {
        pair.response[at] ^= 0x10;
        g_assert_cmpint(take_response(&pair), ==, -EBADMSG);
        g_assert_true(memcmp(&pair.hs_i, &before, sizeof before) == 0);
        pair.response[at] ^= 0x10;
    }
    g_assert_cmpint(take_response(&pair), ==, 0);
    g_assert_cmpint(take_response(&pair), ==, -EBADMSG); /* once */
}

/* What was made in one suite is nothing in the other, whatever its first byte says. */
static void test_other_suite(void)
{
    Pair           pair;
    WireInitiation opened;
    WireHandshake  before;

    for (int i = 0; i < 2; i++) {
        set_up(&pair, &noise_vectors[i == 0 ? 1 : 3]);
        initiate(&pair);
        pair.initiation[0] ^= WIRE_SUITE_AES_BITS;
        g_assert_cmpint(wire_noise_open_initiation(&pair.self_r, pair.initiation, &opened), ==,
                        -EBADMSG);
        pair.initiation[0] ^= WIRE_SUITE_AES_BITS;
        respond(&pair);
        before = pair.hs_i;
        pair.response[0] ^= WIRE_SUITE_AES_BITS;
        g_assert_cmpint(take_response(&pair), ==, -EBADMSG);
        g_assert_true(memcmp(&pair.hs_i, &before, sizeof before) == 0);
        pair.response[0] ^= WIRE_SUITE_AES_BITS;
        pair.hs_i.suite = 1 - pair.hs_i.suite;
        g_assert_cmpint(take_response(&pair), ==, -EBADMSG);
        pair.hs_i.suite = 1 - pair.hs_i.suite;
        g_assert_cmpint(take_response(&pair), ==, 0);
    }
}

static void test_other_psk(void)
{
    Pair pair;

    set_up(&pair, &noise_vectors[1]);
    initiate(&pair);
    pair.remote_r.preshared_key.bytes[31] ^= 1;
    respond(&pair);
    g_assert_cmpint(take_response(&pair), ==, -EBADMSG);
}

static void test_other_sender(void)
{
    Pair           pair;
    WireInitiation opened;
    uint8_t        timestamp[WIRE_TAI64N_BYTES];

    set_up(&pair, &noise_vectors[0]);
    mesh_key_make_private(&pair.self_i.private_key); /* claims the key, does not hold it */
    mesh_key_make_public(&pair.self_i.private_key, &pair.remote_i.public_key);
    pair.remote_i.public_key = pair.self_r.public_key;
    pair.remote_i.static_static.bytes[0] ^= 1;
    initiate(&pair);
    g_assert_cmpint(wire_noise_open_initiation(&pair.self_r, pair.initiation, &opened), ==, 0);
    g_assert_cmpint(wire_noise_finish_initiation(&opened, &pair.remote_r, timestamp, &pair.hs_r),
                    ==, -EBADMSG);
}

/* The points of low order on Curve25519 and its twist that RFC 7748 §7 warns of. */
static const char *const low_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void test_low_order(gconstpointer data)
{
    Pair           pair;
    MeshKey        point, none = { { 0 } };
    WireRemote     remote;
    WireInitiation opened;
    uint8_t        message[WIRE_INITIATION_BYTES];

    set_up(&pair, &noise_vectors[0]);
    from_hex(data, point.bytes, MESH_KEY_BYTES);
    g_assert_cmpint(wire_noise_make_remote(&pair.self_i, &point, &none, &remote), ==, -EINVAL);
    remote = pair.remote_i;
    remote.public_key = point;
    g_assert_cmpint(wire_noise_create_initiation(&pair.hs_i, &pair.self_i, &remote, &pair.fresh,
                                                 message),
                    ==, -EINVAL);
    g_assert_true(is_wiped(&pair.hs_i, INDEX_I));
    initiate(&pair);
    memcpy(pair.initiation + 8, point.bytes, 32);
    g_assert_cmpint(wire_noise_open_initiation(&pair.self_r, pair.initiation, &opened), ==,
                    -EBADMSG);
    initiate(&pair);
    respond(&pair);
    memcpy(pair.response + 12, point.bytes, 32);
    g_assert_cmpint(take_response(&pair), ==, -EBADMSG);
}

static void test_own_key(void)
{
    Pair       pair;
    MeshKey    none = { { 0 } };
    WireRemote remote;

    set_up(&pair, &noise_vectors[0]);
    g_assert_cmpint(wire_noise_make_remote(&pair.self_i, &pair.self_i.public_key, &none, &remote),
                    ==, -EINVAL);
}

static void test_wrong_state(void)
{
    Pair          pair;
    WireHandshake none = { .local_index = INDEX_I };
    uint8_t       message[WIRE_RESPONSE_BYTES];

    set_up(&pair, &noise_vectors[0]);
    initiate(&pair);
    g_assert_cmpint(wire_noise_create_response(&pair.hs_i, &pair.remote_i, &pair.ephemeral_r,
                                               message),
                    ==, -EINVAL);
    respond(&pair);
    g_assert_cmpint(wire_noise_consume_response(&none, &pair.self_i, &pair.remote_i, pair.response),
                    ==, -EBADMSG);
}

typedef struct {
    const char *name;
    uint8_t     start[4];
    size_t      len;
    WireMessage want;
} TypeCase;

static const TypeCase type_cases[] = {
    { "initiation", { 1 }, 148, WIRE_MESSAGE_INITIATION },
    { "initiation-short", { 1 }, 147, WIRE_MESSAGE_NONE },
    { "initiation-long", { 1 }, 149, WIRE_MESSAGE_NONE },
    { "response", { 2 }, 92, WIRE_MESSAGE_RESPONSE },
    { "response-as-initiation", { 2 }, 148, WIRE_MESSAGE_NONE },
    { "cookie", { 3 }, 64, WIRE_MESSAGE_COOKIE },
    { "keepalive", { 4 }, 32, WIRE_MESSAGE_DATA },
    { "data", { 4 }, 1452, WIRE_MESSAGE_DATA },
    { "data-without-tag", { 4 }, 31, WIRE_MESSAGE_NONE },
    { "reserved-bytes-set", { 4, 0, 1 }, 64, WIRE_MESSAGE_NONE },
    { "stun", { 1, 1 }, 148, WIRE_MESSAGE_NONE },
    { "type-zero", { 0 }, 148, WIRE_MESSAGE_NONE },
    { "aes-initiation", { 0x61 }, 148, WIRE_MESSAGE_INITIATION },
    { "aes-response", { 0x62 }, 92, WIRE_MESSAGE_RESPONSE },
    { "aes-response-long", { 0x62 }, 148, WIRE_MESSAGE_NONE },
    { "aes-cookie-there-is-none", { 0x63 }, 64, WIRE_MESSAGE_NONE },
    { "aes-data", { 0x64 }, 32, WIRE_MESSAGE_DATA },
    { "aes-data-without-tag", { 0x64 }, 31, WIRE_MESSAGE_NONE },
    { "aes-and-another-bit", { 0xe4 }, 64, WIRE_MESSAGE_NONE },
    { "aes-bits-alone", { 0x60 }, 148, WIRE_MESSAGE_NONE },
    { "one-aes-bit", { 0x44 }, 64, WIRE_MESSAGE_NONE },
    { "type-five", { 5 }, 148, WIRE_MESSAGE_NONE },
    { "too-short-for-a-type", { 4 }, 3, WIRE_MESSAGE_NONE },
    { "empty", { 4 }, 0, WIRE_MESSAGE_NONE },
};

static void test_type(gconstpointer data)
{
    const TypeCase     *c = data;
    g_autofree uint8_t *bytes = g_malloc0(MAX(c->len, 1));

    memcpy(bytes, c->start, MIN(c->len, sizeof c->start));
    g_assert_cmpint(wire_noise_get_type(bytes, c->len), ==, c->want);
}

static void test_timestamps(void)
{
    WireFreshness seen = { .accepted_ms = 0 };
    const uint8_t older[WIRE_TAI64N_BYTES] = { 0x40, 0, 0, 0, 0x65, 0x53, 0xf1, 0x0a, 7 };
    const uint8_t newer[WIRE_TAI64N_BYTES] = { 0x40, 0, 0, 0, 0x65, 0x53, 0xf1, 0x0a, 10 };

    g_assert_cmpint(wire_noise_accept_timestamp(&seen, older, 1000), ==, 0);
    g_assert_cmpint(wire_noise_accept_timestamp(&seen, older, 9000), ==, -EALREADY);
    g_assert_cmpint(wire_noise_accept_timestamp(&seen, newer, 1019), ==, -EBUSY);
    g_assert_cmpint(wire_noise_accept_timestamp(&seen, newer, 1020), ==, 0);
    g_assert_cmpint(wire_noise_accept_timestamp(&seen, older, 9000), ==, -EALREADY);
}

static void add(const char *group, const char *name, gconstpointer data, GTestDataFunc func)
{
    g_autofree char *path = g_strdup_printf("/noise/%s/%s", group, name);

    g_test_add_data_func(path, data, func);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_assert_cmpint(mesh_hash_init(), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(noise_vectors); i++)
        add("vector", noise_vectors[i].name, &noise_vectors[i], test_known_answer);
    for (size_t i = 0; i < G_N_ELEMENTS(low_order); i++)
        add("low-order", low_order[i], low_order[i], test_low_order);
    for (size_t i = 0; i < G_N_ELEMENTS(type_cases); i++)
        add("type", type_cases[i].name, &type_cases[i], test_type);
    g_test_add_func("/noise/derive-wipes", test_derive_wipes);
    for (size_t i = 0; i < G_N_ELEMENTS(noise_vectors); i++) {
        add("forged-initiation", noise_vectors[i].name, &noise_vectors[i], test_forged_initiation);
        add("forged-response", noise_vectors[i].name, &noise_vectors[i], test_forged_response);
    }
    g_test_add_func("/noise/other-suite", test_other_suite);
    g_test_add_func("/noise/other-psk", test_other_psk);
    g_test_add_func("/noise/other-sender", test_other_sender);
    g_test_add_func("/noise/own-key", test_own_key);
    g_test_add_func("/noise/wrong-state", test_wrong_state);
    g_test_add_func("/noise/timestamps", test_timestamps);
    return g_test_run();
}
