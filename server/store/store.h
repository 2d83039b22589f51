/* server/store/store.h: durable state: one storage thread in front of a database engine. Front
 * door of server/store.
 *
 * A change is a StoreJob: its run() is executed on the storage thread inside a transaction, where
 * the database itself is the truth, so two jobs never see each other half done. All jobs that wait
 * share one transaction (group commit), each in its own savepoint: one that fails undoes itself
 * alone. done() is called after the commit, hence an answer sent from there is on disk and
 * survives SIGKILL. When the engine cannot write (disk full), the jobs of the group end with
 * MESH_ERROR_BUSY and nothing of them is kept. */
#pragma once

#include "server/store/queries.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Store    Store;
typedef struct StoreTx  StoreTx;  /* valid inside run() only, on the storage thread */
typedef struct StoreRow StoreRow; /* valid inside a StoreRowFunc only */

typedef struct {
    /* Storage thread. False and @error (any of MESH_ERROR): the job's own changes are undone. */
    bool (*run)(StoreTx *tx, void *data, GError **error);
    /* Storage thread, after the commit: posts to the owner, nothing else. Takes @error (NULL: it
     * is done and durable) and gives up on @data to the owner. */
    void (*done)(void *data, GError *error);
    void *data;
} StoreJob;

/* A value bound to a statement; texts and bytes are borrowed for the call. */
typedef struct {
    enum { STORE_NULL, STORE_INT, STORE_TEXT, STORE_BLOB } type;
    int64_t     number;
    const void *data;
    size_t      len;
} StoreArg;

#define STORE_ARG_NULL       ((StoreArg){ .type = STORE_NULL })
#define STORE_ARG_INT(value) ((StoreArg){ .type = STORE_INT, .number = (int64_t)(value) })
#define STORE_ARG_TEXT(text) ((StoreArg){ .type = STORE_TEXT, .data = (text) }) /* NULL: null */
#define STORE_ARG_BLOB(bytes, length) \
    ((StoreArg){ .type = STORE_BLOB, .data = (bytes), .len = (length) })

/* One row; false ends the walk early (which is no error). */
typedef bool (*StoreRowFunc)(const StoreRow *row, void *user_data);

/* What a statement is given. All borrowed for the call. */
typedef struct {
    const StoreArg *args;
    size_t          n_args;
    StoreRowFunc    on_row; /* may be NULL */
    void           *user_data;
} StoreCall;

/* Fills in args and n_args of a StoreCall. */
#define STORE_ARGS(...)                        \
    .args = (const StoreArg[]){ __VA_ARGS__ }, \
    .n_args = sizeof((const StoreArg[]){ __VA_ARGS__ }) / sizeof(StoreArg)

/* Opens the database file at @path (made when @create, else it must exist), brings its schema up
 * to date and starts the storage thread. Blocks. NULL and @error naming the file. */
Store *store_open(const char *path, bool create, GError **error);

/* Runs what is queued, commits, ends the thread, closes. NULL is fine. */
void store_close(Store *self);

/* Queues @job (copied); any thread, never blocks. */
void store_submit(Store *self, const StoreJob *job);

/* The same for start-up and tools: waits for the commit. Not from the storage thread. */
bool store_run(Store *self, bool (*run)(StoreTx *tx, void *data, GError **error), void *data,
               GError **error);

/* Runs a statement of queries.h; each row goes to @call's function.
 * False and @error: MESH_ERROR_CONFLICT: a constraint refused; MESH_ERROR_BUSY: cannot write now;
 * MESH_ERROR_STATE: anything else. */
bool store_query(StoreTx *tx, StoreQuery query, const StoreCall *call, GError **error);

/* Columns from 0. Texts and bytes are borrowed; NULL (len 0) for null. */
int64_t     store_row_int(const StoreRow *row, int column);
const char *store_row_text(const StoreRow *row, int column);
const void *store_row_blob(const StoreRow *row, int column, size_t *out_len);
bool        store_row_null(const StoreRow *row, int column);
