/* gui/tray/model.h: what meshd says of its networks, and what is asked of it.
 *
 * Main thread; never waits for an answer; lives through meshd's absence and restart. */
#pragma once

#include "gui/news.h"
#include "gui/tray/menu.h"

typedef struct TrayModel TrayModel;

typedef struct {
    void (*changed)(
        gpointer user_data); /* the view is another; several changes at once: one call */
    /* @what: "Cannot connect home"; @why: in words */
    void (*failed)(const char *what, const char *why, gpointer user_data);
} TrayModelEvents;

/* @events: static. The first `changed` comes when it is known whether there is a meshd. */
TrayModel *tray_model_new(const TrayModelEvents *events, gpointer user_data);
void       tray_model_free(TrayModel *self); /* NULL is fine */
/* Borrowed, until the next `changed` or call. */
const TrayView *tray_model_view(TrayModel *self);
/* Adds all networks to @out (GuiNewsNetwork; strings as long as the view). Returns: whether there
 * is a meshd that told of them. */
bool tray_model_list(TrayModel *self, GArray *out);
void tray_model_toggle(TrayModel *self, const char *path);
/* All down; or up again those that were down by this, or else all. */
void tray_model_switch_all(TrayModel *self, bool up);
/* The peer with this address is shown first from now on. */
void tray_model_note_copied(TrayModel *self, const char *address);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TrayModel, tray_model_free)
