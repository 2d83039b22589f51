#include "server/statedir.h"

#include "common/glib/error.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVICE_USER "mesh-server"

static bool make_dir(const char *dir, struct stat *out_info, GError **error)
{
    /* cppcheck-suppress getpwnamCalled ; no other thread runs yet */
    const struct passwd *user = getpwnam(SERVICE_USER);

    if (stat(dir, out_info) == 0)
        return true;
    if (g_mkdir_with_parents(dir, 0700) == 0 &&
        (user == NULL ||
         (strcmp(dir, SERVER_STATEDIR_DEFAULT) != 0 && strcmp(dir, SERVER_STATEDIR_RELAY) != 0) ||
         chown(dir, user->pw_uid, user->pw_gid) == 0) &&
        stat(dir, out_info) == 0)
        return true;
    mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "make %s", dir);
    return false;
}

bool server_statedir_prepare(const char *dir, GError **error)
{
    struct stat info;

    if (!make_dir(dir, &info, error))
        return false;
    if (geteuid() != 0 || info.st_uid == 0)
        return true;
    if (setgroups(0, NULL) == 0 && setgid(info.st_gid) == 0 && setuid(info.st_uid) == 0)
        return true;
    mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "become the owner of %s", dir);
    return false;
}

bool server_statedir_lock(const char *dir, GError **error)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* stays open: it is the lock */

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return true; /* cppcheck-suppress resourceLeak */
    if (fd >= 0 && errno == EWOULDBLOCK) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE,
                    "%s: a mesh-server is running on it; ask that one: mesh-server key create",
                    dir);
        (void)close(fd);
        return false;
    }
    mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "%s (mesh-server setup makes it)", dir);
    if (fd >= 0)
        (void)close(fd);
    return false;
}
