/* daemon/wire/replay.h: which packet counters of a receiving key were seen.
 * Thread: one at a time; the in-thread of the shard that owns the key. */
#pragma once

#include "common/std/attr.h"

#include <stdint.h>

#define WIRE_REPLAY_WORDS  128u                             /* power of two */
#define WIRE_REPLAY_WINDOW ((WIRE_REPLAY_WORDS - 1u) * 64u) /* 8128 usable of 8192 bits */

/** WireReplay: embedded in a keypair; zeroed is ready. 1032 bytes. */
typedef struct {
    uint64_t next;                     /* newest accepted counter + 1 */
    uint64_t words[WIRE_REPLAY_WORDS]; /* ring of bits; word of a counter: counter / 64 */
} WireReplay;

/** wire_replay_accept: tells whether a packet counter is new, and marks it as seen.
 * @window: sliding window of one receiving key; touched by that key's shard thread only
 * @counter: from the data header, host byte order, unit: packets; authenticated already
 *
 * Shape: the newest WIRE_REPLAY_WINDOW (8128) counters, a ring of 128 64-bit words.
 * Cost: O(1), at most 128 words cleared on a jump; never allocates, never blocks.
 * Returns: 0 when fresh; -EALREADY when seen; -ERANGE when older than the window, or past
 * WIRE_REJECT_AFTER_MESSAGES.
 * Source: WireGuard paper §5.4.6; bitmap scheme of RFC 6479.
 */
MESH_CHECKED int wire_replay_accept(WireReplay *window, uint64_t counter);
