/* daemon/path/meet.h: a pair that found no direct way meets at a relay that another node keeps, or
 * by TCP where UDP is blocked (docs/PATHS.md §9, §10). Main loop only. Inside of daemon/path: for
 * seek.c and attempt.c. */
#pragma once

#include "daemon/path/seek.h"

#include <stdbool.h>
#include <stdint.h>

/** PathMeet: what of it belongs to one seek. */
typedef struct {
    size_t   n_links;
    uint8_t  links[2]; /* relays held for this peer */
    uint8_t  tcp;      /* connection straight to it; 0: none */
    uint64_t txid;     /* of the ping by our server's relay that theirs are compared with */
    int64_t  sent_us;  /* of it; 0: answered, or none */
    int64_t  relay_us; /* round trip by the server's relay; 0: not known */
} PathMeet;

/** path_meet_is_direct: packets go by no relay, not another node's either: nothing to look for. */
bool path_meet_is_direct(PathSeek *self);

/** path_meet_offered: there is one more node that keeps a relay. */
void path_meet_offered(PathSeek *self);

/** path_meet_begin: no direct way was found: asks for sessions where the pair meets. */
void path_meet_begin(PathSeek *self);

/** path_meet_dial: an attempt begins, or news of the peer came: TCP straight to it if UDP is
 * blocked here or there. */
void path_meet_dial(PathSeek *self);

/** path_meet_end: a direct way was found, or nobody talks: gives the sessions back. Returns: true:
 * packets went by one, so another way has to be taken. */
bool path_meet_end(PathSeek *self);

/** path_meet_look: sessions came or went: pings by new ones; the same return. */
bool path_meet_look(PathSeek *self);

/** path_meet_connected: TCP straight to the peer is open, or (0) has ended. */
void path_meet_connected(PathSeek *self, uint8_t link);

/** path_meet_take_pong: one that @way was not asked by: of the server's relay? */
void path_meet_take_pong(PathSeek *self, uint64_t txid);

/** path_meet_is_worth: @way, by another node's relay, is not slower than the server's. */
bool path_meet_is_worth(const PathSeek *self, const PathWay *way);
