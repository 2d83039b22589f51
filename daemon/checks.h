/* daemon/checks.h: has the peers of a large map verified by threads, batch after batch, while the
 * main loop goes on. Nothing is shared with the threads but the LockWork each has for itself.
 * Thread: main loop. */
#pragma once

#include "daemon/lock/gate.h"

typedef struct MeshdChecks MeshdChecks;

/** meshd_checks_new: @done is called when a batch is back in @gate: verify the map again, and call
 * meshd_checks_start() again. @gate is borrowed. */
MeshdChecks *meshd_checks_new(LockGate *gate, void (*done)(void *user_data), void *user_data);
void         meshd_checks_free(MeshdChecks *self); /* what runs ends unheard; NULL is fine */

/** meshd_checks_start: gives what waits of @map to threads, if something does and none works
 * already. The first batch is small, so that some peers are there soon; then they grow.
 * @n_waiting: how many peers the gate said wait for something; 0: nobody is looked for. */
void meshd_checks_start(MeshdChecks *self, const MeshNetmap *map, size_t n_waiting);
