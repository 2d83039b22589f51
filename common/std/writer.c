/* common/std/writer.c: see writer.h. */
#include "common/std/writer.h"

#include <errno.h>
#include <string.h>

MeshWriter mesh_writer_make(void *buffer, size_t size)
{
    uint8_t *start = buffer;

    return (MeshWriter){ .start = start, .at = start, .end = size > 0 ? start + size : start };
}

/* Room for @len bytes, or NULL with the flag up; moves on. */
static uint8_t *reserve(MeshWriter *w, size_t len)
{
    uint8_t *to = w->at;

    if (w->overflow || (size_t)(w->end - w->at) < len) {
        w->overflow = true;
        return NULL;
    }
    w->at += len;
    return to;
}

static void store_be(MeshWriter *w, uint64_t value, size_t len)
{
    uint8_t *to = reserve(w, len);

    if (to == NULL)
        return;
    for (size_t i = len; i > 0; i--, value >>= 8)
        to[i - 1] = (uint8_t)value;
}

static void store_le(MeshWriter *w, uint64_t value, size_t len)
{
    uint8_t *to = reserve(w, len);

    if (to == NULL)
        return;
    for (size_t i = 0; i < len; i++, value >>= 8)
        to[i] = (uint8_t)value;
}

void mesh_writer_u8(MeshWriter *w, uint8_t value)
{
    store_be(w, value, sizeof(value));
}

void mesh_writer_u16be(MeshWriter *w, uint16_t value)
{
    store_be(w, value, sizeof(value));
}

void mesh_writer_u16le(MeshWriter *w, uint16_t value)
{
    store_le(w, value, sizeof(value));
}

void mesh_writer_u32be(MeshWriter *w, uint32_t value)
{
    store_be(w, value, sizeof(value));
}

void mesh_writer_u32le(MeshWriter *w, uint32_t value)
{
    store_le(w, value, sizeof(value));
}

void mesh_writer_u64be(MeshWriter *w, uint64_t value)
{
    store_be(w, value, sizeof(value));
}

void mesh_writer_u64le(MeshWriter *w, uint64_t value)
{
    store_le(w, value, sizeof(value));
}

void mesh_writer_bytes(MeshWriter *w, const void *data, size_t len)
{
    uint8_t *to = reserve(w, len);

    if (to != NULL && len > 0)
        memcpy(to, data, len);
}

void mesh_writer_zeros(MeshWriter *w, size_t len)
{
    uint8_t *to = reserve(w, len);

    if (to != NULL && len > 0)
        memset(to, 0, len);
}

size_t mesh_writer_length(const MeshWriter *w)
{
    return (size_t)(w->at - w->start);
}

int mesh_writer_finish(const MeshWriter *w, size_t *out_len)
{
    if (w->overflow)
        return -ENOSPC;
    *out_len = mesh_writer_length(w);
    return 0;
}
