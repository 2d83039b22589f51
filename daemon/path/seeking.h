/* daemon/path/seeking.h: the inside of a seek, for seek.c (its route, what comes) and attempt.c
 * (the search for a direct way). Main loop only. */
#pragma once

#include "daemon/path/canary.h"
#include "daemon/path/hardnat.h"
#include "daemon/path/meet.h"
#include "daemon/path/seek.h"
#include "daemon/path/width.h"

enum { PATH_CALLS = 3 }; /* of an attempt, until one is answered */

/* Of an attempt to find a direct way. */
typedef enum { PATH_IDLE_PHASE, PATH_CALLING, PATH_CALLED, PATH_PUNCHING } PathPhase;

struct PathSeek {
    PathSeekHost   *host;
    const PathPeer *told;
    MeshProbeKeys   keys;
    PathWays        ways;
    PathAim         aim;    /* of what is for all peers: this one's share */
    WireWay         active; /* not set: none, by relay if at all */
    WireWay         relay;  /* link 0: none */
    WireWay         heard;  /* by which relay it was heard last, if not by that; link 0: none */
    bool            wanted; /* somebody wants to reach it, or it us */
    uint8_t   shown; /* what @host was told last: 0 none, 1 another node's relay, 2 direct, 3 TCP */
    PathPhase phase;
    uint16_t  attempt;
    uint64_t  call_txid; /* of the attempt's first CALL; the next ones count up */
    int64_t   call_us[PATH_CALLS];
    int64_t   called_ms; /* when a CALL of the peer's began one; 0: never */
    int64_t   start_ms;  /* of the bursts */
    unsigned  step, n_pings;
    guint     timer; /* of the attempt */
    int64_t   born_ms;
    guint     hope_timer;            /* until it is given up that the peer will be found by relay */
    int64_t   again_ms, again_in_ms; /* not before, unless something changed; next pause */
    unsigned  checks;                /* pings of the check under way; 0: none */
    int64_t   check_ms;              /* since when */
    guint     check_timer;
    guint     idle_timer;
    PathWay   relayed; /* what is known of @relay: width, when it answered */
    PathWidth width;
    PathCanary   canary;
    bool         resting;    /* idle so long that its way may have closed */
    bool         tls_only;   /* its relay has it, and not over UDP */
    MeshEndpoint seen;       /* where its relay sees it; family 0: not told */
    MeshProbeNat nat;        /* as it told; mapping 0: it does not know */
    uint16_t     local_port; /* as it told; 0: not */
    PathHardnat *hard;       /* the search under way behind a hard NAT; NULL: none */
    unsigned     n_hard[2];  /* rounds since the network changed: on the easy side, the hard */
    size_t       hard_spent; /* packets of both sides, of the attempt that began at */
    int64_t      hard_spent_ms;
    MeshAddr     hard_at;    /* where the peer was seen then */
    int64_t      hard_ms[2]; /* when the last one began */
    guint        hard_timer; /* until it is our turn to try as the hard side */
    PathMeet     meet;       /* where the pair meets when nothing direct is found */
    uint8_t      socket;     /* adopted by the plane for us; 0: none */
};

/* ---- seek.c, for attempt.c ---- */

bool     path_seek_is_alive(const PathSeek *self); /* there was data lately */
PathWay *path_seek_get_active(PathSeek *self);     /* NULL: by the server's relay, if at all */

/* Tells the data plane. @n_copies: batches that go by the relay too, if the way is direct. */
void path_seek_steer(PathSeek *self, uint16_t n_copies);

bool path_seek_send(PathSeek *self, const MeshProbe *probe, const WireWay *way, uint8_t ttl);

/** path_seek_ping: @ttl 0: as usual. Returns: false: not now, it might be aimed at others; a socket
 * that is full loses it as the network would. */
bool path_seek_ping(PathSeek *self, PathWay *way, uint8_t ttl);

/* Adds what of @list this host can try. */
void path_seek_add(PathSeek *self, const MeshRecordEndpoint *list, size_t n_list);

/* ---- attempt.c, for seek.c ---- */

/* Without a relay there is no timed start; so for a while that is waited for. */
bool path_attempt_is_hoping(const PathSeek *self);

void path_attempt_start(PathSeek *self); /* calls again, if one is under way */
void path_attempt_end(PathSeek *self, bool found);
void path_attempt_take_call(PathSeek *self, const MeshProbe *probe, const WireEvent *event);
void path_attempt_take_ack(PathSeek *self, const MeshProbe *probe);
void path_attempt_take_sync(PathSeek *self);
