/* daemon/wire/streamsocket.h: how OpenSSL reads and writes the socket of a relay over TLS: several
 * records by one call of the kernel, each of which wakes somebody. The stream's thread. Internal to
 * daemon/wire. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "common/std/attr.h"

typedef struct WireStreamSocket WireStreamSocket;
struct ssl_st;

/** wire_streamsocket_new: puts itself between @ssl and its non-blocking socket. Returns: 0;
 * -EINVAL: there is none; -ENOMEM. */
MESH_CHECKED int wire_streamsocket_new(struct ssl_st *ssl, WireStreamSocket **out_self);

/** wire_streamsocket_free: @ssl has its socket for itself again; what was not flushed is lost, and
 * what was read and not taken. NULL is fine. */
void wire_streamsocket_free(WireStreamSocket *self);

/** wire_streamsocket_flush: what OpenSSL has written goes out. Returns: 0; -EAGAIN: not all of it;
 * other negative errno: the connection is over. */
MESH_CHECKED int wire_streamsocket_flush(WireStreamSocket *self);
