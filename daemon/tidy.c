/* daemon/tidy.c: see tidy.h. */
#include "daemon/tidy.h"

#include "common/glib/error.h"
#include "daemon/document.h"
#include "daemon/journal.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

void meshd_tidy_mode(const char *path, mode_t mode, GPtrArray *found)
{
    struct stat info;

    if (lstat(path, &info) < 0 || S_ISLNK(info.st_mode) || (info.st_mode & 07777) == mode)
        return;
    if (chmod(path, mode) == 0)
        g_ptr_array_add(found, g_strdup_printf("%s: mode was %04o, is %04o now", path,
                                               info.st_mode & 07777, mode));
    else
        g_ptr_array_add(found, g_strdup_printf("%s: mode is %04o, and cannot be changed: %s", path,
                                               info.st_mode & 07777, g_strerror(errno)));
}

static void tidy_document(const char *path, GPtrArray *found)
{
    g_autofree char *prev = g_strconcat(path, MESHD_DOCUMENT_PREV, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = meshd_document_load(path, &error);

    if (bytes != NULL)
        return;
    if (g_error_matches(error, MESH_ERROR, MESH_ERROR_UNREAD)) { /* it may be whole */
        g_ptr_array_add(found, g_strdup_printf("%s: left as it is; without it the generation "
                                               "before it would be used",
                                               error->message));
        return;
    }
    bytes = meshd_document_load(prev, NULL);
    if (bytes == NULL) {
        g_ptr_array_add(found, g_strdup_printf("%s, and there is no generation before it",
                                               error->message));
        return;
    }
    g_clear_error(&error);
    if (meshd_document_save(path, bytes, true, &error))
        g_ptr_array_add(found,
                        g_strdup_printf("%s was damaged: the generation before it is back, "
                                        "the damaged file is kept as %s" MESHD_DOCUMENT_DAMAGED,
                                        path, path));
    else
        g_ptr_array_add(found, g_strdup(error->message));
}

static void tidy_file(const char *path, GPtrArray *found)
{
    if (g_str_has_suffix(path, MESHD_DOCUMENT_TEMP)) {
        if (unlink(path) == 0)
            g_ptr_array_add(found,
                            g_strdup_printf("%s, left by a save that was cut off, is gone", path));
        return;
    }
    meshd_tidy_mode(path, 0600, found);
}

static bool is_document(const char *path)
{
    return !g_str_has_suffix(path, MESHD_DOCUMENT_PREV) &&
           !g_str_has_suffix(path, MESHD_DOCUMENT_TEMP) &&
           !g_str_has_suffix(path, MESHD_DOCUMENT_DAMAGED) &&
           !g_str_has_suffix(path, MESHD_JOURNAL_SUFFIX);
}

void meshd_tidy_dir(const char *path, GPtrArray *found)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    meshd_tidy_mode(path, 0700, found);
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        g_ptr_array_add(names, g_build_filename(path, name, NULL));
    for (unsigned i = 0; i < names->len; i++) /* apart: a repair makes and removes files */
        tidy_file(names->pdata[i], found);
    for (unsigned i = 0; i < names->len; i++) /* then: a document may take its .prev away */
        if (is_document(names->pdata[i]))
            tidy_document(names->pdata[i], found);
}
