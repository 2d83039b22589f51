/* daemon/bus/interfaces.h: the exported interfaces, one file each. Inside daemon/bus only; main
 * loop. */
#pragma once

#include "daemon/networks.h"

#include <gio/gio.h>
#include <stdbool.h>

/* ---- daemon.c ---- */

/** bus_daemon_new: the skeleton of org.meshvpn.Mesh1.Daemon; owned. */
GDBusInterfaceSkeleton *bus_daemon_new(MeshdNetworks *networks);

/** bus_daemon_judge: the verb of a Join by what its link would do; NULL: as the table says. */
const char *bus_daemon_judge(const char *interface, const char *method, GVariant *arguments);

/** bus_daemon_dup_path: object path of a network; owned. */
char *bus_daemon_dup_path(const char *id);

/* ---- network.c ---- */

typedef struct BusNetwork BusNetwork;

/** bus_network_new: a network's object, by its id; the engine is looked up at each call. */
BusNetwork *bus_network_new(MeshdNetworks *networks, const char *id);
void        bus_network_free(BusNetwork *self);

GDBusInterfaceSkeleton *bus_network_get_skeleton(BusNetwork *self); /* borrowed */

void bus_network_show(BusNetwork *self); /* properties of now, at once */

/** bus_network_changed: properties, and with @peers a PeersChanged, follow: at most 4 times a
 * second. */
void bus_network_changed(BusNetwork *self, bool peers);
