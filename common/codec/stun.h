/* common/codec/stun.h: STUN binding requests and their answers (RFC 8489), with what NAT behaviour
 * discovery adds: CHANGE-REQUEST, RESPONSE-PORT and PADDING (RFC 5780 §7.2, §7.5, §7.6).
 *
 * Values; any thread; nothing allocates. No credentials: STUN here tells an address, which nobody
 * has to believe. A FINGERPRINT is checked where there is one and never written. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MESH_STUN_TXID_BYTES = 12,
    MESH_STUN_HEAD_BYTES = 20,
    MESH_STUN_MAX_BYTES = 1280,    /* longer messages are refused */
    MESH_STUN_REQUEST_BYTES = 48,  /* pad to this: no answer to us is longer */
    MESH_STUN_MAX_UNKNOWN = 4,     /* unknown attributes that are remembered */
    MESH_STUN_UNKNOWN_ERROR = 420, /* Unknown Attribute */
};

typedef enum {
    MESH_STUN_REQUEST = 0x0001, /* binding */
    MESH_STUN_INDICATION = 0x0011,
    MESH_STUN_SUCCESS = 0x0101,
    MESH_STUN_FAILURE = 0x0111,
} MeshStunType;

typedef enum {
    MESH_STUN_CHANGE_PORT = 2,
    MESH_STUN_CHANGE_IP = 4,
} MeshStunChange;

typedef struct {
    MeshStunType type;
    uint8_t      txid[MESH_STUN_TXID_BYTES];
    uint8_t      change;     /* MESH_STUN_CHANGE_…, or 0; requests only */
    bool         has_change; /* CHANGE-REQUEST is there, whatever it asks for */
    uint16_t response_port;  /* RESPONSE-PORT: where the answer is to go; 0: where it came from */
    MeshEndpoint mapped;     /* XOR-MAPPED-ADDRESS; no family: none */
    uint16_t     error;      /* ERROR-CODE, 300-699; 0: none */
    uint8_t      n_unknown;  /* comprehension-required attributes we do not know */
    uint16_t     unknown[MESH_STUN_MAX_UNKNOWN];
} MeshStunMessage;

/* Tells STUN from all else on a port: two zero bits, and the magic cookie. */
bool mesh_stun_is(MeshSpan datagram);

/* Reads a whole binding message. Returns: 0; -EBADMSG: malformed, another method or a wrong
 * FINGERPRINT. Unknown optional attributes are skipped, unknown required ones listed. */
MESH_CHECKED int mesh_stun_decode(MeshSpan datagram, MeshStunMessage *out_message);

/* A request with @txid, @change and @response_port (no such attribute when 0), padded to @pad_to
 * bytes (a multiple of 4; 0: no PADDING). Returns: 0; -ENOSPC; -EINVAL: @pad_to is odd or cannot be
 * reached. */
MESH_CHECKED int mesh_stun_encode_request(const MeshStunMessage *message, size_t pad_to,
                                          uint8_t *out, size_t size, size_t *out_len);

/* An answer with the txid of a request: @mapped, or, when there is none, @error with its unknown
 * attributes. Type is set from that. Returns: 0; -ENOSPC; -EINVAL: neither. */
MESH_CHECKED int mesh_stun_encode_answer(const MeshStunMessage *message, uint8_t *out, size_t size,
                                         size_t *out_len);
