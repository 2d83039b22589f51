/* server/reply.h: waits on the main thread for one answer of the core. */
#pragma once

#include "server/core/core.h"

#include <pthread.h>

typedef struct {
    pthread_mutex_t lock; /* not GMutex: ThreadSanitizer knows this one */
    pthread_cond_t  came;
    CoreAnswer     *answer; /* under lock; owned */
} ServerReply;

void       server_reply_init(ServerReply *self); /* stays where it is until core_stop() */
void       server_reply_done(ServerReply *self);
CoreReturn server_reply_make_return(ServerReply *self);

/* The answer, owned; NULL when none came within @limit_s. */
CoreAnswer *server_reply_wait(ServerReply *self, unsigned limit_s);
