#include "server/keyfile.h"

#include "common/glib/disk.h"
#include "common/glib/error.h"
#include "common/std/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_TEXT (MESH_BASE64URL_SIZE(MESH_KEY_BYTES) - 1) /* 43 characters */

static bool fail_file(const char *path, const char *what, GError **error)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s: %s", path, what);
    return false;
}

static bool read_key(int fd, const char *path, MeshKey *out_secret, GError **error)
{
    char        text[FILE_TEXT + 2] = { 0 };
    struct stat info;
    bool        ok = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);

    if (ok && (info.st_mode & 077) != 0)
        return fail_file(path, "others may read the relay's key: remove it, a new one is made",
                         error);
    ok = ok && read(fd, text, sizeof(text)) == (ssize_t)FILE_TEXT + 1 && text[FILE_TEXT] == '\n';
    text[FILE_TEXT] = '\0';
    ok = ok && mesh_base64url_decode(text, out_secret->bytes, MESH_KEY_BYTES, NULL) == 0;
    mesh_key_wipe(text, sizeof(text));
    return ok ||
           fail_file(path, "not a relay's key (43 characters of base64url and a newline)", error);
}

/* Under another name first: a file that is there is whole. */
static bool write_key(const char *dir, const char *path, const MeshKey *secret, GError **error)
{
    g_autofree char *temp = g_strconcat(path, ".new", NULL);
    char             text[FILE_TEXT + 2];
    int              fd;
    bool             ok;

    (void)unlink(temp);
    fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ok = fd >= 0 &&
         mesh_base64url_encode(MESH_SPAN(secret->bytes, MESH_KEY_BYTES), text, sizeof(text)) == 0;
    if (ok) {
        text[FILE_TEXT] = '\n';
        ok = mesh_disk_write_all(fd, text, FILE_TEXT + 1) && fsync(fd) == 0 &&
             rename(temp, path) == 0;
    }
    if (!ok)
        mesh_error_set_errno(error, mesh_disk_get_code(MESH_ERROR_STATE, errno), errno, "%s", path);
    mesh_key_wipe(text, sizeof(text));
    if (fd >= 0)
        (void)close(fd);
    return ok && mesh_disk_flush_dir(dir, MESH_ERROR_STATE, error);
}

bool server_keyfile_prepare(const char *state_dir, const char *name, MeshKey *out_secret,
                            GError **error)
{
    g_autofree char *path = g_build_filename(state_dir, name, NULL);
    int              fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool             ok;

    if (fd >= 0) {
        ok = read_key(fd, path, out_secret, error);
        (void)close(fd);
        return ok;
    }
    if (errno != ENOENT) {
        mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "%s", path);
        return false;
    }
    mesh_key_random(out_secret->bytes, sizeof out_secret->bytes);
    return write_key(state_dir, path, out_secret, error);
}
