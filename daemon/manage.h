/* daemon/manage.h: a network that NetworkManager configures: we make the device and run crypto and
 * paths; addresses, routes and DNS are its business, by what the view says. Sessions go on when
 * that begins and when it ends. Thread: main loop. */
#pragma once

#include "daemon/engine.h"
#include "daemon/view.h"

/** meshd_manage_start: as meshd_engine_up(), for NetworkManager; what runs already is handed over.
 * Errors leave it begun, as a failed up goes on trying: meshd_manage_end() ends that. */
void meshd_manage_start(MeshdEngine *self, MeshdEngineDone done, void *user_data);

/** meshd_manage_end: a network that was up before NetworkManager had it, or was wished up since, is
 * ours again; another goes down. None of NetworkManager's: nothing happens. */
void meshd_manage_end(MeshdEngine *self);

bool meshd_manage_is_on(const MeshdEngine *self);

/** meshd_manage_fill: what NetworkManager has to know: management, routes, DNS, gateway. */
void meshd_manage_fill(MeshdEngine *self, MeshdView *view);
