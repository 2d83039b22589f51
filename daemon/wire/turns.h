/* daemon/wire/turns.h: when a thread that sends without pause lets others have its core.
 *
 * Who waits for a datagram, the tunnel's other end on the same machine, the program that reads, or
 * the one that asks, may wait for this core: for a whole slice of the scheduler's, some
 * milliseconds, in which as many megabytes pile up before it. Beside an interactive flow it is
 * better to hand over after a moment's work. Who hands over to a program that does not sleep waits
 * for its whole slice, so that is not done again soon. Pure: no clock, no waiting. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t n_bytes;  /* sent when it last handed over */
    int64_t  until_ns; /* not before this */
} WireTurns;

/** wire_turns_is_due: @n_bytes sent since it began. */
bool wire_turns_is_due(const WireTurns *self, uint64_t n_bytes, int64_t now_ns);

/** wire_turns_done: it handed over at @from_ns and has had the core again since @to_ns. */
void wire_turns_done(WireTurns *self, uint64_t n_bytes, int64_t from_ns, int64_t to_ns);
