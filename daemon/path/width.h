/* daemon/path/width.h: how long a datagram a way carries: path MTU discovery by pings of our
 * own, padded and not to be taken apart on their way; no ICMP is believed. What is found goes into
 * the peer's route, and the host is told. A way over IPv6 that carries less than IPv6 itself needs
 * inside the tunnel is left out for a while; of IPv4 routers take such packets apart. Thread: main
 * loop. Inside of daemon/path; seek.c uses it. */
#pragma once

#include "daemon/path/rungs.h"
#include "daemon/wire/plane.h"

#include <glib.h>

typedef struct PathSeek PathSeek;

/** PathWidth: zeros: nothing is asked. */
typedef struct {
    guint     timer;
    bool      asking;  /* @rungs are under way; else the timer waits for the next look */
    bool      proving; /* only whether what is known still holds */
    bool      tls;     /* @way is by the server's relay, and over TLS, as far as was told */
    WireWay   way;
    uint64_t  txid;     /* of the first of @rungs */
    int64_t   asked_ms; /* the last time, with a short ping beside */
    bool      pinged;   /* that went; it may not go everywhere at any time */
    bool      answered; /* a long one was, since then */
    bool      unproved; /* so nothing but that went: nobody knows that the peer is there */
    unsigned  waits;    /* that may follow, where nothing of it is answered */
    int64_t   since_ms;
    int64_t   searched_ms; /* the last whole search of @way; 0: none */
    PathRungs rungs;
} PathWidth;

/** path_width_ask: of the way in use, when it is new or in doubt. */
void path_width_ask(PathSeek *self);
/** path_width_proved: the way in use answered: it is asked now, if it was not, for want of that. */
void path_width_proved(PathSeek *self);
/** path_width_relayed: data goes by the server's relay; if it goes on doing so, that is asked. */
void path_width_relayed(PathSeek *self);
/** path_width_moved: sessions at relays changed: one that went over from TLS to UDP carries less,
 * the other way round more. A way that was not turned to yet is left alone: that looks at its
 * session itself. */
void path_width_moved(PathSeek *self);
void path_width_end(PathSeek *self);

/** path_width_take_pong: Returns: true: it answered a long ping. */
bool path_width_take_pong(PathSeek *self, uint64_t txid);

/** path_width_get: inner bytes that the way in use carries; 0: not known, and not limited. */
uint16_t path_width_get(PathSeek *self);

/** path_width_show: inner bytes, for people; 0: not known. */
unsigned path_width_show(PathSeek *self);

/** path_seek_leave: of seek.c: the way in use is left, for the best that answered lately. */
void path_seek_leave(PathSeek *self);
