/* tests/daemon/wire/pair.h: two planes in this process, their TUNs socket pairs that the test holds
 * the other ends of, their sockets on loopback. Time can be moved. Every wait has a limit and fails
 * the test. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/wire/plane.h"

enum { PAIR_MAX_SHARDS = 8 };

typedef struct {
    WirePlane  *plane;
    WireConfig *config;
    MeshKey     private_key, public_key;
    int         host; /* the host's end of the TUN, of its first queue */
    int         more_hosts[PAIR_MAX_SHARDS - 1];
    uint16_t    shards;
    bool        offload;
    WireSwitch  gso;
} PairSide;

typedef struct {
    PairSide a, b; /* inner 10.9.0.1 and fd09::1; 10.9.0.2 and fd09::2 */
} Pair;

typedef struct {
    bool       v6;          /* outer IPv6 */
    bool       psk;         /* with a preshared key */
    bool       psk_differs; /* b has another */
    uint16_t   keepalive_s; /* of a for b */
    bool       unrouted;    /* a does not know where b is */
    bool       offload;     /* frames of both TUNs have a virtio header */
    WireSwitch gso;
    uint16_t   shards; /* of both; 0: one */
} PairOptions;

void pair_start(Pair *self, const PairOptions *options);
void pair_stop(Pair *self);

/* An inner packet of @len bytes from one host to the other; @v6: family. Filled by @seed. */
size_t pair_make_packet(bool from_a, bool v6, uint8_t seed, size_t len, uint8_t *out);

void   pair_write(PairSide *side, const uint8_t *packet, size_t len);
size_t pair_read(PairSide *side, uint8_t *out, size_t size); /* waits */
bool   pair_is_quiet(PairSide *side);                        /* nothing to read now */

/* Sends one packet and checks that just it arrives. */
void pair_pass(Pair *self, bool from_a, bool v6, uint8_t seed, size_t len);

/* Waits for an event of @kind, passing over others. */
void pair_wait_event(PairSide *side, WireEventKind kind, WireEvent *out_event);

/* Waits until @holds. */
void pair_wait_until(bool (*holds)(void *data), void *data);

MeshEndpoint pair_endpoint(const PairSide *side, bool v6);
WirePeerInfo pair_info(PairSide *side, const PairSide *peer);
uint64_t     pair_drops(PairSide *side, WireDrop why);
