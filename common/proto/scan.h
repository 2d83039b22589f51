/* common/proto/scan.h: reads JSON written exactly as our own encoders write it: known order of
 * fields, no blanks, plain ASCII. Ten thousand peers come in this form; trees of objects for them
 * would cost more than their signatures are worth.
 *
 * Any thread; nothing is allocated. False says only "not in that form": it
 * may be good JSON, and the caller reads it again by the table of its fields, which judges it and
 * finds the words. What is taken here the table takes too, with the same values (fuzz-signed,
 * fuzz-mapline). */
#pragma once

#include "common/proto/network.h"
#include "common/proto/signed.h"
#include "common/std/ip.h"
#include "common/std/key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *at, *end;
} MeshScan;

/* These very bytes. */
bool mesh_scan_word(MeshScan *self, const char *word);

/* Of two: which of them comes. */
bool mesh_scan_bool(MeshScan *self, bool *out);

bool mesh_scan_int(MeshScan *self, uint64_t *out); /* at most 2^53-1 */

/* What follows up to a quotation mark, and that: without escapes. @size: with the NUL. */
bool mesh_scan_text(MeshScan *self, char *out, size_t size);

/* The same as base64url of exactly @len bytes, at most 64; as an address. */
bool mesh_scan_bytes(MeshScan *self, uint8_t *out, size_t len);
bool mesh_scan_addr(MeshScan *self, int family, MeshAddr *out);

/* {"b":…,"s":…}. Owned; NULL: not in that form. @max: bytes of the body, ≤ MESH_SIGNED_MAX_BODY. */
MeshSigned *mesh_scan_signed(MeshScan *self, size_t max);

/* The body of @object from behind its "t" and "net", which are @type and @net. */
bool mesh_scan_open(MeshScan *out, const MeshSigned *object, MeshSignedType type,
                    const MeshNetworkId *net);

static inline bool mesh_scan_is_at_end(const MeshScan *self)
{
    return self->at == self->end;
}
