/* daemon/bus/sleep.h: hears from systemd-logind that the computer woke up; inside daemon/bus only.
 * Thread: main loop. */
#pragma once

#include "daemon/networks.h"

#include <gio/gio.h>

typedef struct BusSleep BusSleep;

/** bus_sleep_start: a bus without logind is fine: nothing is heard then. @networks: borrowed. */
BusSleep *bus_sleep_start(GDBusConnection *connection, MeshdNetworks *networks);
void      bus_sleep_stop(BusSleep *self); /* NULL is fine */
