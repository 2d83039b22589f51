/* server/loop/slots.h: memory for many things of one size that live for very different times.
 *
 * They lie side by side, the lowest free place is taken first, and pages without any go back to the
 * system: what few stay after many have gone cost what they are long. Any thread; a lock of its
 * own, held for a moment. Under AddressSanitizer all comes from malloc(), which sees more. */
#pragma once

#include "common/std/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct LoopSlots LoopSlots;

/* Reserves addresses for @max things of @bytes each (rounded up to 16). -ENOMEM. */
MESH_CHECKED int loop_slots_new(size_t bytes, uint32_t max, LoopSlots **out_slots);
void             loop_slots_free(LoopSlots *self); /* with all that is in it; NULL is fine */

void *loop_slots_take(LoopSlots *self); /* zeroed, 16-byte aligned; NULL: none is left */
void  loop_slots_give(LoopSlots *self, void *thing);
