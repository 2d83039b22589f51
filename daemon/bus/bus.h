/* daemon/bus/bus.h: meshd on the system bus: org.meshvpn.Mesh1. Front door of the folder, the only
 * one that exports on D-Bus. Thread: main loop. */
#pragma once

#include "daemon/networks.h"

#include <gio/gio.h>

#define BUS_NAME         "org.meshvpn.Mesh1"
#define BUS_PATH         "/org/meshvpn/Mesh1"
#define BUS_NETWORK_PATH BUS_PATH "/network"

typedef struct Bus Bus;

typedef struct {
    /* The name is ours, everything is exported. */
    void (*ready)(void *user_data);
    /* The name cannot be had or was lost, or the bus went away: @why is for people. */
    void (*lost)(const char *why, void *user_data);
} BusEvents;

/** bus_start: exports Daemon and every network of @networks (borrowed), starts the networks, and
 * asks for the name. */
Bus *bus_start(GDBusConnection *connection, MeshdNetworks *networks, const BusEvents *events,
               void *user_data, GError **error);
void bus_stop(Bus *self); /* NULL is fine */
