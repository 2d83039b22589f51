/* daemon/wire/aead-tag.h: whether two tags are the same, in constant time. Inline: libsodium's
 * comparison byte by byte costs a packet as much as two copies of its headers. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "daemon/wire/aead.h"

/** wire_aead_tag_is: no branch, and no early end, before all 16 bytes are compared. */
static inline bool wire_aead_tag_is(const uint8_t tag[WIRE_AEAD_TAG_BYTES],
                                    const uint8_t want[WIRE_AEAD_TAG_BYTES])
{
    uint64_t a[2], b[2], differs;

    memcpy(a, tag, sizeof(a));
    memcpy(b, want, sizeof(b));
    differs = (a[0] ^ b[0]) | (a[1] ^ b[1]);
    return differs == 0;
}
