/* daemon/journal.h: what was added to documents since each was written whole: NAME.log beside NAME,
 * additions one behind the other, so that one change of a large map writes what changed.
 *
 * A journal names the checksum of the document that it goes on from; one that names another is not
 * looked at. Each addition carries a checksum of its own, over that one, its place and its bytes:
 * they tell whose they are where the name is damaged.
 * The first that is not whole ends the journal, and the next addition takes its place: what a crash
 * tore is all there can be. The journal of the generation before is NAME.prev.log. A journal is
 * bounded by its document: then the document is to be written whole. state.h says who uses it.
 *
 * Any thread; of one path, files are touched by one at a time. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#define MESHD_JOURNAL_SUFFIX ".log"

/* A document as it is on disk. */
typedef struct {
    const char *path;
    const char *check; /* of its bytes, as its header says it */
    size_t      bytes;
} MeshdJournalBase;

typedef struct MeshdJournals MeshdJournals; /* of all documents */

MeshdJournals *meshd_journals_new(void);
void           meshd_journals_free(MeshdJournals *self); /* NULL is fine */

/** meshd_journals_begin: the document was written whole. The journal it had becomes that of the
 * generation before, if that is the document it goes on from; else, and with @damaged, it goes. */
void meshd_journals_begin(MeshdJournals *self, const MeshdJournalBase *base, bool damaged);

/** meshd_journals_read: the document was read. Appends its additions (GBytes) to @records.
 * @out_trouble: owned text for people: something of the journal is not whole; NULL: all is.
 * Errors: there is one that cannot be read, so additions may be missing: MESH_ERROR_UNREAD: the
 * system refused; MESH_ERROR_STATE: it is no file of ours. */
bool meshd_journals_read(MeshdJournals *self, const MeshdJournalBase *base, GPtrArray *records,
                         char **out_trouble, GError **error);

/** meshd_journals_reserve: may @n_bytes be added to the document at @path? False: it is to be
 * written whole, its journal is as long as it may be, or nothing is known of it in this run. */
bool meshd_journals_reserve(MeshdJournals *self, const char *path, size_t n_bytes);

/** meshd_journals_append: returns when @records (GBytes) are on disk. On failure the journal is as
 * it was, and it may be tried again. Errors: as of a document; MESH_ERROR_NOT_FOUND: nothing is
 * known of it. */
bool meshd_journals_append(MeshdJournals *self, const char *path, GPtrArray *records,
                           GError **error);

/** meshd_journals_close: documents may be others now: each is to be written whole. */
void meshd_journals_close(MeshdJournals *self);
