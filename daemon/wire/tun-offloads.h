/* daemon/wire/tun-offloads.h: what of super-packets a TUN was found to do at the start. */
#pragma once
#include <stdbool.h>

#include "daemon/wire/plane.h"
#include "daemon/wire/tun.h"

/** wire_tun_has_offload: @offload: TUN_READ or TUN_WRITE; false for others. Any thread. */
bool wire_tun_has_offload(const WireTun *self, WireOffload offload);
