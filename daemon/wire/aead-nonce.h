/* daemon/wire/aead-nonce.h: the nonce of AES-GCM as Noise forms it (revision 34, §12.4): 32 zero
 * bits ‖ the counter, big-endian. */
#pragma once

#include <stdint.h>
#include <string.h>

#define WIRE_AEAD_NONCE_BYTES 12

static inline void wire_aead_nonce_be(uint64_t counter, uint8_t nonce[WIRE_AEAD_NONCE_BYTES])
{
    memset(nonce, 0, 4);
    counter = __builtin_bswap64(counter);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    counter = __builtin_bswap64(counter);
#endif
    memcpy(nonce + 4, &counter, sizeof(counter));
}
