/* server/store/backup.h: a copy of the database in one file, its way back, and what must hold in
 * it. For tools: each call opens the file by itself and blocks; any thread. All but
 * store_backup_settle() and store_backup_prepare() are fine while a server runs on the file. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Copies the database @path, as it is at one moment, into the empty file @to, and keeps @key (a
 * secret text) in the copy. */
bool store_backup_copy(const char *path, const char *to, const char *key, GError **error);

/* Appends to @findings (of owned texts) what is wrong with the database: pages, references,
 * schema, versions, addresses. False and @error: it cannot be read at all. */
bool store_backup_check(const char *path, GPtrArray *findings, GError **error);

/* Moves what is in the write-ahead log into @path, which nobody else may have open, and tells the
 * highest epoch in it (0: no networks). */
bool store_backup_settle(const char *path, int64_t *out_epoch, GError **error);

/* Makes a copy ready to be served: its key is taken out; the epoch of each network goes above its
 * own, above @epoch and to @now_s at least, because nodes take an older version in a newer epoch
 * only; so do the serials, and each M is due to be signed again, because no serial ever goes back.
 * @out_key: owned, to be wiped. */
bool store_backup_prepare(const char *path, int64_t epoch, int64_t now_s, char **out_key,
                          GError **error);
