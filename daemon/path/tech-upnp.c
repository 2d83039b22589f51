#include "daemon/path/tech-upnp.h"

#include "common/glib/log.h"
#include "daemon/path/upnp-child.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_WAITING = 128 }; /* jobs: twice the networks a host may join */

typedef struct {
    unsigned     number;
    PathUpnpDone done; /* NULL: nobody waits */
    void        *user_data;
} Waiting;

struct PathUpnp {
    int      fd;      /* -1: the processes are gone */
    guint    watch;   /* 0: none */
    unsigned last;    /* number given */
    GQueue   waiting; /* owned Waiting, in the order of their jobs */
};

bool path_upnp_is_of_gateway(const char *url, const MeshAddr *gateway)
{
    static const char scheme[] = "http://";
    char              text[MESH_IP_ADDR_TEXT_SIZE];
    size_t            len = strlen(mesh_ip_format_addr(gateway, text));
    const char       *at = url + sizeof scheme - 1;
    unsigned          port = 0;

    if (gateway->family == 0 || strnlen(url, PATH_UPNP_URL_SIZE) >= PATH_UPNP_URL_SIZE ||
        strncmp(url, scheme, sizeof scheme - 1) != 0 || strncmp(at, text, len) != 0)
        return false;
    for (const char *c = url; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    at += len;
    if (*at == ':') {
        for (at++; g_ascii_isdigit(*at) && port <= UINT16_MAX; at++)
            port = port * 10 + (unsigned)(*at - '0');
        if (port == 0 || port > UINT16_MAX)
            return false;
    }
    return *at == '/' || *at == '\0';
}

/* ---- the processes ---- */

int path_upnp_fork(void)
{
    int   pair[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    pid = fork();
    if (pid == 0) {
        close(pair[0]);
        path_upnp_child_serve(pair[1]);
    }
    close(pair[1]);
    if (pid > 0)
        return pair[0];
    pid = -errno;
    close(pair[0]);
    return pid;
}

/* ---- answers ---- */

static void finish_first(PathUpnp *self, const PathUpnpAnswer *answer)
{
    g_autofree Waiting *first = g_queue_pop_head(&self->waiting);

    if (first->done != NULL)
        first->done(answer, first->user_data);
}

static void give_up(PathUpnp *self, const char *why)
{
    static const PathUpnpAnswer nothing = { 0 };

    mesh_log_warning("UPnP: %s: no mappings by it until the daemon starts again", why);
    close(self->fd);
    self->fd = -1;
    self->watch = 0;
    while (!g_queue_is_empty(&self->waiting))
        finish_first(self, &nothing);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    PathUpnp     *self = user_data;
    PathUpnpReply reply;
    ssize_t       n = recv(fd, &reply, sizeof reply, MSG_DONTWAIT);
    Waiting      *first = g_queue_peek_head(&self->waiting);

    (void)condition;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n != (ssize_t)sizeof reply || first == NULL || reply.number != first->number) {
        give_up(self, n == 0 ? "its process ended" : "its process speaks nonsense");
        return G_SOURCE_REMOVE;
    }
    /* what a router said may stand in these */
    reply.answer.place.url[PATH_UPNP_URL_SIZE - 1] = '\0';
    reply.answer.place.service[PATH_UPNP_SERVICE_SIZE - 1] = '\0';
    finish_first(self, &reply.answer);
    return G_SOURCE_CONTINUE;
}

/* ---- what the daemon calls ---- */

PathUpnp *path_upnp_start(int fd)
{
    PathUpnp *self = g_new0(PathUpnp, 1);

    self->fd = fd;
    self->watch = g_unix_fd_add(fd, G_IO_IN, on_readable, self);
    g_queue_init(&self->waiting);
    return self;
}

void path_upnp_stop(PathUpnp *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->watch, g_source_remove);
    if (self->fd >= 0)
        close(self->fd);
    g_queue_clear_full(&self->waiting, g_free);
    g_free(self);
}

unsigned path_upnp_ask(PathUpnp *self, const PathUpnpJob *job, PathUpnpDone done, void *user_data)
{
    PathUpnpRequest request = { .number = self->last + 1, .job = *job };
    Waiting        *waiting;

    if (request.number == 0)
        request.number = 1; /* 0 is nobody */
    if (self->fd < 0 || g_queue_get_length(&self->waiting) >= MAX_WAITING ||
        send(self->fd, &request, sizeof request, MSG_DONTWAIT | MSG_NOSIGNAL) !=
            (ssize_t)sizeof request)
        return 0;
    self->last = request.number;
    waiting = g_new(Waiting, 1);
    *waiting = (Waiting){ .number = request.number, .done = done, .user_data = user_data };
    g_queue_push_tail(&self->waiting, waiting);
    return request.number;
}

void path_upnp_cancel(PathUpnp *self, unsigned number)
{
    for (GList *at = self->waiting.head; at != NULL; at = at->next)
        if (((Waiting *)at->data)->number == number)
            ((Waiting *)at->data)->done = NULL;
}
