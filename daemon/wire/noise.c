/* daemon/wire/noise.c: Noise_IKpsk2_25519_ with ChaChaPoly or AESGCM, _BLAKE2s; see noise.h.
 *
 * Source: WireGuard paper §5.4.2-5.4.5; the Noise framework, revision 34. Names of steps are
 * Noise's tokens: e, es, s, ss, ee, se, psk. Each secret on the stack is wiped before its function
 * returns. */
#include "daemon/wire/noise.h"

#include "common/std/hash.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

enum { TAG = 16, HASH = MESH_HASH_BYTES };

/* Where fields lie in the messages (paper §5.4.2, §5.4.3). */
enum {
    AT_SENDER = 4,
    INITIATION_EPHEMERAL = 8,
    INITIATION_STATIC = 40,
    INITIATION_TIMESTAMP = 88,
    RESPONSE_RECEIVER = 8,
    RESPONSE_EPHEMERAL = 12,
    RESPONSE_EMPTY = 44,
};

static void put_u32le(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_u32le(const uint8_t *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

/* ---- the symmetric state ---- */

static void mix_hash(uint8_t hash[HASH], const void *data, size_t len)
{
    MeshSpan parts[2] = { MESH_SPAN(hash, HASH), MESH_SPAN(data, len) };

    mesh_hash_blake2s(parts, 2, hash);
}

static void start(WireHandshake *state, const MeshKey *responder)
{
    MeshSpan name, prologue;

    wire_suite_get_noise(state->suite, &name, &prologue);
    mesh_hash_blake2s(&name, 1, state->chaining_key);
    memcpy(state->hash, state->chaining_key, HASH);
    mix_hash(state->hash, prologue.data, prologue.len);
    mix_hash(state->hash, responder->bytes, sizeof responder->bytes);
}

/* An ephemeral public key, sent or received. */
static void mix_ephemeral(WireHandshake *state, const uint8_t public_key[32])
{
    mesh_hash_kdf1(state->chaining_key, MESH_SPAN(public_key, 32), state->chaining_key);
    mix_hash(state->hash, public_key, 32);
}

/* A shared secret; @out_key (NULL: not wanted) seals what comes next. */
static void mix_secret(WireHandshake *state, const MeshKey *secret, uint8_t out_key[32])
{
    MeshSpan input = MESH_SPAN(secret->bytes, sizeof secret->bytes);

    if (out_key == NULL)
        mesh_hash_kdf1(state->chaining_key, input, state->chaining_key);
    else
        mesh_hash_kdf2(state->chaining_key, input, state->chaining_key, out_key);
}

/* Returns: 0; -EINVAL: a point of low order, whose secret everybody knows. */
static int mix_dh(WireHandshake *state, const MeshKey *private_key, const MeshKey *public_key,
                  uint8_t out_key[32])
{
    MeshKey secret;
    int     rc = crypto_scalarmult(secret.bytes, private_key->bytes, public_key->bytes);

    if (rc == 0)
        mix_secret(state, &secret, out_key);
    mesh_key_wipe(&secret, sizeof secret);
    return rc == 0 ? 0 : -EINVAL;
}

/* Each key seals one thing only, so the nonce is always zero. */
static void seal(WireHandshake *state, const uint8_t key[32], MeshSpan plain, uint8_t *out)
{
    wire_suite_seal(state->suite, key, MESH_SPAN(state->hash, HASH), plain, out);
    mix_hash(state->hash, out, plain.len + TAG);
}

static int unseal(WireHandshake *state, const uint8_t key[32], MeshSpan sealed, uint8_t *out)
{
    if (wire_suite_unseal(state->suite, key, MESH_SPAN(state->hash, HASH), sealed, out) < 0)
        return -EBADMSG;
    mix_hash(state->hash, sealed.data, sealed.len);
    return 0;
}

static void wipe(WireHandshake *state)
{
    uint32_t  local_index = state->local_index;
    WireSuite suite = state->suite;

    mesh_key_wipe(state, sizeof *state);
    state->local_index = local_index; /* the caller's to release */
    state->suite = suite;             /* the caller's choice */
}

/* ---- messages ---- */

WireMessage wire_noise_get_type(const uint8_t *bytes, size_t len)
{
    uint8_t kind;

    if (len < 4 || bytes[1] != 0 || bytes[2] != 0 || bytes[3] != 0)
        return WIRE_MESSAGE_NONE;
    if (bytes[0] == WIRE_MESSAGE_COOKIE && len == WIRE_COOKIE_BYTES)
        return WIRE_MESSAGE_COOKIE; /* of both suites */
    kind = wire_suite_of(bytes[0]) == WIRE_SUITE_WG1 ? bytes[0] : bytes[0] ^ WIRE_SUITE_AES_BITS;
    if (kind == WIRE_MESSAGE_INITIATION && len == WIRE_INITIATION_BYTES)
        return WIRE_MESSAGE_INITIATION;
    if (kind == WIRE_MESSAGE_RESPONSE && len == WIRE_RESPONSE_BYTES)
        return WIRE_MESSAGE_RESPONSE;
    if (kind == WIRE_MESSAGE_DATA && len >= WIRE_DATA_MIN_BYTES)
        return WIRE_MESSAGE_DATA;
    return WIRE_MESSAGE_NONE;
}

int wire_noise_make_remote(const WireIdentity *self, const MeshKey *public_key,
                           const MeshKey *preshared_key, WireRemote *out_remote)
{
    MeshKey secret;

    if (mesh_key_equal(public_key, &self->public_key))
        return -EINVAL;
    if (crypto_scalarmult(secret.bytes, self->private_key.bytes, public_key->bytes) != 0)
        return -EINVAL;
    out_remote->public_key = *public_key;
    out_remote->preshared_key = *preshared_key;
    out_remote->static_static = secret;
    mesh_key_wipe(&secret, sizeof secret);
    return 0;
}

int wire_noise_create_initiation(WireHandshake *handshake, const WireIdentity *self,
                                 const WireRemote *remote, const WireNoiseFresh *fresh,
                                 uint8_t out_message[WIRE_INITIATION_BYTES])
{
    uint8_t *ephemeral = out_message + INITIATION_EPHEMERAL;
    MeshKey  public_key;
    uint8_t  key[32];

    wipe(handshake);
    memset(out_message, 0, WIRE_INITIATION_BYTES);
    mesh_key_make_public(&fresh->ephemeral, &public_key);
    start(handshake, &remote->public_key);
    mix_ephemeral(handshake, public_key.bytes);                               /* e */
    if (mix_dh(handshake, &fresh->ephemeral, &remote->public_key, key) < 0) { /* es */
        wipe(handshake);
        return -EINVAL;
    }
    out_message[0] = wire_suite_type(handshake->suite, WIRE_MESSAGE_INITIATION);
    put_u32le(out_message + AT_SENDER, handshake->local_index);
    memcpy(ephemeral, public_key.bytes, 32);
    seal(handshake, key, MESH_SPAN(self->public_key.bytes, 32), out_message + INITIATION_STATIC);
    mix_secret(handshake, &remote->static_static, key); /* ss */
    seal(handshake, key, MESH_SPAN(fresh->timestamp, WIRE_TAI64N_BYTES),
         out_message + INITIATION_TIMESTAMP);
    handshake->ephemeral_private = fresh->ephemeral;
    handshake->state = WIRE_HANDSHAKE_INITIATED;
    mesh_key_wipe(key, sizeof key);
    return 0;
}

int wire_noise_open_initiation(const WireIdentity *self,
                               const uint8_t       message[WIRE_INITIATION_BYTES],
                               WireInitiation     *out_initiation)
{
    WireInitiation opened = { .handshake.suite = wire_suite_of(message[0]) };
    WireHandshake *state = &opened.handshake;
    uint8_t        key[32];
    int            rc;

    memcpy(state->remote_ephemeral.bytes, message + INITIATION_EPHEMERAL, 32);
    memcpy(opened.timestamp, message + INITIATION_TIMESTAMP, sizeof opened.timestamp);
    state->remote_index = get_u32le(message + AT_SENDER);
    start(state, &self->public_key);
    mix_ephemeral(state, state->remote_ephemeral.bytes);                   /* e */
    rc = mix_dh(state, &self->private_key, &state->remote_ephemeral, key); /* es */
    if (rc == 0)
        rc = unseal(state, key, MESH_SPAN(message + INITIATION_STATIC, 32 + TAG),
                    opened.public_key.bytes); /* s */
    if (rc == 0)
        *out_initiation = opened;
    mesh_key_wipe(key, sizeof key);
    mesh_key_wipe(&opened, sizeof opened);
    return rc == 0 ? 0 : -EBADMSG;
}

int wire_noise_finish_initiation(const WireInitiation *initiation, const WireRemote *remote,
                                 uint8_t        out_timestamp[WIRE_TAI64N_BYTES],
                                 WireHandshake *out_handshake)
{
    WireHandshake state = initiation->handshake;
    uint8_t       key[32], timestamp[WIRE_TAI64N_BYTES];
    int           rc;

    mix_secret(&state, &remote->static_static, key); /* ss */
    rc = unseal(&state, key, MESH_SPAN(initiation->timestamp, sizeof initiation->timestamp),
                timestamp);
    if (rc == 0) {
        state.state = WIRE_HANDSHAKE_CONSUMED;
        state.local_index = out_handshake->local_index;
        *out_handshake = state;
        memcpy(out_timestamp, timestamp, sizeof timestamp);
    }
    mesh_key_wipe(key, sizeof key);
    mesh_key_wipe(&state, sizeof state);
    return rc;
}

int wire_noise_accept_timestamp(WireFreshness *self, const uint8_t timestamp[WIRE_TAI64N_BYTES],
                                int64_t now_ms)
{
    const int64_t min_gap_ms = 20; /* 50 initiations a second a peer are a flood */

    if (memcmp(timestamp, self->newest, WIRE_TAI64N_BYTES) <= 0) /* big-endian: order of time */
        return -EALREADY;
    if (self->accepted_ms != 0 && now_ms - self->accepted_ms < min_gap_ms)
        return -EBUSY;
    memcpy(self->newest, timestamp, WIRE_TAI64N_BYTES);
    self->accepted_ms = now_ms;
    return 0;
}

/* The part both sides of a response share: psk token and the key of the empty payload. */
static void mix_preshared(WireHandshake *state, const MeshKey *preshared, uint8_t out_key[32])
{
    uint8_t tau[HASH];

    mesh_hash_kdf3(state->chaining_key, MESH_SPAN(preshared->bytes, 32), state->chaining_key, tau,
                   out_key);
    mix_hash(state->hash, tau, sizeof tau);
    mesh_key_wipe(tau, sizeof tau);
}

int wire_noise_create_response(WireHandshake *handshake, const WireRemote *remote,
                               const MeshKey *ephemeral, uint8_t out_message[WIRE_RESPONSE_BYTES])
{
    MeshKey public_key;
    uint8_t key[32];

    if (handshake->state != WIRE_HANDSHAKE_CONSUMED)
        return -EINVAL;
    memset(out_message, 0, WIRE_RESPONSE_BYTES);
    mesh_key_make_public(ephemeral, &public_key);
    mix_ephemeral(handshake, public_key.bytes);                                 /* e */
    if (mix_dh(handshake, ephemeral, &handshake->remote_ephemeral, NULL) < 0 || /* ee */
        mix_dh(handshake, ephemeral, &remote->public_key, NULL) < 0) {          /* se */
        wipe(handshake);
        return -EINVAL;
    }
    mix_preshared(handshake, &remote->preshared_key, key); /* psk */
    out_message[0] = wire_suite_type(handshake->suite, WIRE_MESSAGE_RESPONSE);
    put_u32le(out_message + AT_SENDER, handshake->local_index);
    put_u32le(out_message + RESPONSE_RECEIVER, handshake->remote_index);
    memcpy(out_message + RESPONSE_EPHEMERAL, public_key.bytes, 32);
    seal(handshake, key, MESH_SPAN(NULL, 0), out_message + RESPONSE_EMPTY);
    handshake->state = WIRE_HANDSHAKE_ANSWERED;
    mesh_key_wipe(key, sizeof key);
    return 0;
}

int wire_noise_consume_response(WireHandshake *handshake, const WireIdentity *self,
                                const WireRemote *remote,
                                const uint8_t     message[WIRE_RESPONSE_BYTES])
{
    WireHandshake state = *handshake;
    MeshKey       ephemeral;
    uint8_t       key[32], nothing[1];
    int           rc = -EBADMSG;

    if (handshake->state != WIRE_HANDSHAKE_INITIATED ||
        message[0] != wire_suite_type(handshake->suite, WIRE_MESSAGE_RESPONSE) ||
        get_u32le(message + RESPONSE_RECEIVER) != handshake->local_index)
        goto out;
    memcpy(ephemeral.bytes, message + RESPONSE_EPHEMERAL, 32);
    mix_ephemeral(&state, ephemeral.bytes);                               /* e */
    if (mix_dh(&state, &state.ephemeral_private, &ephemeral, NULL) < 0 || /* ee */
        mix_dh(&state, &self->private_key, &ephemeral, NULL) < 0)         /* se */
        goto out;
    mix_preshared(&state, &remote->preshared_key, key); /* psk */
    rc = unseal(&state, key, MESH_SPAN(message + RESPONSE_EMPTY, TAG), nothing);
    if (rc == 0) {
        state.remote_index = get_u32le(message + AT_SENDER);
        state.state = WIRE_HANDSHAKE_ACCEPTED;
        mesh_key_wipe(&state.ephemeral_private, sizeof state.ephemeral_private);
        *handshake = state;
    }
out:
    mesh_key_wipe(key, sizeof key);
    mesh_key_wipe(&state, sizeof state);
    return rc;
}

void wire_noise_derive(WireHandshake *handshake, uint8_t out_send_key[32],
                       uint8_t out_receive_key[32])
{
    bool     initiator = handshake->state == WIRE_HANDSHAKE_ACCEPTED;
    uint8_t *first = initiator ? out_send_key : out_receive_key;
    uint8_t *second = initiator ? out_receive_key : out_send_key;

    mesh_hash_kdf2(handshake->chaining_key, MESH_SPAN(NULL, 0), first, second);
    wipe(handshake);
}
