/* gui/netcheck.h: what NetCheck found, in sentences. Thread: main loop only. */
#pragma once

#include <glib.h>

/* Owned. @found: the a{sv} of NetCheck, see data/dbus/org.meshvpn.Mesh1.Network.xml. Lines for
 * people; what is not told, or not understood, is left out. */
char *gui_netcheck_dup_words(GVariant *found);
