/* gui/tray/app.h: mesh-tray as an application: one instance a session, menu, model and panel
 * together. */
#pragma once

#include <gio/gio.h>

/** tray_app_run: runs until somebody quits it.
 * @patience_s: after how long without a panel it is said that there is none
 * Returns: exit status; 0 too when another instance runs already. */
int tray_app_run(unsigned patience_s);
