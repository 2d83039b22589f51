/* gui/notifications.h: GuiNotifications, tells the desktop what a person would want to know while
 * looking elsewhere: a network is there again, was lost, or waits for an approval. Thread: main
 * loop.
 *
 * None at a normal start: what is found, and what the daemon does when it starts, is no news. Each
 * kind can be switched off (gui/settings.h). */
#pragma once

#include "gui/client.h"

typedef struct GuiNotifications GuiNotifications;

/* @application: borrowed, outlives it; @client: kept. */
GuiNotifications *gui_notifications_new(GApplication *application, GuiClient *client);
void              gui_notifications_free(GuiNotifications *self); /* NULL is fine */
