#include "daemon/path/hardsockets.h"

#include "common/std/endpoint.h"
#include "daemon/path/hardports.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    int   fd; /* -1: given away, or closed */
    guint source;
} Socket;

struct PathHardsockets {
    uint32_t           fwmark;
    PathHardsocketsGot got;
    void              *user_data;
    size_t             n;
    Socket             list[PATH_HARDPORTS_MAX_SOCKETS];
};

PathHardsockets *path_hardsockets_new(uint32_t fwmark, PathHardsocketsGot got, void *user_data)
{
    PathHardsockets *self = g_new0(PathHardsockets, 1);

    self->fwmark = fwmark;
    self->got = got;
    self->user_data = user_data;
    return self;
}

void path_hardsockets_free(PathHardsockets *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->n; i++) {
        g_clear_handle_id(&self->list[i].source, g_source_remove);
        if (self->list[i].fd >= 0)
            close(self->list[i].fd);
    }
    g_free(self);
}

static gboolean on_input(gint fd, GIOCondition condition, gpointer user_data)
{
    PathHardsockets        *self = user_data;
    WireEvent               event = { .kind = WIRE_EVENT_RAW };
    struct sockaddr_storage name;
    socklen_t               name_len = sizeof name;
    ssize_t n = recvfrom(fd, event.data, sizeof event.data, 0, (struct sockaddr *)&name, &name_len);

    (void)condition;
    if (n <= 0 ||
        mesh_endpoint_from_sockaddr((struct sockaddr *)&name, name_len, false, &event.endpoint) < 0)
        return G_SOURCE_CONTINUE;
    event.n_data = (uint16_t)n;
    event.way.endpoint = event.endpoint;
    for (size_t i = 0; i < self->n; i++)
        if (self->list[i].fd == fd) {
            self->got(i, &event, self->user_data);
            break;
        }
    return G_SOURCE_CONTINUE; /* removed, if it was taken */
}

static int mark(int fd, uint32_t fwmark)
{
    struct sockaddr_in any = { .sin_family = AF_INET };

    if (bind(fd, (struct sockaddr *)&any, sizeof any) < 0)
        return -errno;
    if (fwmark != 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &fwmark, sizeof fwmark) < 0)
        return -errno;
    return 0;
}

int path_hardsockets_open(PathHardsockets *self)
{
    int fd, rc;

    if (self->n >= PATH_HARDPORTS_MAX_SOCKETS)
        return -ENOSPC;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    rc = mark(fd, self->fwmark);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    self->list[self->n++] =
        (Socket){ .fd = fd, .source = g_unix_fd_add(fd, G_IO_IN, on_input, self) };
    return 0;
}

size_t path_hardsockets_count(const PathHardsockets *self)
{
    return self->n;
}

int path_hardsockets_get(const PathHardsockets *self, size_t at)
{
    return at < self->n ? self->list[at].fd : -1;
}

int path_hardsockets_send(PathHardsockets *self, size_t at, const MeshEndpoint *to, uint8_t ttl,
                          MeshSpan bytes)
{
    struct sockaddr_storage name;
    socklen_t               name_len = mesh_endpoint_to_sockaddr(to, &name);
    int                     fd = path_hardsockets_get(self, at), hops = ttl != 0 ? ttl : -1, rc = 0;

    if (fd < 0)
        return -EBADF;
    if (setsockopt(fd, IPPROTO_IP, IP_TTL, &hops, sizeof hops) < 0 ||
        sendto(fd, bytes.data, bytes.len, 0, (struct sockaddr *)&name, name_len) < 0)
        rc = -errno;
    hops = -1; /* the plane may adopt it */
    if (setsockopt(fd, IPPROTO_IP, IP_TTL, &hops, sizeof hops) < 0 && rc == 0)
        rc = -errno;
    return rc;
}

void path_hardsockets_let_go(PathHardsockets *self, size_t at)
{
    if (at >= self->n)
        return;
    g_clear_handle_id(&self->list[at].source, g_source_remove);
    self->list[at].fd = -1;
}
