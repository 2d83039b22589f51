/* daemon/draft.h: what of one document waits to be saved: the whole, additions to it, or both.
 * Inside of the state (state.c). Any thread, one at a time. */
#pragma once

#include "daemon/state.h"

#include <glib.h>
#include <stdbool.h>

typedef struct {
    GBytes         *bytes;   /* NULL: not made yet, or additions alone */
    MeshdStateMaker maker;   /* how they are made */
    GPtrArray      *records; /* GBytes; NULL: none */
} MeshdDraft;

MeshdDraft *meshd_draft_new(void);
void        meshd_draft_free(gpointer draft); /* NULL is fine */

/** meshd_draft_is_whole: or is it additions alone? */
bool meshd_draft_is_whole(const MeshdDraft *self);

/** meshd_draft_get_bytes: borrowed, made if they are not; NULL: it is additions alone. */
GBytes *meshd_draft_get_bytes(MeshdDraft *self);

/** meshd_draft_drop_whole: that is saved. */
void meshd_draft_drop_whole(MeshdDraft *self);

/** meshd_draft_add: references on @records (GBytes; NULL: none). */
void meshd_draft_add(MeshdDraft *self, GPtrArray *records);
