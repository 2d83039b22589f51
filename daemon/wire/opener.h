/* daemon/wire/opener.h: the second half of the road in: datagrams of one session are opened, judged
 * by replay window, allowed source and filter, credited to their peer, and written to the host.
 *
 * What may go to the host waits until wire_opener_write(), which merges it. Owner: the in thread of
 * a shard. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/std/attr.h"
#include "daemon/wire/keypair.h"
#include "daemon/wire/snapshot.h"
#include "daemon/wire/udp.h"

typedef struct WireOpener WireOpener;

/* Transport data, with the counter that it names. Borrowed until wire_opener_write(). */
typedef struct {
    uint64_t            counter;
    const WireDatagram *datagram;
} WireSealed;

MESH_CHECKED int wire_opener_new(WirePlane *plane, unsigned shard,
                                 WireOpener **out_self); /* 0; -ENOMEM */
void             wire_opener_free(WireOpener *self);     /* NULL is fine */

/** wire_opener_begin: a round, at this time; judged by @snapshot, which is borrowed until its end.
 */
void wire_opener_begin(WireOpener *self, const WireSnapshot *snapshot, int64_t now_ns);

/** wire_opener_open: what one session sent, in place; it is sorted by counter. Between two calls of
 * wire_opener_write() at most WIRE_UDP_MAX_RECEIVE in all. */
void wire_opener_open(WireOpener *self, WireKeypair *keypair, WireSealed *run, size_t n_run);

/** wire_opener_write: gives the host what was opened since the last call. */
void wire_opener_write(WireOpener *self);
