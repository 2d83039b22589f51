#include "daemon/checks.h"

#include <gio/gio.h>

enum {
    FIRST_PEERS = 1024, /* of a batch: 30 ms of two threads */
    MOST_PEERS = 16384, /* each batch costs the main loop one more turn with the whole map */
    MAX_THREADS = 4,
};

struct MeshdChecks {
    grefcount refs; /* the owner's and one for each thread at work */
    LockGate *gate; /* borrowed; NULL: the owner has gone */
    void (*done)(void *user_data);
    void    *user_data;
    unsigned n_running;
    size_t   batch; /* peers of the next one */
};

static void unref_checks(gpointer data)
{
    MeshdChecks *self = data;

    if (g_ref_count_dec(&self->refs))
        g_free(self);
}

MeshdChecks *meshd_checks_new(LockGate *gate, void (*done)(void *user_data), void *user_data)
{
    MeshdChecks *self = g_new0(MeshdChecks, 1);

    g_ref_count_init(&self->refs);
    self->gate = gate;
    self->done = done;
    self->user_data = user_data;
    return self;
}

void meshd_checks_free(MeshdChecks *self)
{
    if (self == NULL)
        return;
    self->gate = NULL;
    unref_checks(self);
}

/* Thread: one of GTask's. */
static void run_work(GTask *task, gpointer source, gpointer data, GCancellable *cancel)
{
    (void)source;
    (void)cancel;
    lock_work_run(data);
    g_task_return_boolean(task, true);
}

static void on_work_done(GObject *source, GAsyncResult *result, gpointer user_data)
{
    MeshdChecks *self = user_data;
    LockWork    *work = g_task_get_task_data(G_TASK(result));

    (void)source;
    self->n_running--;
    if (self->gate != NULL)
        lock_gate_put_work(self->gate, work);
    else
        lock_work_free(work);
    if (self->gate != NULL && self->n_running == 0)
        self->done(self->user_data);
    unref_checks(self);
}

static void start_thread(MeshdChecks *self, LockWork *work)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, on_work_done, self);

    g_ref_count_inc(&self->refs);
    self->n_running++;
    g_task_set_source_tag(task, meshd_checks_start);
    g_task_set_task_data(task, work, NULL);
    g_task_run_in_thread(task, run_work);
}

void meshd_checks_start(MeshdChecks *self, const MeshNetmap *map, size_t n_waiting)
{
    unsigned  n_threads = MIN(g_get_num_processors(), MAX_THREADS);
    LockWork *work, *part;

    if (self->n_running > 0)
        return;
    self->batch = self->batch == 0 ? FIRST_PEERS : MIN(16 * self->batch, MOST_PEERS);
    work = n_waiting > 0 ? lock_gate_take_work(self->gate, map, self->batch) : NULL;
    if (work == NULL) {
        self->batch = 0;
        return;
    }
    for (; n_threads > 1 && (part = lock_work_split(work, n_threads)) != NULL; n_threads--)
        start_thread(self, part);
    start_thread(self, work);
}
