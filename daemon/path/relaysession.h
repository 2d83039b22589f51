/* daemon/path/relaysession.h: our session at one relay over UDP: asked for, kept, proven, bound
 * anew (docs/PATHS.md §3); over TLS (relaystream.c) while UDP does not answer. What is bound is a
 * link of the data plane.
 *
 * Thread: main loop. Inside of daemon/path: relays.c has one for each relay of the map. */
#pragma once

#include "daemon/path/path.h"
#include "daemon/wire/plane.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct PathRelaySession PathRelaySession;

/** PathRelayHost: what the sessions of a network share; owned by relays.c, read here. */
typedef struct {
    WirePlane   *plane; /* borrowed */
    PathRelayMap map;   /* relays and token are owned copies */
    bool         has4, has6;
    bool         over_tls; /* so the last session that was bound is: UDP may be blocked here */
    void (*changed)(uint16_t relay, void *user_data); /* as in PathRelaysEvents */
    void (*found)(uint16_t relay, uint32_t index, const MeshEndpoint *at, void *user_data);
    /* That node is not there; a ping of a bound session went unanswered. Both may be NULL. */
    void (*gone)(uint16_t relay, uint32_t index, void *user_data);
    void (*late)(uint16_t relay, void *user_data);
    unsigned (*get_silence_ms)(void *user_data); /* NULL: not known */
    void *user_data;
} PathRelayHost;

/** PathRelayView: what a session is now. */
typedef struct {
    bool         bound;         /* packets go by its link */
    bool         tls;           /* over TLS, as UDP did not answer */
    bool         hopeful;       /* it is being asked for, and was not refused yet */
    MeshEndpoint at, seen;      /* of the relay; our own port as the relay sees it */
    int64_t      rtt_us;        /* of the last ping that was answered; 0: none */
    int64_t      unanswered_us; /* how long the oldest ping has waited; 0: none does */
} PathRelayView;

/** path_relaysession_new: @relay is copied; @link: its number in the data plane, from 1. Nothing is
 * sent before it is wanted. */
PathRelaySession *path_relaysession_new(PathRelayHost *host, const PathRelay *relay, uint8_t link);
void              path_relaysession_free(PathRelaySession *self); /* says CLOSE; NULL is fine */

uint8_t path_relaysession_get_link(const PathRelaySession *self);
void    path_relaysession_get_view(const PathRelaySession *self, PathRelayView *out_view);

/** path_relaysession_want: from now on there shall be one. */
void path_relaysession_want(PathRelaySession *self);

/** path_relaysession_renew: @host has a new token or other addresses: whoever was refused or had
 * none to talk from asks again. */
void path_relaysession_renew(PathRelaySession *self);

/** path_relaysession_doubt: something that was sent by it was not answered: it is proven anew, in
 * a hurry, but not all the time. @now: our network changed: proven anew, whatever was before. */
void path_relaysession_doubt(PathRelaySession *self, bool now);

/** path_relaysession_ping: measures it; the view tells. Nothing without a session. */
void path_relaysession_ping(PathRelaySession *self);

/** path_relaysession_ask: asks where node @index is: found() will tell. Nothing without a session.
 */
void path_relaysession_ask(PathRelaySession *self, uint32_t index);

/** path_relaysession_take: a frame of a relay. Returns: false: it did not come from ours. */
bool path_relaysession_take(PathRelaySession *self, const WireEvent *event);
