/* daemon/wire/mailbox.c: a lock-free stack of notes and a pipe as bell. */
#include "daemon/wire/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int wire_mailbox_init(WireMailbox *self)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    atomic_init(&self->head, NULL);
    atomic_init(&self->rung, false);
    self->bell[0] = fds[0];
    self->bell[1] = fds[1];
    return 0;
}

void wire_mailbox_done(WireMailbox *self)
{
    for (int i = 0; i < 2; i++) {
        if (self->bell[i] > 0)
            close(self->bell[i]);
        self->bell[i] = -1;
    }
}

void wire_mailbox_push(WireMailbox *self, WireNote *note)
{
    WireNote *head = atomic_load(&self->head);

    do {
        note->next = head;
    } while (!atomic_compare_exchange_weak(&self->head, &head, note));
    wire_mailbox_ring(self);
}

void wire_mailbox_ring(WireMailbox *self)
{
    if (atomic_exchange(&self->rung, true))
        return;
    while (write(self->bell[1], "", 1) < 0 && errno == EINTR) {
    }
}

int wire_mailbox_fd(const WireMailbox *self)
{
    return self->bell[0];
}

/* The byte may still be on its way when the flag is down: then the bell sounds once for nothing. */
void wire_mailbox_hush(WireMailbox *self)
{
    char bytes[16];

    while (read(self->bell[0], bytes, sizeof(bytes)) > 0) {
    }
    atomic_exchange(&self->rung, false);
}

WireNote *wire_mailbox_take(WireMailbox *self)
{
    WireNote *newest, *oldest = NULL;

    newest = atomic_exchange(&self->head, NULL);
    while (newest != NULL) { /* turn newest-first into the order of posting */
        WireNote *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

WireNote *wire_mailbox_next(WireNote *note, uint32_t *out_bits)
{
    WireNote *next = note->next; /* before the bits: then it may be pushed again */

    *out_bits = atomic_exchange(&note->wants, 0);
    return next;
}
