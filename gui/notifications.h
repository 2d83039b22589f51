/* gui/notifications.h: GuiNotifications, shows on the desktop what is news (gui/news.h) while the
 * window's program runs; while it does not, the tray does it. Thread: main loop. */
#pragma once

#include "gui/client.h"

typedef struct GuiNotifications GuiNotifications;

/* @application: borrowed, outlives it; @client: kept. */
GuiNotifications *gui_notifications_new(GApplication *application, GuiClient *client);
void              gui_notifications_free(GuiNotifications *self); /* NULL is fine */
