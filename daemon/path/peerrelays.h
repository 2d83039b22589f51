/* daemon/path/peerrelays.h: relays that nodes of the network keep for the others (docs/PATHS.md
 * §9): which of them a pair meets at, and our sessions there.
 *
 * A pair that finds no direct way meets at the same ones, because both rank them by a hash of the
 * relay and of the pair. A session lives as long as a seek holds it. Thread: main loop. Inside of
 * daemon/path. */
#pragma once

#include "daemon/path/path.h"
#include "daemon/path/prefix64.h"
#include "daemon/wire/plane.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PATH_FIRST_PEER_LINK = 9, /* links of the data plane from here to the next are ours */
    PATH_LAST_PEER_LINK = 12,
    PATH_PAIR_RELAYS = 2, /* that a pair tries */
};

typedef struct PathPeerRelays PathPeerRelays;

/** PathPeerRelaysEvents: @changed: sessions came or went. */
typedef struct {
    void (*changed)(void *user_data);
    void *user_data;
} PathPeerRelaysEvents;

PathPeerRelays *path_peerrelays_new(WirePlane *plane, const PathPeerRelaysEvents *events);
void            path_peerrelays_free(PathPeerRelays *self); /* NULL is fine */

/** path_peerrelays_set: the token that opens them, as for the relays of the map; copies. */
void path_peerrelays_set(PathPeerRelays *self, const PathRelayMap *map);
void path_peerrelays_set_reach(PathPeerRelays *self, const PathReach *reach);

/** path_peerrelays_offer: the peers of the network, of which those count that are online and keep a
 * relay; copies what it needs. Sessions that are held go on. Returns: true: there is one more. */
bool path_peerrelays_offer(PathPeerRelays *self, const PathPeer *peers, size_t n_peers);

/** path_peerrelays_hold: the links of the relays where the pair of probe keys @a and @b (in either
 * order) meets; sessions there are begun and held until given to release. @peer is left out: its
 * own relay is no help on the way to it. Returns how many. */
size_t path_peerrelays_hold(PathPeerRelays *self, const PathPeer *peer, const MeshKey *own,
                            uint8_t out_links[PATH_PAIR_RELAYS]);
void   path_peerrelays_release(PathPeerRelays *self, uint8_t link);

bool path_peerrelays_is_bound(PathPeerRelays *self, uint8_t link);
void path_peerrelays_doubt(PathPeerRelays *self); /* proves the sessions anew */

/** path_peerrelays_handle: a frame of a relay. Returns: false: of none of these. */
bool path_peerrelays_handle(PathPeerRelays *self, const WireEvent *event);

/** path_peerrelays_name: of the node that keeps it; borrowed; NULL: no such link. */
const char *path_peerrelays_name(PathPeerRelays *self, uint8_t link);
