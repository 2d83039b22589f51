/* common/std/thread.c: see thread.h. Wraps what systems name differently. */
#include "common/std/thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct MeshThread {
    pthread_t      id;
    MeshThreadFunc func;
    void          *user_data; /* the starter's */
    char           name[16];
};

static void *run(void *data)
{
    MeshThread *self = data;

#ifdef __linux__
    pthread_setname_np(pthread_self(), self->name);
#endif
    self->func(self->user_data);
    return NULL;
}

int mesh_thread_start(const char *name, MeshThreadFunc func, void *user_data,
                      MeshThread **out_thread)
{
    sigset_t    all, before;
    MeshThread *self;
    int         rc;

    if (name == NULL || func == NULL)
        return -EINVAL;
    self = calloc(1, sizeof(*self));
    if (self == NULL)
        return -ENOMEM;
    self->func = func;
    self->user_data = user_data;
    snprintf(self->name, sizeof(self->name), "%s", name);

    /* A new thread inherits the mask, so there is no moment in which it takes a signal. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = -pthread_create(&self->id, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc < 0) {
        free(self);
        return rc;
    }
    *out_thread = self;
    return 0;
}

void mesh_thread_join(MeshThread *self)
{
    if (self == NULL)
        return;
    pthread_join(self->id, NULL);
    free(self);
}

int mesh_thread_pin(unsigned cpu)
{
#ifdef __linux__
    cpu_set_t set;

    if (cpu >= CPU_SETSIZE)
        return -EINVAL;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return -pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
#else
    (void)cpu;
    return -ENOSYS;
#endif
}
