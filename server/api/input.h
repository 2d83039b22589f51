/* server/api/input.h: bytes that came and were not yet looked at. Of a connection's shard.
 *
 * Empty it takes no memory: a connection is so for nearly all of its life, and a small piece for
 * each would keep pages that are empty otherwise. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *data; /* NULL: none */
    size_t   len, room;
} ApiInput; /* zeroed: empty */

void api_input_append(ApiInput *self, const uint8_t *data, size_t len);
void api_input_drop(ApiInput *self, size_t len); /* the first @len, at most all */
void api_input_clear(ApiInput *self);
