/* server/loop/pack.h: memory that is mostly zeros, kept without them. Pure; any thread. */
#pragma once

#include <stddef.h>

enum {
    LOOP_PACK_MAX_BYTES = 8 << 10,
};

typedef struct LoopPacked LoopPacked;

/* How many bytes loop_pack_put() writes for these. */
size_t loop_pack_measure(const void *data, size_t len);

/** loop_pack_put: copies what is not zero of @len bytes at @data to @out.
 * @data: 8-byte aligned; readable up to the next multiple of 8
 * @len: at most LOOP_PACK_MAX_BYTES
 * @out: 8-byte aligned
 *
 * Shape: a bit for each 8-byte word, then the words that are not zero, in order. */
void loop_pack_put(const void *data, size_t len, LoopPacked *out);

/* Writes the words back to @data, where all others are zero or as they were. */
void loop_pack_get(const LoopPacked *self, void *data);
