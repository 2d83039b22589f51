/* server/store/backup.h: a copy of the database in one file, its way back, and what must hold in
 * it. For tools: each call opens the file by itself and blocks; any thread. All but
 * store_backup_settle() and store_backup_prepare() are fine while a server runs on the file. */
#pragma once

#include "server/store/verify.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Copies the database @path, as it is at one moment, into the empty file @to, and keeps @key (a
 * secret text) in the copy. */
bool store_backup_copy(const char *path, const char *to, const char *key, GError **error);

/* Appends to @findings (of owned texts) what is wrong with the database: pages, references,
 * schema, versions, addresses. False and @error: it cannot be read at all. */
bool store_backup_check(const char *path, GPtrArray *findings, GError **error);

/* Moves what is in the write-ahead log into @path, which nobody else may have open. */
bool store_backup_settle(const char *path, GError **error);

typedef struct {
    char *key;    /* the secret text of the backup; owned, to be wiped */
    bool  merged; /* what was replaced could be read, and what it knew is kept */
} StoreBackupReady;

/* Makes the copy @path ready to be served in place of the database @replaced (settled; NULL: there
 * is none that can be read) at @now_s: its key is taken out, and nothing that may have been handed
 * out since the backup is handed out again:
 * - epochs, serials, policy versions go above all that is known, and to @now_s at least, because
 *   none of them ever goes back for a node; each M and P is due to be signed anew (an empty P is
 *   what the next start looks for);
 * - removals, used and revoked join keys, newer records K of @replaced are kept; indexes and IPv4
 *   addresses go on where @replaced was. Without @replaced they skip a margin;
 * - no IPv4 address that is held back is given out within a day.
 * A @replaced that turns out to be damaged counts as none. */
bool store_backup_prepare(const char *path, const char *replaced, int64_t now_s,
                          StoreBackupReady *out_ready, GError **error);
