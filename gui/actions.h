/* gui/actions.h: the program's actions that open its other windows ("app.NAME"): join (s, a link or
 * ""), preferences, about, refresh, show; their keys; and notifications. Thread: main loop only. */
#pragma once

#include "gui/application.h"

/* @application: started; kept for as long as it runs. */
void gui_actions_add(GuiApplication *application);
