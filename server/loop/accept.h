/* server/loop/accept.h: the listening sockets: who may come in, and to which shard. Inside of
 * server/loop only; runs on shard 0. */
#pragma once

#include "server/loop/shard.h"

/* Listens on everything the configuration names. Returns: 0; negative errno and @out_why. */
MESH_CHECKED int loop_accept_new(Loop *loop, LoopAcceptor **out_acceptor, char *out_why);
void             loop_accept_free(LoopAcceptor *self); /* NULL is fine */

MESH_CHECKED int loop_accept_start(LoopAcceptor *self, LoopShard *shard);
void             loop_accept_close(LoopAcceptor *self); /* shard 0's thread, or after its end */

uint16_t loop_accept_get_port(const LoopAcceptor *self, unsigned index);
