/* common/std/base64.h: bytes as text: base64 (RFC 4648 §4, padded), base64url (§5, no padding),
 * hex.
 *
 * Any thread. Constant time in the bytes (libsodium), so keys may pass through. Decoders are
 * strict: one text for one value, no white space, no missing or surplus padding. */
#pragma once

#include "common/std/attr.h"

#include <stddef.h>
#include <stdint.h>

/* Buffer sizes, with the NUL, for @len bytes. */
#define MESH_BASE64_SIZE(len)    (((len) + 2) / 3 * 4 + 1)
#define MESH_BASE64URL_SIZE(len) (((len)*4 + 2) / 3 + 1)
#define MESH_HEX_SIZE(len)       ((len)*2 + 1)

/* Encoders write NUL-terminated text. Returns: 0; -ENOSPC when @out_size is too small. */
MESH_CHECKED int mesh_base64_encode(MeshSpan bytes, char *out_text, size_t out_size);
MESH_CHECKED int mesh_base64url_encode(MeshSpan bytes, char *out_text, size_t out_size);
MESH_CHECKED int mesh_hex_encode(MeshSpan bytes, char *out_text, size_t out_size); /* lower case */

/* Decoders read a NUL-terminated @text into at most @out_size bytes. @out may be partly written on
 * failure; @out_len (NULL: the text must give exactly @out_size bytes) is written on success only.
 * Returns: 0; -EINVAL: not of this alphabet or shape, or (@out_len NULL) another length;
 * -ENOSPC: longer than @out_size. */
MESH_CHECKED int mesh_base64_decode(const char *text, uint8_t *out, size_t out_size,
                                    size_t *out_len);
MESH_CHECKED int mesh_base64url_decode(const char *text, uint8_t *out, size_t out_size,
                                       size_t *out_len);
MESH_CHECKED int mesh_hex_decode(const char *text, uint8_t *out, size_t out_size, size_t *out_len);
