/* common/codec/relaykey.c: see relaykey.h. */
#include "common/codec/relaykey.h"

#include "common/codec/seenat.h"
#include "common/std/hash.h"
#include "common/std/writer.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(MESH_RELAYKEY_BYTES == crypto_shorthash_KEYBYTES, "SipHash-2-4");
_Static_assert(MESH_RELAYKEY_MAC_BYTES == crypto_shorthash_BYTES, "SipHash-2-4");

/* First 16 bytes of BLAKE2s-256(key shared, @label ‖ ephemeral ‖ rk). */
static void derive_one(const uint8_t *shared, const char *label, const MeshRelayPublics *publics,
                       MeshRelayKey *out_key)
{
    uint8_t    input[16 + 2 * MESH_KEY_BYTES], hash[MESH_HASH_BYTES];
    MeshWriter w = mesh_writer_make(input, sizeof(input));

    mesh_writer_bytes(&w, label, strlen(label));
    mesh_writer_bytes(&w, publics->ephemeral.bytes, MESH_KEY_BYTES);
    mesh_writer_bytes(&w, publics->relay.bytes, MESH_KEY_BYTES);
    mesh_hash_blake2s_keyed(MESH_SPAN(shared, MESH_KEY_BYTES),
                            MESH_SPAN(input, mesh_writer_length(&w)), hash, sizeof(hash));
    memcpy(out_key->bytes, hash, sizeof(out_key->bytes));
    mesh_key_wipe(hash, sizeof(hash));
}

int mesh_relaykey_derive(const MeshKey *secret, bool is_relay, const MeshRelayPublics *publics,
                         MeshRelayKeys *out_keys)
{
    const MeshKey *other = is_relay ? &publics->ephemeral : &publics->relay;
    uint8_t        shared[MESH_KEY_BYTES];

    if (crypto_scalarmult_curve25519(shared, secret->bytes, other->bytes) != 0)
        return -EBADMSG;
    derive_one(shared, "mesh1-relay-up", publics, &out_keys->up);
    derive_one(shared, "mesh1-relay-down", publics, &out_keys->down);
    mesh_key_wipe(shared, sizeof(shared));
    return 0;
}

void mesh_relaykey_mac(const MeshRelayKey *key, MeshSpan first, MeshSpan second,
                       uint8_t out_mac[MESH_RELAYKEY_MAC_BYTES])
{
    uint8_t input[64];

    if (first.len + second.len > sizeof(input))
        abort(); /* a programmer's mistake: no frame is authenticated over more */
    memcpy(input, first.data, first.len);
    if (second.len > 0)
        memcpy(input + first.len, second.data, second.len);
    crypto_shorthash(out_mac, input, first.len + second.len, key->bytes);
}

bool mesh_relaykey_mac_equal(const uint8_t *a, const uint8_t *b)
{
    return sodium_memcmp(a, b, MESH_RELAYKEY_MAC_BYTES) == 0;
}

void mesh_relaykey_jar_init(MeshRelayJar *jar, int64_t now_ms)
{
    mesh_key_random(jar->secrets, sizeof(jar->secrets));
    jar->since_ms = now_ms;
}

void mesh_relaykey_jar_turn(MeshRelayJar *jar, int64_t now_ms)
{
    int64_t age_ms = now_ms - jar->since_ms;

    if (age_ms < MESH_RELAYKEY_COOKIE_LIFE_MS)
        return;
    if (age_ms >= 2 * MESH_RELAYKEY_COOKIE_LIFE_MS)
        mesh_key_random(&jar->secrets[1], sizeof(jar->secrets[1]));
    else
        jar->secrets[1] = jar->secrets[0];
    mesh_key_random(&jar->secrets[0], sizeof(jar->secrets[0]));
    jar->since_ms = now_ms;
}

static void bake(const MeshKey *secret, const MeshRelayClaim *claim, uint8_t *out_cookie)
{
    uint8_t    input[1 + MESH_SEENAT_BYTES + MESH_RELAYKEY_NONCE_BYTES];
    MeshWriter w = mesh_writer_make(input, sizeof(input));

    mesh_writer_u8(&w, claim->purpose);
    mesh_seenat_write(&w, &claim->source);
    mesh_writer_bytes(&w, claim->nonce, sizeof(claim->nonce));
    mesh_hash_blake2s_keyed(MESH_SPAN(secret->bytes, sizeof(secret->bytes)),
                            MESH_SPAN(input, mesh_writer_length(&w)), out_cookie,
                            MESH_RELAYKEY_COOKIE_BYTES);
}

void mesh_relaykey_cookie_make(const MeshRelayJar *jar, const MeshRelayClaim *claim,
                               uint8_t out_cookie[MESH_RELAYKEY_COOKIE_BYTES])
{
    bake(&jar->secrets[0], claim, out_cookie);
}

bool mesh_relaykey_cookie_check(const MeshRelayJar *jar, const MeshRelayClaim *claim,
                                const uint8_t cookie[MESH_RELAYKEY_COOKIE_BYTES])
{
    for (size_t i = 0; i < MESH_N_ELEMENTS(jar->secrets); i++) {
        uint8_t want[MESH_RELAYKEY_COOKIE_BYTES];

        bake(&jar->secrets[i], claim, want);
        if (sodium_memcmp(want, cookie, sizeof(want)) == 0)
            return true;
    }
    return false;
}
