/* daemon/path/width.h: whether a way over IPv6 carries full packets. Routers take IPv4 packets
 * apart that are too long for a link; of IPv6 they only say so, which is often lost. So a way over
 * IPv6 is asked by a ping as long as the longest packet; one that answers short ones alone is left
 * out for a while. Thread: main loop. Inside of daemon/path; seek.c uses it. */
#pragma once

#include "daemon/path/seeking.h"

/** path_width_ask: of the way in use, when it is new or in doubt. */
void path_width_ask(PathSeek *self);
void path_width_end(PathSeek *self);

/** path_width_take_pong: Returns: true: it answered a long ping. */
bool path_width_take_pong(PathSeek *self, uint64_t txid);

/** path_seek_leave: of seek.c: the way in use is left, for the best that answered lately. */
void path_seek_leave(PathSeek *self);
