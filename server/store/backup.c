/* server/store/backup.c: copies by SQLite's backup API, and the invariants of the tables. */
#include "server/store/backup.h"

#include "common/glib/error.h"
#include "common/std/ip.h"
#include "common/std/key.h"
#include "server/store/engine.h"

#include <sqlite3.h>
#include <string.h>
#include <sys/socket.h>

enum {
    BUSY_TIMEOUT_MS = 10000,
    MAX_FINDINGS = 100, /* a broken file may have one a row */
};

static bool fail(sqlite3 *db, const char *path, GError **error)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s: %s", path, sqlite3_errmsg(db));
    return false;
}

static bool script(sqlite3 *db, const char *path, const char *sql, GError **error)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK || fail(db, path, error);
}

static sqlite3 *open_file(const char *path, GError **error)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        fail(db, path, error);
        sqlite3_close(db);
        return NULL;
    }
    sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    if (script(db, path, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;", error))
        return db;
    sqlite3_close(db);
    return NULL;
}

/* The first column of the first row. False: @error, or there is no row. */
static bool get_int(sqlite3 *db, const char *sql, int64_t *out_value)
{
    sqlite3_stmt *stmt = NULL;
    bool          ok = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
              sqlite3_step(stmt) == SQLITE_ROW;

    if (ok)
        *out_value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return ok;
}

/* All in one step, hence of one moment: writers of the log do not wait for it. */
static bool copy_pages(sqlite3 *from, sqlite3 *to, const char *path, GError **error)
{
    sqlite3_backup *copy = sqlite3_backup_init(to, "main", from, "main");

    if (copy == NULL)
        return fail(to, path, error);
    (void)sqlite3_backup_step(copy, -1);
    return sqlite3_backup_finish(copy) == SQLITE_OK || fail(to, path, error);
}

static bool keep_key(sqlite3 *db, const char *path, const char *key, GError **error)
{
    sqlite3_stmt *stmt = NULL;
    bool          ok;

    /* one plain file: without a log beside it */
    if (!script(db, path, "PRAGMA journal_mode=DELETE; CREATE TABLE backup (key TEXT NOT NULL);",
                error))
        return false;
    ok = sqlite3_prepare_v2(db, "INSERT INTO backup VALUES (?1)", -1, &stmt, NULL) == SQLITE_OK &&
         sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC) == SQLITE_OK &&
         sqlite3_step(stmt) == SQLITE_DONE;
    if (!ok)
        fail(db, path, error);
    sqlite3_finalize(stmt);
    return ok;
}

bool store_backup_copy(const char *path, const char *to, const char *key, GError **error)
{
    sqlite3 *source = open_file(path, error);
    sqlite3 *target = source != NULL ? open_file(to, error) : NULL;
    bool     ok = target != NULL && script(source, path, "PRAGMA query_only=ON", error) &&
              copy_pages(source, target, to, error) && keep_key(target, to, key, error);

    sqlite3_close(target);
    sqlite3_close(source);
    return ok;
}

typedef struct {
    const char *what; /* said before each row */
    const char *sql;  /* one column: where */
} Rule;

static const Rule rules[] = {
    { "file", "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check<>'ok'" },
    { "a row without its network",
      "SELECT \"table\"||' to '||parent FROM pragma_foreign_key_check" },
    { "epoch or version is not positive", "SELECT name FROM network WHERE epoch<1 OR ver<1" },
    { "node is newer than its network", "SELECT n.name||' of '||w.name FROM node n JOIN network w"
                                        " ON w.id=n.network WHERE n.ver>w.ver" },
    { "logged change is newer than its network",
      "SELECT w.name||' '||l.ver FROM change_log l JOIN network w ON w.id=l.network"
      " WHERE l.ver>w.ver" },
    { "tombstone is newer than its network",
      "SELECT w.name||' '||t.idx FROM tombstone t JOIN network w ON w.id=t.network"
      " WHERE t.ver>w.ver" },
    { "serial was never given out", "SELECT n.name||' of '||w.name FROM node n JOIN network w"
                                    " ON w.id=n.network WHERE n.serial>w.serial" },
    { "index was never given out", "SELECT n.name||' of '||w.name FROM node n JOIN network w"
                                   " ON w.id=n.network WHERE n.idx>=w.next_index" },
    { "removed node is there again",
      "SELECT n.name||' of '||w.name FROM node n JOIN network w ON w.id=n.network"
      " JOIN tombstone t ON t.network=n.network AND t.node=n.node" },
    { "IPv4 address outside the prefix",
      "SELECT n.name||' of '||w.name FROM node n JOIN network w ON w.id=n.network"
      " WHERE n.ip4 IS NOT NULL AND NOT in_prefix(w.ip4, n.ip4)" },
    { "IPv6 address outside the prefix",
      "SELECT n.name||' of '||w.name FROM node n JOIN network w ON w.id=n.network"
      " WHERE n.state=1 AND NOT in_prefix(w.ip6, n.ip6)" },
    { "IPv4 address held twice",
      "SELECT w.name||' '||n.ip4 FROM node n JOIN network w ON w.id=n.network"
      " WHERE n.ip4 IS NOT NULL GROUP BY n.network, n.ip4 HAVING count(*)>1" },
};

/* in_prefix(prefix, address): a number is IPv4 in host order, a blob is IPv6. */
static void in_prefix(sqlite3_context *context, int n, sqlite3_value **values)
{
    const char *text = (const char *)sqlite3_value_text(values[0]);
    bool        six = sqlite3_value_type(values[1]) == SQLITE_BLOB;
    uint8_t     bytes[16] = { 0 };
    MeshPrefix  prefix;
    MeshAddr    addr;
    bool        inside;

    (void)n;
    if (six && sqlite3_value_bytes(values[1]) == (int)sizeof bytes)
        memcpy(bytes, sqlite3_value_blob(values[1]), sizeof bytes);
    for (int at = 0; !six && at < 4; at++)
        bytes[at] = (uint8_t)(sqlite3_value_int64(values[1]) >> (24 - 8 * at));
    addr = mesh_ip_make_addr(six ? AF_INET6 : AF_INET, bytes);
    inside = text != NULL && mesh_ip_parse_prefix(text, &prefix) == 0 &&
             mesh_ip_contains(&prefix, &addr);
    sqlite3_result_int(context, inside);
}

static void apply_rule(sqlite3 *db, const Rule *rule, GPtrArray *findings)
{
    sqlite3_stmt *stmt = NULL;
    int           rc = sqlite3_prepare_v2(db, rule->sql, -1, &stmt, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW && findings->len < MAX_FINDINGS)
            g_ptr_array_add(findings, g_strdup_printf("%s: %s", rule->what,
                                                      (const char *)sqlite3_column_text(stmt, 0)));
        if (findings->len >= MAX_FINDINGS)
            break;
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        g_ptr_array_add(findings, g_strdup_printf("%s: %s", rule->what, sqlite3_errmsg(db)));
    sqlite3_finalize(stmt);
}

/* All rules see the same moment. */
static bool apply_rules(sqlite3 *db, const char *path, GPtrArray *findings, GError **error)
{
    int64_t version = 0;

    if (!script(db, path, "PRAGMA query_only=ON; BEGIN", error))
        return false;
    if (!get_int(db, "PRAGMA user_version", &version))
        return fail(db, path, error);
    if (version < 1 || version > store_schema_latest()) {
        g_ptr_array_add(findings, g_strdup_printf("schema %d; this program knows 1 to %d",
                                                  (int)version, (int)store_schema_latest()));
        return true;
    }
    if (sqlite3_create_function(db, "in_prefix", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                in_prefix, NULL, NULL) != SQLITE_OK)
        return fail(db, path, error);
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++)
        apply_rule(db, &rules[i], findings);
    return true;
}

bool store_backup_check(const char *path, GPtrArray *findings, GError **error)
{
    sqlite3 *db = open_file(path, error);
    bool     ok = db != NULL && apply_rules(db, path, findings, error);

    sqlite3_close(db); /* ends the transaction */
    return ok;
}

bool store_backup_settle(const char *path, GError **error)
{
    sqlite3 *db = open_file(path, error);
    int64_t  networks = 0;
    bool     ok;

    if (db == NULL)
        return false;
    ok = script(db, path, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE;", error) &&
         (get_int(db, "SELECT count(*) FROM network", &networks) || fail(db, path, error));
    sqlite3_close(db);
    return ok;
}

static char *read_key(sqlite3 *db, const char *path, GError **error)
{
    sqlite3_stmt *stmt = NULL;
    char         *key = NULL;

    if (sqlite3_prepare_v2(db, "SELECT key FROM backup", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        key = g_strdup((const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    if (key == NULL)
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE,
                    "%s: not a backup of mesh-server: it holds no server key", path);
    return key;
}

/* What @replaced (attached as old) knows better: all that only ever grows. Both may be of any
 * schema, so only columns of the first one are named. */
static const char merge_sql[] =
    "UPDATE network SET epoch=max(network.epoch, o.epoch), serial=max(network.serial, o.serial),"
    " next_index=max(network.next_index, o.next_index), pver=max(network.pver, o.pver),"
    " next_ip4=CASE WHEN network.ip4 IS o.ip4 THEN max(network.next_ip4, o.next_ip4)"
    " ELSE network.next_ip4 END FROM old.network o WHERE o.id=network.id;"
    "INSERT OR IGNORE INTO tombstone (network, node, idx, serial, ip4, removed, ver)"
    " SELECT t.network, t.node, t.idx, t.serial, t.ip4, t.removed, n.ver FROM old.tombstone t"
    " JOIN network n ON n.id=t.network;"
    "DELETE FROM node WHERE EXISTS (SELECT 1 FROM tombstone t WHERE t.network=node.network"
    " AND t.node=node.node);"
    "UPDATE OR IGNORE node SET wg=o.wg, k_seq=o.k_seq, k_body=o.k_body, k_sig=o.k_sig"
    " FROM old.node o WHERE o.network=node.network AND o.node=node.node AND o.k_seq>node.k_seq;"
    "UPDATE join_key SET uses=max(join_key.uses, o.uses), revoked=max(join_key.revoked, o.revoked)"
    " FROM old.join_key o WHERE o.network=join_key.network AND o.public=join_key.public;"
    /* forgotten meanwhile, because nobody could use it any more */
    "UPDATE join_key SET revoked=1 WHERE network IN (SELECT id FROM old.network) AND NOT EXISTS"
    " (SELECT 1 FROM old.join_key o WHERE o.network=join_key.network"
    " AND o.public=join_key.public);";

/* Nothing is known of what was handed out after the backup. */
static const char margin_sql[] =
    "UPDATE network SET next_index=next_index+1024, next_ip4=CASE WHEN ip4 IS NULL THEN next_ip4"
    " ELSE next_ip4+min(1024, (1<<(32-CAST(substr(ip4, instr(ip4,'/')+1) AS INTEGER)))/4) END;";

static bool attach(sqlite3 *db, const char *path, const char *replaced, GError **error)
{
    char *sql = sqlite3_mprintf("ATTACH %Q AS old", replaced);
    bool  ok = script(db, path, sql, error);

    sqlite3_free(sql);
    return ok;
}

/* True: done, in a transaction that is open. */
static bool merge(sqlite3 *db, const char *path, const char *replaced)
{
    g_autoptr(GError) damaged = NULL;

    if (replaced == NULL || !attach(db, path, replaced, &damaged))
        return false;
    if (script(db, path, "BEGIN IMMEDIATE", &damaged) && script(db, path, merge_sql, &damaged))
        return true;
    (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

/* Nodes know a newer map of relays perhaps, and take no older one. Owned; "": a backup from before
 * there were any. */
static char *make_relays_sql(sqlite3 *db, int64_t now_s)
{
    if (sqlite3_table_column_metadata(db, "main", "relay_map", "ver", NULL, NULL, NULL, NULL,
                                      NULL) != SQLITE_OK)
        return g_strdup("");
    return g_strdup_printf("UPDATE relay_map SET ver=max(ver, %" G_GINT64_FORMAT ")+1;", now_s - 1);
}

static bool prepare(sqlite3 *db, const char *path, int64_t now_s, bool merged, GError **error)
{
    g_autofree char *relays = make_relays_sql(db, now_s);
    g_autofree char *sql = g_strdup_printf(
        "DROP TABLE backup; UPDATE network SET epoch=max(epoch, %" G_GINT64_FORMAT ")+1,"
        " serial=max(serial, %" G_GINT64_FORMAT "), pver=max(pver, %" G_GINT64_FORMAT ")+1,"
        " policy_body='', policy_sig=x'';"
        "UPDATE tombstone SET removed=max(removed, %" G_GINT64_FORMAT ") WHERE ip4 IS NOT NULL;"
        "UPDATE node SET due=0, m_nbf=0, m_exp=0 WHERE state=1; %s COMMIT;",
        now_s - 1, now_s, now_s - 1, now_s, relays);

    return (merged ||
            (script(db, path, "BEGIN IMMEDIATE", error) && script(db, path, margin_sql, error))) &&
           script(db, path, sql, error);
}

bool store_backup_prepare(const char *path, const char *replaced, int64_t now_s,
                          StoreBackupReady *out_ready, GError **error)
{
    sqlite3         *db = open_file(path, error);
    StoreBackupReady ready = { 0 };
    bool             ok = db != NULL && (ready.key = read_key(db, path, error)) != NULL &&
              script(db, path, "PRAGMA secure_delete=ON", error);

    if (ok) {
        ready.merged = merge(db, path, replaced);
        ok = prepare(db, path, now_s, ready.merged, error);
    }
    sqlite3_close(db);
    if (ok) {
        *out_ready = ready;
        return true;
    }
    if (ready.key != NULL)
        mesh_key_wipe(ready.key, strlen(ready.key));
    g_free(ready.key);
    return false;
}
