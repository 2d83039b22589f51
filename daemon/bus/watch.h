/* daemon/bus/watch.h: who watches one network's counters; tells each caller, and nobody else.
 * Nothing runs while nobody does. Inside daemon/bus only; main loop. */
#pragma once

#include "daemon/networks.h"

#include <gio/gio.h>
#include <stdbool.h>

typedef struct BusWatch BusWatch;

/** bus_watch_new: @id: of the network, whose engine is looked up at each reading. */
BusWatch *bus_watch_new(MeshdNetworks *networks, const char *id);
void      bus_watch_free(BusWatch *self); /* NULL is fine */

/** bus_watch_start: the caller of @invocation, which stays the caller's to answer, is told from the
 * next turn of the main loop on, until bus_watch_stop() or until it leaves the bus. @peer: as in
 * Watch. Errors: INVALID_ARGUMENT, NETWORK_DOWN, NO_SUCH_PEER, LIMIT. */
bool bus_watch_start(BusWatch *self, GDBusMethodInvocation *invocation, const char *peer,
                     guint interval_ms, GError **error);

/** bus_watch_stop: @sender: its unique name. */
void bus_watch_stop(BusWatch *self, const char *sender);
