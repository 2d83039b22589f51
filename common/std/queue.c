/* common/std/queue.c: see queue.h. A list under a mutex. */
#include "common/std/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

typedef struct Link Link;
struct Link {
    Link *next;
    void *item; /* owned by the queue's users */
};

struct MeshQueue {
    atomic_uint     refs;
    pthread_mutex_t lock; /* guards the list */
    pthread_cond_t  filled;
    Link           *first;
    Link          **end; /* where the next link goes */
};

static void must(int rc)
{
    if (rc != 0)
        abort();
}

MeshQueue *mesh_queue_new(void)
{
    MeshQueue         *self = calloc(1, sizeof(*self));
    pthread_condattr_t attributes;

    if (self == NULL)
        abort();
    atomic_init(&self->refs, 1);
    self->end = &self->first;
    must(pthread_mutex_init(&self->lock, NULL));
    must(pthread_condattr_init(&attributes));
    must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
    must(pthread_cond_init(&self->filled, &attributes));
    pthread_condattr_destroy(&attributes);
    return self;
}

MeshQueue *mesh_queue_ref(MeshQueue *self)
{
    atomic_fetch_add_explicit(&self->refs, 1, memory_order_relaxed);
    return self;
}

void mesh_queue_unref(MeshQueue *self)
{
    if (self == NULL || atomic_fetch_sub_explicit(&self->refs, 1, memory_order_acq_rel) != 1)
        return;
    while (self->first != NULL) {
        Link *link = self->first;

        self->first = link->next;
        free(link);
    }
    pthread_cond_destroy(&self->filled);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

void mesh_queue_push(MeshQueue *self, void *item)
{
    Link *link = malloc(sizeof(*link));

    if (link == NULL)
        abort();
    *link = (Link){ .item = item };
    must(pthread_mutex_lock(&self->lock));
    *self->end = link;
    self->end = &link->next;
    must(pthread_cond_signal(&self->filled));
    must(pthread_mutex_unlock(&self->lock));
}

/* The first item or NULL. The lock is held. */
static void *take_first(MeshQueue *self)
{
    Link *link = self->first;
    void *item;

    if (link == NULL)
        return NULL;
    item = link->item;
    self->first = link->next;
    if (self->first == NULL)
        self->end = &self->first;
    free(link);
    return item;
}

void *mesh_queue_pop(MeshQueue *self)
{
    void *item;

    must(pthread_mutex_lock(&self->lock));
    while ((item = take_first(self)) == NULL)
        must(pthread_cond_wait(&self->filled, &self->lock));
    must(pthread_mutex_unlock(&self->lock));
    return item;
}

void *mesh_queue_pop_within(MeshQueue *self, int64_t wait_ms)
{
    struct timespec until;
    void           *item;
    int             rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    must(pthread_mutex_lock(&self->lock));
    while ((item = take_first(self)) == NULL && rc == 0 && wait_ms > 0) {
        rc = pthread_cond_timedwait(&self->filled, &self->lock, &until);
        if (rc != ETIMEDOUT)
            must(rc);
    }
    must(pthread_mutex_unlock(&self->lock));
    return item;
}
