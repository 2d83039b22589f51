/* common/glib/backoff.c: see backoff.h. */
#include "common/glib/backoff.h"

#include <glib.h>

enum {
    FIRST_MIN_MS = 500,
    FIRST_MAX_MS = 5000,
    BASE_MS = 1000,
    CAP_MS = 60000,
};

MeshBackoff mesh_backoff_make(void)
{
    return (MeshBackoff){
        .first_min_ms = FIRST_MIN_MS,
        .first_max_ms = FIRST_MAX_MS,
        .base_ms = BASE_MS,
        .cap_ms = CAP_MS,
    };
}

unsigned mesh_backoff_uniform(unsigned min, unsigned max)
{
    if (max <= min)
        return min;
    return min + (unsigned)((double)(max - min + 1U) * g_random_double());
}

/* Decorrelated: each wait depends on the last one, not on how often it failed, so that many nodes
 * that lost the server together spread out. */
unsigned mesh_backoff_next_ms(MeshBackoff *self)
{
    unsigned wait;

    if (self->last_ms == 0)
        wait = mesh_backoff_uniform(self->first_min_ms, self->first_max_ms);
    else
        wait = mesh_backoff_uniform(self->base_ms, MIN(self->last_ms, self->cap_ms) * 3);
    self->last_ms = CLAMP(wait, 1U, MAX(self->cap_ms, 1U));
    return self->last_ms;
}

void mesh_backoff_reset(MeshBackoff *self)
{
    self->last_ms = 0;
}
