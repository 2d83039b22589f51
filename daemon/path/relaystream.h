/* daemon/path/relaystream.h: our session at one relay over TLS, for where UDP is blocked: dialled,
 * kept, proven, opened anew (docs/PATHS.md §3). What is open is a link of the data plane.
 *
 * Thread: main loop. Inside of daemon/path: relaysession.c has one where UDP does not answer. */
#pragma once

#include "daemon/path/relaysession.h"

typedef struct PathRelayStream PathRelayStream;

/** path_relaystream_new: @relay and @link as of the session; borrowed. */
PathRelayStream *path_relaystream_new(PathRelayHost *host, const PathRelay *relay, uint8_t link);
void path_relaystream_free(PathRelayStream *self); /* says CLOSE; the link stays; NULL is fine */

/** path_relaystream_want: there shall be one. Nothing without a TLS port, or if there is one. */
void path_relaystream_want(PathRelayStream *self);

/** path_relaystream_drop: UDP works: it is not wanted any more. @taken: its link is that session's
 * now; else the link goes, if it has one already. */
void path_relaystream_drop(PathRelayStream *self, bool taken);

/** path_relaystream_renew: there is a new token, or a new network: who waits tries at once. */
void path_relaystream_renew(PathRelayStream *self);

bool path_relaystream_is_hopeful(const PathRelayStream *self);
bool path_relaystream_is_bound(const PathRelayStream *self);
void path_relaystream_get_view(const PathRelayStream *self, PathRelayView *out_view);

/* As of the session: */
void path_relaystream_doubt(PathRelayStream *self);
void path_relaystream_ping(PathRelayStream *self);
void path_relaystream_ask(PathRelayStream *self, uint32_t index);

/** path_relaystream_take: a frame of its link, or its end. Returns: false: it is not a stream's. */
bool path_relaystream_take(PathRelayStream *self, const WireEvent *event);
