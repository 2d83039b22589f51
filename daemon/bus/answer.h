/* daemon/bus/answer.h: errors as callers on the bus see them; inside daemon/bus only. */
#pragma once

#include <gio/gio.h>

/** bus_answer_error: answers @invocation with the name that the error has on the bus
 * (docs/DBUS.md). GDBus by itself knows one code for each name, and names the others after GLib. */
void bus_answer_error(GDBusMethodInvocation *invocation, const GError *error);
