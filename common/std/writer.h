/* common/std/writer.h: bounds-checked writer into a buffer of fixed size.
 *
 * Plain value, no allocation, any thread. Writes past the end write nothing and raise a flag that
 * stays up, so a message is written in one go and checked once with mesh_writer_finish(). */
#pragma once

#include "common/std/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *start;
    uint8_t *at;       /* next byte to write */
    uint8_t *end;      /* one past the last byte of the buffer */
    bool     overflow; /* something did not fit; nothing is written from then on */
} MeshWriter;

/* A writer into @size bytes at @buffer, which the caller keeps. */
MeshWriter mesh_writer_make(void *buffer, size_t size);

void mesh_writer_u8(MeshWriter *w, uint8_t value);
void mesh_writer_u16be(MeshWriter *w, uint16_t value);
void mesh_writer_u16le(MeshWriter *w, uint16_t value);
void mesh_writer_u32be(MeshWriter *w, uint32_t value);
void mesh_writer_u32le(MeshWriter *w, uint32_t value);
void mesh_writer_u64be(MeshWriter *w, uint64_t value);
void mesh_writer_u64le(MeshWriter *w, uint64_t value);
void mesh_writer_bytes(MeshWriter *w, const void *data, size_t len);
void mesh_writer_zeros(MeshWriter *w, size_t len);

/* Bytes written so far. */
size_t mesh_writer_length(const MeshWriter *w);

/* Ends the message. Returns: 0 and its length in bytes; -ENOSPC when something did not fit. */
MESH_CHECKED int mesh_writer_finish(const MeshWriter *w, size_t *out_len);
