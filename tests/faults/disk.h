/* tests/faults/disk.h: a disk that fails on demand and forgets what was not flushed.
 *
 * Linking this file puts its own open, write, fsync, rename … before the C library's, for the test
 * and for every library it loads. What happens below one directory is kept as a journal, so that
 * the disk can be made as a power cut may leave it after any step; and any step can be refused.
 *
 * The model of a power cut: bytes are safe once their file was flushed, names once their directory
 * was. Of the rest, names that were changed later are not there without those changed earlier
 * (true for each file system with a journal), bytes may be there or not: see DiskRest. Files named
 * "…-shm" are left out: they are memory, and SQLite makes them anew. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What became of bytes that were written and not flushed. */
typedef enum {
    DISK_REST_LOST,
    DISK_REST_KEPT,
    DISK_REST_TORN,     /* all but the second half of the last write */
    DISK_REST_ZEROED,   /* the files have their length, and zeros in it */
    DISK_REST_SHUFFLED, /* all but the first of these writes */
    DISK_REST_N,
} DiskRest;

/* Begins a journal of what happens below the empty directory @root. Nothing is really flushed. */
void disk_record(const char *root);
/* Ends the journal; it stays until the next. Returns: steps in it. */
size_t disk_stop(void);

/* A note in the journal that is no step of the disk. The newest of a kind before step @n: get. */
void disk_note(unsigned kind, int value);
int  disk_get_note(unsigned kind, size_t n); /* 0: none */

/* Whether step @n of the journal changes a name. */
bool disk_is_name(size_t n);
/* Steps whose names are safe anyhow when the power goes before step @n. */
size_t disk_first_unsafe(size_t n);

/* Makes in the empty directory @to what is left when the power goes before step @n, and names
 * changed before step @n_names (≤ @n) had reached the disk already. */
void disk_replay(size_t n, size_t n_names, DiskRest rest, const char *to);

/* Refuses step @nth (from 1) below @root with @error; 0: a write that ends halfway and is followed
 * by a full disk. With @sticky each later step too. @nth 0 only watches what is opened from now on.
 */
void disk_fail(const char *root, unsigned nth, int error, bool sticky);

/* Refuses opening or reading number @nth (from 1) below @root with @error, whatever it is for. */
void disk_fail_reads(const char *root, unsigned nth, int error);

/* Ends either. Returns: whether a step was refused. */
bool disk_heal(void);
