/* server/loop/pack.h: memory that is mostly zeros, kept without them. Pure; any thread.
 *
 * It may hold keys: what is packed is wiped when it is taken or freed. */
#pragma once

#include <stddef.h>

enum {
    LOOP_PACK_MAX_BYTES = 8 << 10,
};

typedef struct LoopPacked LoopPacked;

/** loop_pack_new: copies what is not zero of @len bytes at @data.
 * @data: 8-byte aligned; readable up to the next multiple of 8
 * @len: at most LOOP_PACK_MAX_BYTES
 *
 * Shape: a bit for each 8-byte word, then the words that are not zero, in order.
 * Returns: owned; NULL: out of memory. */
LoopPacked *loop_pack_new(const void *data, size_t len);

/* Writes the words back to @data, where all others are zero or as they were; frees @self. */
void loop_pack_take(LoopPacked *self, void *data);
