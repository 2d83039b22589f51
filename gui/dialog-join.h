/* gui/dialog-join.h: GuiDialogJoin, where a network is joined: by a link that is typed or pasted,
 * or by a QR code in a picture. Thread: main loop only.
 *
 * The link is a secret: it is shown only when the user asks for it, never logged, and wiped from
 * the entry when the dialog goes. Nothing is joined before the user says so, whoever handed the
 * link. */
#pragma once

#include "gui/client.h"

#include <adwaita.h>

#define GUI_TYPE_DIALOG_JOIN (gui_dialog_join_get_type())
G_DECLARE_FINAL_TYPE(GuiDialogJoin, gui_dialog_join, GUI, DIALOG_JOIN, AdwWindow)

/* Signal "joined" (GuiNetwork): the user is done with a network that was joined.
 * @parent: what it stands before; NULL: nothing. @client: kept while the dialog lives. */
GuiDialogJoin *gui_dialog_join_new(GtkWindow *parent, GuiClient *client);

/* Puts a link into it, as if it had been pasted; ignored while it is busy. */
void gui_dialog_join_set_link(GuiDialogJoin *self, const char *link);
