/* daemon/path/ways.h: the direct ways to one peer: which there are, what is known of each, which is
 * best. Pure: the clock is given. Inside of daemon/path. */
#pragma once

#include "common/proto/record.h"
#include "common/std/ip.h"
#include "daemon/wire/plane.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATH_MAX_WAYS      24u
#define PATH_WAY_IN_FLIGHT 4u /* pings of one way whose answers still count */

/* Best first. */
typedef enum {
    PATH_RANK_LAN6,
    PATH_RANK_LAN4,
    PATH_RANK_V6,
    PATH_RANK_MAPPED,
    PATH_RANK_OBSERVED,
    PATH_RANK_NAT64,      /* from a host without IPv4, through its provider's */
    PATH_RANK_PEER_RELAY, /* by a relay that another node keeps */
    PATH_RANK_TCP,        /* by TCP straight to the peer */
} PathRank;

typedef struct {
    WireWay  to; /* by a link only at another node's relay */
    PathRank rank;
    bool     valid;      /* our ping was answered, and nothing spoke against it since */
    bool     trusted;    /* the relay, or the peer's own packets, showed that it is there */
    int64_t  rtt_us;     /* of the last answer; 0: none yet */
    int64_t  valid_ms;   /* of it */
    int64_t  heard_ms;   /* an authentic packet of WireGuard came from there; 0: never */
    int64_t  pinged_ms;  /* last ping; 0: never */
    int64_t  narrow_ms;  /* when it was found to lose long packets; 0: it was not */
    uint16_t width;      /* bytes of UDP that it carries, no more of them than asked for; 0: not
                          * known */
    unsigned unanswered; /* pings since the last answer */
    uint64_t txids[PATH_WAY_IN_FLIGHT];
    int64_t  sent_us[PATH_WAY_IN_FLIGHT];
    unsigned next; /* place of the next ping among those */
} PathWay;

typedef struct {
    PathWay list[PATH_MAX_WAYS];
    size_t  n;
} PathWays;

/** path_ways_rank: of an endpoint that a peer told. */
PathRank path_ways_rank(const MeshEndpoint *to, MeshRecordKind kind);

/** path_ways_add: the way @to, by that socket, new or known; of two ranks the better counts. A full
 * table gives up its least: never @keep (NULL: none), else one that does not work. NULL: nothing to
 * give up. Pointers of before may then mean another way. */
PathWay *path_ways_add(PathWays *self, const WireWay *to, PathRank rank, const PathWay *keep);
void     path_ways_remove(PathWays *self, PathWay *way);    /* the last one takes its place */
PathWay *path_ways_find(PathWays *self, const WireWay *to); /* NULL: unknown */

/** PathAim: what may be done so often, because others ask for it. Zeros: all of it is left. */
typedef struct {
    int64_t since_ms;
    int     left;
} PathAim;

/** path_ways_spend: @burst at once, @a_second later on. Returns: false: not now. */
bool path_ways_spend(PathAim *self, int a_second, int burst, int64_t now_ms);

/** path_ways_may_aim: a peer must not aim us at others: false: no ping there now. @all: pings to
 * public addresses that peers merely claim, of all peers of a network; @own: of this one, which may
 * not use up what is for all. */
bool path_ways_may_aim(PathAim *all, PathAim *own, const PathWay *way, int64_t now_ms);

/** path_ways_ping: notes a ping that is sent now. */
void path_ways_ping(PathWay *way, uint64_t txid, int64_t now_us);

/** path_ways_pong: the way that @txid was sent by works. NULL: none, or too long ago. */
PathWay *path_ways_pong(PathWays *self, uint64_t txid, int64_t now_us);

/** path_ways_is_better: worth leaving @than for: a better rank, or faster by max(10 %, 3 ms). */
bool path_ways_is_better(const PathWay *way, const PathWay *than);

/** path_ways_best: of those valid, and answered at @since_ms or later. NULL: none. */
PathWay *path_ways_best(PathWays *self, int64_t since_ms);

/** path_ways_wants_timing: a ping at full strength, before the timed start, could spoil what that
 * is to open: it is behind a NAT. */
bool path_ways_wants_timing(const PathWay *way);

void path_ways_doubt(PathWays *self); /* none is valid any more */
