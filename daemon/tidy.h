/* daemon/tidy.h: directories of documents (document.h) put right. Who calls keeps others from
 * writing there meanwhile. */
#pragma once

#include <glib.h>
#include <sys/stat.h>

/** meshd_tidy_mode: gives @path this @mode if it has another. Appends what it did, or could not, to
 * @found, as a text for people owned by it. */
void meshd_tidy_mode(const char *path, mode_t mode, GPtrArray *found);

/** meshd_tidy_dir: modes of @path and of what is in it, remains of a save that was cut off, and
 * documents that are torn, for which the generation before is put back. @found: as above. */
void meshd_tidy_dir(const char *path, GPtrArray *found);
