/* daemon/bus/flood.h: what one caller may have under way. A call beyond it is answered with
 * LimitsExceeded on GDBus's own thread, before the main loop hears of it, whatever object and
 * interface it is for; so nobody can fill the main loop's queue. Inside daemon/bus only. */
#pragma once

#include <gio/gio.h>

#define BUS_FLOOD_CALLS 32u /* of one caller, that are not answered yet */
#define BUS_FLOOD_ALL                                                          \
    8192u /* of all: what one user's connections can hold, by the bus's limits \
           */
#define BUS_FLOOD_BYTES 16384u /* of one call's arguments and path */

typedef struct BusFlood BusFlood;

/** bus_flood_start: before anything is exported on @connection. Thread: main loop. */
BusFlood *bus_flood_start(GDBusConnection *connection);
void      bus_flood_stop(BusFlood *self); /* NULL is fine */
