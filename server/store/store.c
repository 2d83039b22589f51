/* server/store/store.c: the storage thread: its queue and the group commit. */
#include "server/store/store.h"

#include "common/glib/error.h"
#include "common/std/queue.h"
#include "common/std/thread.h"
#include "server/store/engine.h"

#define MAX_GROUP 256 /* jobs that share one commit: bounds how long the first one waits */

struct StoreTx {
    const StoreEngine *engine;
    void              *db;
};

struct Store {
    StoreTx     tx;    /* storage thread */
    MeshQueue  *queue; /* of owned QueuedJob */
    MeshThread *thread;
};

/* A job in the queue, and what became of it. */
typedef struct {
    StoreJob job;   /* run NULL: the thread ends */
    GError  *error; /* owned until done() takes it */
} QueuedJob;

/* For store_run(): the caller waits at @finished. */
typedef struct {
    bool (*run)(StoreTx *tx, void *data, GError **error);
    void      *data;
    GError    *error;
    MeshQueue *finished; /* one reference each for the two threads */
} WaitedJob;

static void fail_all(GPtrArray *group, const GError *error)
{
    for (guint i = 0; i < group->len; i++) {
        QueuedJob *queued = g_ptr_array_index(group, i);

        g_clear_error(&queued->error);
        queued->error = g_error_copy(error);
    }
}

/* Runs one job in its savepoint. False: the transaction itself is lost. */
static bool run_one(Store *self, QueuedJob *queued, GError **error)
{
    const StoreEngine *engine = self->tx.engine;
    void              *db = self->tx.db;

    if (!engine->control(db, STORE_SAVE, error))
        return false;
    if (queued->job.run(&self->tx, queued->job.data, &queued->error))
        return engine->control(db, STORE_SAVE_KEEP, error);
    if (queued->error == NULL)
        g_set_error_literal(&queued->error, MESH_ERROR, MESH_ERROR_INTERNAL, "job without error");
    if (!engine->in_transaction(db)) {
        g_propagate_error(error, g_error_copy(queued->error));
        return false;
    }
    return engine->control(db, STORE_SAVE_UNDO, error);
}

static bool run_group(Store *self, GPtrArray *group, GError **error)
{
    const StoreEngine *engine = self->tx.engine;

    if (!engine->control(self->tx.db, STORE_BEGIN, error))
        return false;
    for (guint i = 0; i < group->len; i++)
        if (!run_one(self, g_ptr_array_index(group, i), error))
            return false;
    return engine->control(self->tx.db, STORE_COMMIT, error);
}

/* Commits the group or nothing of it, then tells everyone, in order. */
static void finish_group(Store *self, GPtrArray *group)
{
    g_autoptr(GError) error = NULL;

    if (!run_group(self, group, &error)) {
        self->tx.engine->control(self->tx.db, STORE_ROLLBACK, NULL);
        fail_all(group, error);
    }
    for (guint i = 0; i < group->len; i++) {
        QueuedJob *queued = g_ptr_array_index(group, i);

        queued->job.done(queued->job.data, g_steal_pointer(&queued->error));
        g_free(queued);
    }
    g_ptr_array_set_size(group, 0);
}

static void storage_thread(void *user_data)
{
    Store *self = user_data;
    g_autoptr(GPtrArray) group = g_ptr_array_new();
    bool ending = false;

    while (!ending) {
        QueuedJob *queued = mesh_queue_pop(self->queue);

        /* whatever came while the last commit was under way shares the next one */
        while (queued != NULL) {
            if (queued->job.run == NULL) {
                ending = true;
                g_free(queued);
                break;
            }
            g_ptr_array_add(group, queued);
            queued = group->len < MAX_GROUP ? mesh_queue_pop_within(self->queue, 0) : NULL;
        }
        if (group->len > 0)
            finish_group(self, group);
    }
}

Store *store_open(const char *path, bool create, GError **error)
{
    Store *self = g_new0(Store, 1);
    int    rc;

    self->tx.engine = &store_sqlite_engine;
    self->tx.db = self->tx.engine->open(path, create, error);
    if (self->tx.db == NULL) {
        g_free(self);
        return NULL;
    }
    self->queue = mesh_queue_new();
    if (!store_schema_migrate(self->tx.engine, self->tx.db, error)) {
        g_prefix_error(error, "%s: ", path);
        store_close(self);
        return NULL;
    }
    rc = mesh_thread_start("storage", storage_thread, self, &self->thread);
    if (rc < 0) {
        mesh_error_set_errno(error, MESH_ERROR_FAILED, rc, "storage thread");
        store_close(self);
        return NULL;
    }
    return self;
}

void store_close(Store *self)
{
    if (self == NULL)
        return;
    if (self->thread != NULL) {
        mesh_queue_push(self->queue, g_new0(QueuedJob, 1));
        mesh_thread_join(self->thread);
    }
    self->tx.engine->close(self->tx.db);
    mesh_queue_unref(self->queue);
    g_free(self);
}

void store_submit(Store *self, const StoreJob *job)
{
    QueuedJob *queued = g_new0(QueuedJob, 1);

    queued->job = *job;
    mesh_queue_push(self->queue, queued);
}

static bool run_waited(StoreTx *tx, void *data, GError **error)
{
    WaitedJob *waited = data;

    return waited->run(tx, waited->data, error);
}

static void finish_waited(void *data, GError *error)
{
    WaitedJob *waited = data;
    MeshQueue *finished = waited->finished;

    waited->error = error;
    mesh_queue_push(finished, waited); /* from here on the caller's stack may be gone */
    mesh_queue_unref(finished);
}

bool store_run(Store *self, bool (*run)(StoreTx *tx, void *data, GError **error), void *data,
               GError **error)
{
    WaitedJob waited = { .run = run, .data = data, .finished = mesh_queue_new() };
    StoreJob  job = { .run = run_waited, .done = finish_waited, .data = &waited };

    mesh_queue_ref(waited.finished);
    store_submit(self, &job);
    mesh_queue_pop(waited.finished);
    mesh_queue_unref(waited.finished);
    if (waited.error == NULL)
        return true;
    g_propagate_error(error, waited.error);
    return false;
}

bool store_query(StoreTx *tx, StoreQuery query, const StoreCall *call, GError **error)
{
    return tx->engine->query(tx->db, query, call, error);
}

int64_t store_row_int(const StoreRow *row, int column)
{
    return row->engine->row_int(row->native, column);
}

const char *store_row_text(const StoreRow *row, int column)
{
    return row->engine->row_text(row->native, column);
}

const void *store_row_blob(const StoreRow *row, int column, size_t *out_len)
{
    return row->engine->row_blob(row->native, column, out_len);
}

bool store_row_null(const StoreRow *row, int column)
{
    return row->engine->row_null(row->native, column);
}
