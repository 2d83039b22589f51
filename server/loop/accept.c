#include "server/loop/accept.h"

#include "common/std/buckets.h"
#include "common/std/endpoint.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    ACCEPTS_A_ROUND = 64,
    PAUSE_MS = 200, /* when descriptors ran out */
};

typedef struct {
    LoopSource    source;
    LoopAcceptor *acceptor;
    int           fd; /* -1: closed */
    uint16_t      port;
} Listener;

struct LoopAcceptor {
    LoopAlarm    pause;
    Loop        *loop;
    LoopShard   *shard;
    MeshBuckets *buckets;
    Listener     listeners[2 * LOOP_MAX_LISTEN];
    unsigned     n_listeners;
};

/* An accepted socket on its way to another shard. */
typedef struct {
    LoopMail     mail;
    LoopShard   *shard;
    MeshEndpoint peer;
    int          fd;
} Handover;

static void take_handover(LoopMail *mail, LoopConn *conn)
{
    Handover *self = (Handover *)mail;

    (void)conn;
    if (self->shard->stopping)
        (void)close(self->fd);
    else
        loop_conn_adopt(self->shard, self->fd, &self->peer);
    free(self);
}

static void hand_over(LoopAcceptor *self, int fd, const MeshEndpoint *peer)
{
    LoopShard *best = self->loop->shards[0];
    Handover  *handover;

    for (unsigned i = 1; i < self->loop->config.shards; i++) {
        if (atomic_load(&self->loop->shards[i]->n_conns) < atomic_load(&best->n_conns))
            best = self->loop->shards[i];
    }
    if (best == self->shard) {
        loop_conn_adopt(best, fd, peer);
        return;
    }
    handover = malloc(sizeof(*handover));
    if (handover == NULL) {
        (void)atomic_fetch_sub(&self->loop->n_conns, 1);
        (void)close(fd);
        return;
    }
    *handover =
        (Handover){ .mail = { .deliver = take_handover }, .shard = best, .peer = *peer, .fd = fd };
    loop_mailbox_put(best->mailbox, &handover->mail);
}

/* Whether this client may come in; counts it. */
static bool admit(LoopAcceptor *self, const MeshEndpoint *peer)
{
    Loop *loop = self->loop;

    if (!mesh_buckets_take(self->buckets, &peer->addr, self->shard->now_ms)) {
        (void)atomic_fetch_add(&loop->refused_rate, 1);
        return false;
    }
    if (atomic_load(&loop->n_conns) >= loop->config.max_connections) {
        (void)atomic_fetch_add(&loop->refused_limit, 1);
        return false;
    }
    (void)atomic_fetch_add(&loop->accepted, 1);
    (void)atomic_fetch_add(&loop->n_conns, 1);
    return true;
}

static void resume(LoopAlarm *alarm)
{
    LoopAcceptor *self = (LoopAcceptor *)alarm;

    for (unsigned i = 0; i < self->n_listeners; i++) {
        Listener *listener = &self->listeners[i];

        if (listener->fd >= 0 &&
            loop_shard_watch(self->shard, listener->fd, EPOLLIN, &listener->source) < 0)
            loop_shard_set_alarm(self->shard, alarm, PAUSE_MS);
    }
}

/* No descriptors or memory: a level-triggered listener would spin until some come back. */
static void pause_accepting(LoopAcceptor *self)
{
    for (unsigned i = 0; i < self->n_listeners; i++) {
        if (self->listeners[i].fd >= 0)
            (void)epoll_ctl(self->shard->epoll, EPOLL_CTL_DEL, self->listeners[i].fd, NULL);
    }
    loop_shard_set_alarm(self->shard, &self->pause, PAUSE_MS);
}

static void on_ready(LoopSource *source, uint32_t events)
{
    Listener *listener = (Listener *)source;

    (void)events;
    for (unsigned i = 0; i < ACCEPTS_A_ROUND && listener->fd >= 0; i++) {
        struct sockaddr_storage sa;
        socklen_t               len = sizeof(sa);
        MeshEndpoint            peer;
        int fd = accept4(listener->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_accepting(listener->acceptor);
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            return;
        }
        if (mesh_endpoint_from_sockaddr((struct sockaddr *)&sa, len, true, &peer) == 0 &&
            admit(listener->acceptor, &peer))
            hand_over(listener->acceptor, fd, &peer);
        else
            (void)close(fd);
    }
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage sa;
    socklen_t               len = sizeof(sa);
    MeshEndpoint            endpoint;

    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0 ||
        mesh_endpoint_from_sockaddr((struct sockaddr *)&sa, len, false, &endpoint) < 0)
        return 0;
    return endpoint.port;
}

static void add_listener(LoopAcceptor *self, int fd)
{
    Listener *listener = &self->listeners[self->n_listeners++];

    *listener = (Listener){
        .source = { .ready = on_ready }, .acceptor = self, .fd = fd, .port = port_of(fd)
    };
}

/* [::] takes IPv4 as well, unless the configuration gives IPv4 of that port its own socket. */
static bool is_dual(const LoopConfig *config, const MeshEndpoint *endpoint)
{
    static const MeshAddr any4 = { .family = AF_INET }, any6 = { .family = AF_INET6 };

    if (!mesh_ip_equal_addr(&endpoint->addr, &any6))
        return false;
    for (unsigned i = 0; i < config->n_listen; i++) {
        if (config->listen[i].port == endpoint->port &&
            mesh_ip_equal_addr(&config->listen[i].addr, &any4))
            return false;
    }
    return true;
}

static int open_socket(const MeshEndpoint *endpoint, bool dual)
{
    struct sockaddr_storage sa;
    socklen_t               len = mesh_endpoint_to_sockaddr(endpoint, &sa);
    int                     on = 1, v6only = !dual, rc;
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        (sa.ss_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) == 0) &&
        bind(fd, (struct sockaddr *)&sa, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    rc = -errno;
    (void)close(fd);
    return rc;
}

static int listen_on(LoopAcceptor *self, const MeshEndpoint *endpoint, char *out_why)
{
    bool dual = is_dual(&self->loop->config, endpoint);
    char text[MESH_ENDPOINT_TEXT_SIZE];
    int  fd = open_socket(endpoint, dual);

    if (fd == -EAFNOSUPPORT && dual) { /* a host without IPv6 */
        MeshEndpoint any4 = { .addr = { .family = AF_INET }, .port = endpoint->port };

        fd = open_socket(&any4, false);
    }
    if (fd < 0) {
        (void)snprintf(out_why, LOOP_WHY_SIZE, "listen on %s: %s",
                       mesh_endpoint_format(endpoint, text), strerror(-fd));
        return fd;
    }
    add_listener(self, fd);
    return 0;
}

static int take_inherited(LoopAcceptor *self, int fd, char *out_why)
{
    int       listening = 0;
    socklen_t len = sizeof(listening);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || !listening) {
        (void)snprintf(out_why, LOOP_WHY_SIZE, "inherited descriptor %d is no listening socket",
                       fd);
        return -EINVAL;
    }
    add_listener(self, fd);
    return 0;
}

int loop_accept_new(Loop *loop, LoopAcceptor **out_acceptor, char *out_why)
{
    const LoopConfig *config = &loop->config;
    LoopAcceptor     *self = calloc(1, sizeof(*self));
    int               rc = -ENOMEM;

    if (self != NULL)
        rc = mesh_buckets_new(MESH_BUCKETS_BY_24, config->accept_rate, config->accept_burst,
                              &self->buckets);
    if (rc < 0) {
        (void)snprintf(out_why, LOOP_WHY_SIZE, "out of memory");
        free(self);
        return rc;
    }
    self->loop = loop;
    self->pause.fire = resume;
    for (unsigned i = 0; i < config->n_inherited && rc == 0; i++)
        rc = take_inherited(self, config->inherited[i], out_why);
    for (unsigned i = 0; i < config->n_listen && rc == 0; i++)
        rc = listen_on(self, &config->listen[i], out_why);
    if (rc < 0) {
        loop_accept_free(self);
        return rc;
    }
    *out_acceptor = self;
    return 0;
}

void loop_accept_free(LoopAcceptor *self)
{
    if (self == NULL)
        return;
    loop_accept_close(self);
    mesh_buckets_free(self->buckets);
    free(self);
}

int loop_accept_start(LoopAcceptor *self, LoopShard *shard)
{
    self->shard = shard;
    for (unsigned i = 0; i < self->n_listeners; i++) {
        int rc =
            loop_shard_watch(shard, self->listeners[i].fd, EPOLLIN, &self->listeners[i].source);

        if (rc < 0)
            return rc;
    }
    return 0;
}

void loop_accept_close(LoopAcceptor *self)
{
    for (unsigned i = 0; i < self->n_listeners; i++) {
        if (self->listeners[i].fd >= 0)
            (void)close(self->listeners[i].fd);
        self->listeners[i].fd = -1;
    }
}

uint16_t loop_accept_get_port(const LoopAcceptor *self, unsigned index)
{
    return index < self->n_listeners ? self->listeners[index].port : 0;
}
