/* daemon/wire/sockets.c: bind sockets to one port, move them under fixed descriptors. */
#include "daemon/wire/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/wire/rcu.h"
#include "daemon/wire/steer.h"
#include "daemon/wire/udp-open.h"
#include "daemon/wire/udp.h"

enum { PORT_TRIES = 64 }; /* a port the kernel gave for IPv4 may be taken in IPv6 */

static const int families[WIRE_N_SOCKETS] = { AF_INET, AF_INET6 };

typedef struct {
    int fds[WIRE_MAX_SHARDS][WIRE_N_SOCKETS];
} Bound;

static void close_all(int fds[WIRE_MAX_SHARDS][WIRE_N_SOCKETS])
{
    for (unsigned n = 0; n < WIRE_MAX_SHARDS; n++) {
        for (int i = 0; i < WIRE_N_SOCKETS; i++) {
            if (fds[n][i] >= 0)
                close(fds[n][i]);
            fds[n][i] = -1;
        }
    }
}

static void clear_all(int fds[WIRE_MAX_SHARDS][WIRE_N_SOCKETS])
{
    for (unsigned n = 0; n < WIRE_MAX_SHARDS; n++) {
        for (int i = 0; i < WIRE_N_SOCKETS; i++)
            fds[n][i] = -1;
    }
}

/* The sockets of the further shards beside @bound's first of family @i. That one was alone when it
 * was bound, so that nobody has the port already. */
static int share(const WireSockets *self, int i, uint16_t port, uint32_t fwmark, Bound *bound)
{
    int rc = wire_udp_share(bound->fds[0][i]);

    for (unsigned n = 1; rc == 0 && n < self->n_shards; n++) {
        int fd = wire_udp_open_beside(families[i], port, fwmark);

        bound->fds[n][i] = fd < 0 ? -1 : fd;
        rc = fd < 0 ? fd : 0;
    }
    if (rc == 0)
        (void)!wire_steer_attach(bound->fds[0][i], self->n_shards);
    return rc;
}

/* All on @port, or, for 0, on one that the kernel finds for the first family. */
static int open_all(const WireSockets *self, uint16_t port, uint32_t fwmark, Bound *out,
                    uint16_t *out_port)
{
    int rc = -EAFNOSUPPORT;

    clear_all(out->fds);
    for (int i = 0; i < WIRE_N_SOCKETS; i++) {
        int fd = wire_udp_open(families[i], &port, fwmark), shared = 0;

        if (fd == -EAFNOSUPPORT)
            continue;
        if (fd >= 0) {
            out->fds[0][i] = fd;
            shared = self->n_shards > 1 ? share(self, i, port, fwmark, out) : 0;
        }
        if (fd < 0 || shared < 0) {
            close_all(out->fds);
            return fd < 0 ? fd : shared;
        }
        rc = 0;
    }
    *out_port = port;
    return rc;
}

/* Only to hold the numbers: never sent on unbound. Returns: how many; negative errno. */
static int hold_numbers(int fds[WIRE_N_SOCKETS])
{
    int n = 0;

    for (int i = 0; i < WIRE_N_SOCKETS; i++) {
        fds[i] = socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fds[i] < 0 && errno != EAFNOSUPPORT)
            return -errno;
        n += fds[i] >= 0;
    }
    return n;
}

int wire_sockets_init(WireSockets *self, unsigned n_shards)
{
    *self = (WireSockets){ .n_shards = n_shards };
    clear_all(self->fds);
    for (size_t i = 0; i <= WIRE_MAX_SOCKETS; i++)
        atomic_init(&self->adopted[i], -1);
    for (unsigned n = 0; n < n_shards; n++) {
        int rc = hold_numbers(self->fds[n]);

        if (rc <= 0) {
            wire_sockets_done(self);
            return rc < 0 ? rc : -EAFNOSUPPORT;
        }
    }
    return 0;
}

void wire_sockets_done(WireSockets *self)
{
    for (size_t i = 1; i <= WIRE_MAX_SOCKETS; i++) {
        int fd = atomic_exchange(&self->adopted[i], -1);

        if (fd >= 0)
            close(fd);
    }
    close_all(self->fds);
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
    for (unsigned at = 0; at < self->n_shards * WIRE_N_SOCKETS; at++) {
        int fd = self->fds[at / WIRE_N_SOCKETS][at % WIRE_N_SOCKETS];
        int rc = fd < 0 ? 0 : wire_udp_set_mark(fd, fwmark);

        if (rc < 0)
            return rc;
    }
    self->fwmark = fwmark;
    return 0;
}

/* Puts the socket @fd under the number @number; its own is closed later. */
static void move(const WireSockets *self, int fd, int number)
{
    if (fd < 0 || number < 0)
        return;
    if (self->gro)
        (void)!wire_udp_set_gro(fd); /* without it datagrams come one by one */
    while (dup3(fd, number, O_CLOEXEC) < 0 && (errno == EINTR || errno == EBUSY)) {
    }
}

int wire_sockets_bind(WireSockets *self, uint16_t port, uint32_t fwmark)
{
    Bound    fresh;
    int      rc = -EADDRINUSE;
    uint16_t bound = port, now = atomic_load(&self->port);

    if (now != 0 && (port == now || (port == 0 && self->wished == 0))) {
        self->wished = port;
        return fwmark == self->fwmark ? 0 : set_mark(self, fwmark);
    }
    for (int i = 0; rc == -EADDRINUSE && i < (port == 0 ? PORT_TRIES : 1); i++)
        rc = open_all(self, port, fwmark, &fresh, &bound);
    if (rc < 0)
        return rc;
    for (unsigned n = 0; n < self->n_shards; n++) {
        for (int i = 0; i < WIRE_N_SOCKETS; i++)
            move(self, fresh.fds[n][i], self->fds[n][i]);
    }
    close_all(fresh.fds);
    atomic_store(&self->port, bound);
    self->fwmark = fwmark;
    self->wished = port;
    return 0;
}
