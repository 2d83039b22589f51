/* daemon/lock/gatelog.h: what a gate's floors were raised by since they were stored, so that not
 * all of them are written with each change of a map; part of gate.h. */
#pragma once

#include "daemon/lock/gate.h"

/* As lock_gate_encode_floors(), but what was raised since that, this or the load. Owned text. It is
 * to be stored behind what was stored before. */
char *lock_gate_encode_raised(LockGate *self, size_t *out_len);

/* Stored floors, @text, and behind them in their order what was raised (GBytes each), as
 * lock_gate_load_floors(). */
bool lock_gate_load_raised(LockGate *self, const char *text, size_t len, GPtrArray *raised,
                           GError **error);
