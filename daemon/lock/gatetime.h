/* daemon/lock/gatetime.h: the times that a gate knows. Comes with gate.h. Main loop only. */
#pragma once

#include <stdint.h>

typedef struct LockGate LockGate;

/* Unix seconds, the later of own clock + offset of the last tip with our nonce, and the time of the
 * last verified tip advanced by the boot clock. */
int64_t lock_gate_now(const LockGate *self);

/* What the server's clock shows now, as its last tip with our nonce told; before the first one as
 * lock_gate_now(). Not a floor: it goes back with the server's. For exp of an own E. */
int64_t lock_gate_server_now(const LockGate *self);

/* The server's time, by the boot clock since the last tip with our nonce: steps of our own clock do
 * not reach it. 0: no tip answered this run yet. */
int64_t lock_gate_true_time(const LockGate *self);
