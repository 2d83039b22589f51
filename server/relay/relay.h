/* server/relay/relay.h: the relay and STUN of mesh-server (docs/PATHS.md §3). Front door.
 *
 * Plain C, no GLib. One thread moves datagrams, one checks signatures of BIND; streams over TLS run
 * on the loop's shards. What a token says is judged by a function of the owner's. Calls here are
 * made from any thread unless they say otherwise. */
#pragma once

#include "common/codec/relaybind.h"
#include "common/std/attr.h"
#include "common/std/key.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    RELAY_NETWORK_BYTES = 8,
    RELAY_WHY_SIZE = 200,
    RELAY_MAX_SESSIONS = 65535,
    RELAY_TOKEN_S = 14400, /* no token counts longer from when it was made */
};

typedef struct Relay Relay;

/* Who a node is at a relay. */
typedef struct {
    uint16_t server; /* whose token: an index of the owner's */
    uint8_t  network[RELAY_NETWORK_BYTES];
    uint32_t index; /* of the node in the network */
    MeshKey  node;
} RelayNode;

/* What a verified token grants. */
typedef struct {
    RelayNode node;
    int64_t   exp_s; /* wall clock */
    uint64_t  bps, burst;
} RelayGrant;

/* Verifies T in @bind, not the node's own signature. Called on the signing thread and on shards.
 * Returns: OK and @out_grant; why not. */
typedef MeshRelayStatus (*RelayOpenToken)(const MeshRelayBind *bind, void *user_data,
                                          RelayGrant *out_grant);

typedef struct {
    uint16_t       udp;       /* port; 0: any */
    uint16_t       alt;       /* second port, for STUN; 0: none */
    unsigned       sessions;  /* at most RELAY_MAX_SESSIONS */
    MeshKey        rk_secret; /* copied into guarded memory */
    RelayOpenToken open_token;
    void          *user_data; /* of open_token; outlives the relay */
} RelayConfig;

typedef struct {
    uint64_t sessions;       /* now */
    uint64_t packets, bytes; /* forwarded */
    uint64_t bound, refused; /* BINDs */
    uint64_t stun;
    uint64_t dropped_forged;  /* wrong MAC, no such frame */
    uint64_t dropped_unknown; /* no such session, or to nobody */
    uint64_t dropped_rate;    /* over an allowance, of nodes and of strangers */
    uint64_t dropped_queue;   /* over a receiver's bounds */
    uint64_t dropped_socket;  /* refused by the kernel */
} RelayStats;

/* Binds the ports, on IPv6 and IPv4, and starts the threads.
 * Returns: 0; negative errno and in @out_why (RELAY_WHY_SIZE bytes) what failed. */
MESH_CHECKED int relay_start(const RelayConfig *config, Relay **out_relay, char *out_why);

/* Ends the session of a node, if it has one, and refuses its tokens for as long as they may live.
 */
void relay_revoke(Relay *self, const RelayNode *node);

/* Takes that back: the node may bind with the token that it has. */
void relay_allow(Relay *self, const RelayNode *node);

/* Tells every session to come back in @wait_ms, now: the relay is about to stop. */
void relay_drain(Relay *self, unsigned wait_ms);

/* Ends the threads and frees @self. Nobody calls it any more. NULL is fine. */
void relay_stop(Relay *self);

void relay_get_stats(Relay *self, RelayStats *out_stats);

/* Fixed for the life of @self. */
const MeshKey *relay_get_key(const Relay *self); /* rk */
uint16_t       relay_get_port(const Relay *self);
