/* daemon/wire/sockets.c: bind a pair of sockets to one port, move them under fixed descriptors. */
#include "daemon/wire/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/wire/rcu.h"
#include "daemon/wire/udp-open.h"
#include "daemon/wire/udp.h"

enum { PORT_TRIES = 64 }; /* a port the kernel gave for IPv4 may be taken in IPv6 */

static const int families[WIRE_N_SOCKETS] = { AF_INET, AF_INET6 };

static void close_pair(const int fds[WIRE_N_SOCKETS])
{
    for (int i = 0; i < WIRE_N_SOCKETS; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

/* A pair on @port, or, for 0, on one that the kernel finds for the first family. */
static int open_pair(uint16_t port, uint32_t fwmark, int out_fds[WIRE_N_SOCKETS],
                     uint16_t *out_port)
{
    int rc = -EAFNOSUPPORT;

    for (int i = 0; i < WIRE_N_SOCKETS; i++)
        out_fds[i] = -1;
    for (int i = 0; i < WIRE_N_SOCKETS; i++) {
        int fd = wire_udp_open(families[i], &port, fwmark);

        if (fd == -EAFNOSUPPORT)
            continue;
        if (fd < 0) {
            close_pair(out_fds);
            return fd;
        }
        out_fds[i] = fd;
        rc = 0;
    }
    *out_port = port;
    return rc;
}

int wire_sockets_init(WireSockets *self)
{
    int n = 0;

    *self = (WireSockets){ .fds = { -1, -1 } };
    for (size_t i = 0; i <= WIRE_MAX_SOCKETS; i++)
        atomic_init(&self->adopted[i], -1);
    for (int i = 0; i < WIRE_N_SOCKETS; i++) { /* only to hold the numbers: never sent on unbound */
        self->fds[i] = socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (self->fds[i] < 0 && errno != EAFNOSUPPORT) {
            int rc = -errno;

            wire_sockets_done(self);
            return rc;
        }
        n += self->fds[i] >= 0;
    }
    return n > 0 ? 0 : -EAFNOSUPPORT;
}

void wire_sockets_done(WireSockets *self)
{
    for (size_t i = 1; i <= WIRE_MAX_SOCKETS; i++) {
        int fd = atomic_exchange(&self->adopted[i], -1);

        if (fd >= 0)
            close(fd);
    }
    close_pair(self->fds);
    self->fds[WIRE_SOCKET_V4] = self->fds[WIRE_SOCKET_V6] = -1;
}

/* A descriptor that packet threads may still use. */
typedef struct {
    int             fd;
    struct rcu_head rcu;
} Closing;

static void close_now(struct rcu_head *head)
{
    Closing *closing = (Closing *)((char *)head - offsetof(Closing, rcu));

    WIRE_RCU_ACQUIRE();
    close(closing->fd);
    free(closing);
}

/* Threads read up to here. */
static void count_adopted(WireSockets *self)
{
    uint32_t n = WIRE_MAX_SOCKETS;

    while (n > 0 && atomic_load(&self->adopted[n]) < 0)
        n--;
    atomic_store(&self->n_adopted, n);
}

int wire_sockets_adopt(WireSockets *self, int fd)
{
    uint16_t port = 0;
    int      rc = wire_udp_prepare(fd, self->fwmark, &port);

    if (rc < 0)
        return rc;
    for (int i = 1; i <= (int)WIRE_MAX_SOCKETS; i++) {
        if (atomic_load(&self->adopted[i]) >= 0)
            continue;
        if (self->gro)
            (void)!wire_udp_set_gro(fd);
        atomic_store(&self->adopted[i], fd);
        count_adopted(self);
        return i;
    }
    return -ENOSPC;
}

void wire_sockets_drop(WireSockets *self, uint8_t number)
{
    int      fd = number > WIRE_MAX_SOCKETS ? -1 : atomic_exchange(&self->adopted[number], -1);
    Closing *closing;

    if (fd < 0)
        return;
    count_adopted(self);
    closing = malloc(sizeof(*closing));
    if (closing == NULL) {
        wire_rcu_wait(); /* at length, but without memory */
        close(fd);
        return;
    }
    closing->fd = fd;
    wire_rcu_defer(&closing->rcu, close_now);
}

static int set_mark(WireSockets *self, uint32_t fwmark)
{
    for (int i = 0; i < WIRE_N_SOCKETS; i++) {
        int rc = self->fds[i] < 0 ? 0 : wire_udp_set_mark(self->fds[i], fwmark);

        if (rc < 0)
            return rc;
    }
    self->fwmark = fwmark;
    return 0;
}

int wire_sockets_bind(WireSockets *self, uint16_t port, uint32_t fwmark)
{
    int      fds[WIRE_N_SOCKETS], rc = -EADDRINUSE;
    uint16_t bound = port, now = atomic_load(&self->port);

    if (now != 0 && (port == now || (port == 0 && self->wished == 0))) {
        self->wished = port;
        return fwmark == self->fwmark ? 0 : set_mark(self, fwmark);
    }
    for (int i = 0; rc == -EADDRINUSE && i < (port == 0 ? PORT_TRIES : 1); i++)
        rc = open_pair(port, fwmark, fds, &bound);
    if (rc < 0)
        return rc;
    for (int i = 0; i < WIRE_N_SOCKETS; i++) {
        if (fds[i] < 0 || self->fds[i] < 0)
            continue;
        if (self->gro)
            (void)!wire_udp_set_gro(fds[i]); /* without it datagrams come one by one */
        while (dup3(fds[i], self->fds[i], O_CLOEXEC) < 0 && (errno == EINTR || errno == EBUSY)) {
        }
    }
    close_pair(fds);
    atomic_store(&self->port, bound);
    self->fwmark = fwmark;
    self->wished = port;
    return 0;
}
