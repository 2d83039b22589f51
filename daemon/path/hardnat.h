/* daemon/path/hardnat.h: the search for a way through a NAT that gives each destination another
 * port (docs/PATHS.md §5). The side behind it opens many sockets towards the other's one port; the
 * other pings many ports of the address that the relay saw. One search at a time a node.
 *
 * Thread: main loop. Inside of daemon/path. */
#pragma once

#include "daemon/path/seek.h"

/** path_hardnat_consider: starts what may find a way, if ours is the hard side: at once where both
 * NATs are known, later what has to guess. @n_bursts: of plain pings that went unanswered. */
void path_hardnat_consider(PathSeek *seek, size_t n_bursts);

/** path_hardnat_take_call: the peer, behind a hard NAT, is ready to open its sockets. */
void path_hardnat_take_call(PathSeek *seek, const MeshProbe *probe);
void path_hardnat_take_ack(PathSeek *seek, const MeshProbe *probe); /* it pings; open ours */

/** path_hardnat_forget: ends what is under way and what was adopted; another network, other NATs.
 */
void path_hardnat_forget(PathSeek *seek);

/** path_hardnat_stop: ends the search of this host that is under way; what was found stays. */
void path_hardnat_stop(PathSeekHost *host);

/* ---- of seek.c and attempt.c, for hardnat.c ---- */

/** path_seek_take_probe: a probe that was opened with the seek's keys: it is the peer's. */
void path_seek_take_probe(PathSeek *self, const MeshProbe *probe, const WireEvent *event);

/** path_attempt_is_caller: of two that call each other at once the one with the lower
 * key. */
bool path_attempt_is_caller(const PathSeek *self);
