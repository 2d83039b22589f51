/* server/core/signer.c: the server key: made once, kept in a file of mode 0600 and guarded memory.
 */
#include "server/core/signer.h"

#include "common/glib/error.h"
#include "common/std/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_TEXT (MESH_BASE64URL_SIZE(MESH_SIGN_SEED_BYTES) - 1) /* 43 characters */

struct CoreSigner {
    MeshSignSecret *secret; /* mesh_key_alloc() */
    MeshKey         public_key;
};

static CoreSigner *make(const uint8_t seed[MESH_SIGN_SEED_BYTES])
{
    CoreSigner *self = g_new0(CoreSigner, 1);

    self->secret = mesh_key_alloc(sizeof *self->secret);
    if (self->secret == NULL)
        g_error("no guarded memory for the server key");
    mesh_sign_make_pair(seed, self->secret, &self->public_key);
    mesh_key_protect(self->secret, MESH_KEY_READONLY);
    return self;
}

void core_signer_free(CoreSigner *self)
{
    if (self == NULL)
        return;
    mesh_key_free(self->secret);
    g_free(self);
}

const MeshKey *core_signer_get_public(const CoreSigner *self)
{
    return &self->public_key;
}

const MeshSignSecret *core_signer_get_secret(const CoreSigner *self)
{
    return self->secret;
}

static bool fail(const char *path, const char *what, GError **error)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s: %s", path, what);
    return false;
}

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

/* The file is new, so nothing is replaced: a torn write leaves a file that load refuses. */
static bool write_file(const char *path, const uint8_t seed[MESH_SIGN_SEED_BYTES], GError **error)
{
    char             text[FILE_TEXT + 2];
    g_autofree char *dir = g_path_get_dirname(path);
    int              dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int              fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool             ok = fd >= 0 && dir_fd >= 0;

    ok = ok && mesh_base64url_encode(MESH_SPAN(seed, MESH_SIGN_SEED_BYTES), text, sizeof text) == 0;
    if (ok) {
        text[FILE_TEXT] = '\n';
        ok = write_all(fd, text, FILE_TEXT + 1) && fsync(fd) == 0 && fsync(dir_fd) == 0;
    }
    if (!ok && fd < 0 && errno == EEXIST)
        fail(path, "is there already: this server has been set up", error);
    else if (!ok)
        mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "%s", path);
    mesh_key_wipe(text, sizeof text);
    if (fd >= 0)
        close(fd);
    if (dir_fd >= 0)
        close(dir_fd);
    return ok;
}

static bool check_file(int fd, const char *path, GError **error)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "%s", path);
        return false;
    }
    if (!S_ISREG(st.st_mode))
        return fail(path, "not a plain file", error);
    if ((st.st_mode & 077) != 0)
        return fail(path,
                    "others may read the server key: chmod 0600 it, and think of the key as "
                    "known to them",
                    error);
    return true;
}

static bool read_file(const char *path, uint8_t seed[MESH_SIGN_SEED_BYTES], GError **error)
{
    char    text[FILE_TEXT + 2] = { 0 };
    int     fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n;
    bool    ok;

    if (fd < 0) {
        mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "%s", path);
        return false;
    }
    ok = check_file(fd, path, error);
    n = ok ? read(fd, text, sizeof text) : 0;
    close(fd);
    if (ok && (n != (ssize_t)FILE_TEXT + 1 || text[FILE_TEXT] != '\n'))
        ok = fail(path, "not a server key (43 characters and a newline)", error);
    if (ok) {
        text[FILE_TEXT] = '\0';
        if (mesh_base64url_decode(text, seed, MESH_SIGN_SEED_BYTES, NULL) < 0)
            ok = fail(path, "not a server key (43 characters of base64url)", error);
    }
    mesh_key_wipe(text, sizeof text);
    return ok;
}

CoreSigner *core_signer_load(const char *path, bool create, GError **error)
{
    uint8_t     seed[MESH_SIGN_SEED_BYTES];
    CoreSigner *self = NULL;

    if (create)
        mesh_key_random(seed, sizeof seed);
    if (create ? write_file(path, seed, error) : read_file(path, seed, error))
        self = make(seed);
    mesh_key_wipe(seed, sizeof seed);
    return self;
}
