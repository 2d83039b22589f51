/* daemon/troubles.h: what is wrong with documents of the state, each by its path; part of state.h.
 * Any thread but where said. */
#pragma once

#include "daemon/state.h"

typedef struct MeshdTroubles MeshdTroubles;

MeshdTroubles *meshd_troubles_new(void);
void           meshd_troubles_free(MeshdTroubles *self); /* NULL is fine */

/** meshd_troubles_watch: as meshd_state_watch(). NULL: nobody is called any more. Main loop. */
void meshd_troubles_watch(MeshdTroubles *self, void (*changed)(void *user_data), void *user_data);

typedef enum {
    MESHD_TROUBLE_ODD,     /* something is missing or left out; the file there is whole */
    MESHD_TROUBLE_DAMAGED, /* the file there is not: it must not become the generation before */
    MESHD_TROUBLE_UNREAD,  /* the system refused to read it; gone once it does */
} MeshdTroubleKind;

/** meshd_troubles_note_read: what was found when @path was read, in words for people. Logged when
 * it is another than before. */
void meshd_troubles_note_read(MeshdTroubles *self, const char *path, const char *text,
                              MeshdTroubleKind kind);

/** meshd_troubles_note_whole: the file is whole and was read: somebody put it there, or the system
 * refused it before. */
void meshd_troubles_note_whole(MeshdTroubles *self, const char *path);

bool meshd_troubles_is_damaged(MeshdTroubles *self, const char *path);

/** meshd_troubles_note_unsaved: the newest is in memory only. Logged once until it is saved. */
void meshd_troubles_note_unsaved(MeshdTroubles *self, const char *path, const GError *why);

/** meshd_troubles_note_saved: @whole: not additions alone. */
void meshd_troubles_note_saved(MeshdTroubles *self, const char *path, bool whole);

/** meshd_troubles_list: of paths that begin with @prefix, as meshd_state_list_troubles(). */
char **meshd_troubles_list(MeshdTroubles *self, const char *prefix, MeshdStateHealth *out_worst);

/** meshd_troubles_forget_read: what was found is told now, and mended as far as it can be. What the
 * files do not tell any more is appended to @found (owned texts). */
void meshd_troubles_forget_read(MeshdTroubles *self, GPtrArray *found);

/** meshd_troubles_drop: what begins with @prefix is gone. */
void meshd_troubles_drop(MeshdTroubles *self, const char *prefix);
