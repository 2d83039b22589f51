/* gui/tray/news.h: TrayNews, notifications while no window's program runs: the rules are the
 * window's own (gui/news.h), and so are the user's choices.
 *
 * Main thread; wakes up for the daemon's changes and the window's coming and going alone. */
#pragma once

#include "gui/tray/desktop.h"
#include "gui/tray/model.h"

typedef struct TrayNews TrayNews;

/* @application: registered; borrowed. It gets the action "judged" (ss), by which the window says
 * what it has dealt with. @desktop: borrowed. */
TrayNews *tray_news_new(GApplication *application, TrayDesktop *desktop);
void      tray_news_free(TrayNews *self); /* NULL is fine */
/* The model has changed. */
void tray_news_update(TrayNews *self, TrayModel *model);
