#include "server/loop/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct LoopMailbox {
    pthread_mutex_t lock;
    LoopMail       *first, *last; /* under lock */
    int             bell;
};

int loop_mailbox_new(LoopMailbox **out_mailbox)
{
    LoopMailbox *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return -ENOMEM;
    self->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->bell < 0) {
        int rc = -errno;

        free(self);
        return rc;
    }
    (void)pthread_mutex_init(&self->lock, NULL);
    *out_mailbox = self;
    return 0;
}

void loop_mailbox_free(LoopMailbox *self)
{
    if (self == NULL)
        return;
    (void)close(self->bell);
    (void)pthread_mutex_destroy(&self->lock);
    free(self);
}

void loop_mailbox_put(LoopMailbox *self, LoopMail *mail)
{
    bool was_empty;

    mail->next = NULL;
    (void)pthread_mutex_lock(&self->lock);
    was_empty = self->first == NULL;
    if (was_empty)
        self->first = mail;
    else
        self->last->next = mail;
    self->last = mail;
    (void)pthread_mutex_unlock(&self->lock);
    if (was_empty)
        (void)eventfd_write(self->bell, 1); /* full counter: the bell rings already */
}

LoopMail *loop_mailbox_take(LoopMailbox *self)
{
    LoopMail *mail;
    eventfd_t rung;

    (void)eventfd_read(self->bell, &rung); /* before taking: a ring in between is not lost */
    (void)pthread_mutex_lock(&self->lock);
    mail = self->first;
    self->first = NULL;
    self->last = NULL;
    (void)pthread_mutex_unlock(&self->lock);
    return mail;
}

int loop_mailbox_get_fd(const LoopMailbox *self)
{
    return self->bell;
}
