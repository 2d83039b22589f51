/* daemon/repair.h: looks over what meshd keeps on disk and has on this host, and mends it. Thread:
 * main loop. */
#pragma once

#include "daemon/engine.h"

#include <glib.h>

/** meshd_repair: @engines: of MeshdEngine, all there are. What takes longer (an interface
 * made anew, a network brought up) goes on after the return. Appends a text for people for each
 * thing found to @found, owned by it. */
void meshd_repair(const MeshdEngineHost *host, GPtrArray *engines, GPtrArray *found);
