/* daemon/wire/deadlines.c: a binary heap, the earliest on top; see deadlines.h. */
#include "daemon/wire/deadlines.h"

#include <errno.h>
#include <stdlib.h>

struct WireDeadlines {
    WireDeadline **heap; /* owned array of borrowed entries, used from 1 */
    size_t         n;    /* armed */
    size_t         room; /* entries that fit */
};

int wire_deadlines_new(WireDeadlines **out_self)
{
    WireDeadlines *self = calloc(1, sizeof *self);

    if (self == NULL)
        return -ENOMEM;
    *out_self = self;
    return 0;
}

void wire_deadlines_free(WireDeadlines *self)
{
    if (self == NULL)
        return;
    free(self->heap);
    free(self);
}

int wire_deadlines_reserve(WireDeadlines *self, size_t n_entries)
{
    size_t         room = self->room == 0 ? 16 : self->room;
    WireDeadline **heap;

    if (n_entries <= self->room)
        return 0;
    while (room < n_entries)
        room *= 2;
    heap = realloc(self->heap, (room + 1) * sizeof(WireDeadline *));
    if (heap == NULL)
        return -ENOMEM;
    self->heap = heap;
    self->room = room;
    return 0;
}

static void put(WireDeadlines *self, size_t place, WireDeadline *entry)
{
    self->heap[place] = entry;
    entry->place = place;
}

/* Moves @entry from the hole at @place to where it belongs, up or down. */
static void settle(WireDeadlines *self, size_t place, WireDeadline *entry)
{
    while (place > 1 && self->heap[place / 2]->at_ms > entry->at_ms) {
        put(self, place, self->heap[place / 2]);
        place /= 2;
    }
    for (size_t child = 2 * place; child <= self->n; child = 2 * place) {
        if (child < self->n && self->heap[child + 1]->at_ms < self->heap[child]->at_ms)
            child++;
        if (self->heap[child]->at_ms >= entry->at_ms)
            break;
        put(self, place, self->heap[child]);
        place = child;
    }
    put(self, place, entry);
}

void wire_deadlines_arm(WireDeadlines *self, WireDeadline *entry, int64_t at_ms)
{
    if (at_ms == INT64_MAX) {
        wire_deadlines_disarm(self, entry);
        return;
    }
    entry->at_ms = at_ms;
    if (entry->place == 0) {
        if (self->n == self->room)
            abort(); /* wire_deadlines_reserve() was forgotten */
        entry->place = ++self->n;
    }
    settle(self, entry->place, entry);
}

void wire_deadlines_disarm(WireDeadlines *self, WireDeadline *entry)
{
    size_t        place = entry->place;
    WireDeadline *last;

    if (place == 0)
        return;
    entry->place = 0;
    last = self->heap[self->n--];
    if (last != entry)
        settle(self, place, last);
}

int64_t wire_deadlines_next(const WireDeadlines *self)
{
    return self->n == 0 ? INT64_MAX : self->heap[1]->at_ms;
}

WireDeadline *wire_deadlines_pop(WireDeadlines *self, int64_t now_ms)
{
    WireDeadline *entry;

    if (self->n == 0 || self->heap[1]->at_ms > now_ms)
        return NULL;
    entry = self->heap[1];
    wire_deadlines_disarm(self, entry);
    return entry;
}
