/* common/glib/backoff.h: when to try again: decorrelated jitter.
 *
 * Plain value, any thread, no clock: it only says how long to wait. The first wait after a reset is
 * uniform in first_min … first_max; each later one uniform in base … 3 × the last, cut at cap. */
#pragma once

#include <stdint.h>

typedef struct {
    unsigned first_min_ms, first_max_ms; /* the first wait */
    unsigned base_ms, cap_ms;            /* the later ones */
    unsigned last_ms;                    /* 0: none yet */
} MeshBackoff;

/* The schedule of docs/PROTOCOL.md §6: 0.5 … 5 s first, cap 60 s. */
MeshBackoff mesh_backoff_make(void);

unsigned mesh_backoff_next_ms(MeshBackoff *self);
void     mesh_backoff_reset(MeshBackoff *self); /* it worked */

/* Uniform in @min … @max, both included. */
unsigned mesh_backoff_uniform(unsigned min, unsigned max);
