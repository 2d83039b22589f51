/* daemon/traffic.h: the counters of one network, read while somebody watches: what changed since a
 * watcher was told last. Keeps the last reading of each peer that ever had traffic, and asks the
 * data plane when it is told to; costs nothing otherwise. Owner: who watches. Thread: main loop. */
#pragma once

#include "daemon/engine.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct MeshdTraffic MeshdTraffic;

/** MeshdTrafficTotals: zero while the network is down. */
typedef struct {
    uint64_t rx_bytes, tx_bytes; /* packets of the tunnel, without WireGuard's own */
} MeshdTrafficTotals;

/** MeshdTrafficPeer: one peer as it was when it was read. */
typedef struct {
    MeshKey  node;
    uint64_t rx_bytes, tx_bytes; /* as WirePeerInfo has them */
    uint64_t rtt_us;             /* of a direct way; 0: not known */
    int64_t  last_handshake_s;   /* 0: never */
} MeshdTrafficPeer;

/** MeshdTrafficMark: how far one watcher was told; zero but for @only at first. */
typedef struct {
    bool     one;   /* of one peer, @only, and not of all */
    MeshKey  only;  /* its node key */
    uint64_t told;  /* what changed up to this reading was told */
    uint64_t until; /* the reading at which the round under way began; 0: none is under way */
    uint32_t next;  /* index of the peer that it goes on with */
} MeshdTrafficMark;

typedef void (*MeshdTrafficTell)(const MeshdTrafficPeer *peer, void *user_data);

MeshdTraffic *meshd_traffic_new(void);
void          meshd_traffic_free(MeshdTraffic *self); /* NULL is fine */

/** meshd_traffic_read: asks the data plane now, unless that was done just before. */
void meshd_traffic_read(MeshdTraffic *self, MeshdEngine *engine);

MeshdTrafficTotals meshd_traffic_get_totals(const MeshdTraffic *self);

/** meshd_traffic_tell: calls @tell for peers that changed and were not told by @mark yet, for at
 * most @max: the next call goes on behind the last of them. Returns: how many. */
unsigned meshd_traffic_tell(MeshdTraffic *self, MeshdTrafficMark *mark, unsigned max,
                            MeshdTrafficTell tell, void *user_data);
