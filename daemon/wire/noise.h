/* daemon/wire/noise.h: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s as WireGuard uses it, and the same
 * with AESGCM (docs/PROTOCOL.md §10): a pure state machine, both roles. No clock, no randomness, no
 * I/O: ephemeral keys and timestamps are given.
 *
 * Initiator:  create_initiation → (send) → consume_response → derive
 * Responder:  open_initiation (whose is it?) → finish_initiation → create_response → derive
 *
 * mac1 and mac2 are cookie.c's: created messages leave those 32 bytes zero, consumers ignore them;
 * check them first. Every error means silence: nothing may be answered. Thread: handshake. */
#pragma once

#include "common/std/attr.h"
#include "common/std/key.h"
#include "daemon/wire/suite.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes of the messages (paper §5.4), all fields little-endian. */
enum {
    WIRE_INITIATION_BYTES = 148,
    WIRE_RESPONSE_BYTES = 92,
    WIRE_COOKIE_BYTES = 64,
    WIRE_DATA_HEADER_BYTES = 16, /* before the ciphertext; a 16-byte tag ends the message */
    WIRE_DATA_MIN_BYTES = 32,    /* keepalive */
    WIRE_TAI64N_BYTES = 12,
};

typedef enum {
    WIRE_MESSAGE_NONE, /* not WireGuard's, or of a length that type cannot have */
    WIRE_MESSAGE_INITIATION,
    WIRE_MESSAGE_RESPONSE,
    WIRE_MESSAGE_COOKIE,
    WIRE_MESSAGE_DATA,
} WireMessage;

/** WireIdentity: our static key pair; in guarded memory of the handshake thread. */
typedef struct {
    MeshKey private_key, public_key;
} WireIdentity;

/** WireRemote: a peer's static keys, with the precomputed secret of both static keys. Secret. */
typedef struct {
    MeshKey public_key;
    MeshKey preshared_key; /* zero: none */
    MeshKey static_static;
} WireRemote;

/** WireHandshake: a handshake under way; secret; wipe it when it ends. Zeroed: none. */
typedef struct {
    enum {
        WIRE_HANDSHAKE_NONE,
        WIRE_HANDSHAKE_INITIATED, /* we sent an initiation */
        WIRE_HANDSHAKE_CONSUMED,  /* we took the peer's initiation */
        WIRE_HANDSHAKE_ANSWERED,  /* … and answered it: derive */
        WIRE_HANDSHAKE_ACCEPTED,  /* we took its response: derive */
    } state;
    WireSuite suite;
    uint32_t  local_index, remote_index;
    uint8_t   chaining_key[32], hash[32];
    MeshKey   ephemeral_private; /* INITIATED */
    MeshKey   remote_ephemeral;  /* CONSUMED */
} WireHandshake;

/** WireInitiation: an initiation opened as far as it tells who sent it. Secret; wipe. */
typedef struct {
    MeshKey       public_key; /* claimed sender; proven by finish_initiation */
    WireHandshake handshake;
    uint8_t       timestamp[WIRE_TAI64N_BYTES + 16]; /* sealed */
} WireInitiation;

/** WireNoiseFresh: what an initiation needs anew each time. Secret; wipe. */
typedef struct {
    MeshKey ephemeral;                    /* a fresh private key */
    uint8_t timestamp[WIRE_TAI64N_BYTES]; /* later than any sent before with our static key */
} WireNoiseFresh;

/** WireFreshness: what a peer's initiations were already; embedded in the peer, zeroed is ready. */
typedef struct {
    uint8_t newest[WIRE_TAI64N_BYTES];
    int64_t accepted_ms; /* boot clock; 0: none yet */
} WireFreshness;

/** wire_noise_get_type: by the first four bytes and @len; of either suite, see wire_suite_of(). */
WireMessage wire_noise_get_type(const uint8_t *bytes, size_t len);

/** wire_noise_make_remote: Returns: 0; -EINVAL: a low-order public key, or our own: no handshake
 * with it is possible, send nothing. */
MESH_CHECKED int wire_noise_make_remote(const WireIdentity *self, const MeshKey *public_key,
                                        const MeshKey *preshared_key, WireRemote *out_remote);

/** wire_noise_create_initiation: starts @handshake anew; its local_index and suite are set by the
 * caller.
 * Returns: 0; -EINVAL: the peer's key is of low order; @handshake is wiped then. */
MESH_CHECKED int wire_noise_create_initiation(WireHandshake *handshake, const WireIdentity *self,
                                              const WireRemote *remote, const WireNoiseFresh *fresh,
                                              uint8_t out_message[WIRE_INITIATION_BYTES]);

/** wire_noise_open_initiation: one X25519 and one tag; tells the claimed sender. The suite is that
 * of the message; whether it is spoken is for the caller to ask before.
 * Returns: 0; -EBADMSG: not made for us. */
MESH_CHECKED int wire_noise_open_initiation(const WireIdentity *self,
                                            const uint8_t       message[WIRE_INITIATION_BYTES],
                                            WireInitiation     *out_initiation);

/** wire_noise_finish_initiation: proves the sender and replaces *out_handshake (CONSUMED), keeping
 * its local_index; on failure it stays as it was. Before using it, ask
 * wire_noise_accept_timestamp(). Returns: 0; -EBADMSG: the sender does not hold that key. */
MESH_CHECKED int wire_noise_finish_initiation(const WireInitiation *initiation,
                                              const WireRemote     *remote,
                                              uint8_t        out_timestamp[WIRE_TAI64N_BYTES],
                                              WireHandshake *out_handshake);

/** wire_noise_accept_timestamp: notes a proven initiation.
 * Returns: 0; -EALREADY: not newer than the newest (a replay); -EBUSY: sooner than 20 ms after it.
 */
MESH_CHECKED int wire_noise_accept_timestamp(WireFreshness *self,
                                             const uint8_t  timestamp[WIRE_TAI64N_BYTES],
                                             int64_t        now_ms);

/** wire_noise_create_response: CONSUMED → ANSWERED. @handshake's local_index is set by the caller.
 * Returns: 0; -EINVAL: the peer's ephemeral key is of low order; wiped then. */
MESH_CHECKED int wire_noise_create_response(WireHandshake *handshake, const WireRemote *remote,
                                            const MeshKey *ephemeral,
                                            uint8_t        out_message[WIRE_RESPONSE_BYTES]);

/** wire_noise_consume_response: INITIATED → ACCEPTED. The receiver index of @message was matched to
 * this handshake by the caller; one of the other suite is refused. On failure the pending handshake
 * stays, so that garbage that races the real answer harms nothing. Returns: 0; -EBADMSG. */
MESH_CHECKED int wire_noise_consume_response(WireHandshake *handshake, const WireIdentity *self,
                                             const WireRemote *remote,
                                             const uint8_t     message[WIRE_RESPONSE_BYTES]);

/** wire_noise_derive: ANSWERED or ACCEPTED → transport keys for our side; wipes @handshake. */
void wire_noise_derive(WireHandshake *handshake, uint8_t out_send_key[32],
                       uint8_t out_receive_key[32]);
