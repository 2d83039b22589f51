/* daemon/path/relays.h: the relays of a network and our sessions there (docs/PATHS.md §2, §3).
 *
 * One session at home, where peers look for us first: the relay that answers fastest and takes new
 * nodes. Others when a peer is found only there, or when the home is about to be lost. What is
 * bound is a link of the data plane. Thread: main loop. Inside of daemon/path. */
#pragma once

#include "daemon/path/path.h"
#include "daemon/path/peerrelays.h"
#include "daemon/path/prefix64.h"
#include "daemon/wire/plane.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct PathRelays PathRelays;

/** PathRelaysEvents: may be called from inside any call here. */
typedef struct {
    /* A session was bound, moved or lost, or another relay is home or second. 0: at a relay that
     * another node keeps. */
    void (*changed)(uint16_t relay, void *user_data);
    /* The relay saw node @index at @at; family 0: it is there, but not over UDP. */
    void (*found)(uint16_t relay, uint32_t index, const MeshEndpoint *at, void *user_data);
    /* Node @index is not at the relay where it was sent to: another way may be there. */
    void (*gone)(uint32_t index, void *user_data);
    /* A ping went unanswered: @link may be lost in a moment. May be NULL. */
    void (*late)(uint8_t link, void *user_data);
    /* Is somebody reached by @link who was heard of lately? */
    bool (*is_used)(uint8_t link, void *user_data);
    /* How far the relays are is to be measured again: path_relayhome_met() tells. */
    void (*measure)(void *user_data);
    /* How long a session may be silent, over UDP. */
    unsigned (*get_silence_ms)(void *user_data);
} PathRelaysEvents;

/** path_relays_new: @peers, the relays of other nodes, follows these in token, host and doubt;
 * borrowed and outlives the result. */
PathRelays *path_relays_new(WirePlane *plane, PathPeerRelays *peers, const PathRelaysEvents *events,
                            void *user_data);
void        path_relays_free(PathRelays *self); /* says CLOSE; NULL is fine */

/** path_relays_set: the relays there are and what opens them; copies. Sessions at relays that stay
 * as they were go on. */
void path_relays_set(PathRelays *self, const PathRelayMap *map);

/** path_relays_set_reach: what this host can speak; copies; a change binds anew. */
void path_relays_set_reach(PathRelays *self, const PathReach *reach);

/** path_relays_get_way: how node @index is reached by the first of its relays where we are bound
 * and it is; at others a session is begun when @want. Returns: false: not now. */
bool path_relays_get_way(PathRelays *self, const PathPeer *peer, bool want, WireWay *out_way);

/** path_relays_prepare: begins sessions at all relays where @peer may be: the first may be lost. */
void path_relays_prepare(PathRelays *self, const PathPeer *peer);

/** path_relays_ask: asks the relay of @way where that node is: @found will tell. */
void path_relays_ask(PathRelays *self, const WireWay *way);

/** PathRelayLook: a session at a relay, looked at. */
typedef struct {
    MeshEndpoint alt, seen;     /* its second STUN port; our own port as it sees it */
    int64_t      rtt_us;        /* of the last ping that was answered; 0: none */
    int64_t      unanswered_us; /* how long the oldest ping has waited; 0: none does */
    bool         tls;           /* over TLS, as UDP does not answer */
} PathRelayLook;

/** path_relays_look: at the session of @way, or at home (NULL); @ping: measure it. Returns: false:
 * there is none. */
bool path_relays_look(PathRelays *self, const WireWay *way, bool ping, PathRelayLook *out_look);

/** path_relays_is_tls: whether @way is by a relay's session that is over TLS. */
static inline bool path_relays_is_tls(PathRelays *self, const WireWay *way)
{
    PathRelayLook look;

    return way->link != 0 && path_relays_look(self, way, false, &look) && look.tls;
}

/** path_relays_doubt: something by @way was not answered: proves its session anew, and that at
 * home. NULL: our network changed: proves all of them. */
void path_relays_doubt(PathRelays *self, const WireWay *way);

/** path_relays_handle: a frame of a relay. Returns: false: it is none. */
bool path_relays_handle(PathRelays *self, const WireEvent *event);

/** path_relays_name: "frankfurt"; borrowed; NULL: no such link. */
const char *path_relays_name(PathRelays *self, uint8_t link);
