/* daemon/path/news.h: the inside of a Path: its parts made, and what they tell heard, by news.c;
 * what the owner and the data plane tell, by path.c. Main loop only. Inside of daemon/path. */
#pragma once

#include "daemon/path/doctor.h"
#include "daemon/path/hardnat.h"
#include "daemon/path/lifetime.h"
#include "daemon/path/meet.h"
#include "daemon/path/natlook.h"
#include "daemon/path/peer.h"
#include "daemon/path/relays.h"
#include "daemon/path/shelter.h"
#include "daemon/path/tcpwant.h"
#include "daemon/path/tech-nat64.h"

struct Path {
    WirePlane    *plane; /* borrowed */
    MeshAddr      inner; /* our own in the mesh */
    PathEvents    events;
    void         *user_data;
    PathNatlook   look;
    PathNetcheck *check;
    PathShelter   shelter;
    PathTcpWant   tcp_want;
    PathLifetime *lifetime;
    PathNat64    *nat64;
    GArray       *relays; /* PathRelay: of the map, as they were told */
    PathSeekHost  host;   /* what seeks share */
    PathPeerHost  peer_host;
    GHashTable   *peers;   /* MeshKey * inside the PathPeerPath → owned PathPeerPath */
    GArray       *addrs;   /* MeshAddr: the host's */
    guint         timer;   /* 0: none */
    int64_t       wake_ms; /* boot clock: when @timer fires */
};

/* ---- path.c, for news.c ---- */

/* One timer for all peers, at the earliest due time. @user_data: the Path. */
void path_news_arm(int64_t due_ms, void *user_data);

/* ---- news.c, for path.c ---- */

/* Makes the parts of @self, which is zero. */
void path_news_start(Path *self, const PathOptions *options);

/* What the longer look at our NAT found counts, unless the short one, which is newer, says that it
 * is over. */
void path_news_use_nat(Path *self);

/* Returns: false: no answer to a question of ours. */
bool path_news_take_stun(Path *self, const WireEvent *event);

/* Calls peers again that are reached by relay only, as what we say of ourselves is another. */
void path_news_tell_all(Path *self);

bool path_news_is_six_only(const Path *self); /* IPv6, and no IPv4 */
void path_news_tell_reach(Path *self);        /* to the relays: what we can speak */
void path_news_measure_relays(Path *self);    /* from where they are reached */
void path_news_look_at_lifetime(Path *self);  /* of the mapping before us */
