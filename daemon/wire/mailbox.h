/* daemon/wire/mailbox.h: "look at this one": marks that any thread leaves for one other thread.
 *
 * A note lies inside the object it is about and carries bits. Marking a note that waits already
 * only adds bits, so the mailbox can neither overflow nor allocate; what is posted is a wish, not a
 * sequence of messages. Posting is lock-free and makes a system call only when the reader sleeps.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/std/attr.h"

typedef struct WireNote {
    struct WireNote *next;  /* the poster's until pushed, then the reader's */
    _Atomic uint32_t wants; /* bits; non-zero: queued */
} WireNote;

typedef struct {
    _Atomic(WireNote *) head;    /* newest first */
    _Atomic bool        rung;    /* a byte is in the pipe */
    int                 bell[2]; /* pipe: read end, write end */
} WireMailbox;

/* Returns: 0; -EMFILE, -ENFILE: no descriptors. */
MESH_CHECKED int wire_mailbox_init(WireMailbox *self);
void             wire_mailbox_done(WireMailbox *self); /* zeroed is fine */

/* Any thread: adds @bits. True: it was not queued, so the caller takes whatever reference the
 * reader will drop and then pushes it. */
static inline bool wire_mailbox_mark(WireNote *note, uint32_t bits)
{
    if ((atomic_load_explicit(&note->wants, memory_order_relaxed) & bits) == bits)
        return false; /* the usual case on the packet path: no write */
    return atomic_fetch_or(&note->wants, bits) == 0;
}

void wire_mailbox_push(WireMailbox *self, WireNote *note);

/* Any thread: only wakes the reader. */
void wire_mailbox_ring(WireMailbox *self);

/* Reader: the descriptor to poll for reading. */
int wire_mailbox_fd(const WireMailbox *self);

/* Reader: empties the bell, after it was polled and before looking for notes. */
void wire_mailbox_hush(WireMailbox *self);

/* Reader: is there a note? */
static inline bool wire_mailbox_has(const WireMailbox *self)
{
    return atomic_load_explicit(&self->head, memory_order_relaxed) != NULL;
}

/* Reader: takes all notes, oldest first; NULL: none. */
WireNote *wire_mailbox_take(WireMailbox *self);

/* Reader: steps along what was taken: gives the bits, after which @note may be queued again, and
 * returns the next one. */
WireNote *wire_mailbox_next(WireNote *note, uint32_t *out_bits);
