/* daemon/wire/deadlines.c: a hierarchical timing wheel; see deadlines.h.
 * Source: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", scheme 7.
 *
 * Time is a number of LEVELS digits to the base 64, the lowest in milliseconds. An entry lies at
 * the level of the highest digit in which it differs from the wheel's time, in the slot of its own
 * digit there. So what is at a level comes before all that is above it, and slots are in order:
 * the earliest is in the first slot in use of the lowest level in use, which a bit each tells. When
 * time comes to a slot of a higher level, what is in it moves down. */
#include "daemon/wire/deadlines.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

enum { DIGIT = 6, SLOTS = 1 << DIGIT, LEVELS = 8 }; /* 2^48 ms are nine thousand years */

struct WireDeadlines {
    int64_t       now_ms;  /* of the wheel; none that is armed is due before */
    int64_t       next_ms; /* the earliest, if it is known */
    bool          next_known;
    uint64_t      used[LEVELS]; /* a bit for each slot that is not empty */
    WireDeadline *slots[LEVELS * SLOTS];
};

int wire_deadlines_new(WireDeadlines **out_self)
{
    WireDeadlines *self = calloc(1, sizeof *self);

    if (self == NULL)
        return -ENOMEM;
    self->next_ms = INT64_MAX;
    self->next_known = true;
    *out_self = self;
    return 0;
}

void wire_deadlines_free(WireDeadlines *self)
{
    free(self);
}

/* When it is taken: not before now, not after the end of time. */
static int64_t due_at(const WireDeadlines *self, const WireDeadline *entry)
{
    const int64_t last_ms = (INT64_C(1) << DIGIT * LEVELS) - 1;

    if (entry->at_ms < self->now_ms)
        return self->now_ms;
    return entry->at_ms < last_ms ? entry->at_ms : last_ms;
}

static void put(WireDeadlines *self, WireDeadline *entry)
{
    uint64_t       at = (uint64_t)due_at(self, entry);
    uint64_t       differs = (at ^ (uint64_t)self->now_ms) | (SLOTS - 1);
    unsigned       level = (63u - (unsigned)__builtin_clzll(differs)) / DIGIT;
    unsigned       slot = (unsigned)(at >> DIGIT * level) & (SLOTS - 1);
    WireDeadline **head = &self->slots[level * SLOTS + slot];

    entry->next = *head;
    entry->link = head;
    if (entry->next != NULL)
        entry->next->link = &entry->next;
    *head = entry;
    self->used[level] |= UINT64_C(1) << slot;
}

static void take_out(WireDeadlines *self, WireDeadline *entry)
{
    WireDeadline **link = entry->link;
    uintptr_t      first = (uintptr_t)self->slots;

    *link = entry->next;
    if (entry->next != NULL)
        entry->next->link = link;
    else if ((uintptr_t)link - first < sizeof self->slots) { /* it was the only one of its slot */
        size_t place = (size_t)(link - self->slots);

        self->used[place / SLOTS] &= ~(UINT64_C(1) << place % SLOTS);
    }
    entry->link = NULL;
}

void wire_deadlines_arm(WireDeadlines *self, WireDeadline *entry, int64_t at_ms)
{
    wire_deadlines_disarm(self, entry);
    if (at_ms == INT64_MAX)
        return;
    entry->at_ms = at_ms;
    put(self, entry);
    if (self->next_known && due_at(self, entry) < self->next_ms)
        self->next_ms = due_at(self, entry);
}

void wire_deadlines_disarm(WireDeadlines *self, WireDeadline *entry)
{
    if (entry->link == NULL)
        return;
    if (due_at(self, entry) <= self->next_ms)
        self->next_known = false; /* there may be others as early */
    take_out(self, entry);
}

/* The first slot in use and when it begins. NULL: all are empty. */
static WireDeadline **find_first(const WireDeadlines *self, unsigned *out_level, int64_t *out_ms)
{
    unsigned level = 0, slot, shift;
    uint64_t above;

    while (level < LEVELS && self->used[level] == 0)
        level++;
    if (level == LEVELS)
        return NULL;
    slot = (unsigned)__builtin_ctzll(self->used[level]);
    shift = DIGIT * level;
    above = (uint64_t)self->now_ms >> (shift + DIGIT) << (shift + DIGIT);
    *out_level = level;
    *out_ms = (int64_t)(above | (uint64_t)slot << shift);
    return (WireDeadline **)&self->slots[level * SLOTS + slot];
}

int64_t wire_deadlines_next(WireDeadlines *self)
{
    unsigned       level;
    int64_t        start_ms;
    WireDeadline **first;

    if (self->next_known)
        return self->next_ms;
    first = find_first(self, &level, &start_ms);
    self->next_ms = first == NULL ? INT64_MAX : due_at(self, *first);
    for (const WireDeadline *entry = first != NULL && level > 0 ? *first : NULL; entry != NULL;
         entry = entry->next)
        if (due_at(self, entry) < self->next_ms)
            self->next_ms = due_at(self, entry);
    self->next_known = true;
    return self->next_ms;
}

/* What is in a slot that time has come to moves to lower levels. */
static void move_down(WireDeadlines *self, WireDeadline **slot)
{
    while (*slot != NULL) {
        WireDeadline *entry = *slot;

        take_out(self, entry);
        put(self, entry);
    }
}

WireDeadline *wire_deadlines_pop(WireDeadlines *self, int64_t now_ms)
{
    WireDeadline **first;
    unsigned       level;
    int64_t        start_ms;

    while ((first = find_first(self, &level, &start_ms)) != NULL && start_ms <= now_ms) {
        WireDeadline *entry = *first;

        if (start_ms > self->now_ms)
            self->now_ms = start_ms;
        if (level == 0) {
            self->next_known = false;
            take_out(self, entry);
            return entry;
        }
        move_down(self, first);
    }
    if (now_ms > self->now_ms)
        self->now_ms = now_ms; /* nothing lies between: all stay where they are */
    return NULL;
}
