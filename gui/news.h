/* gui/news.h: GuiNews, what of the daemon's doings is news to a person: a network is there again,
 * was lost, or waits for an approval; the service has stopped. Window and tray judge by it, each
 * for itself; who of them tells is theirs to settle. No GTK. Thread: main loop only.
 *
 * None at a normal start: what is found, and what the daemon does when it starts or restarts, is no
 * news. Each kind can be switched off (gui/settings.h). */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct GuiNews GuiNews;

/* A network as it is now. Borrowed strings; path and name are never NULL, state as D-Bus has it. */
typedef struct {
    const char *path, *id, *name, *state, *error;
} GuiNewsNetwork;

/* Borrowed, during the call. */
typedef struct {
    const char *about; /* object path of a network; "": the daemon */
    const char *state; /* what it is told for: see judged() */
    const char *id;    /* a later one with this id takes its place */
    const char *title, *body;
} GuiNewsNote;

typedef struct {
    void (*tell)(const GuiNewsNote *note, gpointer user_data);
    void (*withdraw)(const char *id, gpointer user_data); /* it is not so any more */
    /* @about has come to @state, and what there is to tell of it was told before. @state: of the
     * network; of the daemon "gone", "ready". */
    void (*judged)(const char *about, const char *state, gpointer user_data);
    bool (*is_looked_at)(gpointer user_data); /* by the user, now; NULL: never */
} GuiNewsEvents;

/* @events: static */
GuiNews *gui_news_new(const GuiNewsEvents *events, gpointer user_data);
void     gui_news_free(GuiNews *self); /* NULL is fine */

/* The whole picture, whenever any of it may have changed. While the daemon is away (@is_ready:
 * false) its networks are not looked at, and what was known stays. */
void gui_news_update(GuiNews *self, bool is_ready, const GuiNewsNetwork *networks, unsigned n);

/* For tests. @gone_ms: how long the daemon is away before it is told; @start_us: a network that
 * comes so soon after the daemon was there already; default: 15 s, 2 s. */
void gui_news_set_times(GuiNews *self, unsigned gone_ms, gint64 start_us);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuiNews, gui_news_free)
