/* Copies, what must hold in them, and what a restore changes. */
#include "server/store/backup.h"

#include "common/glib/error.h"
#include "server/store/store.h"

#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>

#define NETWORK                                                                   \
    "INSERT INTO network VALUES (x'01', 'home', '10.9.0.0/16', 'fd00:1:2::/48', " \
    "0, 7, 3, 5, 9, 10, 1, '{}', x'', 1, 0, x'');"
#define NODE(values)                                                                     \
    "INSERT INTO node (network, node, name, wg, k_seq, k_body, k_sig, m_nbf, m_exp,"     \
    " expires, due, want_ip4, created, last_seen, os, version, idx, ip4, ip6, state,"    \
    " serial, ver) VALUES (x'01', x'aa', 'one', x'bb', 1, '{}', x'', 0, 0, 0, 50, 1, 1," \
    " 1, '', '', " values ");"
#define IP6   "x'fd000001000200000000000000000005'"
#define SOUND NODE("1, 168361994, " IP6 ", 1, 5, 7") /* 10.9.0.10 */

typedef struct {
    const char *name, *sql;
    const char *want; /* NULL: sound */
} CheckCase;

static const CheckCase cases[] = {
    { "sound", SOUND, NULL },
    { "foreign-key", "INSERT INTO tombstone VALUES (x'02', x'cc', 1, 1, NULL, 1, 1, 0);",
      "without its network" },
    { "node-version", NODE("1, 168361994, " IP6 ", 1, 5, 8"), "node is newer" },
    { "log-version", "INSERT INTO change_log VALUES (x'01', 8, 'put', x'aa', NULL, 1);",
      "change is newer" },
    { "serial", NODE("1, 168361994, " IP6 ", 1, 6, 7"), "serial" },
    { "index", NODE("9, 168361994, " IP6 ", 1, 5, 7"), "index" },
    { "ip4", NODE("1, 168427530, " IP6 ", 1, 5, 7"), "IPv4 address outside" },
    { "ip6", NODE("1, 168361994, x'fd000001000300000000000000000005', 1, 5, 7"),
      "IPv6 address outside" },
    { "removed", SOUND "INSERT INTO tombstone VALUES (x'01', x'aa', 1, 1, NULL, 1, 1, 0);",
      "is there again" },
    { "epoch", "UPDATE network SET epoch=0;", "not positive" },
    { "schema", "PRAGMA user_version=99;", "schema 99" },
};

static char *dir;

static char *new_path(const char *name)
{
    char *path = g_build_filename(dir, name, NULL);

    g_assert_true(g_unlink(path) == 0 || !g_file_test(path, G_FILE_TEST_EXISTS));
    return path;
}

static int64_t run_sql(const char *path, const char *sql)
{
    sqlite3      *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int64_t       value = -1;

    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    if (g_str_has_prefix(sql, "SELECT")) {
        g_assert_cmpint(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), ==, SQLITE_OK);
        g_assert_cmpint(sqlite3_step(stmt), ==, SQLITE_ROW);
        value = sqlite3_column_int64(stmt, 0);
        sqlite3_finalize(stmt);
    } else {
        g_assert_cmpint(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
    }
    sqlite3_close(db);
    return value;
}

static char *make_database(const char *sql)
{
    char *path = new_path("mesh.db");

    g_autoptr(GError) error = NULL;
    store_close(store_open(path, true, &error));
    g_assert_no_error(error);
    run_sql(path, NETWORK);
    run_sql(path, sql);
    return path;
}

static void test_check(gconstpointer data)
{
    const CheckCase *c = data;
    g_autofree char *path = make_database(c->sql);
    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    g_assert_true(store_backup_check(path, findings, &error));
    g_assert_cmpuint(findings->len, ==, c->want != NULL);
    if (c->want != NULL)
        g_assert_nonnull(strstr(g_ptr_array_index(findings, 0), c->want));
}

/* A copy of the sound database, after which the original went on. Returns the copy's path. */
static char *make_backup(const char *path)
{
    char *to = new_path("copy");
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(to, "", 0, NULL));
    g_assert_true(store_backup_copy(path, to, "secret-text", &error));
    g_assert_no_error(error);
    return to;
}

/* Nothing that was handed out after the backup comes back; what was taken away stays away. */
static void test_way_back(void)
{
    g_autofree char *path = make_database(SOUND), *to = make_backup(path);
    g_autoptr(GError) error = NULL;
    StoreBackupReady ready = { 0 };

    run_sql(path, "UPDATE network SET epoch=20, pver=40, next_index=30, next_ip4=168362000,"
                  " serial=90, ver=50");
    run_sql(path, "UPDATE node SET k_seq=7, k_body='newer', wg=x'b7'");
    run_sql(path, "INSERT INTO tombstone VALUES (x'01', x'cc', 2, 60, 168361995, 14, 44, 0)");
    g_assert_true(store_backup_settle(path, &error));
    g_assert_true(store_backup_prepare(to, path, 15, &ready, &error));
    g_assert_no_error(error);
    g_assert_true(ready.merged);
    g_assert_cmpstr(ready.key, ==, "secret-text");
    g_assert_cmpint(run_sql(to, "SELECT epoch FROM network"), ==, 21);
    g_assert_cmpint(run_sql(to, "SELECT serial FROM network"), ==, 90);
    g_assert_cmpint(run_sql(to, "SELECT pver FROM network"), ==, 41);
    g_assert_cmpint(run_sql(to, "SELECT next_index FROM network"), ==, 30);
    g_assert_cmpint(run_sql(to, "SELECT next_ip4 FROM network"), ==, 168362000);
    g_assert_cmpint(run_sql(to, "SELECT policy_body='' FROM network"), ==, 1);
    g_assert_cmpint(run_sql(to, "SELECT k_seq FROM node WHERE wg=x'b7'"), ==, 7);
    g_assert_cmpint(run_sql(to, "SELECT due FROM node"), ==, 0);
    g_assert_cmpint(run_sql(to, "SELECT removed FROM tombstone"), ==, 15); /* held from now on */
    g_assert_cmpint(run_sql(to, "SELECT ver FROM tombstone"), ==, 7);
    g_assert_cmpint(run_sql(to, "SELECT count(*) FROM sqlite_master WHERE name='backup'"), ==, 0);
    g_clear_pointer(&ready.key, g_free);
    g_assert_false(store_backup_prepare(to, NULL, 0, &ready, &error)); /* no key in it any more */
    g_assert_error(error, MESH_ERROR, MESH_ERROR_STATE);
    g_assert_null(ready.key);
}

static void test_removed_stays_removed(void)
{
    g_autofree char *path = make_database(SOUND), *to = make_backup(path);
    g_autoptr(GError) error = NULL;
    StoreBackupReady ready = { 0 };

    run_sql(path, "DELETE FROM node");
    run_sql(path, "INSERT INTO tombstone VALUES (x'01', x'aa', 1, 5, NULL, 14, 7, 0)");
    g_assert_true(store_backup_prepare(to, path, 15, &ready, &error));
    g_assert_no_error(error);
    g_assert_true(ready.merged);
    g_assert_cmpint(run_sql(to, "SELECT count(*) FROM node"), ==, 0);
    g_free(ready.key);
}

/* Nothing, or nothing sound, to learn from: a margin. */
static void test_margin(void)
{
    g_autofree char *path = make_database(SOUND), *to = make_backup(path);
    g_autofree char *noise = new_path("noise");
    g_autoptr(GError) error = NULL;
    StoreBackupReady ready = { 0 };

    g_assert_true(g_file_set_contents(noise, "nothing that SQLite knows", -1, NULL));
    g_assert_true(store_backup_prepare(to, noise, 15, &ready, &error));
    g_assert_no_error(error);
    g_assert_false(ready.merged);
    g_assert_cmpint(run_sql(to, "SELECT next_index FROM network"), ==, 9 + 1024);
    g_assert_cmpint(run_sql(to, "SELECT next_ip4 FROM network"), ==, 10 + 1024);
    g_assert_cmpint(run_sql(to, "SELECT pver FROM network"), ==, 15);
    g_assert_cmpint(run_sql(to, "SELECT count(*) FROM node"), ==, 1);
    g_free(ready.key);
}

static void test_not_a_database(void)
{
    g_autofree char *path = new_path("mesh.db");
    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(path, "nothing that SQLite knows", -1, NULL));
    g_assert_false(store_backup_check(path, findings, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_STATE);
}

int main(int argc, char **argv)
{
    int rc;

    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("mesh-backup-XXXXXX", NULL);
    g_assert_nonnull(dir);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strconcat("/backup/check/", cases[i].name, NULL);

        g_test_add_data_func(name, &cases[i], test_check);
    }
    g_test_add_func("/backup/way-back", test_way_back);
    g_test_add_func("/backup/removed-stays-removed", test_removed_stays_removed);
    g_test_add_func("/backup/margin", test_margin);
    g_test_add_func("/backup/not-a-database", test_not_a_database);
    rc = g_test_run();
    for (const char *const *at = (const char *const[]){ "mesh.db", "mesh.db-wal", "mesh.db-shm",
                                                        "copy", "noise", NULL };
         *at != NULL; at++) {
        g_autofree char *path = g_build_filename(dir, *at, NULL);

        (void)g_unlink(path);
    }
    (void)g_rmdir(dir);
    g_free(dir);
    return rc;
}
