#include "tests/faults/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_FDS = 1024 };

typedef enum {
    CREATE,
    LINK,
    UNLINK,
    RENAME,
    MKDIR,
    RMDIR,
    WRITE,
    CUT,
    FLUSH,
    FLUSH_DIR,
    NOTE
} What;

/* One step. Paths are relative to the root; "" is the root itself. */
typedef struct {
    What    what;
    char   *path, *to; /* of names; @to: LINK and RENAME */
    guint   file;      /* of CREATE and bytes: which file, whatever its name is now */
    GBytes *bytes;
    gint64  at; /* WRITE: offset; CUT: new length */
    guint   kind;
    int     value;
} Step;

typedef struct {
    enum { NOTHING, FILE_FD, DIR_FD } type;
    guint file;
    char *path; /* of a directory */
} Fd;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards all of this */
static char           *root;                              /* NULL: not at work */
static bool            recording;
static GPtrArray      *journal;
static GHashTable     *files; /* inode → number of the file, as pointers */
static guint           n_files;
static Fd              fds[MAX_FDS];
static struct {
    unsigned left; /* 0: none */
    int      error;
    bool     sticky, done, reads;
} failing;

static void free_step(gpointer data)
{
    Step *step = data;

    g_free(step->path);
    g_free(step->to);
    if (step->bytes != NULL)
        g_bytes_unref(step->bytes);
    g_free(step);
}

/* ---- the journal ---- */

/* The part of @path below the root, or NULL. */
static const char *below(const char *path)
{
    size_t len = root != NULL ? strlen(root) : 0;

    if (root == NULL || strncmp(path, root, len) != 0 || g_str_has_suffix(path, "-shm"))
        return NULL;
    if (path[len] == '\0')
        return path + len;
    return path[len] == '/' ? path + len + 1 : NULL;
}

static Step *add(What what, const char *path)
{
    Step *step;

    if (!recording)
        return NULL;
    step = g_new0(Step, 1);
    step->what = what;
    step->path = g_strdup(path);
    g_ptr_array_add(journal, step);
    return step;
}

static void add_bytes(What what, guint file, const void *data, size_t len, gint64 at)
{
    Step *step = add(what, NULL);

    if (step == NULL)
        return;
    step->file = file;
    step->at = at;
    if (data != NULL)
        step->bytes = g_bytes_new(data, len);
}

/* Tells whether this step of the disk, or this read, is to be refused. errno is set then. */
static bool refused_of(bool reads)
{
    if (failing.reads != reads || failing.left == 0 || (!failing.done && --failing.left > 0))
        return false;
    if (failing.done && !failing.sticky)
        return false;
    failing.left = 1;
    failing.done = true;
    errno = failing.error != 0 ? failing.error : ENOSPC;
    return true;
}

static bool refused(void)
{
    return refused_of(false);
}

/* Watches a file or directory that was opened below the root. */
static void watch(int fd, const char *path, bool made, int flags)
{
    struct stat info;
    Fd         *entry;

    if (fd < 0 || fd >= MAX_FDS || fstat(fd, &info) < 0)
        return;
    entry = &fds[fd];
    g_free(entry->path);
    *entry = (Fd){ .type = S_ISDIR(info.st_mode) ? DIR_FD : FILE_FD };
    if (entry->type == DIR_FD) {
        entry->path = g_strdup(path);
        return;
    }
    if (made) {
        Step *step = add(CREATE, path);

        g_hash_table_insert(files, GSIZE_TO_POINTER(info.st_ino), GUINT_TO_POINTER(++n_files));
        if (step != NULL)
            step->file = n_files;
    }
    entry->file = GPOINTER_TO_UINT(g_hash_table_lookup(files, GSIZE_TO_POINTER(info.st_ino)));
    if (!made && (flags & O_TRUNC) != 0)
        add_bytes(CUT, entry->file, NULL, 0, 0);
}

static Fd *watched(int fd)
{
    return root != NULL && fd >= 0 && fd < MAX_FDS && fds[fd].type != NOTHING ? &fds[fd] : NULL;
}

/* ---- in place of the C library's ----
 * By their linker names: the headers may define these functions inline or as others. */

int     disk_open(const char *path, int flags, ...) __asm__("open");
int     disk_open64(const char *path, int flags, ...) __asm__("open64");
ssize_t disk_write(int fd, const void *data, size_t len) __asm__("write");
ssize_t disk_pwrite(int fd, const void *data, size_t len, off_t at) __asm__("pwrite");
ssize_t disk_pwrite64(int fd, const void *data, size_t len, off_t at) __asm__("pwrite64");
int     disk_ftruncate(int fd, off_t len) __asm__("ftruncate");
int     disk_ftruncate64(int fd, off_t len) __asm__("ftruncate64");
int     disk_fsync(int fd) __asm__("fsync");
int     disk_fdatasync(int fd) __asm__("fdatasync");
ssize_t disk_read(int fd, void *out, size_t size) __asm__("read");
ssize_t disk_pread(int fd, void *out, size_t size, off_t at) __asm__("pread");
ssize_t disk_pread64(int fd, void *out, size_t size, off_t at) __asm__("pread64");
int     disk_close(int fd) __asm__("close");
int     disk_link(const char *path, const char *to) __asm__("link");
int     disk_rename(const char *path, const char *to) __asm__("rename");
int     disk_unlink(const char *path) __asm__("unlink");
int     disk_mkdir(const char *path, mode_t mode) __asm__("mkdir");
int     disk_rmdir(const char *path) __asm__("rmdir");

/* Whether an open can fail on such a disk: a full one still opens what is there, a read-only one
 * for reading. */
static bool can_refuse_open(int flags, bool made)
{
    if (failing.error == ENOSPC || failing.error == EDQUOT || failing.error == 0)
        return made;
    return failing.error != EROFS || made || (flags & O_ACCMODE) != O_RDONLY;
}

static int open_watched(const char *path, int flags, mode_t mode)
{
    bool        made;
    int         fd = -1;
    const char *name;

    pthread_mutex_lock(&mutex);
    name = below(path);
    made =
        name != NULL && (flags & O_CREAT) != 0 && syscall(SYS_faccessat, AT_FDCWD, path, F_OK) < 0;
    if (name == NULL ||
        !(failing.reads ? refused_of(true) : can_refuse_open(flags, made) && refused()))
        fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (name != NULL)
        watch(fd, name, made, flags);
    pthread_mutex_unlock(&mutex);
    return fd;
}

static mode_t get_mode(int flags, va_list *args)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(*args, mode_t) : 0;
}

int disk_open(const char *path, int flags, ...)
{
    va_list args;
    mode_t  mode;

    va_start(args, flags);
    mode = get_mode(flags, &args);
    va_end(args);
    return open_watched(path, flags, mode);
}

int disk_open64(const char *path, int flags, ...)
{
    va_list args;
    mode_t  mode;

    va_start(args, flags);
    mode = get_mode(flags, &args);
    va_end(args);
    return open_watched(path, flags, mode);
}

/* @at: -1: where the file stands. */
static ssize_t write_at(int fd, const void *data, size_t len, off_t at)
{
    ssize_t n = -1;
    Fd     *entry;

    pthread_mutex_lock(&mutex);
    entry = watched(fd);
    if (entry != NULL && failing.error == 0 && failing.left == 1 && !failing.done && len > 1) {
        failing.done = true; /* half of this one, and nothing after it */
        len /= 2;
    } else if (entry != NULL && refused()) {
        pthread_mutex_unlock(&mutex);
        return -1;
    }
    if (entry != NULL && at < 0)
        at = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    if (entry != NULL) {
        n = (ssize_t)syscall(SYS_pwrite64, fd, data, len, at);
        if (n > 0) {
            add_bytes(WRITE, entry->file, data, (size_t)n, at);
            (void)syscall(SYS_lseek, fd, at + n, SEEK_SET);
        }
    } else
        n = at < 0 ? (ssize_t)syscall(SYS_write, fd, data, len)
                   : (ssize_t)syscall(SYS_pwrite64, fd, data, len, at);
    pthread_mutex_unlock(&mutex);
    return n;
}

ssize_t disk_write(int fd, const void *data, size_t len)
{
    if (watched(fd) == NULL)
        return (ssize_t)syscall(SYS_write, fd, data, len); /* may block: without the mutex */
    return write_at(fd, data, len, -1);
}

ssize_t disk_pwrite(int fd, const void *data, size_t len, off_t at)
{
    return write_at(fd, data, len, at);
}

ssize_t disk_pwrite64(int fd, const void *data, size_t len, off_t at)
{
    return write_at(fd, data, len, at);
}

/* Whether a read of this descriptor is to be refused. */
static bool refused_read(int fd)
{
    bool is_refused;

    pthread_mutex_lock(&mutex);
    is_refused = watched(fd) != NULL && refused_of(true);
    pthread_mutex_unlock(&mutex);
    return is_refused;
}

ssize_t disk_read(int fd, void *out, size_t size)
{
    return refused_read(fd) ? -1 : (ssize_t)syscall(SYS_read, fd, out, size);
}

ssize_t disk_pread(int fd, void *out, size_t size, off_t at)
{
    return refused_read(fd) ? -1 : (ssize_t)syscall(SYS_pread64, fd, out, size, at);
}

ssize_t disk_pread64(int fd, void *out, size_t size, off_t at)
{
    return disk_pread(fd, out, size, at);
}

int disk_ftruncate(int fd, off_t len)
{
    int rc = -1;
    Fd *entry;

    pthread_mutex_lock(&mutex);
    entry = watched(fd);
    if (entry == NULL || !refused())
        rc = (int)syscall(SYS_ftruncate, fd, len);
    if (entry != NULL && rc == 0)
        add_bytes(CUT, entry->file, NULL, 0, len);
    pthread_mutex_unlock(&mutex);
    return rc;
}

int disk_ftruncate64(int fd, off_t len)
{
    return disk_ftruncate(fd, len);
}

int disk_fsync(int fd)
{
    int rc = -1;
    Fd *entry;

    pthread_mutex_lock(&mutex);
    entry = watched(fd);
    if (entry == NULL || !refused())
        rc = 0; /* only the journal has to know */
    if (entry != NULL && rc == 0 && entry->type == FILE_FD)
        add_bytes(FLUSH, entry->file, NULL, 0, 0);
    else if (entry != NULL && rc == 0)
        add(FLUSH_DIR, entry->path);
    pthread_mutex_unlock(&mutex);
    return rc;
}

int disk_fdatasync(int fd)
{
    return disk_fsync(fd);
}

int disk_close(int fd)
{
    int rc;

    pthread_mutex_lock(&mutex);
    if (fd >= 0 && fd < MAX_FDS) {
        g_free(fds[fd].path);
        fds[fd] = (Fd){ 0 };
    }
    rc = (int)syscall(SYS_close, fd);
    pthread_mutex_unlock(&mutex);
    return rc;
}

/* One change of a name; @to: NULL where there is only one. */
static int change_name(What what, const char *path, const char *to, mode_t mode)
{
    const char *name;
    int         rc = -1;

    pthread_mutex_lock(&mutex);
    name = below(path);
    if (name == NULL || !refused())
        rc = what == LINK     ? (int)syscall(SYS_link, path, to)
             : what == RENAME ? (int)syscall(SYS_rename, path, to)
             : what == UNLINK ? (int)syscall(SYS_unlink, path)
             : what == MKDIR  ? (int)syscall(SYS_mkdir, path, mode)
                              : (int)syscall(SYS_rmdir, path);
    if (name != NULL && rc == 0) {
        Step *step = add(what, name);

        if (step != NULL && to != NULL)
            step->to = g_strdup(below(to));
    }
    pthread_mutex_unlock(&mutex);
    return rc;
}

int disk_link(const char *path, const char *to)
{
    return change_name(LINK, path, to, 0);
}

int disk_rename(const char *path, const char *to)
{
    return change_name(RENAME, path, to, 0);
}

int disk_unlink(const char *path)
{
    return change_name(UNLINK, path, NULL, 0);
}

int disk_mkdir(const char *path, mode_t mode)
{
    return change_name(MKDIR, path, NULL, mode);
}

int disk_rmdir(const char *path)
{
    return change_name(RMDIR, path, NULL, 0);
}

/* ---- what a test asks for ---- */

static void set_root(const char *path)
{
    g_free(root);
    root = g_strdup(path);
    for (int fd = 0; fd < MAX_FDS; fd++) {
        g_free(fds[fd].path);
        fds[fd] = (Fd){ 0 };
    }
}

void disk_record(const char *path)
{
    pthread_mutex_lock(&mutex);
    set_root(path);
    g_clear_pointer(&journal, g_ptr_array_unref);
    g_clear_pointer(&files, g_hash_table_unref);
    journal = g_ptr_array_new_with_free_func(free_step);
    files = g_hash_table_new(NULL, NULL);
    n_files = 0;
    recording = true;
    pthread_mutex_unlock(&mutex);
}

size_t disk_stop(void)
{
    pthread_mutex_lock(&mutex);
    recording = false;
    set_root(NULL);
    pthread_mutex_unlock(&mutex);
    return journal->len;
}

void disk_note(unsigned kind, int value)
{
    Step *step;

    pthread_mutex_lock(&mutex);
    step = add(NOTE, NULL);
    if (step != NULL) {
        step->kind = kind;
        step->value = value;
    }
    pthread_mutex_unlock(&mutex);
}

static void begin_failing(const char *path, unsigned nth, int error, bool sticky, bool reads)
{
    pthread_mutex_lock(&mutex);
    if (g_strcmp0(root, path) != 0)
        set_root(path);
    if (files == NULL)
        files = g_hash_table_new(NULL, NULL);
    failing.left = nth;
    failing.error = error;
    failing.sticky = sticky;
    failing.done = false;
    failing.reads = reads;
    pthread_mutex_unlock(&mutex);
}

void disk_fail(const char *path, unsigned nth, int error, bool sticky)
{
    begin_failing(path, nth, error, sticky || error == 0, false);
}

void disk_fail_reads(const char *path, unsigned nth, int error)
{
    begin_failing(path, nth, error, false, true);
}

bool disk_heal(void)
{
    bool done;

    pthread_mutex_lock(&mutex);
    done = failing.done;
    failing.left = 0;
    failing.done = false;
    pthread_mutex_unlock(&mutex);
    return done;
}

/* ---- after the power cut ---- */

static const Step *get_step(size_t n)
{
    return g_ptr_array_index(journal, n);
}

int disk_get_note(unsigned kind, size_t n)
{
    while (n-- > 0)
        if (get_step(n)->what == NOTE && get_step(n)->kind == kind)
            return get_step(n)->value;
    return 0;
}

bool disk_is_name(size_t n)
{
    return get_step(n)->what <= RMDIR;
}

/* Whether the change of a name in step @i was flushed before step @n. */
static bool is_safe_name(size_t i, size_t n)
{
    g_autofree char *dir = g_path_get_dirname(get_step(i)->path);
    const char      *want = strcmp(dir, ".") == 0 ? "" : dir;

    for (size_t at = i + 1; at < n; at++)
        if (get_step(at)->what == FLUSH_DIR && strcmp(get_step(at)->path, want) == 0)
            return true;
    return false;
}

size_t disk_first_unsafe(size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (disk_is_name(i) && !is_safe_name(i, n))
            return i;
    return n;
}

static void apply_bytes(GByteArray *content, const Step *step, size_t len, bool zeros)
{
    const guint8 *data;
    size_t        end = (size_t)step->at + len, old = content->len;

    if (step->what == CUT) {
        g_byte_array_set_size(content, (guint)step->at);
        if (old < content->len)
            memset(content->data + old, 0, content->len - old);
        return;
    }
    data = g_bytes_get_data(step->bytes, NULL);
    if (old < end) {
        g_byte_array_set_size(content, (guint)end);
        memset(content->data + old, 0, end - old);
    }
    if (!zeros && len > 0)
        memcpy(content->data + step->at, data, len);
}

/* The content of a file when the power goes before step @n. */
static GByteArray *make_content(guint file, size_t n, DiskRest rest)
{
    GByteArray *content = g_byte_array_new();
    size_t      safe = 0, last = 0;
    bool        first = true;

    for (size_t i = 0; i < n; i++)
        if (get_step(i)->what == FLUSH && get_step(i)->file == file)
            safe = i;
        else if (get_step(i)->what == WRITE && get_step(i)->file == file)
            last = i;
    for (size_t i = 0; i < n; i++) {
        const Step *step = get_step(i);
        size_t      len = step->bytes != NULL ? g_bytes_get_size(step->bytes) : 0;
        bool        lost;

        if ((step->what != WRITE && step->what != CUT) || step->file != file)
            continue;
        lost = i > safe && (rest == DISK_REST_LOST || (rest == DISK_REST_SHUFFLED && first));
        first = first && i <= safe;
        if (lost)
            continue;
        if (rest == DISK_REST_TORN && i == last && i > safe)
            len /= 2;
        apply_bytes(content, step, len, rest == DISK_REST_ZEROED && i > safe);
    }
    return content;
}

/* The names as they are now: renaming replaces keys, so the table's own must not be held. */
static GPtrArray *copy_names(GHashTable *names)
{
    GPtrArray     *all = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer       name;

    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(all, g_strdup(name));
    return all;
}

static void rename_name(GHashTable *names, const Step *step)
{
    g_autofree char *prefix = g_strconcat(step->path, "/", NULL);
    g_autoptr(GPtrArray) all = copy_names(names);

    for (guint i = 0; i < all->len; i++) {
        const char *name = all->pdata[i];
        gpointer    file = g_hash_table_lookup(names, name);
        char       *to = NULL;

        if (strcmp(name, step->path) == 0)
            to = g_strdup(step->to);
        else if (g_str_has_prefix(name, prefix))
            to = g_strconcat(step->to, "/", name + strlen(prefix), NULL);
        if (to == NULL)
            continue;
        g_hash_table_remove(names, name);
        g_hash_table_replace(names, to, file);
    }
}

/* @names: path → number of the file, 0: a directory. What has no directory any more is nowhere. */
static void apply_name(GHashTable *names, const Step *step)
{
    g_autofree char *dir = g_path_get_dirname(step->path);
    gpointer         file = NULL;

    if (strcmp(dir, ".") != 0 && !g_hash_table_contains(names, dir))
        return;
    if (step->what == CREATE || step->what == MKDIR)
        g_hash_table_replace(names, g_strdup(step->path), GUINT_TO_POINTER(step->file));
    else if (step->what == UNLINK || step->what == RMDIR)
        g_hash_table_remove(names, step->path);
    else if (step->what == RENAME)
        rename_name(names, step);
    else if (g_hash_table_lookup_extended(names, step->path, NULL, &file))
        g_hash_table_replace(names, g_strdup(step->to), file);
}

void disk_replay(size_t n, size_t n_names, DiskRest rest, const char *to)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer       name, file;

    for (size_t i = 0; i < n; i++)
        if (disk_is_name(i) && (i < n_names || is_safe_name(i, n)))
            apply_name(names, get_step(i));
    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, &name, &file)) {
        g_autofree char *path = g_build_filename(to, name, NULL);
        g_autofree char *dir = file == NULL ? g_strdup(path) : g_path_get_dirname(path);
        GByteArray      *content;

        g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
        if (file == NULL)
            continue;
        content = make_content(GPOINTER_TO_UINT(file), n, rest);
        g_assert_true(g_file_set_contents_full(path, (const char *)content->data, content->len,
                                               G_FILE_SET_CONTENTS_NONE, 0600, NULL));
        g_byte_array_unref(content);
    }
}
