/* daemon/wire/rcu.c: waiting for deferred frees. liburcu's own barrier would do, but what it shares
 * with its thread is invisible to ThreadSanitizer; a mutex is not. */
#include "daemon/wire/rcu.h"

#include <pthread.h>
#include <stdbool.h>

static pthread_mutex_t one_waits = PTHREAD_MUTEX_INITIALIZER; /* the marker is only one */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  came = PTHREAD_COND_INITIALIZER;
static bool            has_come;
static struct rcu_head marker;

static void on_marker(struct rcu_head *head)
{
    (void)head;
    WIRE_RCU_ACQUIRE();
    pthread_mutex_lock(&lock);
    has_come = true;
    pthread_cond_signal(&came);
    pthread_mutex_unlock(&lock);
}

/* liburcu calls back in the order of deferring, on one thread: behind the marker all is done. */
void wire_rcu_barrier(void)
{
    pthread_mutex_lock(&one_waits);
    has_come = false; /* no marker is under way */
    wire_rcu_defer(&marker, on_marker);
    pthread_mutex_lock(&lock);
    while (!has_come)
        pthread_cond_wait(&came, &lock);
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&one_waits);
}
