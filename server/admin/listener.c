/* server/admin/listener.c: the Unix socket. Before any thread of ours listens on it. */
#include "server/admin/listener.h"

#include "common/glib/error.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

static GSocket *fail(const char *path, const char *what, GError **error)
{
    mesh_error_set_errno(error, MESH_ERROR_HOST, errno, "%s: %s", path, what);
    return NULL;
}

/* Removes a socket that a dead server left. False: it is alive, or no socket at all. */
static bool clear_stale(const struct sockaddr_un *name, GError **error)
{
    struct stat st;
    int         fd, rc;

    if (lstat(name->sun_path, &st) < 0)
        return errno == ENOENT || fail(name->sun_path, "look", error) != NULL;
    if (!S_ISSOCK(st.st_mode)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "%s: is there, and is no socket",
                    name->sun_path);
        return false;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    rc = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)name, sizeof *name);
    if (fd >= 0)
        close(fd);
    if (rc == 0) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "%s: another mesh-server listens on it",
                    name->sun_path);
        return false;
    }
    return unlink(name->sun_path) == 0 || fail(name->sun_path, "remove", error) != NULL;
}

/* The mode of the inode before bind() is that of the socket file: no moment for others. */
static bool bind_private(int fd, const struct sockaddr_un *name)
{
    return fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)name, sizeof *name) == 0 &&
           chmod(name->sun_path, 0600) == 0 && listen(fd, BACKLOG) == 0;
}

GSocket *admin_listener_open(const char *path, GError **error)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    GError            *cause = NULL;
    GSocket           *socket_object;
    int                fd;

    if (strlen(path) >= sizeof name.sun_path) {
        errno = ENAMETOOLONG;
        return fail(path, "admin_socket", error);
    }
    memcpy(name.sun_path, path, strlen(path) + 1);
    if (!clear_stale(&name, error))
        return NULL;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(path, "socket", error);
    if (!bind_private(fd, &name)) {
        fail(path, "listen", error);
        close(fd);
        return NULL;
    }
    socket_object = g_socket_new_from_fd(fd, &cause);
    if (socket_object == NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "%s: %s", path, cause->message);
        g_error_free(cause);
        close(fd);
    }
    return socket_object;
}
