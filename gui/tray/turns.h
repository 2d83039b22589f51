/* gui/tray/turns.h: whose turn it is to tell the user: ours, or the window's, which hears the same
 * of the daemon while it runs. No I/O but a timer. Thread: main loop.
 *
 * While no window's program runs, all is sent at once. While one runs, a note is held until the
 * window says that it has dealt with that change (then it is dropped), goes without having said so
 * (then it is sent), or for two seconds (then it is dropped: what the window shows is no news).
 * Either may hear of the change first. */
#pragma once

#include "gui/news.h"

typedef struct TrayTurns TrayTurns;

typedef void (*TrayTurnsSend)(const GuiNewsNote *note, gpointer user_data);

/* A window is taken to run until it is said that none does. */
TrayTurns *tray_turns_new(TrayTurnsSend send, gpointer user_data);
void       tray_turns_free(TrayTurns *self); /* NULL is fine */
void       tray_turns_set_window(TrayTurns *self, bool runs);
/* Ours to tell, perhaps. tray_turns_note_ours() follows. */
void tray_turns_tell(TrayTurns *self, const GuiNewsNote *note);
/* No longer so. */
void tray_turns_withdraw(TrayTurns *self, const char *id);
/* We have, or the window has, dealt with @about coming to @state: see gui/news.h. */
void tray_turns_note_ours(TrayTurns *self, const char *about, const char *state);
void tray_turns_note_theirs(TrayTurns *self, const char *about, const char *state);
/* For tests: how long a note is held, and the window's word is good. */
void tray_turns_set_patience(TrayTurns *self, unsigned ms);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TrayTurns, tray_turns_free)
