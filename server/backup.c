/* server/backup.c: the server's key and database into one file, and back. */
#include "server/backup.h"

#include "common/glib/error.h"
#include "common/std/base64.h"
#include "common/std/key.h"
#include "common/std/sign.h"
#include "server/config.h"
#include "server/statedir.h"
#include "server/store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    KEY_TEXT = 43, /* 32 bytes as base64url; a newline follows in the file */
    BLOCK = 65536,
    EXIT_USAGE = 2,
};

/* Where everything is. All owned. */
typedef struct {
    char *dir, *database, *wal, *key, *file, *temp;
    bool  force;
} Paths;

static void clear_paths(Paths *self)
{
    g_free(self->dir);
    g_free(self->database);
    g_free(self->wal);
    g_free(self->key);
    g_free(self->file);
    g_free(self->temp);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Paths, clear_paths)

static bool fail(GError **error, const char *path, const char *what)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s: %s", path, what);
    return false;
}

static bool fail_errno(GError **error, const char *path)
{
    mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "%s", path);
    return false;
}

static bool is_key(const char *text)
{
    uint8_t seed[32];
    bool ok = strlen(text) == KEY_TEXT && mesh_base64url_decode(text, seed, sizeof seed, NULL) == 0;

    mesh_key_wipe(seed, sizeof seed);
    return ok;
}

/* The text of a server key's file, without its newline. */
static bool read_key(const char *path, char out_key[KEY_TEXT + 2], GError **error)
{
    int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat info;
    ssize_t     n;

    if (fd < 0)
        return fail_errno(error, path);
    n = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? read(fd, out_key, KEY_TEXT + 2) : -1;
    (void)close(fd);
    if (n != KEY_TEXT + 1 || out_key[KEY_TEXT] != '\n')
        return fail(error, path, "not a server key (43 characters and a newline)");
    out_key[KEY_TEXT] = '\0';
    if (!is_key(out_key))
        return fail(error, path, "not a server key (43 characters of base64url)");
    if ((info.st_mode & 077) != 0)
        return fail(error, path,
                    "others may read the server key: chmod 0600 it, and think of the key as known "
                    "to them");
    return true;
}

/* A new file that is ours alone. Returns the descriptor, or -1 and @error. */
static int make_file(const char *path, GError **error)
{
    int fd;

    (void)unlink(path); /* of an attempt that was cut off */
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        fail_errno(error, path);
    return fd;
}

static bool sync_path(const char *path, GError **error)
{
    int  fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (!ok)
        fail_errno(error, path);
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

/* @from becomes @to, durably; nothing is replaced unless @replace. */
static bool move(const char *from, const char *to, bool replace, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(to);

    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, replace ? 0 : RENAME_NOREPLACE) == 0)
        return sync_path(dir, error);
    if (errno == EEXIST)
        return fail(error, to, "is there already; --force replaces it");
    return fail_errno(error, to);
}

static bool write_backup(const Paths *paths, GError **error)
{
    char key[KEY_TEXT + 2];
    int  fd;
    bool ok;

    if (!paths->force && g_file_test(paths->file, G_FILE_TEST_EXISTS))
        return fail(error, paths->file, "is there already; --force replaces it");
    if (g_file_test(paths->database, G_FILE_TEST_IS_SYMLINK))
        return fail(error, paths->database, "not a plain file");
    if (!read_key(paths->key, key, error))
        return false;
    fd = make_file(paths->temp, error);
    ok = fd >= 0 && store_backup_copy(paths->database, paths->temp, key, error) &&
         sync_path(paths->temp, error) && move(paths->temp, paths->file, paths->force, error);
    mesh_key_wipe(key, sizeof key);
    if (fd >= 0)
        (void)close(fd);
    if (fd >= 0 && !ok)
        (void)unlink(paths->temp);
    return ok;
}

static bool make_public(const char *key, MeshKey *out_public)
{
    uint8_t        seed[MESH_SIGN_SEED_BYTES];
    MeshSignSecret secret;
    bool           ok = mesh_base64url_decode(key, seed, sizeof seed, NULL) == 0;

    if (ok)
        mesh_sign_make_pair(seed, &secret, out_public);
    mesh_key_wipe(seed, sizeof seed);
    mesh_key_wipe(&secret, sizeof secret);
    return ok;
}

/* Prints what is wrong with a database; true when nothing is. @server NULL: no signature is
 * verified. */
static bool judge(const char *database, const MeshKey *server, GError **error)
{
    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func(g_free);

    if (!store_backup_check(database, findings, error))
        return false;
    if (server != NULL && findings->len == 0 &&
        !store_verify_signatures(database, server, findings, error))
        return false;
    for (guint i = 0; i < findings->len; i++)
        (void)fprintf(stderr, "%s: %s\n", database, (char *)g_ptr_array_index(findings, i));
    if (findings->len == 0)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s: not sound: %u finding%s", database,
                findings->len, findings->len == 1 ? "" : "s");
    return false;
}

static bool check(const Paths *paths, GError **error)
{
    g_autoptr(GError) of_key = NULL;
    char    key[KEY_TEXT + 2];
    MeshKey server;
    bool    ok = read_key(paths->key, key, &of_key) && make_public(key, &server);

    mesh_key_wipe(key, sizeof key);
    if (!ok)
        (void)fprintf(stderr, "%s\n", of_key != NULL ? of_key->message : paths->key);
    if (!judge(paths->database, ok ? &server : NULL, error))
        return false;
    if (!ok)
        return fail(error, paths->key, "the server key is not sound");
    (void)puts("server key and database are sound");
    return true;
}

static bool copy_file(int in, const char *to, GError **error)
{
    g_autofree char *block = g_malloc(BLOCK);
    int              out = make_file(to, error);
    ssize_t          n = 0, done = 0;

    if (out < 0)
        return false;
    while (n == done && (n = read(in, block, BLOCK)) > 0)
        done = write(out, block, (size_t)n);
    if (n != 0 || fsync(out) < 0)
        fail_errno(error, to);
    mesh_key_wipe(block, BLOCK);
    (void)close(out);
    return n == 0 && *error == NULL;
}

/* Whether the key of the backup may take the place of the one that is there. */
static bool compare_key(const Paths *paths, const char *key, bool *out_same, GError **error)
{
    g_autoptr(GError) cause = NULL;
    char here[KEY_TEXT + 2] = "";

    *out_same = read_key(paths->key, here, &cause) && strcmp(here, key) == 0;
    mesh_key_wipe(here, sizeof here);
    if (*out_same || paths->force || !g_file_test(paths->key, G_FILE_TEST_EXISTS))
        return true;
    return fail(error, paths->file,
                "is of another server key than the one here: nodes of this server would trust it "
                "no more; --force restores it");
}

static bool put_key(const Paths *paths, const char *key, const char *aside, GError **error)
{
    g_autofree char *temp = g_strconcat(paths->key, ".new", NULL);
    int              fd = make_file(temp, error);
    bool             ok = fd >= 0;

    if (ok && (dprintf(fd, "%s\n", key) != KEY_TEXT + 1 || fsync(fd) < 0))
        ok = fail_errno(error, temp);
    if (fd >= 0)
        (void)close(fd);
    if (ok && g_file_test(paths->key, G_FILE_TEST_EXISTS) && link(paths->key, aside) < 0)
        ok = fail_errno(error, aside);
    return ok && move(temp, paths->key, true, error);
}

/* The old database stays beside under a name with the time; its log must not meet the new one. */
static bool replace(const Paths *paths, const char *key, bool same_key, GError **error)
{
    int64_t          now = g_get_real_time();
    g_autofree char *old = g_strdup_printf("%s.replaced-%" G_GINT64_FORMAT, paths->database, now);
    g_autofree char *old_wal = g_strconcat(old, "-wal", NULL);
    g_autofree char *old_key = g_strdup_printf("%s.replaced-%" G_GINT64_FORMAT, paths->key, now);
    g_autofree char *shm = g_strconcat(paths->database, "-shm", NULL);

    if (g_file_test(paths->database, G_FILE_TEST_EXISTS) && link(paths->database, old) < 0)
        return fail_errno(error, old);
    if (g_file_test(paths->wal, G_FILE_TEST_EXISTS) && !move(paths->wal, old_wal, false, error))
        return false;
    (void)unlink(shm);
    if (!same_key && !put_key(paths, key, old_key, error))
        return false;
    return move(paths->temp, paths->database, true, error);
}

/* Says what an administrator has to do again. */
static void warn_forgotten(const StoreBackupReady *ready)
{
    if (!ready->merged)
        (void)fputs("mesh-server: there is no sound database here to learn from what was removed, "
                    "revoked or used after the backup: remove and revoke it again\n",
                    stderr);
}

/* @paths->temp is a copy of the backup already. */
static bool restore_copy(const Paths *paths, GError **error)
{
    bool is_there = g_file_test(paths->database, G_FILE_TEST_EXISTS) &&
                    store_backup_settle(paths->database, NULL);
    StoreBackupReady ready = { 0 };
    bool             same = false, ok;

    if (!judge(paths->temp, NULL, error) ||
        !store_backup_prepare(paths->temp, is_there ? paths->database : NULL,
                              g_get_real_time() / G_USEC_PER_SEC, &ready, error))
        return false;
    ok = (is_key(ready.key) || fail(error, paths->file, "the server key in it is not one")) &&
         compare_key(paths, ready.key, &same, error) && sync_path(paths->temp, error) &&
         replace(paths, ready.key, same, error);
    mesh_key_wipe(ready.key, strlen(ready.key));
    g_free(ready.key);
    if (ok)
        warn_forgotten(&ready);
    return ok;
}

static bool restore(Paths *paths, GError **error)
{
    int  in = open(paths->file, O_RDONLY | O_CLOEXEC); /* perhaps for root's eyes only */
    bool ok;

    if (in < 0)
        return fail_errno(error, paths->file);
    g_free(paths->temp);
    paths->temp = g_strconcat(paths->database, ".restore", NULL);
    ok = server_statedir_prepare(paths->dir, error) && server_statedir_lock(paths->dir, error);
    if (ok) {
        ok = copy_file(in, paths->temp, error) && restore_copy(paths, error);
        (void)unlink(paths->temp);
    }
    (void)close(in);
    return ok;
}

static bool parse(Paths *paths, int argc, char **argv)
{
    bool wants_file = strcmp(argv[0], "check") != 0;

    for (int i = 1; i < argc; i++) {
        if (wants_file && strcmp(argv[i], "--force") == 0)
            paths->force = true;
        else if (wants_file && paths->file == NULL && argv[i][0] != '-' && argv[i][0] != '\0')
            paths->file = g_strdup(argv[i]);
        else
            return false;
    }
    return !wants_file || paths->file != NULL;
}

static bool run(const char *config_path, Paths *paths, const char *command, GError **error)
{
    g_autoptr(ServerConfig) config = server_config_load(config_path, error);

    if (config == NULL)
        return false;
    paths->dir = g_strdup(config->state_dir);
    paths->database = g_build_filename(paths->dir, "mesh.db", NULL);
    paths->wal = g_strconcat(paths->database, "-wal", NULL);
    paths->key = g_build_filename(paths->dir, "server.key", NULL);
    if (strcmp(command, "check") == 0)
        return check(paths, error);
    if (strcmp(command, "restore") == 0)
        return restore(paths, error);
    paths->temp = g_strconcat(paths->file, ".part", NULL);
    return write_backup(paths, error);
}

int server_backup(const char *config_path, int argc, char **argv)
{
    static const char usage[] = "Usage: mesh-server backup FILE [--force]\n"
                                "       mesh-server restore FILE [--force]\n"
                                "       mesh-server check\n";

    g_auto(Paths) paths = { 0 };
    GError *error = NULL;
    bool    ok, help = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);

    if (help || !parse(&paths, argc, argv)) {
        (void)fputs(usage, help ? stdout : stderr);
        return help ? 0 : EXIT_USAGE;
    }
    ok = run(config_path, &paths, argv[0], &error);
    if (!ok)
        (void)fprintf(stderr, "mesh-server: %s\n", error->message);
    g_clear_error(&error);
    return ok ? 0 : 1;
}
