#include "server/systemd.h"

#include "common/glib/error.h"
#include "common/glib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    FIRST_FD = 3, /* SD_LISTEN_FDS_START */
};

static bool read_number(const char *name, guint64 max, guint64 *out_value)
{
    const char *text = getenv(name);

    return text != NULL && g_ascii_string_to_unsigned(text, 10, 0, max, out_value, NULL);
}

static int take_sockets(int *out_fds, unsigned max, GError **error)
{
    guint64 pid, count;

    if (getenv("LISTEN_FDS") == NULL || !read_number("LISTEN_PID", G_MAXINT, &pid) ||
        pid != (guint64)getpid())
        return 0;
    if (!read_number("LISTEN_FDS", max, &count)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    "LISTEN_FDS=%s: not a number up to %u", getenv("LISTEN_FDS"), max);
        return -1;
    }
    for (int i = 0; i < (int)count; i++) {
        out_fds[i] = FIRST_FD + i;
        if (fcntl(out_fds[i], F_SETFD, FD_CLOEXEC) < 0 ||
            fcntl(out_fds[i], F_SETFL, O_NONBLOCK) < 0) {
            mesh_error_set_errno(error, MESH_ERROR_INVALID_ARGUMENT, errno, "inherited socket %d",
                                 out_fds[i]);
            return -1;
        }
    }
    return (int)count;
}

int server_systemd_take_sockets(int *out_fds, unsigned max, GError **error)
{
    int count = take_sockets(out_fds, max, error);

    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return count;
}

void server_systemd_notify(const char *state)
{
    const char        *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    size_t             len = path != NULL ? strlen(path) : 0;
    int                fd;

    if (len < 2 || len >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@') /* abstract */
        to.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
        mesh_log_warning("notify the service manager: %s", g_strerror(errno));
    if (fd >= 0)
        (void)close(fd);
}
