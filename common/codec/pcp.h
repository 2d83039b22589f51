/* common/codec/pcp.h: what a home router is asked for a port with: PCP (RFC 6887) MAP and
 * ANNOUNCE, and NAT-PMP (RFC 6886), which shares its port; told apart by the first byte.
 *
 * Values; any thread; nothing allocates. Requests are ours, answers a router's: neither protocol
 * is authenticated, so an answer that does not repeat what was asked is refused here, and what it
 * grants is the caller's to judge. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MESH_PCP_PORT = 5351,          /* routers listen there */
    MESH_PCP_ANNOUNCE_PORT = 5350, /* their clients there, for 224.0.0.1 */
    MESH_PCP_NONCE_BYTES = 12,
    MESH_PCP_MAP_BYTES = 60, /* the request, and the answer without options */
    MESH_PCP_ANNOUNCE_BYTES = 24,
    MESH_PCP_MAX_BYTES = 1100,  /* RFC 6887 §7: longer ones are refused */
    MESH_NATPMP_MAP_BYTES = 12, /* the request; the longest one */
    MESH_PCP_VERSION_ERROR = 1, /* result of either: ask in another version */
};

/* A mapping of a port, as asked for and as granted. */
typedef struct {
    uint8_t      nonce[MESH_PCP_NONCE_BYTES]; /* PCP alone */
    MeshAddr     client;                      /* our address, the source of the request; PCP */
    bool         tcp;                         /* else UDP */
    uint16_t     port;                        /* ours */
    MeshEndpoint external; /* asked: a wish, or zeros; granted: what the router forwards */
    uint32_t     life_s;   /* 0: ends the mapping */
} MeshPcpMap;

/* What an answer is about. */
typedef enum {
    MESH_PCP_MAP,        /* PCP: .map is complete */
    MESH_PCP_ANNOUNCE,   /* PCP: the router started anew, or says that it runs */
    MESH_NATPMP_ADDRESS, /* NAT-PMP: .map.external.addr alone; also sent unasked */
    MESH_NATPMP_MAP,     /* NAT-PMP: .map without address and nonce */
    MESH_PCP_REFUSED,    /* either: .result is not 0 and nothing else but epoch counts */
} MeshPcpKind;

typedef struct {
    MeshPcpKind kind;
    uint8_t     version; /* 0: NAT-PMP; 2: PCP */
    uint8_t
        opcode; /* of what is answered: PCP 0 ANNOUNCE, 1 MAP; NAT-PMP 0 address, 1 UDP, 2 TCP */
    uint16_t   result;
    uint32_t   epoch_s; /* seconds since the router lost or began its table */
    MeshPcpMap map;     /* of a refused MAP its nonce and port, so that it can be matched */
} MeshPcpAnswer;

/* Each writes one request to @out. Returns: 0; -ENOSPC; -EINVAL: no address or port where the
 * request needs one. */
MESH_CHECKED int mesh_pcp_encode_map(const MeshPcpMap *map, uint8_t *out, size_t size,
                                     size_t *out_len);
MESH_CHECKED int mesh_pcp_encode_natpmp_map(const MeshPcpMap *map, uint8_t *out, size_t size,
                                            size_t *out_len);
MESH_CHECKED int mesh_pcp_encode_natpmp_address(uint8_t *out, size_t size, size_t *out_len);

/* Reads an answer of either protocol. Returns: 0; -EBADMSG: malformed, a request, another opcode,
 * version or transport protocol. Options are stepped over. */
MESH_CHECKED int mesh_pcp_decode(MeshSpan datagram, MeshPcpAnswer *out_answer);

/* MeshPcpEpoch: what a router's epoch was when; zeros: not heard yet. */
typedef struct {
    bool     known;
    uint32_t epoch_s;
    int64_t  at_ms; /* boot clock */
} MeshPcpEpoch;

/* Takes the epoch of an answer that came at @now_ms. Returns: true when the router has kept its
 * table since the last one (RFC 6887 §8.5), or none was heard before; false: it may have lost it.
 */
bool mesh_pcp_epoch_accept(MeshPcpEpoch *epoch, uint32_t epoch_s, int64_t now_ms);
