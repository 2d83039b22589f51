/* server/store/engine.h: what a database engine has to do. Storage thread only.
 *
 * Errors are MESH_ERROR_CONFLICT (a constraint refused), MESH_ERROR_BUSY (cannot write now: full,
 * locked, read-only), MESH_ERROR_STATE (the database cannot be read or understood). */
#pragma once

#include "server/store/store.h"

typedef enum {
    STORE_BEGIN, /* a transaction that may write from the start */
    STORE_COMMIT,
    STORE_ROLLBACK, /* also fine when there is none */
    STORE_SAVE,     /* a savepoint, one level */
    STORE_SAVE_KEEP,
    STORE_SAVE_UNDO,
} StoreControl;

typedef struct StoreEngine {
    const char *name;
    void *(*open)(const char *path, bool create, GError **error);
    void (*close)(void *db);
    bool (*control)(void *db, StoreControl what, GError **error);
    bool (*in_transaction)(void *db); /* false: the engine gave the transaction up by itself */
    /* Runs statements without arguments or rows: migrations. */
    bool (*script)(void *db, const char *sql, GError **error);
    bool (*query)(void *db, StoreQuery query, const StoreCall *call, GError **error);
    bool (*get_version)(void *db, int64_t *out_version, GError **error); /* of the schema; 0: new */
    bool (*set_version)(void *db, int64_t version, GError **error);
    int64_t (*row_int)(void *native, int column);
    const char *(*row_text)(void *native, int column);
    const void *(*row_blob)(void *native, int column, size_t *out_len);
    bool (*row_null)(void *native, int column);
} StoreEngine;

/* What a StoreRowFunc sees; on the stack of the engine's query(). */
struct StoreRow {
    const StoreEngine *engine;
    void              *native;
};

extern const StoreEngine store_sqlite_engine;

/* Brings the schema from whatever version to the newest, one transaction a step. MESH_ERROR_STATE:
 * the database is newer than this program. */
bool store_schema_migrate(const StoreEngine *engine, void *db, GError **error);

/* The same, to @latest only: for tests of an upgrade. */
bool store_schema_migrate_to(const StoreEngine *engine, void *db, int64_t latest, GError **error);

/* The newest version this program knows. */
int64_t store_schema_latest(void);
