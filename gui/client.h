/* gui/client.h: GuiClient, the daemon as the window sees it. Thread: main loop only.
 *
 * It opens a connection of its own to the system bus, follows the daemon's coming and going, and
 * never blocks or polls. Properties, all with notify:
 *   "state" (GuiClientState as int)   "detail" (string): the reason in other words, or ""
 *   "networks" (GListModel of GuiNetwork, sorted by name; kept while the daemon restarts)
 *   "version" (string, "" unknown)    "api-version" (uint; 0: a daemon from before it was told)
 *   "features" (GStrv)                "proxy", "proxy-exempt" (string)
 */
#pragma once

#include "gui/call.h"
#include "gui/network.h"

/* The newest ApiVersion that this window knows of. */
#define GUI_CLIENT_API_VERSION 4u

typedef enum {
    GUI_CLIENT_STARTING,      /* nothing is known yet */
    GUI_CLIENT_NO_BUS,        /* there is no system bus */
    GUI_CLIENT_NOT_INSTALLED, /* nobody has the name, and nobody could be started for it */
    GUI_CLIENT_NOT_RUNNING,   /* it could be started */
    GUI_CLIENT_DENIED,        /* the bus lets us not talk to it */
    GUI_CLIENT_SILENT,        /* it runs and does not answer */
    GUI_CLIENT_READY,
} GuiClientState;

#define GUI_TYPE_CLIENT (gui_client_get_type())
G_DECLARE_FINAL_TYPE(GuiClient, gui_client, GUI, CLIENT, GObject)

GuiClient *gui_client_new(void); /* begins at once to connect */

GuiClientState gui_client_get_state(GuiClient *self);
GListModel    *gui_client_get_networks(GuiClient *self);                /* borrowed */
GuiNetwork    *gui_client_find(GuiClient *self, const char *path);      /* borrowed; NULL: none */
bool           gui_client_offers(GuiClient *self, const char *feature); /* see Features */
const char    *gui_client_get_text(GuiClient *self, const char *property); /* borrowed */

/* Looks again: after GUI_CLIENT_NO_BUS, _DENIED or _SILENT. */
void gui_client_retry(GuiClient *self);

/* Has the bus start the daemon. Ends with gui_client_call_finish(). */
void gui_client_start_async(GuiClient *self, GCancellable *cancel, GAsyncReadyCallback done,
                            gpointer user_data);

/* Calls a method of the daemon itself: Join, SetProxy, Repair, Log. See gui_network_call_async().
 */
void      gui_client_call_async(GuiClient *self, const GuiCall *call, GCancellable *cancel,
                                GAsyncReadyCallback done, gpointer user_data);
GVariant *gui_client_call_finish(GuiClient *self, GAsyncResult *result, GError **error);
