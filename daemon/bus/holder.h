/* daemon/bus/holder.h: for whom a network is up in NetworkManager's mode: one name on the bus. When
 * it leaves the bus the mode ends. Inside daemon/bus only; main loop. */
#pragma once

#include "daemon/networks.h"

#include <gio/gio.h>
#include <stdbool.h>

typedef struct BusHolder BusHolder;

/** bus_holder_new: of the network with this id; both borrowed. */
BusHolder *bus_holder_new(MeshdNetworks *networks, const char *id);
void       bus_holder_free(BusHolder *self); /* changes nothing; NULL is fine */

/** bus_holder_take: from now on the mode goes with the caller's name. Errors: BUSY, another has it.
 */
bool bus_holder_take(BusHolder *self, GDBusMethodInvocation *invocation, GError **error);

/** bus_holder_release: ends the mode if the caller has it. */
void bus_holder_release(BusHolder *self, GDBusMethodInvocation *invocation);
