/* common/std/bytes.c: see bytes.h. The one place that compares a cursor with its end. */
#include "common/std/bytes.h"

#include <string.h>

MeshReader mesh_bytes_make_reader(const void *data, size_t len)
{
    const uint8_t *at = data;

    return (MeshReader){ .at = at, .end = len > 0 ? at + len : at };
}

size_t mesh_bytes_left(const MeshReader *r)
{
    return (size_t)(r->end - r->at);
}

/* The next @len bytes, or NULL; moves on. */
static const uint8_t *advance(MeshReader *r, size_t len)
{
    const uint8_t *from = r->at;

    if (mesh_bytes_left(r) < len)
        return NULL;
    r->at += len;
    return from;
}

bool mesh_bytes_read_u8(MeshReader *r, uint8_t *out_value)
{
    const uint8_t *p = advance(r, 1);

    if (p == NULL)
        return false;
    *out_value = p[0];
    return true;
}

static uint64_t load_be(const uint8_t *p, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value = value << 8 | p[i];
    return value;
}

static uint64_t load_le(const uint8_t *p, size_t len)
{
    uint64_t value = 0;

    for (size_t i = len; i > 0; i--)
        value = value << 8 | p[i - 1];
    return value;
}

bool mesh_bytes_read_u16be(MeshReader *r, uint16_t *out_value)
{
    const uint8_t *p = advance(r, sizeof(*out_value));

    if (p == NULL)
        return false;
    *out_value = (uint16_t)load_be(p, sizeof(*out_value));
    return true;
}

bool mesh_bytes_read_u16le(MeshReader *r, uint16_t *out_value)
{
    const uint8_t *p = advance(r, sizeof(*out_value));

    if (p == NULL)
        return false;
    *out_value = (uint16_t)load_le(p, sizeof(*out_value));
    return true;
}

bool mesh_bytes_read_u32be(MeshReader *r, uint32_t *out_value)
{
    const uint8_t *p = advance(r, sizeof(*out_value));

    if (p == NULL)
        return false;
    *out_value = (uint32_t)load_be(p, sizeof(*out_value));
    return true;
}

bool mesh_bytes_read_u32le(MeshReader *r, uint32_t *out_value)
{
    const uint8_t *p = advance(r, sizeof(*out_value));

    if (p == NULL)
        return false;
    *out_value = (uint32_t)load_le(p, sizeof(*out_value));
    return true;
}

bool mesh_bytes_read_u64be(MeshReader *r, uint64_t *out_value)
{
    const uint8_t *p = advance(r, sizeof(*out_value));

    if (p == NULL)
        return false;
    *out_value = load_be(p, sizeof(*out_value));
    return true;
}

bool mesh_bytes_read_u64le(MeshReader *r, uint64_t *out_value)
{
    const uint8_t *p = advance(r, sizeof(*out_value));

    if (p == NULL)
        return false;
    *out_value = load_le(p, sizeof(*out_value));
    return true;
}

bool mesh_bytes_read_copy(MeshReader *r, void *out, size_t len)
{
    const uint8_t *p = advance(r, len);

    if (p == NULL && len > 0)
        return false;
    if (len > 0)
        memcpy(out, p, len);
    return true;
}

bool mesh_bytes_skip(MeshReader *r, size_t len)
{
    if (mesh_bytes_left(r) < len)
        return false;
    r->at += len;
    return true;
}

bool mesh_bytes_take(MeshReader *r, size_t len, MeshReader *out_part)
{
    const uint8_t *from = r->at;

    if (!mesh_bytes_skip(r, len))
        return false;
    *out_part = mesh_bytes_make_reader(from, len);
    return true;
}
