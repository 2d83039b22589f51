#include "daemon/state.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/std/base64.h"
#include "common/std/hash.h"
#include "common/std/key.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* "mesh-state 1 LENGTH CHECKSUM\n", then the document. */
#define MAGIC      "mesh-state 1 "
#define HEADER_MAX 128
#define GONE       ".gone" /* behind the name of a network's directory that is being removed */

struct MeshdState {
    int          lock_fd;
    char        *networks; /* DIR/networks */
    GThreadPool *saver;    /* one thread, so that saves keep their order */
    GMutex       files;    /* held while files are touched; taken before the other */
    GMutex       mutex;    /* guards waiting; held for moments only */
    GHashTable  *waiting;  /* path → GBytes, not begun yet */
};

static void wipe(gpointer data)
{
    char *text = data;

    mesh_key_wipe(text + sizeof(size_t), *(size_t *)(void *)text);
    g_free(text);
}

/* A block that remembers its length in front, so that it can be wiped as a whole. */
static GBytes *make_wiped(const char *from, size_t len)
{
    char *block = g_malloc(sizeof(size_t) + len);

    memcpy(block, &len, sizeof len);
    memcpy(block + sizeof len, from, len);
    return g_bytes_new_with_free_func(block + sizeof len, len, wipe, block);
}

GBytes *meshd_state_wrap_secret(char *text, size_t len)
{
    GBytes *bytes = make_wiped(text, len);

    mesh_key_wipe(text, len);
    g_free(text);
    return bytes;
}

static bool fail_errno(GError **error, const char *what, const char *path)
{
    mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "%s %s", what, path);
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

/* ---- one document ---- */

static void format_header(const char *data, size_t len, char out_header[HEADER_MAX])
{
    uint8_t  digest[MESH_HASH_BYTES];
    char     hex[MESH_HEX_SIZE(MESH_HASH_BYTES)];
    MeshSpan span = MESH_SPAN(data, len);

    mesh_hash_blake2s(&span, 1, digest);
    if (mesh_hex_encode(MESH_SPAN(digest, sizeof digest), hex, sizeof hex) < 0)
        hex[0] = '\0'; /* cannot be: the buffer is made for it */
    snprintf(out_header, HEADER_MAX, MAGIC "%zu %s\n", len, hex);
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static bool write_temp(const char *path, GBytes *bytes, GError **error)
{
    char        header[HEADER_MAX];
    gsize       len = 0;
    const char *data = g_bytes_get_data(bytes, &len);
    int         fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool        written;

    if (fd < 0)
        return fail_errno(error, "cannot write", path);
    format_header(data, len, header);
    written = write_all(fd, header, strlen(header)) && write_all(fd, data, len) && fsync(fd) == 0;
    if (!written)
        fail_errno(error, "cannot write", path);
    if (close(fd) < 0 && written)
        written = fail_errno(error, "cannot write", path);
    return written;
}

static bool flush_dir(const char *dir, GError **error)
{
    int  fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool flushed = fd >= 0 && fsync(fd) == 0;

    if (!flushed)
        fail_errno(error, "cannot flush directory", dir);
    if (fd >= 0)
        close(fd);
    return flushed;
}

/* The old generation becomes NAME.prev by a second link, so that NAME exists at every moment. */
static bool replace(const char *dir, const char *path, const char *temp, GError **error)
{
    g_autofree char *prev = g_strconcat(path, ".prev", NULL);

    if (unlink(prev) < 0 && errno != ENOENT)
        return fail_errno(error, "cannot remove", prev);
    if (link(path, prev) < 0 && errno != ENOENT)
        return fail_errno(error, "cannot keep", path);
    if (rename(temp, path) < 0)
        return fail_errno(error, "cannot replace", path);
    return flush_dir(dir, error);
}

static bool save_path(const char *path, GBytes *bytes, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *temp = g_strconcat(path, ".new", NULL);

    if (write_temp(temp, bytes, error) && replace(dir, path, temp, error))
        return true;
    (void)unlink(temp);
    return false;
}

/* Returns: the document inside @text, or NULL: torn, changed or not ours. */
static GBytes *check_document(const char *text, size_t len)
{
    const char *end = memchr(text, '\n', MIN(len, (size_t)HEADER_MAX));
    char        header[HEADER_MAX];
    size_t      header_len;

    if (end == NULL)
        return NULL;
    header_len = (size_t)(end - text) + 1;
    format_header(text + header_len, len - header_len, header);
    if (strlen(header) != header_len || memcmp(header, text, header_len) != 0)
        return NULL;
    return make_wiped(text + header_len, len - header_len);
}

/* Returns: the document; NULL and @error: it cannot be read; MESH_ERROR_NOT_FOUND: no such file. */
static GBytes *load_path(const char *path, GError **error)
{
    g_autoptr(GError) read_error = NULL;
    char   *text = NULL;
    gsize   len = 0;
    GBytes *bytes;

    if (!g_file_get_contents(path, &text, &len, &read_error)) {
        bool missing = g_error_matches(read_error, G_FILE_ERROR, G_FILE_ERROR_NOENT);

        g_set_error(error, MESH_ERROR, missing ? MESH_ERROR_NOT_FOUND : MESH_ERROR_STATE, "%s",
                    read_error->message);
        return NULL;
    }
    bytes = len <= MESHD_STATE_MAX_BYTES ? check_document(text, len) : NULL;
    mesh_key_wipe(text, len);
    g_free(text);
    if (bytes == NULL)
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s is damaged (checksum)", path);
    return bytes;
}

/* ---- the saver ---- */

/* Thread: the saver's. @data: the path, owned. */
static void run_save(gpointer data, gpointer user_data)
{
    MeshdState      *self = user_data;
    g_autofree char *path = data;
    g_autofree char *stored_path = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_path_get_dirname(path);

    g_mutex_lock(&self->files);
    g_mutex_lock(&self->mutex);
    (void)g_hash_table_steal_extended(self->waiting, path, (gpointer *)&stored_path,
                                      (gpointer *)&bytes);
    g_mutex_unlock(&self->mutex);
    if (bytes != NULL && g_file_test(dir, G_FILE_TEST_IS_DIR) && !save_path(path, bytes, &error))
        mesh_log_error("%s", error->message);
    g_mutex_unlock(&self->files);
}

MeshdState *meshd_state_open(const char *dir, GError **error)
{
    MeshdState *self = g_new0(MeshdState, 1);

    g_mutex_init(&self->files);
    g_mutex_init(&self->mutex);
    self->lock_fd = -1;
    self->networks = g_build_filename(dir, "networks", NULL);
    self->waiting =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
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
        !flush_dir(dir, error)) { /* or "networks" may be gone with all in it */
        meshd_state_close(self);
        return NULL;
    }
    return self;
}

void meshd_state_close(MeshdState *self)
{
    if (self == NULL)
        return;
    if (self->saver != NULL)
        g_thread_pool_free(self->saver, false, true);
    g_hash_table_unref(self->waiting);
    if (self->lock_fd >= 0)
        close(self->lock_fd);
    g_mutex_clear(&self->mutex);
    g_mutex_clear(&self->files);
    g_free(self->networks);
    g_free(self);
}

/* ---- repair ---- */

static void repair_mode(const char *path, mode_t mode, GPtrArray *found)
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

static void repair_document(const char *path, GPtrArray *found)
{
    g_autofree char *prev = g_strconcat(path, ".prev", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = load_path(path, &error);

    if (bytes != NULL)
        return;
    bytes = load_path(prev, NULL);
    if (bytes == NULL) {
        g_ptr_array_add(found, g_strdup_printf("%s, and there is no generation before it",
                                               error->message));
        return;
    }
    (void)unlink(path); /* else it would become the generation before */
    g_clear_error(&error);
    if (save_path(path, bytes, &error))
        g_ptr_array_add(found,
                        g_strdup_printf("%s was damaged: the generation before it is back", path));
    else
        g_ptr_array_add(found, g_strdup(error->message));
}

static void repair_file(const char *path, GPtrArray *found)
{
    if (g_str_has_suffix(path, ".new")) {
        if (unlink(path) == 0)
            g_ptr_array_add(found,
                            g_strdup_printf("%s, left by a save that was cut off, is gone", path));
        return;
    }
    repair_mode(path, 0600, found);
}

static void repair_dir(const char *path, GPtrArray *found)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    repair_mode(path, 0700, found);
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        g_ptr_array_add(names, g_build_filename(path, name, NULL));
    for (unsigned i = 0; i < names->len; i++) /* apart: a repair makes and removes files */
        repair_file(names->pdata[i], found);
    for (unsigned i = 0; i < names->len; i++) /* then: a document may take its .prev away */
        if (!g_str_has_suffix(names->pdata[i], ".prev") &&
            !g_str_has_suffix(names->pdata[i], ".new"))
            repair_document(names->pdata[i], found);
}

void meshd_state_repair(MeshdState *self, GPtrArray *found)
{
    g_autoptr(GArray) ids = meshd_state_list(self, NULL);

    g_mutex_lock(&self->files);
    repair_mode(self->networks, 0700, found);
    for (unsigned i = 0; ids != NULL && i < ids->len; i++) {
        g_autofree char *dir = dup_dir(self, &g_array_index(ids, MeshNetworkId, i));

        repair_dir(dir, found);
    }
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
    saved =
        make_dir(dir, error) && flush_dir(self->networks, error) && save_path(path, bytes, error);
    g_mutex_unlock(&self->files);
    return saved;
}

void meshd_state_save_later(MeshdState *self, const MeshNetworkId *net, const char *name,
                            GBytes *bytes)
{
    g_autofree char *dir = dup_dir(self, net);
    char            *path = g_build_filename(dir, name, NULL);

    g_mutex_lock(&self->mutex);
    g_hash_table_replace(self->waiting, g_strdup(path), g_bytes_ref(bytes));
    g_mutex_unlock(&self->mutex);
    g_thread_pool_push(self->saver, path, NULL);
}

/* Takes a save that has not begun as if it were on disk. */
static GBytes *find_waiting(MeshdState *self, const char *path)
{
    GBytes *bytes;

    g_mutex_lock(&self->mutex);
    bytes = g_hash_table_lookup(self->waiting, path);
    if (bytes != NULL)
        g_bytes_ref(bytes);
    g_mutex_unlock(&self->mutex);
    return bytes;
}

GBytes *meshd_state_load(MeshdState *self, const MeshNetworkId *net, const char *name,
                         GError **error)
{
    g_autofree char *dir = dup_dir(self, net);
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autofree char *prev = g_strconcat(path, ".prev", NULL);
    g_autoptr(GError) newest = NULL;
    g_autoptr(GError) older = NULL;
    GBytes *bytes = find_waiting(self, path);

    if (bytes == NULL)
        bytes = load_path(path, &newest);
    if (bytes != NULL)
        return bytes;
    bytes = load_path(prev, &older);
    if (bytes != NULL)
        mesh_log_warning("%s: using the generation before it", newest->message);
    else if (!g_error_matches(newest, MESH_ERROR, MESH_ERROR_NOT_FOUND))
        g_propagate_error(error, g_steal_pointer(&newest));
    else if (!g_error_matches(older, MESH_ERROR, MESH_ERROR_NOT_FOUND))
        g_propagate_error(error, g_steal_pointer(&older)); /* there was a document once */
    return bytes;
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
    return flush_dir(self->networks, error) && remove_files(gone, error);
}

bool meshd_state_remove(MeshdState *self, const MeshNetworkId *net, GError **error)
{
    g_autofree char *dir = dup_dir(self, net);
    bool             removed;

    g_mutex_lock(&self->files); /* the saver never makes a directory, so nothing comes back */
    removed = remove_dir(self, dir, error) && flush_dir(self->networks, error);
    g_mutex_unlock(&self->files);
    return removed;
}
