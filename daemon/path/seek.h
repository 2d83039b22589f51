/* daemon/path/seek.h: finds and keeps the way to one peer that has a probe key (docs/PATHS.md §5):
 * by relay at once, directly as soon as a ping there was answered, back to the relay when data goes
 * unanswered. It alone sets that peer's route, which is pinned.
 *
 * Thread: main loop. Inside of daemon/path. */
#pragma once

#include "common/codec/probe.h"
#include "daemon/path/directtcp.h"
#include "daemon/path/path.h"
#include "daemon/path/relays.h"
#include "daemon/path/ways.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/** PathSearch: for a direct way. */
typedef enum {
    PATH_SEARCH_NONE, /* none is under way */
    PATH_SEARCH_FIRST,
    PATH_SEARCH_AGAIN, /* the one before found nothing */
} PathSearch;

typedef struct PathSeek    PathSeek;
typedef struct PathHardnat PathHardnat;

/** PathSeekHost: what the peers of a network share; owned by path.c, read here. */
typedef struct {
    WirePlane          *plane;
    PathRelays         *relays;
    PathPeerRelays     *peerrelays;
    PathTcp            *tcp;
    MeshNetworkId       net;
    MeshKey            *probe_private; /* guarded */
    MeshKey             probe_public;
    MeshProbeNat        nat; /* before this host, as it was measured; mapping 0: not known */
    bool                ports_known; /* its step and block were looked for */
    bool                independent; /* one port for all: several servers have seen it */
    uint16_t            least_port, greatest_port; /* that it was seen to give; 0: none */
    PathHardnat        *hard;   /* the one search behind a hard NAT that is under way; NULL: none */
    GArray             *addrs;  /* MeshAddr: the host's */
    const PathPrefix64 *prefix; /* through which it reaches IPv4; never NULL */
    bool                relayless;  /* there is no relay, and was none for a while */
    size_t              n_relays;   /* of the network */
    bool                has_server; /* so that news of peers and relays may come */
    bool                no_hard;    /* the owner does not want searches through hard NATs */
    /* Our candidates for a CALL; returns how many. */
    size_t (*list_own)(void *user_data, MeshProbeCandidate out[MESH_PROBE_MAX_CANDIDATES]);
    /* A peer told the NAT before it. */
    void (*told)(const MeshKey *peer, const MeshProbeNat *nat, void *user_data);
    void (*changed)(const MeshKey *peer, void *user_data);
    /* A peer would come by TCP if a router let it in. */
    void (*wants_tcp)(void *user_data);
    void   *user_data;
    PathAim aim; /* for all peers */
    uint64_t
        n_spent; /* counters of probes up to this one were used with keys that may come again */
} PathSeekHost;

/** path_seek_new: @told is borrowed and has to outlive the result; with a probe key. NULL: its key
 * is of no use. */
PathSeek *path_seek_new(PathSeekHost *host, const PathPeer *told);
void      path_seek_free(PathSeek *self); /* NULL is fine */

/** path_seek_told: @told, where the peer is and may be, changed (not its probe key), or what we
 * say of ourselves in calls. */
void path_seek_told(PathSeek *self);

/** path_seek_want: a session is wanted: by relay now, directly soon. */
void path_seek_want(PathSeek *self);

/** path_seek_doubt: the host's network changed: what worked has to be proven again. */
void path_seek_doubt(PathSeek *self);

/** path_seek_check: is the way in use still one? Only where there was data lately. */
void path_seek_check(PathSeek *self);

/** path_seek_relayed: sessions at relays came or went. */
void path_seek_relayed(PathSeek *self);

/** path_seek_found: the relay of @way sees the peer at @at. */
void path_seek_found(PathSeek *self, const MeshEndpoint *at);

void path_seek_handle(PathSeek *self, const WireEvent *event); /* of its peer */

uint32_t path_seek_get_index(const PathSeek *self); /* of probes to us */

/** path_seek_take: a probe with that index came. Returns: false: it is not the peer's. */
bool path_seek_take(PathSeek *self, const WireEvent *event);

/** path_seek_get_way: what the route says now. @out_rtt_us: of a direct way; 0: not measured.
 * Returns: false: there is none. */
bool path_seek_get_way(PathSeek *self, WireWay *out_way, int64_t *out_rtt_us,
                       PathSearch *out_search);
