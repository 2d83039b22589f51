/* server/loop/bulk.h: connections with much traffic, most of it from one to another; of conn.c.
 * Shard thread only. */
#pragma once

#include "server/loop/conn.h"

/* Much comes from this client: it is read by whole rounds, each as one input of up to
 * 96 KiB, and less of what is for it waits in the kernel. */
void loop_conn_set_bulk(LoopConn *self);

/* Writes @data, whole records of it at once, if nothing is in the way: no copy waits, nobody's turn
 * is taken. Returns: false: nothing was written; it is to be queued. */
bool loop_conn_pass(LoopConn *self, const void *data, size_t len);

/* Reads nothing for at most @ms from now; 0: reads again. A deadline goes on. */
void loop_conn_pause(LoopConn *self, unsigned ms);

/* At the end of this round the connection goes to the shard that all of @key are on, without a
 * deadline and with another id; @arrived is called there, unless it closes before. What is posted
 * to the old id meets nobody. Returns: false: it stays. */
bool loop_conn_move(LoopConn *self, uint32_t key, void (*arrived)(void *data), void *data);

/* Whether both are of one shard, so that whoever is on the thread of one may touch the other. */
bool loop_conn_are_together(LoopConnId a, LoopConnId b);
