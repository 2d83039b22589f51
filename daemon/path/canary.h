/* daemon/path/canary.h: are datagrams lost that leave as one message (UDP GSO), on the way in use?
 * When the data plane tells that it sent some, a burst of padded pings goes the same way; what does
 * not come back is compared with single ones (trains.h). A way that loses bursts gets single
 * datagrams until a burst arrives there again. Peers need to know nothing of it: they answer pings.
 * Thread: main loop. Inside of daemon/path; seek.c and width.c use it. */
#pragma once

#include "daemon/path/trains.h"
#include "daemon/wire/plane.h"

#include <glib.h>

typedef struct PathSeek PathSeek;

/** PathCanary: zeros: nothing is asked. */
typedef struct {
    guint      timer; /* of the train under way; else until bursts are listened for again */
    bool       asking;
    WireWay    way;  /* that it went */
    uint64_t   txid; /* of its first ping */
    PathTrains trains;
    bool       singly;   /* @way loses bursts */
    int64_t    again_ms; /* then that is asked anew */
    int64_t    pause_ms; /* until the time after that */
} PathCanary;

/** path_canary_listen: the plane tells of bursts once a way: whoever knows nothing of the way, or
 * heard of them and asks nothing, has to listen again. */
void path_canary_listen(PathSeek *self);

/** path_canary_hear: bursts went to the peer by the way in use. */
void path_canary_hear(PathSeek *self);

/** path_canary_look: while data moves, now and then: are bursts lost still? */
void path_canary_look(PathSeek *self);

/** path_canary_take_pong: Returns: true: it answered a ping of a train. */
bool path_canary_take_pong(PathSeek *self, uint64_t txid);

/** path_canary_wants_single: of the way that the route is about to name. */
bool path_canary_wants_single(const PathSeek *self, const WireWay *way);

void path_canary_end(PathSeek *self);
