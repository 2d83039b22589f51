/* daemon/uapi/uapi.c: the socket of one interface; see uapi.h. */
#include "daemon/uapi/uapi.h"

#include "common/std/clock.h"
#include "daemon/uapi/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FOLDER  "/var/run/wireguard"
#define BACKLOG 16

enum {
    END_WAIT_MS = 2000, /* a predecessor has some threads to join and keys to wipe */
    END_TRIES = 50,
};

struct UapiServer {
    WirePlane  *plane; /* borrowed */
    UapiState   state; /* what the plane runs */
    UapiHandler handler;
    UapiClient  clients[UAPI_MAX_CLIENTS];
    uint64_t    turn;
    int         listener;
    int         watch; /* inotify on the socket's file; -1: this system has none */
    bool        bound; /* the file is ours */
    char        path[UAPI_PATH_SIZE];
    struct stat file; /* the socket's, as we made it */
};

/* ---- requests ---- */

static int get_peer(void *data, const MeshKey *peer, WirePeerInfo *out_info)
{
    return wire_plane_get_peer(data, peer, out_info);
}

static void answer_get(void *data, UapiText *out)
{
    UapiServer   *self = data;
    WirePlaneInfo info;
    UapiLive      live = { .get_peer = get_peer, .data = self->plane };

    wire_plane_get_info(self->plane, &info);
    live.listen_port = info.listen_port;
    uapi_reply_write_state(out, &self->state, &live);
}

static void set_routes(UapiServer *self, const UapiDraft *draft)
{
    for (size_t i = 0; i < draft->n_endpoints; i++) {
        WireRoute route = { .endpoint = draft->endpoints[i].endpoint };

        /* -ENOENT: the peer was removed later in the same request */
        (void)!wire_plane_set_route(self->plane, &draft->endpoints[i].peer, &route, false);
    }
}

static int apply_set(void *data, UapiDraft *draft)
{
    UapiServer *self = data;
    UapiState   old = self->state;
    bool        rekey = !mesh_key_equal(old.private_key, draft->next.private_key);
    int         rc = wire_plane_apply(self->plane, draft->next.config);

    if (rc == 0 && rekey) { /* the same key again would end every session for nothing */
        rc = wire_plane_set_private_key(self->plane, draft->next.private_key);
        if (rc < 0 && wire_plane_apply(self->plane, old.config) < 0)
            return -EIO; /* neither the new nor the old: memory is out */
    }
    if (rc < 0)
        return rc;
    set_routes(self, draft);
    self->state = draft->next;
    draft->next = (UapiState){ .config = NULL };
    uapi_state_done(&old);
    return 0;
}

/* ---- the socket ---- */

static int make_folder(void)
{
    if (mkdir(FOLDER, 0755) < 0 && errno != EEXIST)
        return -errno;
    return 0;
}

static int make_address(const char *ifname, struct sockaddr_un *out_address)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t             len = strlen(ifname);
    int                n;

    if (len == 0 || len >= WIRE_IFNAME_SIZE || strchr(ifname, '/') != NULL)
        return -EINVAL;
    n = snprintf(address.sun_path, sizeof address.sun_path, FOLDER "/%s.sock", ifname);
    if (n < 0 || (size_t)n >= sizeof address.sun_path)
        return -EINVAL;
    *out_address = address;
    return 0;
}

/* Does somebody answer? A predecessor that is ending closes its socket last, when its port is free
 * again: it is waited for, so that "delete, make anew" in one breath works. 0: nobody does. */
static int wait_for_end(const struct sockaddr_un *address)
{
    int64_t end_ms = mesh_clock_boot_ms() + END_WAIT_MS;
    int64_t left_ms = END_WAIT_MS;

    for (int tries = 0; tries < END_TRIES && left_ms > 0; tries++) {
        struct pollfd probe = { .events = POLLIN }; /* and the end, which is always told */
        int           rc;

        probe.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (probe.fd < 0)
            return -errno; /* cppcheck-suppress memleak */
        rc = connect(probe.fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : -errno;
        if (rc == 0)
            (void)!poll(&probe, 1, (int)left_ms);
        close(probe.fd);
        if (rc == -ECONNREFUSED || rc == -ENOENT)
            return 0;
        left_ms = end_ms - mesh_clock_boot_ms();
    }
    return -EADDRINUSE;
}

/* Takes a socket that nobody serves any more out of the way. -EADDRINUSE: somebody answers. */
static int remove_stale(const struct sockaddr_un *address)
{
    struct stat file;
    int         rc;

    if (lstat(address->sun_path, &file) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(file.st_mode))
        return -EEXIST;
    rc = wait_for_end(address);
    if (rc < 0)
        return rc;
    if (unlink(address->sun_path) < 0 && errno != ENOENT)
        return -errno;
    return 0;
}

static int bind_private(int fd, const struct sockaddr_un *address)
{
    mode_t before = umask(0177); /* 0600 from the first moment */
    int    rc = bind(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? -errno : 0;

    umask(before);
    return rc;
}

static int watch_file(const char *path)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    if (fd >= 0 && inotify_add_watch(fd, path, IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int listen_on(UapiServer *self, const struct sockaddr_un *address)
{
    int rc = make_folder();

    if (rc == 0)
        rc = remove_stale(address);
    if (rc < 0)
        return rc;
    self->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->listener < 0)
        return -errno;
    rc = bind_private(self->listener, address);
    if (rc < 0)
        return rc;
    memcpy(self->path, address->sun_path, sizeof self->path);
    self->bound = true;
    if (lstat(self->path, &self->file) < 0 || listen(self->listener, BACKLOG) < 0)
        return -errno;
    self->watch = watch_file(self->path);
    return 0;
}

int uapi_start(const char *ifname, WirePlane *plane, UapiServer **out_server)
{
    struct sockaddr_un address;
    UapiServer        *self;
    int                rc = make_address(ifname, &address);

    if (rc < 0)
        return rc;
    self = calloc(1, sizeof *self);
    if (self == NULL)
        return -ENOMEM;
    self->plane = plane;
    self->listener = self->watch = -1;
    self->handler =
        (UapiHandler){ .state = &self->state, .get = answer_get, .apply = apply_set, .data = self };
    for (size_t i = 0; i < UAPI_MAX_CLIENTS; i++)
        self->clients[i].fd = -1;
    rc = uapi_state_init(&self->state);
    if (rc == 0)
        rc = listen_on(self, &address);
    if (rc < 0) {
        uapi_stop(self);
        return rc;
    }
    *out_server = self;
    return 0;
}

void uapi_stop(UapiServer *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < UAPI_MAX_CLIENTS; i++)
        uapi_client_close(&self->clients[i]);
    if (self->bound && !uapi_is_gone(self))
        unlink(self->path);
    if (self->watch >= 0)
        close(self->watch);
    if (self->listener >= 0)
        close(self->listener);
    uapi_state_done(&self->state);
    free(self);
}

const char *uapi_get_path(const UapiServer *self)
{
    return self->path;
}

bool uapi_is_gone(const UapiServer *self)
{
    struct stat file;

    return lstat(self->path, &file) < 0 || file.st_ino != self->file.st_ino ||
           file.st_dev != self->file.st_dev;
}

/* ---- the caller's loop ---- */

size_t uapi_get_pollfds(const UapiServer *self, struct pollfd out_fds[UAPI_MAX_POLLFDS])
{
    size_t n = 0;

    out_fds[n++] = (struct pollfd){ .fd = self->listener, .events = POLLIN };
    if (self->watch >= 0)
        out_fds[n++] = (struct pollfd){ .fd = self->watch, .events = POLLIN };
    for (size_t i = 0; i < UAPI_MAX_CLIENTS; i++) {
        const UapiClient *client = &self->clients[i];

        if (client->fd >= 0)
            out_fds[n++] =
                (struct pollfd){ .fd = client->fd, .events = uapi_client_events(client) };
    }
    return n;
}

/* A free place, or that of the client that was silent longest. */
static UapiClient *make_place(UapiServer *self)
{
    UapiClient *silent = &self->clients[0];

    for (size_t i = 0; i < UAPI_MAX_CLIENTS; i++) {
        if (self->clients[i].fd < 0)
            return &self->clients[i];
        if (self->clients[i].turn < silent->turn)
            silent = &self->clients[i];
    }
    uapi_client_close(silent);
    return silent;
}

/* The file's mode lets only root in; the question is for sockets handed on by somebody. */
static bool may_ask(int fd)
{
    struct ucred peer;
    socklen_t    len = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void accept_client(UapiServer *self)
{
    /* cppcheck-suppress nullPointer ; who it is, may_ask() finds out */
    int         fd = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    UapiClient *client;

    if (fd < 0)
        return;
    if (!may_ask(fd)) {
        close(fd);
        return;
    }
    client = make_place(self);
    uapi_client_open(client, fd, &self->handler);
    client->turn = self->turn;
}

static void drain(int fd)
{
    char events[1024];

    while (read(fd, events, sizeof events) > 0)
        continue; /* uapi_is_gone() looks itself */
}

static void handle_client(UapiServer *self, const struct pollfd *polled)
{
    for (size_t i = 0; i < UAPI_MAX_CLIENTS; i++) {
        UapiClient *client = &self->clients[i];

        if (client->fd != polled->fd)
            continue;
        client->turn = self->turn;
        uapi_client_handle(client, polled->revents);
        return;
    }
}

void uapi_handle(UapiServer *self, const struct pollfd *fds, size_t n_fds)
{
    bool knocked = false;

    self->turn++;
    for (size_t i = 0; i < n_fds; i++) {
        if (fds[i].revents == 0 || fds[i].fd < 0)
            continue;
        if (fds[i].fd == self->listener)
            knocked = true; /* last: a new client may get the number of one that closes now */
        else if (fds[i].fd == self->watch)
            drain(self->watch);
        else
            handle_client(self, &fds[i]);
    }
    if (knocked)
        accept_client(self);
}
