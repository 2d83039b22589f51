/* daemon/wire/hashset.c: see hashset.h. At most two thirds full, so a probe ends soon; removal
 * moves what follows back instead of leaving marks. */
#include "daemon/wire/hashset.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_ROOM 16u

void wire_hashset_init(WireHashSet *self, const WireHashKind *kind)
{
    *self = (WireHashSet){ .kind = kind };
}

void wire_hashset_done(WireHashSet *self)
{
    free(self->cells);
    *self = (WireHashSet){ .kind = self->kind };
}

static size_t home_of(const WireHashSet *self, const void *member)
{
    return (size_t)self->kind->hash(member) & (self->room - 1);
}

void *wire_hashset_find(const WireHashSet *self, const void *like)
{
    if (self->n == 0)
        return NULL;
    for (size_t i = home_of(self, like); self->cells[i] != NULL; i = (i + 1) & (self->room - 1)) {
        if (self->kind->equal(self->cells[i], like))
            return self->cells[i];
    }
    return NULL;
}

static void put(WireHashSet *self, void *member)
{
    size_t i = home_of(self, member);

    while (self->cells[i] != NULL)
        i = (i + 1) & (self->room - 1);
    self->cells[i] = member;
}

static int grow(WireHashSet *self)
{
    size_t      room = self->room == 0 ? FIRST_ROOM : self->room * 2;
    WireHashSet old = *self;
    void      **cells = calloc(room, sizeof *cells);

    if (cells == NULL)
        return -ENOMEM;
    self->cells = cells;
    self->room = room;
    for (size_t i = 0; i < old.room; i++) {
        if (old.cells[i] != NULL)
            put(self, old.cells[i]);
    }
    free(old.cells);
    return 0;
}

int wire_hashset_add(WireHashSet *self, void *member)
{
    if ((self->n + 1) * 3 > self->room * 2 && grow(self) < 0)
        return -ENOMEM;
    put(self, member);
    self->n++;
    return 0;
}

/* Cell @hole is empty: moves back what would not be found any more. */
static void close_hole(WireHashSet *self, size_t hole)
{
    size_t mask = self->room - 1;

    for (size_t i = (hole + 1) & mask; self->cells[i] != NULL; i = (i + 1) & mask) {
        size_t home = home_of(self, self->cells[i]);

        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* its home lies behind the hole */
        self->cells[hole] = self->cells[i];
        self->cells[i] = NULL;
        hole = i;
    }
}

void wire_hashset_remove(WireHashSet *self, const void *member)
{
    if (self->n == 0)
        return;
    for (size_t i = home_of(self, member); self->cells[i] != NULL; i = (i + 1) & (self->room - 1)) {
        if (self->cells[i] != member)
            continue;
        self->cells[i] = NULL;
        self->n--;
        close_hole(self, i);
        return;
    }
}
