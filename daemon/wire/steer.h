/* daemon/wire/steer.h: which of the sockets that share our port gets a datagram. */
#pragma once

#include "common/std/attr.h"

/** wire_steer_attach: @fd is one of @n_shards sockets of one family, bound to one port in the order
 * of the shards. From now on transport data goes to the shard that its receiver index names
 * (wire_index_reserve()), a relay's frames to one that their session names, all else to the first.
 * What the kernel joins by GRO follows its first datagram, so any shard may get anything.
 * Returns: 0; -EOPNOTSUPP: then the kernel goes by the addresses. */
MESH_CHECKED int wire_steer_attach(int fd, unsigned n_shards);
