/* common/std/bytes.h: bounds-checked reader over a span of bytes that came from outside.
 *
 * Plain values, no allocation, any thread. A reader borrows its bytes. Every read returns true and
 * moves on, or returns false ("ran out"), moves nothing and leaves its output alone.
 * The writer is in common/std/writer.h. */
#pragma once

#include "common/std/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *at;  /* next byte to read */
    const uint8_t *end; /* one past the last byte */
} MeshReader;

/* A reader over @len bytes at @data (NULL is fine when @len is 0). */
MeshReader mesh_bytes_make_reader(const void *data, size_t len);

/* Bytes not yet read. */
size_t mesh_bytes_left(const MeshReader *r);

MESH_CHECKED bool mesh_bytes_read_u8(MeshReader *r, uint8_t *out_value);
MESH_CHECKED bool mesh_bytes_read_u16be(MeshReader *r, uint16_t *out_value);
MESH_CHECKED bool mesh_bytes_read_u16le(MeshReader *r, uint16_t *out_value);
MESH_CHECKED bool mesh_bytes_read_u32be(MeshReader *r, uint32_t *out_value);
MESH_CHECKED bool mesh_bytes_read_u32le(MeshReader *r, uint32_t *out_value);
MESH_CHECKED bool mesh_bytes_read_u64be(MeshReader *r, uint64_t *out_value);
MESH_CHECKED bool mesh_bytes_read_u64le(MeshReader *r, uint64_t *out_value);

/* Copies exactly @len bytes to @out. */
MESH_CHECKED bool mesh_bytes_read_copy(MeshReader *r, void *out, size_t len);

/* Steps over @len bytes. */
MESH_CHECKED bool mesh_bytes_skip(MeshReader *r, size_t len);

/* Cuts the next @len bytes off @r; @out_part reads them in place. */
MESH_CHECKED bool mesh_bytes_take(MeshReader *r, size_t len, MeshReader *out_part);
