#include "server/reply.h"

#include <time.h>

void server_reply_init(ServerReply *self)
{
    pthread_condattr_t attributes;

    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&self->lock, NULL);
    (void)pthread_cond_init(&self->came, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    self->answer = NULL;
}

void server_reply_done(ServerReply *self)
{
    core_answer_free(self->answer);
    (void)pthread_cond_destroy(&self->came);
    (void)pthread_mutex_destroy(&self->lock);
}

/* Control or storage thread. */
static void deliver(void *mailbox, CoreAnswer *answer)
{
    ServerReply *self = mailbox;

    (void)pthread_mutex_lock(&self->lock);
    core_answer_free(self->answer);
    self->answer = answer;
    (void)pthread_cond_signal(&self->came);
    (void)pthread_mutex_unlock(&self->lock);
}

CoreReturn server_reply_make_return(ServerReply *self)
{
    return (CoreReturn){ .deliver = deliver, .mailbox = self };
}

CoreAnswer *server_reply_wait(ServerReply *self, unsigned limit_s)
{
    struct timespec until;
    CoreAnswer     *answer;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)limit_s;
    (void)pthread_mutex_lock(&self->lock);
    while (self->answer == NULL && pthread_cond_timedwait(&self->came, &self->lock, &until) == 0)
        ;
    answer = self->answer;
    self->answer = NULL;
    (void)pthread_mutex_unlock(&self->lock);
    return answer;
}
