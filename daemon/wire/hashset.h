/* daemon/wire/hashset.h: a set of borrowed objects found by what they contain. Open addressing with
 * linear probing; one thread. For the configuration, not for packets. */
#pragma once

#include "common/std/attr.h"

#include <stddef.h>
#include <stdint.h>

/** WireHashKind: how members are told apart. Hash with a seed where outsiders choose the contents.
 */
typedef struct {
    uint64_t (*hash)(const void *member);
    int (*equal)(const void *a, const void *b); /* non-zero: the same */
} WireHashKind;

typedef struct {
    const WireHashKind *kind;
    void              **cells;   /* owned; members borrowed, NULL: empty */
    size_t              n, room; /* members, cells (power of two or 0) */
} WireHashSet;

void wire_hashset_init(WireHashSet *self, const WireHashKind *kind);
void wire_hashset_done(WireHashSet *self); /* members are the caller's */

/** wire_hashset_find: the member equal to @like (the same struct, only what is compared is set). */
void *wire_hashset_find(const WireHashSet *self, const void *like);

/** wire_hashset_add: @member, not in it yet. Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_hashset_add(WireHashSet *self, void *member);

/** wire_hashset_remove: exactly this member; not in it: nothing. */
void wire_hashset_remove(WireHashSet *self, const void *member);
