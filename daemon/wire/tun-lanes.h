/* daemon/wire/tun-lanes.h: which lanes of a TUN hold something. Out thread of the queue. */
#pragma once
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/wire/lanes.h"
#include "daemon/wire/tun.h"

/** wire_tun_list: what to poll for reading, at most WIRE_MAX_LANES. Returns: how many. */
size_t wire_tun_list(const WireTun *self, unsigned queue, struct pollfd *out_fds);

/** wire_tun_wake: what poll said of those. Out thread of the queue. */
void wire_tun_wake(WireTun *self, unsigned queue, const struct pollfd *fds);

/** wire_tun_begin: a round of the out thread. Returns: flows that say little were read a moment ago
 * beside such that say much. */
bool wire_tun_begin(WireTun *self, unsigned queue, int64_t now_ms);

/** wire_tun_round_bytes: about so much is read in that round. */
size_t wire_tun_round_bytes(const WireTun *self, unsigned queue);
