/* tests/fuzz/fuzz.h: what a fuzz target gives the driver. One target, one program. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Feeds bytes from outside to a decoder. It must come back whatever they are; what it accepts must
 * hold the decoder's promises, which the target asserts. @data is not NUL-terminated. */
void fuzz_one(const uint8_t *data, size_t len);

/* @data as a string: cut at its first NUL, owned by the caller (free()). */
char *fuzz_dup_text(const uint8_t *data, size_t len);
