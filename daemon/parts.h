/* daemon/parts.h: what one running network is made of on this host: data plane, host network, DNS,
 * paths. A table in order; what fails is undone in reverse. Thread: main loop. */
#pragma once

#include "daemon/lastgood.h"
#include "daemon/lock/verified.h"
#include "daemon/names.h"
#include "daemon/net/net.h"
#include "daemon/path/path.h"
#include "daemon/profile.h"
#include "daemon/timestamps.h"
#include "daemon/wire/plane.h"

#include <glib.h>
#include <stdbool.h>

typedef struct MeshdParts MeshdParts;

typedef struct {
    void (*path_changed)(const MeshKey *wg, void *user_data);
    void (*self_changed)(void *user_data); /* what peers have to know about us */
    void (*pong)(const WireEvent *event, void *user_data);
    /* The data plane cannot go on; stop the parts from an idle source, not from in here. */
    void (*broken)(int errnum, void *user_data);
} MeshdPartsEvents;

/** MeshdPartsNeeds: what the parts are made with; all borrowed. Interface name and port of the
 * profile are changed where they were free to choose. */
typedef struct {
    Net             *net;
    MeshdNames      *names;
    MeshdProfile    *profile;
    MeshdTimestamps *timestamps;
    MeshdLastgood   *lastgood;
} MeshdPartsNeeds;

/** meshd_parts_new: nothing runs yet. */
MeshdParts *meshd_parts_new(const MeshdPartsNeeds *needs, const MeshdPartsEvents *events,
                            void *user_data);
void        meshd_parts_free(MeshdParts *self); /* stops; NULL is fine */

/** meshd_parts_apply: makes the host as @map wants it. On failure everything is as it was: the map
 * before runs on, or nothing does. @ip4: false leaves all IPv4 of the network alone. */
bool meshd_parts_apply(MeshdParts *self, LockVerified *map, bool ip4, GError **error);

/** meshd_parts_apply_presence: the same where only endpoints or presence changed. */
void meshd_parts_apply_presence(MeshdParts *self, LockVerified *map);

/** meshd_parts_mend: puts back what somebody else took from the interface. */
bool meshd_parts_mend(MeshdParts *self, GError **error);

/** meshd_parts_stop: undoes all, in reverse; interface, addresses and routes are gone after it. */
void meshd_parts_stop(MeshdParts *self);

LockVerified *meshd_parts_get_map(MeshdParts *self);            /* borrowed; NULL: nothing runs */
WirePlane    *meshd_parts_get_plane(MeshdParts *self);          /* borrowed; NULL: nothing runs */
Path         *meshd_parts_get_path(MeshdParts *self);           /* borrowed; NULL: nothing runs */
bool          meshd_parts_has_ip(MeshdParts *self, int family); /* false too: the host has it off */

/** meshd_parts_let_tcp_in: a router forwards TCP to the data plane's port: peers are awaited there.
 */
void meshd_parts_let_tcp_in(MeshdParts *self, bool on);

/** meshd_parts_set_host: copies; also for paths that start later. */
void meshd_parts_set_host(MeshdParts *self, const PathHost *host);
