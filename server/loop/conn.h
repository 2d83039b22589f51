/* server/loop/conn.h: one client's connection, as its owner sees it. Shard thread only. */
#pragma once

#include "server/loop/loop.h"

/* The owner's own pointer; NULL at first. */
void  loop_conn_set_data(LoopConn *self, void *data);
void *loop_conn_get_data(const LoopConn *self);

LoopConnId          loop_conn_get_id(const LoopConn *self);
const MeshEndpoint *loop_conn_get_peer(const LoopConn *self); /* IPv4-mapped shown as IPv4 */

/* Queues @item and takes what it owns, also on failure. Returns: 0; -ENOBUFS: the outbox is full,
 * nothing was queued; -EPIPE: the connection is ending; -ENOMEM. */
MESH_CHECKED int loop_conn_send(LoopConn *self, const LoopItem *item);

/* Drops what is queued and not begun. */
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
