/* daemon/path/netcheck.h: looks what stands between this host and the relays of one network: NAT,
 * blocked UDP, how far each relay is. By STUN (RFC 8489, RFC 5780), padded so that no answer is
 * longer than its question; for a second or so at start, after changes and when asked.
 *
 * How far a relay is, is asked on the data plane's own socket. The NAT is judged from four sockets
 * made for it: who may answer, and the step from one port to the next, show only on mappings that
 * nothing was sent by before. Thread: main loop. */
#pragma once

#include "daemon/path/natclass.h"
#include "daemon/path/path.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define PATH_NETCHECK_MAX_RELAYS 16u

/** PathNetcheckRelay: how a relay was met. */
typedef struct {
    uint16_t id;
    char     name[64];
    bool     usable;
    int64_t  udp4_us, udp6_us; /* round trip; 0: no answer, or not asked */
} PathNetcheckRelay;

/** PathNetcheckReport: of the last check that ended. */
typedef struct {
    bool              done;  /* there was one since the network changed */
    int64_t           at_ms; /* boot clock: when it ended */
    PathAnswer        udp4;  /* NO: nobody answered; UNKNOWN: no relay, or no such address here */
    PathAnswer        udp6;
    PathNat           nat;    /* of IPv4 */
    MeshEndpoint      mapped; /* the data plane's socket as the first relay saw it; family 0: not */
    size_t            n_relays;
    PathNetcheckRelay relays[PATH_NETCHECK_MAX_RELAYS];
} PathNetcheckReport;

typedef struct PathNetcheck PathNetcheck;

/* A check ended; @report is borrowed for the call. NULL: the network went down before. */
typedef void (*PathNetcheckDone)(const PathNetcheckReport *report, void *user_data);

/** PathNetcheckEvents: what is told of every check. */
typedef struct {
    void (*changed)(void *user_data); /* the NAT is of another kind than the check before found */
    void (*met)(uint16_t relay, int64_t rtt_us, void *user_data); /* it answered; 0: it did not */
    void (*ended)(void *user_data);
} PathNetcheckEvents;

/* @plane is borrowed. */
PathNetcheck *path_netcheck_new(WirePlane *plane, const PathNetcheckEvents *events,
                                void *user_data);
void          path_netcheck_free(PathNetcheck *self); /* who waits is told; NULL is fine */

/** path_netcheck_set_relays: copies. Checks if they differ from those before. */
void path_netcheck_set_relays(PathNetcheck *self, const PathRelay *relays, size_t n_relays);

/** path_netcheck_set_host: the network of this host changed; what was found is void. Checks. */
void path_netcheck_set_host(PathNetcheck *self, const MeshAddr *addrs, size_t n_addrs);

/** path_netcheck_renew: the same addresses, but perhaps another network: after sleep, say. What was
 * found counts until the check ends. */
void path_netcheck_renew(PathNetcheck *self);

/** path_netcheck_again: the same, to be sure of what was found; after the check under way. */
void path_netcheck_again(PathNetcheck *self);

/** path_netcheck_run: a new check, or the one under way. @done is called once, perhaps from
 * inside. */
void path_netcheck_run(PathNetcheck *self, PathNetcheckDone done, void *user_data);

/** path_netcheck_handle: an answer that came to the data plane's socket. Returns: false: it is no
 * STUN. */
bool path_netcheck_handle(PathNetcheck *self, const WireEvent *event);

const PathNetcheckReport *path_netcheck_get(const PathNetcheck *self); /* borrowed */
