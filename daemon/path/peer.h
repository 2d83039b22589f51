/* daemon/path/peer.h: the path of one peer: what is tried, when it is looked at again, what is
 * told of it. Thread: main loop. Inside of daemon/path; path.c owns the set of them. */
#pragma once

#include "common/glib/backoff.h"
#include "daemon/path/path.h"
#include "daemon/path/seek.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/** PathPeerHost: what the paths of a network share; owned by path.c. */
typedef struct {
    PathSeekHost *seek;   /* also what this host is: addresses, whether there is a server */
    GHashTable   *probes; /* index of probes to us → PathPeerPath; kept by peer.c */
    GHashTable   *nodes;  /* index of the node → PathPeerPath; kept by peer.c */
    PathAim       firsts; /* probes by relay of peers without a seek, data without a session */
    PathAim       strays; /* the latter, straight from an address, which anybody can write */
    void (*due)(int64_t due_ms, void *user_data); /* path_peer_look() wants to be called then */
    void (*changed)(const MeshKey *peer, void *user_data);
    void *user_data;
} PathPeerHost;

/** PathPeerPath: path.c reads @told, @due_ms and @seek, and sets what others tell: @udp, @seen,
 * @nat. */
typedef struct {
    PathPeerHost       *host;
    bool                known; /* @told means something */
    PathPeer            told;  /* its endpoints are ours */
    size_t              n_candidates;
    MeshRecordEndpoint *candidates; /* owned; of ten thousand peers most have few */
    bool                trying;     /* the data plane sends initiations for us */
    bool                failed;
    bool                met;    /* there was a session, or all tries failed */
    int64_t             due_ms; /* boot clock: when to look at it again; INT64_MAX: never */
    MeshBackoff         backoff;
    PathKind            shown; /* as told by the last changed() */
    bool                shown_tls;
    PathSeek           *seek; /* finds its ways, once that is wanted; NULL: not yet */
    PathAnswer          udp;  /* does its relay see it there over UDP? */
    MeshEndpoint        seen; /* where */
    bool                told_nat;
    MeshProbeNat        nat;
} PathPeerPath;

/** path_peer_new: nothing is known yet but its key: path_peer_tell() follows. */
PathPeerPath *path_peer_new(PathPeerHost *host, const MeshKey *key);
void          path_peer_free(PathPeerPath *self); /* leaves both indexes */

/** path_peer_tell: what the map says of it now. If it is new, all earlier failure is forgotten. */
void path_peer_tell(PathPeerPath *self, const PathPeer *told);

void path_peer_start_over(PathPeerPath *self); /* something about the host is new */

/** path_peer_relayed: sessions at relays came or went. */
void path_peer_relayed(PathPeerPath *self);

/** path_peer_connect: starts an attempt now, unless one is under way. */
void path_peer_connect(PathPeerPath *self);

void path_peer_look(PathPeerPath *self);              /* @due_ms is over */
void path_peer_show(PathPeerPath *self, bool always); /* tells, if its kind changed */

/** path_peer_handle: of this peer, not RAW. STRAY: of a session that it had with us before we
 * started: it is called, so that it need not find out by silence. */
void path_peer_handle(PathPeerPath *self, const WireEvent *event);

/** path_peer_take: a probe of this peer's, by relay or with the index of its keys. */
void path_peer_take(PathPeerPath *self, const WireEvent *event);

/** path_peer_read: what the data plane says of it. Returns false: it does not know it. */
bool path_peer_read(const PathPeerPath *self, WirePeerInfo *out_info);

/** path_peer_explain: see path_explain(). */
bool path_peer_explain(PathPeerPath *self, PathInfo *out_info);
