/* server/loop/conn.h: one client's connection, as its owner sees it. Shard thread only. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Loop     Loop;
typedef struct LoopConn LoopConn;

/* Names a connection for the life of the process. 0: none. The upper 16 bits are always zero: the
 * owner of the connection may keep something of its own there, see loop_post(). */
typedef uint64_t LoopConnId;

enum {
    LOOP_CONN_ID_BITS = 48,
    LOOP_OUTBOX_BYTES = 65536, /* counted bytes queued for one connection */
};

/* One thing to write, whole or not at all: before ‖ data ‖ after. */
typedef struct {
    const void *data; /* borrowed until @release */
    size_t      len;
    void (*release)(void *owner); /* NULL: data is copied at once */
    void    *owner;
    uint64_t tag; /* not 0: a later item with the same tag, behind all others, replaces it */
    char     before[16];
    char     after[8];
    uint8_t  before_len, after_len;
    bool     uncounted; /* does not count against LOOP_OUTBOX_BYTES */
} LoopItem;

/* Memory for the owner, zeroed, beside the connection's TLS (see region.h). It becomes the owner's
 * pointer and is given back after closed(). NULL: out of memory. Once, in opened(). */
void *loop_conn_new_data(LoopConn *self, size_t len);

void *loop_conn_get_data(const LoopConn *self); /* NULL before */

Loop               *loop_conn_get_loop(const LoopConn *self);
LoopConnId          loop_conn_get_id(const LoopConn *self);
const MeshEndpoint *loop_conn_get_peer(const LoopConn *self); /* IPv4-mapped shown as IPv4 */

/* Queues @item and takes what it owns, also on failure. Returns: 0; -ENOBUFS: the outbox is full,
 * nothing was queued; -EPIPE: the connection is ending; -ENOMEM. */
MESH_CHECKED int loop_conn_send(LoopConn *self, const LoopItem *item);

/* Drops what is queued, counted and not begun. */
void loop_conn_drop_queued(LoopConn *self);

/* Everything sent has been handed to the kernel. */
bool loop_conn_is_drained(const LoopConn *self);

/* Calls events->expired @ms from now; a new deadline replaces the old; 0: none. */
void loop_conn_set_deadline(LoopConn *self, unsigned ms);

/* Writes what is queued, closes TLS, then the connection; nothing more is read. closed() comes
 * later, never from within this call. */
void loop_conn_finish(LoopConn *self);

/* Closes now, dropping what is queued; closed() comes later. */
void loop_conn_abort(LoopConn *self);
