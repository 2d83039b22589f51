/* server/store on a disk that loses power after any write, or refuses any step: every change that
 * was acknowledged is there afterwards, each change is there whole or not at all. */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "server/store/store.h"
#include "tests/faults/cut.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>

enum { BEGUN = 1, ACKED = 2 }; /* kinds of notes */
enum { KEYS_EACH = 3 };        /* rows that one change adds besides its network */

/* Change number @n: a network and its keys. */
static bool add_change(StoreTx *tx, void *data, GError **error)
{
    int       n = GPOINTER_TO_INT(data);
    uint8_t   id[8] = { (uint8_t)n, 1 };
    char      name[16];
    StoreCall network = { STORE_ARGS(STORE_ARG_BLOB(id, sizeof id), STORE_ARG_TEXT(name),
                                     STORE_ARG_NULL, STORE_ARG_TEXT("fd00::/48"), STORE_ARG_INT(0),
                                     STORE_ARG_INT(1), STORE_ARG_INT(1), STORE_ARG_INT(0),
                                     STORE_ARG_INT(1), STORE_ARG_INT(0), STORE_ARG_INT(1),
                                     STORE_ARG_TEXT("{}"), STORE_ARG_BLOB("", 0), STORE_ARG_INT(n),
                                     STORE_ARG_INT(0), STORE_ARG_BLOB("", 0)) };

    g_snprintf(name, sizeof name, "n%d", n);
    if (!store_query(tx, STORE_NETWORK_INSERT, &network, error))
        return false;
    for (uint8_t key = 0; key < KEYS_EACH; key++) {
        uint8_t public[32] = { (uint8_t)n, key };
        StoreCall call = { STORE_ARGS(STORE_ARG_BLOB(id, sizeof id),
                                      STORE_ARG_BLOB(public, sizeof public), STORE_ARG_INT(0),
                                      STORE_ARG_INT(0), STORE_ARG_INT(n), STORE_ARG_INT(0),
                                      STORE_ARG_INT(0), STORE_ARG_TEXT(""), STORE_ARG_INT(0)) };

        if (!store_query(tx, STORE_JOIN_KEY_INSERT, &call, error))
            return false;
    }
    return true;
}

static Store *open_store(const char *dir, bool create, GError **error)
{
    g_autofree char *path = g_build_filename(dir, "mesh.db", NULL);

    return store_open(path, create, error);
}

static bool change(Store *store, int n, GError **error)
{
    return store_run(store, add_change, GINT_TO_POINTER(n), error);
}

/* ---- what must hold ---- */

/* Asks SQLite itself. Returns: the first column of the first row as text; owned. */
static char *ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    char         *text = NULL;

    g_assert_cmpint(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), ==, SQLITE_OK);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        text = g_strdup((const char *)sqlite3_column_text(stmt, 0));
    g_assert_cmpint(sqlite3_finalize(stmt), ==, SQLITE_OK);
    return text;
}

static int ask_number(sqlite3 *db, const char *sql)
{
    g_autofree char *text = ask(db, sql);

    return text != NULL ? atoi(text) : 0;
}

/* Returns: how many changes are there: 1 to that number, each whole. */
static int count_changes(const char *dir)
{
    g_autofree char *path = g_build_filename(dir, "mesh.db", NULL);
    g_autofree char *whole = NULL, *foreign = NULL;
    sqlite3         *db = NULL;
    int              n;

    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    whole = ask(db, "PRAGMA integrity_check");
    g_assert_cmpstr(whole, ==, "ok");
    foreign = ask(db, "PRAGMA foreign_key_check");
    g_assert_null(foreign);
    n = ask_number(db, "SELECT count(*) FROM network");
    g_assert_cmpint(ask_number(db, "SELECT max(created) FROM network"), ==, n);
    g_assert_cmpint(ask_number(db, "SELECT count(*) FROM join_key"), ==, n * KEYS_EACH);
    sqlite3_close(db);
    return n;
}

/* ---- the power goes ---- */

static void check_disk(const char *dir, size_t n)
{
    g_autoptr(GError) error = NULL;
    Store *store = open_store(dir, disk_get_note(ACKED, n) == 0, &error);
    int    found;

    g_assert_no_error(error);
    found = count_changes(dir);
    g_assert_cmpint(found, >=, disk_get_note(ACKED, n));
    g_assert_cmpint(found, <=, disk_get_note(BEGUN, n));
    g_assert_true(change(store, found + 1, &error)); /* and it goes on from there */
    g_assert_no_error(error);
    store_close(store);
}

static void cut_each_step(size_t steps)
{
    unsigned images = 0;

    for (size_t n = 0; n <= steps; n++)
        for (int all = 0; all < 2; all++)
            for (DiskRest rest = 0; rest < DISK_REST_N; rest++, images++) {
                g_autofree char *dir = cut_make_dir();

                disk_replay(n, all ? n : 0, rest, dir);
                check_disk(dir, n);
                cut_remove_tree(dir);
            }
    g_test_message("%zu steps, %u disks", steps, images);
}

static void run_changes(Store *store, int from, int to)
{
    for (int n = from; n <= to; n++) {
        disk_note(BEGUN, n);
        g_assert_true(change(store, n, NULL));
        disk_note(ACKED, n);
    }
}

/* A first start, changes, a polite end (which moves the log into the database), and more. */
static void test_cut(void)
{
    g_autofree char *dir = cut_make_dir();
    Store           *store;
    size_t           steps;

    disk_record(dir);
    store = open_store(dir, true, NULL);
    g_assert_nonnull(store);
    run_changes(store, 1, 3);
    store_close(store);
    store = open_store(dir, false, NULL);
    g_assert_nonnull(store);
    run_changes(store, 4, 5);
    steps = disk_stop();
    store_close(store);
    g_assert_cmpuint(steps, >, 50);
    cut_each_step(steps);
    cut_remove_tree(dir);
}

/* ---- a step is refused ---- */

typedef struct {
    const char *name;
    int         error; /* 0: a write that ends halfway, then a full disk */
    bool        sticky;
} RefusalCase;

static const RefusalCase refusals[] = {
    { "full-for-a-moment", ENOSPC, false }, { "full", ENOSPC, true },
    { "short-write-then-full", 0, true },   { "input-output", EIO, false },
    { "input-output-for-ever", EIO, true }, { "read-only", EROFS, true },
};

/* A first start and two changes. Returns: how many changes were acknowledged. */
static int use_store(const char *dir)
{
    g_autoptr(GError) error = NULL;
    Store *store = open_store(dir, true, &error);
    int    acked = 0;

    g_assert_true((store == NULL) == (error != NULL));
    for (int i = 0; store != NULL && i < 3; i++) {
        g_autoptr(GError) failed = NULL;

        if (change(store, acked + 1, &failed))
            acked++;
        else
            g_assert_true(g_error_matches(failed, MESH_ERROR, MESH_ERROR_BUSY) ||
                          g_error_matches(failed, MESH_ERROR, MESH_ERROR_STATE) ||
                          g_error_matches(failed, MESH_ERROR, MESH_ERROR_CONFLICT));
    }
    store_close(store);
    return acked;
}

/* Returns: whether a step was refused: false ends the walk over them. */
static bool refuse(const RefusalCase *c, unsigned nth)
{
    g_autofree char *dir = cut_make_dir();
    g_autoptr(GError) error = NULL;
    Store *store;
    bool   refused;
    int    acked, found;

    disk_fail(dir, nth, c->error, c->sticky);
    acked = use_store(dir);
    refused = disk_heal();
    g_assert_true(refused || acked == 3);
    store = open_store(dir, true, &error); /* as a new process would */
    g_assert_no_error(error);
    found = count_changes(dir);
    g_assert_cmpint(found, >=, acked);
    g_assert_true(change(store, found + 1, &error));
    g_assert_no_error(error);
    store_close(store);
    g_assert_cmpint(count_changes(dir), ==, found + 1);
    cut_remove_tree(dir);
    return refused;
}

static void test_refusals(gconstpointer data)
{
    const RefusalCase *c = data;
    unsigned           nth = 1;

    while (refuse(c, nth))
        nth++;
    g_test_message("refused: each of %u steps", nth - 1);
    g_assert_cmpuint(nth, >, 20);
}

/* A read that fails, or a file that cannot be opened, while serving: an error, and nothing is lost.
 * Returns: whether a read was refused. */
static bool refuse_read(int code, unsigned nth)
{
    g_autofree char *dir = cut_make_dir();
    g_autoptr(GError) error = NULL;
    Store *store = open_store(dir, true, NULL);
    bool   refused;
    int    acked, found;

    g_assert_true(change(store, 1, NULL));
    store_close(store);
    disk_fail_reads(dir, nth, code);
    store = open_store(dir, false, &error);
    g_assert_true((store == NULL) == (error != NULL));
    acked = store != NULL && change(store, 2, NULL) ? 2 : 1;
    refused = disk_heal();
    g_assert_true(refused || acked == 2);
    store_close(store);
    g_clear_error(&error);
    store = open_store(dir, false, &error);
    g_assert_no_error(error);
    found = count_changes(dir);
    g_assert_cmpint(found, >=, acked);
    g_assert_true(change(store, found + 1, &error));
    g_assert_no_error(error);
    store_close(store);
    cut_remove_tree(dir);
    return refused;
}

static void test_reads(gconstpointer data)
{
    unsigned nth = 1;

    while (refuse_read(GPOINTER_TO_INT(data), nth))
        nth++;
    g_test_message("refused: each of %u reads", nth - 1);
    g_assert_cmpuint(nth, >, 5);
}

/* The same process goes on when there is room again. */
static void test_recovers(void)
{
    g_autofree char *dir = cut_make_dir();
    g_autoptr(GError) error = NULL;
    Store *store;

    disk_fail(dir, 0, 0, false);
    store = open_store(dir, true, NULL);
    g_assert_true(change(store, 1, NULL));
    disk_fail(dir, 1, ENOSPC, true);
    for (int i = 0; i < 3; i++) {
        g_assert_false(change(store, 2, &error));
        g_assert_error(error, MESH_ERROR, MESH_ERROR_BUSY);
        g_clear_error(&error);
    }
    g_assert_cmpint(count_changes(dir), ==, 1); /* reading goes on */
    g_assert_true(disk_heal());
    g_assert_true(change(store, 2, &error));
    g_assert_no_error(error);
    store_close(store);
    g_assert_cmpint(count_changes(dir), ==, 2);
    cut_remove_tree(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mesh_log_init("test", MESH_LOG_ERROR);
    g_test_add_func("/faults/store/power-cut", test_cut);
    g_test_add_func("/faults/store/full-then-room-again", test_recovers);
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *path = g_strconcat("/faults/store/refused/", refusals[i].name, NULL);

        g_test_add_data_func(path, &refusals[i], test_refusals);
    }
    g_test_add_data_func("/faults/store/reads/input-output", GINT_TO_POINTER(EIO), test_reads);
    g_test_add_data_func("/faults/store/reads/too-many-files", GINT_TO_POINTER(EMFILE), test_reads);
    return g_test_run();
}
