/* Migrations: from nothing, from an earlier schema, from a later one. */
#include "common/glib/error.h"
#include "server/store/engine.h"

#include <glib.h>

static void *open_memory(void)
{
    g_autoptr(GError) error = NULL;
    void *db = store_sqlite_engine.open(":memory:", false, &error);

    g_assert_no_error(error);
    return db;
}

static void test_new(void)
{
    void *db = open_memory();
    g_autoptr(GError) error = NULL;
    int64_t version;

    g_assert_true(store_schema_migrate(&store_sqlite_engine, db, &error));
    g_assert_no_error(error);
    g_assert_true(store_sqlite_engine.get_version(db, &version, NULL));
    g_assert_cmpint(version, ==, store_schema_latest());
    g_assert_true(store_schema_migrate(&store_sqlite_engine, db, &error)); /* nothing to do */
    store_sqlite_engine.close(db);
}

/* A database of the first release keeps what is in it; new columns have their defaults. */
static void test_first_release(void)
{
    void *db = open_memory();
    g_autoptr(GError) error = NULL;

    g_assert_true(store_schema_migrate_to(&store_sqlite_engine, db, 1, &error));
    g_assert_no_error(error);
    g_assert_true(store_sqlite_engine.script(
        db, "INSERT INTO network VALUES (x'01','home',NULL,'fd00::/48',0,1,1,0,1,0,1,'{}',x'',5)",
        &error));
    g_assert_true(
        store_sqlite_engine.script(db, "INSERT INTO join_key VALUES (x'01',x'02',0,0,1,2,0,'n')",
                                   &error));
    g_assert_true(store_schema_migrate(&store_sqlite_engine, db, &error));
    g_assert_no_error(error);
    g_assert_true(store_sqlite_engine.script(
        db,
        "CREATE TABLE seen (n CHECK (n=1)); INSERT INTO seen SELECT count(*) FROM network JOIN"
        " join_key ON network=id WHERE max_nodes=0 AND owner=0 AND note='n'"
        " AND length(lan)=0",
        &error));
    g_assert_no_error(error);
    store_sqlite_engine.close(db);
}

static void test_newer(void)
{
    void *db = open_memory();
    g_autoptr(GError) error = NULL;

    g_assert_true(store_sqlite_engine.set_version(db, store_schema_latest() + 1, NULL));
    g_assert_false(store_schema_migrate(&store_sqlite_engine, db, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_STATE);
    store_sqlite_engine.close(db);
}

/* A step that fails leaves the version and the tables as they were. */
static void test_failing_step(void)
{
    void *db = open_memory();
    g_autoptr(GError) error = NULL;
    int64_t version;

    g_assert_true(store_sqlite_engine.script(db, "CREATE TABLE node (x)", NULL)); /* in the way */
    g_assert_false(store_schema_migrate(&store_sqlite_engine, db, &error));
    g_assert_nonnull(error);
    g_assert_true(store_sqlite_engine.get_version(db, &version, NULL));
    g_assert_cmpint(version, ==, 0);
    g_assert_false(store_sqlite_engine.in_transaction(db));
    g_assert_false(store_sqlite_engine.script(db, "SELECT * FROM network", NULL)); /* rolled back */
    store_sqlite_engine.close(db);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/schema/from-nothing", test_new);
    g_test_add_func("/schema/from-the-first-release", test_first_release);
    g_test_add_func("/schema/newer-is-refused", test_newer);
    g_test_add_func("/schema/failing-step-is-undone", test_failing_step);
    return g_test_run();
}
