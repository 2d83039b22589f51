/* daemon/wire/udp-loose.h: what of a run would go as a message that is not full. */
#pragma once

#include "daemon/wire/udp.h"

#include <stddef.h>

/** wire_udp_count_loose: how many packets at the end of @run, which has a full message already,
 * make one that is not: more of the same length would go with them. 0: none, or nothing goes
 * together. */
size_t wire_udp_count_loose(const WireUdpSender *self, const WireUdpRun *run);
