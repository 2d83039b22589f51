#include "daemon/bus/answer.h"

#include "common/glib/error.h"

void bus_answer_error(GDBusMethodInvocation *invocation, const GError *error)
{
    g_dbus_method_invocation_return_dbus_error(invocation, mesh_error_describe(error)->dbus,
                                               error->message);
}
