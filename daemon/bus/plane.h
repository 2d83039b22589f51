/* daemon/bus/plane.h: the counters of a data plane as a D-Bus value. Inside daemon/bus only. */
#pragma once

#include "daemon/view.h"

#include <gio/gio.h>

/** bus_plane_make: @stats: NULL: the network is down, which gives an empty one. Returns: a{sv},
 * floating. */
GVariant *bus_plane_make(const WireStats *stats);
