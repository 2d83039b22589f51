/* common/codec/probe.h: probes, what nodes say to each other to find ways (docs/PATHS.md §4).
 *
 * A probe is a datagram that begins with 0xD5, sealed with the keys of common/codec/probekey.h.
 * Values, no allocation; a MeshProbeKeys belongs to one thread. */
#pragma once

#include "common/codec/probekey.h"
#include "common/std/ip.h"

#include <stddef.h>
#include <stdint.h>

enum {
    MESH_PROBE_FIRST_BYTE = 0xD5,
    MESH_PROBE_MAX_CANDIDATES = 12,
    MESH_PROBE_HEADER_BYTES = 16,
    MESH_PROBE_PING_BYTES = 48, /* a ping without padding; its pong tells no address */
    MESH_PROBE_PONG_BYTES = 66, /* a pong with the address; the ping must be as long */
    MESH_PROBE_MAX_BYTES = 1500,
};

typedef enum {
    MESH_PROBE_PING = 1,
    MESH_PROBE_PONG,
    MESH_PROBE_CALL,
    MESH_PROBE_CALL_ACK,
    MESH_PROBE_SYNC,
} MeshProbeType;

/* Flags; HALF beside HARD: a search that is to leave half of what an attempt may cost. */
enum { MESH_PROBE_USE_THIS = 1, MESH_PROBE_BY_RELAY = 2, MESH_PROBE_HARD = 4, MESH_PROBE_HALF = 8 };

/* RFC 4787: what a NAT makes its choice of; the same scale for mapping and filtering. */
typedef enum {
    MESH_PROBE_UNKNOWN,
    MESH_PROBE_INDEPENDENT,
    MESH_PROBE_BY_ADDRESS,
    MESH_PROBE_BY_ADDRESS_AND_PORT,
} MeshProbeDependence;

/* MeshProbeNat: of the sender, as it measured it. */
typedef struct {
    MeshProbeDependence mapping, filtering;
    int16_t             step;                    /* of one mapping's port to the next; 0: no rule */
    uint16_t            block_first, block_last; /* ports it was seen to use; 0: not known */
} MeshProbeNat;

typedef enum {
    MESH_PROBE_LOCAL,
    MESH_PROBE_STATIC,
    MESH_PROBE_OBSERVED,
    MESH_PROBE_MAPPED,
    MESH_PROBE_NAT64,
} MeshProbeKind;

typedef struct {
    MeshProbeKind kind;
    MeshEndpoint  endpoint; /* a port, a family, no scope */
} MeshProbeCandidate;

typedef struct {
    MeshProbeType      type;
    uint8_t            flags;
    uint16_t           id; /* PING, PONG: of the path; else of the attempt */
    uint64_t           txid;
    uint16_t           length;   /* PING: of the whole datagram, 48-1500; PONG: of the ping's */
    MeshEndpoint       observed; /* PONG: where the ping came from; family 0: not told */
    MeshProbeNat       nat;      /* CALL, CALL_ACK */
    size_t             n_candidates;
    MeshProbeCandidate candidates[MESH_PROBE_MAX_CANDIDATES];
} MeshProbe;

/* Seals @probe as the next of @keys into @size bytes. A PONG to a ping shorter than
 * MESH_PROBE_PONG_BYTES leaves the address out: no answer is longer than its question.
 * Returns: 0; -ENOSPC; -EINVAL: a length, count or candidate outside its limits. */
MESH_CHECKED int mesh_probe_seal(MeshProbeKeys *keys, const MeshProbe *probe, uint8_t *out,
                                 size_t size, size_t *out_len);

/* The receiver's index of what looks like a probe. Returns: 0; -EPROTO: it does not. */
MESH_CHECKED int mesh_probe_read_index(const uint8_t *bytes, size_t len, uint32_t *out_index);

/* Opens a probe whose index is keys->receive_index and marks its counter.
 * Returns: 0; -EPROTO: not a probe, or its content is none; -EBADMSG: forged; -EALREADY: seen or
 * too old. Only an authentic one changes @keys. */
MESH_CHECKED int mesh_probe_open(MeshProbeKeys *keys, const uint8_t *bytes, size_t len,
                                 MeshProbe *out_probe);
