/* Jobs, group commit and durability of the storage thread. */
#include "common/glib/error.h"
#include "common/std/queue.h"
#include "server/store/store.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    char  *dir, *path;
    Store *store;
} Fixture;

static void set_up(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;

    (void)unused;
    f->dir = g_dir_make_tmp("mesh-store-XXXXXX", NULL);
    f->path = g_build_filename(f->dir, "mesh.db", NULL);
    f->store = store_open(f->path, true, &error);
    g_assert_no_error(error);
}

static void tear_down(Fixture *f, gconstpointer unused)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };

    (void)unused;
    store_close(f->store);
    for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *path = g_strconcat(f->path, suffixes[i], NULL);

        g_unlink(path);
    }
    g_rmdir(f->dir);
    g_free(f->dir);
    g_free(f->path);
}

/* A network whose id is eight times @tag and whose name is @name. */
static bool insert(StoreTx *tx, uint8_t tag, const char *name, GError **error)
{
    uint8_t   id[8] = { tag, tag, tag, tag, tag, tag, tag, tag };
    StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(id, sizeof id), STORE_ARG_TEXT(name),
                                  STORE_ARG_NULL, STORE_ARG_TEXT("fd00::/48"), STORE_ARG_INT(0),
                                  STORE_ARG_INT(1), STORE_ARG_INT(1), STORE_ARG_INT(0),
                                  STORE_ARG_INT(1), STORE_ARG_INT(0), STORE_ARG_INT(1),
                                  STORE_ARG_TEXT("{}"), STORE_ARG_BLOB("", 0), STORE_ARG_INT(7),
                                  STORE_ARG_INT(0), STORE_ARG_BLOB("", 0)) };

    return store_query(tx, STORE_NETWORK_INSERT, &call, error);
}

static bool insert_home(StoreTx *tx, void *data, GError **error)
{
    return insert(tx, (uint8_t)GPOINTER_TO_UINT(data), "home", error);
}

static bool on_row(const StoreRow *row, void *user_data)
{
    size_t len;

    g_assert_nonnull(store_row_blob(row, 0, &len));
    g_assert_cmpuint(len, ==, 8);
    g_assert_true(store_row_null(row, 2));
    g_assert_cmpint(store_row_int(row, 13), ==, 7);
    g_string_append_printf(user_data, "%s ", store_row_text(row, 1));
    return true;
}

static bool list(StoreTx *tx, void *data, GError **error)
{
    StoreCall call = { .on_row = on_row, .user_data = data };

    return store_query(tx, STORE_NETWORK_ALL, &call, error);
}

static void assert_names(Store *store, const char *want)
{
    g_autoptr(GString) names = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(store_run(store, list, names, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(names->str, ==, want);
}

static void test_round_trip(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;

    (void)unused;
    g_assert_true(store_run(f->store, insert_home, GUINT_TO_POINTER(1), &error));
    g_assert_no_error(error);
    assert_names(f->store, "home ");
    store_close(f->store);
    f->store = store_open(f->path, false, &error);
    g_assert_no_error(error);
    assert_names(f->store, "home ");
}

static void test_constraint(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;

    (void)unused;
    g_assert_true(store_run(f->store, insert_home, GUINT_TO_POINTER(1), NULL));
    g_assert_false(store_run(f->store, insert_home, GUINT_TO_POINTER(2), &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_CONFLICT);
    assert_names(f->store, "home ");
}

/* Writes, then refuses: nothing of it may stay, and its neighbours in the group are not touched. */
static bool insert_and_refuse(StoreTx *tx, void *data, GError **error)
{
    (void)data;
    g_assert_true(insert(tx, 200, "ghost", error));
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_KEY_USED, "refused");
    return false;
}

typedef struct {
    char       name[16];
    uint8_t    tag;
    MeshQueue *done;
    GError    *error;
} Insert;

static bool insert_named(StoreTx *tx, void *data, GError **error)
{
    Insert *job = data;

    if (job->tag == 0)
        return insert_and_refuse(tx, NULL, error);
    return insert(tx, job->tag, job->name, error);
}

static void on_done(void *data, GError *error)
{
    Insert *job = data;

    job->error = error;
    mesh_queue_push(job->done, job);
}

static void test_group(Fixture *f, gconstpointer unused)
{
    enum { N = 40 };
    Insert     jobs[N] = { 0 };
    MeshQueue *done = mesh_queue_new();
    g_autoptr(GString) want = g_string_new(NULL);

    (void)unused;
    for (unsigned i = 0; i < N; i++) {
        StoreJob job = { .run = insert_named, .done = on_done, .data = &jobs[i] };

        jobs[i].done = done;
        jobs[i].tag = (uint8_t)(i % 10 == 0 ? 0 : i); /* each tenth refuses */
        g_snprintf(jobs[i].name, sizeof jobs[i].name, "n%02u", i);
        if (jobs[i].tag != 0)
            g_string_append_printf(want, "n%02u ", i);
        store_submit(f->store, &job);
    }
    for (unsigned i = 0; i < N; i++)
        g_assert_true(mesh_queue_pop(done) == &jobs[i]); /* answered in order */
    for (unsigned i = 0; i < N; i++) {
        if (i % 10 == 0)
            g_assert_error(jobs[i].error, MESH_ERROR, MESH_ERROR_KEY_USED);
        else
            g_assert_no_error(jobs[i].error);
        g_clear_error(&jobs[i].error);
    }
    assert_names(f->store, want->str);
    mesh_queue_unref(done);
}

/* Another process writes and is killed the moment it was told that the write is done. */
static void test_survives_sigkill(Fixture *f, gconstpointer unused)
{
    int   status;
    pid_t child;

    (void)unused;
    store_close(f->store);
    f->store = NULL;
    child = fork();
    if (child == 0) {
        Store *store = store_open(f->path, false, NULL);

        if (store != NULL && store_run(store, insert_home, GUINT_TO_POINTER(1), NULL))
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpint(WTERMSIG(status), ==, SIGKILL);
    f->store = store_open(f->path, false, NULL);
    g_assert_nonnull(f->store);
    assert_names(f->store, "home ");
}

static void test_missing(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(store_open("/nonexistent/mesh.db", false, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_STATE);
    g_assert_nonnull(strstr(error->message, "/nonexistent/mesh.db"));
}

/* Every statement is one that the engine understands. */
static bool prepare_all(StoreTx *tx, void *data, GError **error)
{
    (void)data;
    for (StoreQuery query = 0; query < STORE_N_QUERIES; query++) {
        StoreCall call = { 0 };
        g_autoptr(GError) failed = NULL;

        g_assert_nonnull(store_queries_get(query));
        if (!store_query(tx, query, &call, &failed)) /* nothing is bound: null where not allowed */
            g_assert_error(failed, MESH_ERROR, MESH_ERROR_CONFLICT);
    }
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_FAILED, "undo");
    return false;
}

static void test_statements(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;

    (void)unused;
    g_assert_false(store_run(f->store, prepare_all, NULL, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_FAILED);
}

#define ADD(name, func) g_test_add("/store/" name, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("round-trip", test_round_trip);
    ADD("constraint-is-conflict", test_constraint);
    ADD("group-commit-undoes-alone", test_group);
    ADD("acknowledged-write-survives-sigkill", test_survives_sigkill);
    ADD("every-statement-is-understood", test_statements);
    g_test_add_func("/store/missing-file", test_missing);
    return g_test_run();
}
