/* server/store/sqlite.c: SQLite as an engine: WAL, synchronous=FULL, foreign keys, immediate
 * transactions, statements prepared once. Storage thread only. */
#include "common/glib/error.h"
#include "server/store/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#define BUSY_TIMEOUT_MS 10000 /* another process holds the file: a backup, an operator's shell */

typedef struct {
    sqlite3      *db;
    sqlite3_stmt *prepared[STORE_N_QUERIES]; /* NULL: not yet used */
} Sqlite;

static MeshErrorCode code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        return MESH_ERROR_CONFLICT;
    case SQLITE_FULL:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_READONLY:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
        return MESH_ERROR_BUSY;
    default:
        return MESH_ERROR_STATE;
    }
}

static bool fail(const Sqlite *self, int rc, const char *what, GError **error)
{
    g_set_error(error, MESH_ERROR, (gint)code_of(rc), "storage: %s: %s", what,
                self->db != NULL ? sqlite3_errmsg(self->db) : sqlite3_errstr(rc));
    return false;
}

static bool sqlite_script(void *db, const char *sql, GError **error)
{
    Sqlite *self = db;
    int     rc = sqlite3_exec(self->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK || fail(self, rc, "statement", error);
}

static void sqlite_close(void *db)
{
    Sqlite *self = db;

    if (self == NULL)
        return;
    for (size_t i = 0; i < STORE_N_QUERIES; i++)
        sqlite3_finalize(self->prepared[i]);
    sqlite3_close(self->db);
    g_free(self);
}

/* SQLite would make the file with the process's umask; it holds who is in which network. */
static bool make_file(const char *path, GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "%s", path);
        return false;
    }
    close(fd);
    return true;
}

static void *sqlite_open(const char *path, bool create, GError **error)
{
    Sqlite *self;
    int     rc;

    if (create && !make_file(path, error))
        return NULL;
    self = g_new0(Sqlite, 1);
    rc = sqlite3_open_v2(path, &self->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        fail(self, rc, "open", error);
        g_prefix_error(error, "%s: ", path);
        sqlite_close(self);
        return NULL;
    }
    sqlite3_extended_result_codes(self->db, 1);
    sqlite3_busy_timeout(self->db, BUSY_TIMEOUT_MS);
    /* temp_store: what a large group could undo goes to memory; the sandbox has no other folder.
     * cache_size: the core holds all that is read, so 512 KiB do for what a group writes. */
    if (!sqlite_script(self,
                       "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                       "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                       "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-512;",
                       error)) {
        g_prefix_error(error, "%s: ", path);
        sqlite_close(self);
        return NULL;
    }
    return self;
}

static bool sqlite_in_transaction(void *db)
{
    return sqlite3_get_autocommit(((Sqlite *)db)->db) == 0;
}

static bool sqlite_control(void *db, StoreControl what, GError **error)
{
    static const char *const texts[] = {
        [STORE_BEGIN] = "BEGIN IMMEDIATE", [STORE_COMMIT] = "COMMIT",
        [STORE_ROLLBACK] = "ROLLBACK",     [STORE_SAVE] = "SAVEPOINT job",
        [STORE_SAVE_KEEP] = "RELEASE job", [STORE_SAVE_UNDO] = "ROLLBACK TO job; RELEASE job",
    };

    if (what == STORE_ROLLBACK && !sqlite_in_transaction(db))
        return true; /* a full disk may have rolled back already */
    return sqlite_script(db, texts[what], error);
}

static bool sqlite_get_version(void *db, int64_t *out_version, GError **error)
{
    Sqlite       *self = db;
    sqlite3_stmt *stmt = NULL;
    int           rc = sqlite3_prepare_v2(self->db, "PRAGMA user_version", -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *out_version = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || fail(self, rc, "schema version", error);
}

static bool sqlite_set_version(void *db, int64_t version, GError **error)
{
    char sql[64];

    g_snprintf(sql, sizeof sql, "PRAGMA user_version=%d", (int)version);
    return sqlite_script(db, sql, error);
}

static int bind(sqlite3_stmt *stmt, int at, const StoreArg *arg)
{
    switch (arg->type) {
    case STORE_INT:
        return sqlite3_bind_int64(stmt, at, arg->number);
    case STORE_TEXT:
        return arg->data == NULL ? sqlite3_bind_null(stmt, at)
                                 : sqlite3_bind_text(stmt, at, arg->data, -1, SQLITE_STATIC);
    case STORE_BLOB: /* a NULL pointer would bind null, an empty one is wanted */
        return sqlite3_bind_blob64(stmt, at, arg->data != NULL ? arg->data : "", arg->len,
                                   SQLITE_STATIC);
    case STORE_NULL:
        break;
    }
    return sqlite3_bind_null(stmt, at);
}

/* The statement, ready to be bound. */
static sqlite3_stmt *prepare(Sqlite *self, StoreQuery query, int *out_rc)
{
    *out_rc = SQLITE_OK;
    if (self->prepared[query] == NULL)
        *out_rc = sqlite3_prepare_v3(self->db, store_queries_get(query), -1,
                                     SQLITE_PREPARE_PERSISTENT, &self->prepared[query], NULL);
    return self->prepared[query];
}

static bool sqlite_query(void *db, StoreQuery query, const StoreCall *call, GError **error)
{
    Sqlite       *self = db;
    int           rc;
    sqlite3_stmt *stmt = prepare(self, query, &rc);
    StoreRow      row = { .engine = &store_sqlite_engine, .native = stmt };
    bool          ok = rc == SQLITE_OK;

    for (size_t i = 0; ok && i < call->n_args; i++) {
        rc = bind(stmt, (int)i + 1, &call->args[i]);
        ok = rc == SQLITE_OK;
    }
    while (ok && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        if (call->on_row != NULL && !call->on_row(&row, call->user_data)) {
            rc = SQLITE_DONE;
            break;
        }
    ok = ok && rc == SQLITE_DONE;
    if (!ok)
        fail(self, rc, store_queries_get(query), error);
    if (stmt != NULL) {
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
    }
    return ok;
}

static int64_t sqlite_row_int(void *native, int column)
{
    return sqlite3_column_int64(native, column);
}

static const char *sqlite_row_text(void *native, int column)
{
    return (const char *)sqlite3_column_text(native, column);
}

static const void *sqlite_row_blob(void *native, int column, size_t *out_len)
{
    const void *data = sqlite3_column_blob(native, column);

    *out_len = (size_t)sqlite3_column_bytes(native, column);
    return data;
}

static bool sqlite_row_null(void *native, int column)
{
    return sqlite3_column_type(native, column) == SQLITE_NULL;
}

const StoreEngine store_sqlite_engine = {
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .control = sqlite_control,
    .in_transaction = sqlite_in_transaction,
    .script = sqlite_script,
    .query = sqlite_query,
    .get_version = sqlite_get_version,
    .set_version = sqlite_set_version,
    .row_int = sqlite_row_int,
    .row_text = sqlite_row_text,
    .row_blob = sqlite_row_blob,
    .row_null = sqlite_row_null,
};
