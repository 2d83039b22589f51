/* daemon/document.h: one document of the state on disk: a file with a checksum, replaced whole, and
 * the generation before it beside it (state.h says the whole). Any thread; for one path one at a
 * time. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define MESHD_DOCUMENT_MAX_BYTES (64u * 1024 * 1024) /* a map of 65536 peers */

/* Behind the path: the generation before; what is being written; what was found damaged. */
#define MESHD_DOCUMENT_PREV    ".prev"
#define MESHD_DOCUMENT_TEMP    ".new"
#define MESHD_DOCUMENT_DAMAGED ".damaged"

/** meshd_document_save: returns when @bytes is on disk at @path, in a directory that is there. What
 * was there becomes the generation before; with @damaged that one stays, and what was there is set
 * aside. On failure a whole generation is there as before. Errors: MESH_ERROR_STATE. */
bool meshd_document_save(const char *path, GBytes *bytes, bool damaged, GError **error);

/** meshd_document_double: writes what is at @path a second time, as the generation before, where
 * there is none: what a journal goes on from is not replaced for a long time, and would have no
 * second copy. If the disk refuses, there is none still. */
void meshd_document_double(const char *path);

/* Checksum of a document, as text. */
#define MESHD_DOCUMENT_CHECK_SIZE 65

/** meshd_document_check: of @bytes, as meshd_document_load() gives them. */
void meshd_document_check(GBytes *bytes, char out_check[MESHD_DOCUMENT_CHECK_SIZE]);

/** meshd_document_peek: what the header of the file at @path says; meshd_document_load() alone
 * knows whether it is true. False: no such file, or none of ours. */
bool meshd_document_peek(const char *path, char out_check[MESHD_DOCUMENT_CHECK_SIZE]);

/** meshd_document_load: this very file; its memory is wiped when freed.
 * Errors: MESH_ERROR_NOT_FOUND: no such file; MESH_ERROR_STATE: damaged; MESH_ERROR_UNREAD: the
 * system refused, so nothing is known of it: to be tried again. */
GBytes *meshd_document_load(const char *path, GError **error);

/** meshd_document_wrap_secret: takes @text (@len bytes, from g_malloc) and wipes it with the
 * GBytes.
 */
GBytes *meshd_document_wrap_secret(char *text, size_t len);
