/* daemon/wire/aead-nonce.h: nonces as Noise forms them (revision 34, §12.3 and §12.4): 32 zero bits
 * ‖ the counter, little-endian for ChaCha20-Poly1305, big-endian for AES-GCM. */
#pragma once

#include <stdint.h>
#include <string.h>

#define WIRE_AEAD_NONCE_BYTES 12

static inline void wire_aead_nonce_le(uint64_t counter, uint8_t nonce[WIRE_AEAD_NONCE_BYTES])
{
    memset(nonce, 0, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    counter = __builtin_bswap64(counter);
#endif
    memcpy(nonce + 4, &counter, sizeof(counter));
}

static inline void wire_aead_nonce_be(uint64_t counter, uint8_t nonce[WIRE_AEAD_NONCE_BYTES])
{
    wire_aead_nonce_le(__builtin_bswap64(counter), nonce);
}
