#include "daemon/state.h"

#include "common/glib/disk.h"
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "daemon/document.h"
#include "daemon/draft.h"
#include "daemon/journal.h"
#include "daemon/statelog.h"
#include "daemon/tidy.h"
#include "daemon/troubles.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define GONE ".gone" /* behind the name of a network's directory that is being removed */

enum { RETRY_S = 10 }; /* after a save failed: a full disk, most likely */

struct MeshdState {
    int            lock_fd;
    char          *networks; /* DIR/networks */
    MeshdJournals *journals;
    MeshdTroubles *troubles;
    GThreadPool   *saver; /* one thread, so that saves keep their order */
    GMutex         files; /* held while files are touched; taken before the other */
    GMutex         mutex; /* guards what follows; held for moments only */
    GHashTable
         *waiting; /* path → owned MeshdDraft, not begun yet, or failed and to be tried again */
    guint retry;   /* timer; 0: none */
    bool  closing;
};

static bool fail_errno(GError **error, const char *what, const char *path)
{
    mesh_error_set_errno(error, mesh_disk_get_code(MESH_ERROR_STATE, errno), errno, "%s %s", what,
                         path);
    return false;
}

static char *dup_dir(MeshdState *self, const MeshNetworkId *net)
{
    char id[MESH_NETWORK_ID_TEXT_SIZE];

    return g_build_filename(self->networks, mesh_network_format_id(net, id), NULL);
}

static bool make_dir(const char *path, GError **error)
{
    if (g_mkdir_with_parents(path, 0700) < 0)
        return fail_errno(error, "cannot make directory", path);
    return true;
}

static bool take_lock(MeshdState *self, const char *dir, GError **error)
{
    g_autofree char *path = g_build_filename(dir, "lock", NULL);

    self->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (self->lock_fd < 0)
        return fail_errno(error, "cannot open", path);
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s is in use by another meshd", dir);
    return false;
}

/* ---- what is wrong ---- */

char **meshd_state_list_troubles(MeshdState *self, const MeshNetworkId *net,
                                 MeshdStateHealth *out_worst)
{
    g_autofree char *dir = dup_dir(self, net);
    g_autofree char *prefix = g_strconcat(dir, "/", NULL);

    return meshd_troubles_list(self->troubles, prefix, out_worst);
}

void meshd_state_watch(MeshdState *self, void (*changed)(void *user_data), void *user_data)
{
    meshd_troubles_watch(self->troubles, changed, user_data);
}

/* ---- the saver ---- */

static bool save_path(MeshdState *self, const char *path, GBytes *bytes, GError **error)
{
    bool             damaged = meshd_troubles_is_damaged(self->troubles, path);
    char             check[MESHD_DOCUMENT_CHECK_SIZE];
    MeshdJournalBase base = { path, check, g_bytes_get_size(bytes) };

    if (!meshd_document_save(path, bytes, damaged, error))
        return false;
    meshd_document_check(bytes, check);
    meshd_journals_begin(self->journals, &base, damaged);
    meshd_troubles_note_saved(self->troubles, path, true);
    return true;
}

/* What got onto the disk is left out when the rest is tried again. */
static bool save_all(MeshdState *self, const char *path, MeshdDraft *draft, GError **error)
{
    if (meshd_draft_is_whole(draft)) {
        if (!save_path(self, path, meshd_draft_get_bytes(draft), error))
            return false;
        meshd_draft_drop_whole(draft);
    }
    if (draft->records == NULL)
        return true;
    if (!meshd_journals_append(self->journals, path, draft->records, error))
        return false;
    meshd_document_double(path);
    meshd_troubles_note_saved(self->troubles, path, false);
    return true;
}

static gboolean on_retry(gpointer user_data)
{
    MeshdState    *self = user_data;
    GHashTableIter iter;
    gpointer       path;

    g_mutex_lock(&self->mutex);
    self->retry = 0;
    g_hash_table_iter_init(&iter, self->waiting);
    while (g_hash_table_iter_next(&iter, &path, NULL))
        g_thread_pool_push(self->saver, g_strdup(path), NULL);
    g_mutex_unlock(&self->mutex);
    return G_SOURCE_REMOVE;
}

/* It stays in memory, and is tried again until the disk takes it: nothing is lost but by a crash.
 * Takes over @draft.
 * Thread: the saver's. */
static void keep_waiting(MeshdState *self, const char *path, MeshdDraft *draft, const GError *why)
{
    const MeshdDraft *newer;

    g_mutex_lock(&self->mutex);
    newer = g_hash_table_lookup(self->waiting, path);
    if (newer != NULL && meshd_draft_is_whole(newer)) {
        meshd_draft_free(draft);
    } else {
        if (newer != NULL)
            meshd_draft_add(draft, newer->records);
        g_hash_table_replace(self->waiting, g_strdup(path), draft);
    }
    if (self->retry == 0 && !self->closing)
        self->retry = g_timeout_add_seconds(RETRY_S, on_retry, self);
    g_mutex_unlock(&self->mutex);
    meshd_troubles_note_unsaved(self->troubles, path, why);
}

/* Thread: the saver's. @data: the path, owned. */
static void run_save(gpointer data, gpointer user_data)
{
    MeshdState      *self = user_data;
    g_autofree char *path = data;
    g_autofree char *stored_path = NULL;
    g_autofree char *dir = g_path_get_dirname(path);
    g_autoptr(GError) error = NULL;
    MeshdDraft *draft = NULL;

    g_mutex_lock(&self->files);
    g_mutex_lock(&self->mutex);
    (void)g_hash_table_steal_extended(self->waiting, path, (gpointer *)&stored_path,
                                      (gpointer *)&draft);
    g_mutex_unlock(&self->mutex);
    if (draft != NULL && g_file_test(dir, G_FILE_TEST_IS_DIR) &&
        !save_all(self, path, draft, &error))
        keep_waiting(self, path, g_steal_pointer(&draft), error);
    meshd_draft_free(draft);
    g_mutex_unlock(&self->files);
}

MeshdState *meshd_state_open(const char *dir, GError **error)
{
    MeshdState *self = g_new0(MeshdState, 1);

    g_mutex_init(&self->files);
    g_mutex_init(&self->mutex);
    self->lock_fd = -1;
    self->networks = g_build_filename(dir, "networks", NULL);
    self->journals = meshd_journals_new();
    self->waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, meshd_draft_free);
    self->troubles = meshd_troubles_new();
    if (!make_dir(self->networks, error) || !take_lock(self, dir, error)) {
        meshd_state_close(self);
        return NULL;
    }
    if (chmod(dir, 0700) < 0 || chmod(self->networks, 0700) < 0) {
        fail_errno(error, "cannot make private:", dir);
        meshd_state_close(self);
        return NULL;
    }
    self->saver = g_thread_pool_new(run_save, self, 1, true, error);
    if (self->saver == NULL ||
        !mesh_disk_flush_dir(dir, MESH_ERROR_STATE,
                             error)) { /* or "networks" may be gone with all in it */
        meshd_state_close(self);
        return NULL;
    }
    return self;
}

void meshd_state_close(MeshdState *self)
{
    if (self == NULL)
        return;
    meshd_troubles_watch(self->troubles, NULL, NULL);
    g_mutex_lock(&self->mutex);
    self->closing = true;
    g_clear_handle_id(&self->retry, g_source_remove);
    g_mutex_unlock(&self->mutex);
    if (self->saver != NULL) {
        (void)on_retry(self); /* what failed before, for the last time */
        g_thread_pool_free(self->saver, false, true);
    }
    meshd_journals_free(self->journals);
    g_hash_table_unref(self->waiting);
    meshd_troubles_free(self->troubles);
    if (self->lock_fd >= 0)
        close(self->lock_fd);
    g_mutex_clear(&self->mutex);
    g_mutex_clear(&self->files);
    g_free(self->networks);
    g_free(self);
}

/* ---- repair ---- */

void meshd_state_repair(MeshdState *self, GPtrArray *found)
{
    g_autoptr(GArray) ids = meshd_state_list(self, NULL);

    g_mutex_lock(&self->files);
    meshd_tidy_mode(self->networks, 0700, found);
    for (unsigned i = 0; ids != NULL && i < ids->len; i++) {
        g_autofree char *dir = dup_dir(self, &g_array_index(ids, MeshNetworkId, i));

        meshd_tidy_dir(dir, found);
    }
    meshd_troubles_forget_read(self->troubles, found);
    meshd_journals_close(self->journals); /* a generation before may be back */
    g_mutex_unlock(&self->files);
}

/* ---- the end of a network ---- */

static bool remove_files(const char *path, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        if (unlink(file) < 0 && errno != ENOENT)
            return fail_errno(error, "cannot remove", file);
    }
    if (rmdir(path) < 0 && errno != ENOENT)
        return fail_errno(error, "cannot remove", path);
    return true;
}

/* What a process that was killed while it removed a network left: keys, among others. */
static void finish_removal(MeshdState *self, const char *name)
{
    g_autofree char *path = g_build_filename(self->networks, name, NULL);
    g_autoptr(GError) error = NULL;

    if (!remove_files(path, &error))
        mesh_log_error("%s", error->message);
}

GArray *meshd_state_list(MeshdState *self, GError **error)
{
    g_autoptr(GArray) ids = g_array_new(false, true, sizeof(MeshNetworkId));
    g_autoptr(GError) open_error = NULL;
    g_autoptr(GDir) dir = g_dir_open(self->networks, 0, &open_error);
    const char *name;

    if (dir == NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s", open_error->message);
        return NULL;
    }
    while ((name = g_dir_read_name(dir)) != NULL) {
        MeshNetworkId id;

        if (mesh_network_parse_id(name, &id))
            g_array_append_val(ids, id);
        else if (g_str_has_suffix(name, GONE))
            finish_removal(self, name);
        else
            mesh_log_warning("%s/%s is not a network's directory: ignored", self->networks, name);
    }
    return g_steal_pointer(&ids);
}

bool meshd_state_save(MeshdState *self, const MeshNetworkId *net, const char *name, GBytes *bytes,
                      GError **error)
{
    g_autofree char *dir = dup_dir(self, net);
    g_autofree char *path = g_build_filename(dir, name, NULL);
    bool             saved;

    g_mutex_lock(&self->files);
    g_mutex_lock(&self->mutex);
    g_hash_table_remove(self->waiting, path); /* older than what we write now */
    g_mutex_unlock(&self->mutex);
    saved = make_dir(dir, error) && mesh_disk_flush_dir(self->networks, MESH_ERROR_STATE, error) &&
            save_path(self, path, bytes, error);
    g_mutex_unlock(&self->files);
    return saved;
}

/* Takes over @draft. */
static void save_draft(MeshdState *self, const MeshNetworkId *net, const char *name,
                       MeshdDraft *draft)
{
    g_autofree char *dir = dup_dir(self, net);
    char            *path = g_build_filename(dir, name, NULL);

    g_mutex_lock(&self->mutex);
    g_hash_table_replace(self->waiting, g_strdup(path), draft);
    g_mutex_unlock(&self->mutex);
    g_thread_pool_push(self->saver, path, NULL);
}

void meshd_state_save_later(MeshdState *self, const MeshNetworkId *net, const char *name,
                            GBytes *bytes)
{
    MeshdDraft *draft = meshd_draft_new();

    draft->bytes = g_bytes_ref(bytes);
    save_draft(self, net, name, draft);
}

void meshd_state_make_later(MeshdState *self, const MeshNetworkId *net, const char *name,
                            const MeshdStateMaker *maker)
{
    MeshdDraft *draft = meshd_draft_new();

    draft->maker = *maker;
    save_draft(self, net, name, draft);
}

bool meshd_state_append_later(MeshdState *self, const MeshNetworkId *net, const char *name,
                              GBytes *record)
{
    g_autofree char *dir = dup_dir(self, net);
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(GPtrArray) records = g_ptr_array_new();
    MeshdDraft *draft;

    if (!meshd_journals_reserve(self->journals, path, g_bytes_get_size(record)))
        return false;
    g_ptr_array_add(records, record);
    g_mutex_lock(&self->mutex);
    draft = g_hash_table_lookup(self->waiting, path);
    if (draft == NULL) {
        draft = meshd_draft_new();
        g_hash_table_replace(self->waiting, g_strdup(path), draft);
    }
    meshd_draft_add(draft, records);
    g_mutex_unlock(&self->mutex);
    g_thread_pool_push(self->saver, g_steal_pointer(&path), NULL);
    return true;
}

/* Takes a save that has not begun as if it were on disk. */
static GBytes *find_waiting(MeshdState *self, const char *path, GPtrArray *records)
{
    GBytes     *bytes = NULL;
    MeshdDraft *draft;

    g_mutex_lock(&self->mutex);
    draft = g_hash_table_lookup(self->waiting, path);
    if (draft != NULL && meshd_draft_is_whole(draft))
        bytes = g_bytes_ref(meshd_draft_get_bytes(draft));
    for (guint i = 0; draft != NULL && draft->records != NULL && i < draft->records->len; i++)
        g_ptr_array_add(records, g_bytes_ref(draft->records->pdata[i]));
    g_mutex_unlock(&self->mutex);
    return bytes;
}

/* The journal of a document that was read, as @path or as the one before. */
static bool load_log(MeshdState *self, const char *path, GBytes *bytes, GPtrArray *records,
                     GError **error)
{
    char             check[MESHD_DOCUMENT_CHECK_SIZE];
    MeshdJournalBase base = { path, check, g_bytes_get_size(bytes) };
    g_autofree char *trouble = NULL;

    meshd_document_check(bytes, check);
    if (!meshd_journals_read(self->journals, &base, records, &trouble, error))
        return false;
    if (trouble != NULL)
        meshd_troubles_note_read(self->troubles, path, trouble, MESHD_TROUBLE_ODD);
    return true;
}

GBytes *meshd_state_load(MeshdState *self, const MeshNetworkId *net, const char *name,
                         GError **error)
{
    return meshd_state_load_log(self, net, name, NULL, error);
}

/* What was read is a generation: its additions, too. Takes @bytes. @records NULL: nobody asks. */
static GBytes *add_log(MeshdState *self, const char *path, GBytes *bytes, GPtrArray *records,
                       GError **error)
{
    if (records == NULL || load_log(self, path, bytes, records, error))
        return bytes;
    g_bytes_unref(bytes);
    return NULL;
}

/* The newest generation is missing or damaged, as @newest says. What the system refuses to read may
 * be newer than what there is beside it. */
static GBytes *load_before(MeshdState *self, const char *path, const GError *newest,
                           GPtrArray *records, GError **error)
{
    bool             missing = g_error_matches(newest, MESH_ERROR, MESH_ERROR_NOT_FOUND);
    g_autofree char *prev = g_strconcat(path, MESHD_DOCUMENT_PREV, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) older = NULL;
    GBytes *bytes = meshd_document_load(prev, &older);

    if (missing && g_error_matches(older, MESH_ERROR, MESH_ERROR_NOT_FOUND))
        return NULL; /* there never was one */
    if (bytes != NULL)
        text = g_strdup_printf("%s: the generation before it is used", newest->message);
    else
        text = g_strdup_printf("%s, nor is there a generation before it: %s", newest->message,
                               older->message);
    if (bytes != NULL)
        bytes = add_log(self, path, bytes, records, error);
    else
        g_set_error_literal(error, MESH_ERROR,
                            g_error_matches(older, MESH_ERROR, MESH_ERROR_UNREAD)
                                ? MESH_ERROR_UNREAD
                                : MESH_ERROR_STATE,
                            text);
    meshd_troubles_note_read(self->troubles, path, text,
                             missing ? MESHD_TROUBLE_ODD : MESHD_TROUBLE_DAMAGED);
    return bytes;
}

/* With the files held. */
static GBytes *load(MeshdState *self, const char *path, GPtrArray *records, GError **error)
{
    g_autoptr(GError) why = NULL;
    GBytes *bytes = meshd_document_load(path, &why);

    if (bytes == NULL && !g_error_matches(why, MESH_ERROR, MESH_ERROR_UNREAD))
        return load_before(self, path, why, records, error);
    if (bytes != NULL)
        bytes = add_log(self, path, bytes, records, &why);
    if (bytes != NULL)
        meshd_troubles_note_whole(self->troubles, path);
    else if (g_error_matches(why, MESH_ERROR, MESH_ERROR_UNREAD))
        meshd_troubles_note_read(self->troubles, path, why->message, MESHD_TROUBLE_UNREAD);
    if (why != NULL)
        g_propagate_error(error, g_steal_pointer(&why));
    return bytes;
}

GBytes *meshd_state_load_log(MeshdState *self, const MeshNetworkId *net, const char *name,
                             GPtrArray *records, GError **error)
{
    g_autofree char *dir = dup_dir(self, net);
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(GPtrArray) waiting = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    GBytes *bytes;

    g_mutex_lock(&self->files); /* what is being saved now is on disk then */
    bytes = find_waiting(self, path, waiting);
    if (bytes == NULL)
        bytes = load(self, path, records, error);
    g_mutex_unlock(&self->files);
    for (guint i = 0; bytes != NULL && records != NULL && i < waiting->len; i++)
        g_ptr_array_add(records, g_bytes_ref(waiting->pdata[i]));
    return bytes;
}

bool meshd_state_is_empty(MeshdState *self, const MeshNetworkId *net)
{
    g_autofree char *path = dup_dir(self, net);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        if (!g_str_has_suffix(name, MESHD_DOCUMENT_TEMP))
            return false;
    return dir != NULL;
}

/* The first step takes all of it away at once: half of a network would be an older generation of
 * its profile, or one without its floors. */
static bool remove_dir(MeshdState *self, const char *dir, GError **error)
{
    g_autofree char *gone = g_strconcat(dir, GONE, NULL);

    if (!remove_files(gone, error))
        return false;
    if (rename(dir, gone) < 0)
        return errno == ENOENT || fail_errno(error, "cannot remove", dir);
    return mesh_disk_flush_dir(self->networks, MESH_ERROR_STATE, error) &&
           remove_files(gone, error);
}

static gboolean is_inside(gpointer path, gpointer value, gpointer prefix)
{
    (void)value;
    return g_str_has_prefix(path, prefix);
}

bool meshd_state_remove(MeshdState *self, const MeshNetworkId *net, GError **error)
{
    g_autofree char *dir = dup_dir(self, net);
    g_autofree char *prefix = g_strconcat(dir, "/", NULL);
    bool             removed;

    g_mutex_lock(&self->files); /* the saver never makes a directory, so nothing comes back */
    removed = remove_dir(self, dir, error) &&
              mesh_disk_flush_dir(self->networks, MESH_ERROR_STATE, error);
    g_mutex_lock(&self->mutex);
    if (removed)
        g_hash_table_foreach_remove(self->waiting, is_inside, prefix);
    g_mutex_unlock(&self->mutex);
    if (removed)
        meshd_troubles_drop(self->troubles, prefix);
    g_mutex_unlock(&self->files);
    return removed;
}
