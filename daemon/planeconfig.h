/* daemon/planeconfig.h: what the data plane is told of a map, and whether that is anything new.
 * Thread: main loop. */
#pragma once

#include "daemon/lock/verified.h"
#include "daemon/timestamps.h"
#include "daemon/wire/plane.h"

#include <stdbool.h>

/** MeshdPlaneWish: all that a configuration is made of, but what counts for new peers alone. */
typedef struct {
    LockVerified *map; /* NULL: nothing was told yet */
    uint16_t      port;
    bool          ip4;        /* of the network is used */
    bool          relayless;  /* paths are without a relay */
    bool          offers_aes; /* our own K does */
} MeshdPlaneWish;

/** meshd_planeconfig_is_alike: is the configuration of both the same? O(peers), a comparison of
 * pointers for each that is the same. */
bool meshd_planeconfig_is_alike(const MeshdPlaneWish *told, const MeshdPlaneWish *wanted);

/** meshd_planeconfig_make: owned; NULL: out of memory. */
WireConfig *meshd_planeconfig_make(const MeshdPlaneWish *wish, const MeshdTimestamps *timestamps);

/** meshd_planeconfig_change: the same for a @wish that differs little from what @told says and
 * @config, its configuration, holds: what did not change is shared with that, so that making and
 * applying it cost by the change. NULL: it has to be made anew, or out of memory. */
WireConfig *meshd_planeconfig_change(const WireConfig *config, const MeshdPlaneWish *told,
                                     const MeshdPlaneWish *wish, const MeshdTimestamps *timestamps);

/** meshd_planeconfig_is_eager: is @peer connected without traffic? Without relays the first peers
 * of the map that may be online are; where there are few peers that is all of them, with relays
 * too. @count: of the eager ones before it in the map, counted on. */
bool meshd_planeconfig_is_eager(const MeshdPlaneWish *wish, const LockPeer *peer, size_t *count);

/** meshd_planeconfig_is_few: are there so few that all are eager? */
bool meshd_planeconfig_is_few(const MeshdPlaneWish *wish);
