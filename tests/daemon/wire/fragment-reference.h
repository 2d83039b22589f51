/* tests/daemon/wire/fragment-reference.h: taking IPv4 packets apart once more, as plainly as can be
 * said, and putting the pieces together as a receiver does. Slow; for tests. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/wire/fragment.h"

/* May a router with a next link of @mtu bytes take it apart? */
bool reference_may_cut(const uint8_t *packet, size_t len, uint32_t mtu);

/* Takes a copy of @len bytes at @packet apart with wire_fragment_*(), @packet being as long as it
 * says and no longer, and asserts of the pieces: each is at most @mtu bytes long and none could be
 * longer; header, length and checksum are right; the first has all options, the others those with
 * the copied flag; together they are the packet, in order. Or that it is refused and untouched, as
 * reference_may_cut() says. @again: less than @mtu: each piece is taken apart once more, and the
 * same holds; 0: not. Returns: how many pieces; 0: refused. */
size_t reference_check_cut(const uint8_t *packet, size_t len, uint32_t mtu, uint32_t again);
