#include "daemon/bus/holder.h"

#include "common/glib/error.h"
#include "daemon/manage.h"

struct BusHolder {
    MeshdNetworks *networks; /* borrowed */
    const char    *id;       /* borrowed */
    char          *name;     /* unique name of who has it; NULL: nobody */
    guint          watch;
};

static void forget(BusHolder *self)
{
    if (self->watch != 0)
        g_bus_unwatch_name(self->watch);
    self->watch = 0;
    g_clear_pointer(&self->name, g_free);
}

/* The network may be gone meanwhile, or taken down and up again by others. */
static void end(BusHolder *self)
{
    MeshdEngine *engine = meshd_networks_find(self->networks, self->id);

    forget(self);
    if (engine != NULL)
        meshd_manage_end(engine);
}

static void on_vanished(GDBusConnection *connection, const char *name, gpointer user_data)
{
    (void)connection;
    (void)name;
    end(user_data);
}

bool bus_holder_take(BusHolder *self, GDBusMethodInvocation *invocation, GError **error)
{
    const char  *sender = g_dbus_method_invocation_get_sender(invocation);
    MeshdEngine *engine = meshd_networks_find(self->networks, self->id);

    if (g_strcmp0(self->name, sender) == 0)
        return true;
    if (self->name != NULL && engine != NULL && meshd_manage_is_on(engine)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BUSY,
                    "another connection of NetworkManager has this network");
        return false;
    }
    forget(self);
    self->name = g_strdup(sender);
    self->watch =
        g_bus_watch_name_on_connection(g_dbus_method_invocation_get_connection(invocation), sender,
                                       G_BUS_NAME_WATCHER_FLAGS_NONE, NULL, on_vanished, self,
                                       NULL);
    return true;
}

void bus_holder_release(BusHolder *self, GDBusMethodInvocation *invocation)
{
    if (g_strcmp0(self->name, g_dbus_method_invocation_get_sender(invocation)) == 0)
        end(self);
}

BusHolder *bus_holder_new(MeshdNetworks *networks, const char *id)
{
    BusHolder *self = g_new0(BusHolder, 1);

    self->networks = networks;
    self->id = id;
    return self;
}

void bus_holder_free(BusHolder *self)
{
    if (self == NULL)
        return;
    forget(self);
    g_free(self);
}
