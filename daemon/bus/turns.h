/* daemon/bus/turns.h: how many calls of one user ask polkit at a time; others of that user wait for
 * their turn, so that none keeps another user out. Inside daemon/bus only; main loop. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct BusTurns BusTurns;

typedef enum {
    BUS_TURN_NOW,
    BUS_TURN_LATER, /* bus_turns_give() returns the call then */
    BUS_TURN_NEVER, /* too many wait already */
} BusTurn;

BusTurns *bus_turns_new(void);
void      bus_turns_free(BusTurns *self); /* nobody has a turn or waits for one any more */

/** bus_turns_take: @slow: somebody may have to type a password: 16 of a user at a time, and none
 * waits. Of the others 16 at a time, and 256 wait. @call: borrowed while it waits. */
BusTurn bus_turns_take(BusTurns *self, guint32 uid, bool slow, void *call);

/** bus_turns_give: a turn is over. Returns: the call that has it now; NULL: nobody waits. */
void *bus_turns_give(BusTurns *self, guint32 uid, bool slow);

/** bus_turns_pop: takes a call that waits, whosever it is; NULL: none does. */
void *bus_turns_pop(BusTurns *self);
