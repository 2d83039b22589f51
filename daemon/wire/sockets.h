/* daemon/wire/sockets.h: the plane's UDP sockets, one a family and shard, and what happens to them.
 *
 * Those of a family share one port, and the kernel divides what comes (steer.h); no other program's
 * socket may, but one that asks to share and runs as the same user. The descriptors keep their
 * numbers for the life of the plane: another port means other sockets put under the same numbers
 * (dup2), so packet threads need no news of it; they are rung only to leave a wait on the old ones.
 * Control thread, unless said otherwise. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/index.h"
#include "daemon/wire/way.h"

enum { WIRE_SOCKET_V4, WIRE_SOCKET_V6, WIRE_N_SOCKETS };

typedef struct {
    int      fds[WIRE_MAX_SHARDS][WIRE_N_SOCKETS]; /* -1: this host does not have the family */
    unsigned n_shards;
    /* By number, 0 is not used; -1: none. */
    _Atomic int      adopted[WIRE_MAX_SOCKETS + 1];
    _Atomic uint32_t n_adopted; /* greatest number in use */
    _Atomic uint16_t port;      /* bound port, the same for both; 0: not bound, send nothing */
    uint32_t         fwmark;
    bool             gro;    /* the kernel knows it, and it is wished for: on sockets to come */
    uint16_t         wished; /* as given: 0 is kept until another wish comes */
} WireSockets;

/* Returns: 0; -EMFILE, -ENFILE, -EAFNOSUPPORT: neither family. */
MESH_CHECKED int wire_sockets_init(WireSockets *self, unsigned n_shards);
void             wire_sockets_done(WireSockets *self);

/** wire_sockets_adopt: takes over a bound UDP socket. Returns: its number, from 1; -ENOSPC: all are
 * in use; -EINVAL: it is none. */
MESH_CHECKED int wire_sockets_adopt(WireSockets *self, int fd);
void wire_sockets_drop(WireSockets *self, uint8_t number); /* closed when nobody reads it */

/** wire_sockets_shard_of: whose the adopted socket @number is to read. */
static inline unsigned wire_sockets_shard_of(const WireSockets *self, uint8_t number)
{
    return number % self->n_shards;
}

/** wire_sockets_bind: binds all to @port (0: any that is free in both families), with SO_MARK
 * @fwmark. What is so already stays. Returns: 0; -EADDRINUSE; -EPERM: the mark; on failure all is
 * as it was. */
MESH_CHECKED int wire_sockets_bind(WireSockets *self, uint16_t port, uint32_t fwmark);
