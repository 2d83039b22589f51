/* daemon/path/idle.h: a peer that is idle costs nothing, and yet its next packet is not lost. By
 * then a NAT may have forgotten the direct way, so it is not relied on any more: what comes next
 * goes by the relay too, until a ping has shown that the way is still one.
 *
 * Thread: main loop. Inside of daemon/path; seek.c uses it. */
#pragma once

#include "daemon/path/seeking.h"

void path_idle_watch(PathSeek *self); /* it has a direct way, and a relay beside it */
void path_idle_end(PathSeek *self);   /* there is data, or no such way */
