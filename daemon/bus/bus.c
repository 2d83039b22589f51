#include "daemon/bus/bus.h"

#include "common/proto/network.h"
#include "daemon/bus/authorize.h"
#include "daemon/bus/flood.h"
#include "daemon/bus/interfaces.h"
#include "daemon/bus/sleep.h"

struct Bus {
    GDBusConnection          *connection;
    MeshdNetworks            *networks; /* borrowed */
    BusFlood                 *flood;
    BusAuthorize             *authorize;
    GDBusInterfaceSkeleton   *daemon;
    BusSleep                 *sleep;
    GDBusObjectManagerServer *manager;
    GHashTable               *objects; /* network id → owned BusNetwork */
    BusEvents                 events;
    void                     *user_data;
    guint                     name; /* owner id; 0: none */
};

static void free_network(gpointer data)
{
    bus_network_free(data);
}

static const char *format_id(MeshdEngine *engine, char out_id[MESH_NETWORK_ID_TEXT_SIZE])
{
    return mesh_network_format_id(&meshd_engine_get_profile(engine)->server.network, out_id);
}

static void on_added(MeshdEngine *engine, void *user_data)
{
    Bus             *self = user_data;
    char             id[MESH_NETWORK_ID_TEXT_SIZE];
    g_autofree char *path = bus_daemon_dup_path(format_id(engine, id));
    g_autoptr(GDBusObjectSkeleton) object = g_dbus_object_skeleton_new(path);
    BusNetwork *network = bus_network_new(self->networks, id);

    bus_authorize_guard(self->authorize, bus_network_get_skeleton(network));
    g_dbus_object_skeleton_add_interface(object, bus_network_get_skeleton(network));
    g_dbus_object_manager_server_export(self->manager, object);
    g_hash_table_replace(self->objects, g_strdup(id), network);
}

static void on_removed(const char *id, void *user_data)
{
    Bus             *self = user_data;
    g_autofree char *path = bus_daemon_dup_path(id);

    g_dbus_object_manager_server_unexport(self->manager, path);
    g_hash_table_remove(self->objects, id);
}

static void on_changed(MeshdEngine *engine, bool peers, void *user_data)
{
    Bus        *self = user_data;
    char        id[MESH_NETWORK_ID_TEXT_SIZE];
    BusNetwork *network = g_hash_table_lookup(self->objects, format_id(engine, id));

    if (network != NULL)
        bus_network_changed(network, peers);
}

static const MeshdNetworksEvents networks_events = {
    .added = on_added,
    .removed = on_removed,
    .changed = on_changed,
};

static void on_name(GDBusConnection *connection, const char *name, gpointer user_data)
{
    Bus *self = user_data;

    (void)connection;
    (void)name;
    self->events.ready(self->user_data);
}

static void on_name_lost(GDBusConnection *connection, const char *name, gpointer user_data)
{
    Bus *self = user_data;

    (void)name;
    self->events.lost(connection == NULL
                          ? "the system bus went away"
                          : "the name " BUS_NAME " cannot be had: another meshd runs, or the bus "
                            "policy (dbus-1/system.d/" BUS_NAME ".conf) is not installed",
                      self->user_data);
}

static void show_all(Bus *self)
{
    GHashTableIter iter;
    gpointer       network;

    g_hash_table_iter_init(&iter, self->objects);
    while (g_hash_table_iter_next(&iter, NULL, &network))
        bus_network_show(network);
}

Bus *bus_start(GDBusConnection *connection, MeshdNetworks *networks, const BusEvents *events,
               void *user_data, GError **error)
{
    Bus *self = g_new0(Bus, 1);

    self->connection = g_object_ref(connection);
    self->networks = networks;
    self->events = *events;
    self->user_data = user_data;
    self->flood = bus_flood_start(connection);
    self->authorize = bus_authorize_new(connection, 0);
    bus_authorize_set_judge(self->authorize, bus_daemon_judge);
    self->objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_network);
    self->manager = g_dbus_object_manager_server_new(BUS_PATH);
    self->daemon = bus_daemon_new(networks);
    bus_authorize_guard(self->authorize, self->daemon);
    if (!g_dbus_interface_skeleton_export(self->daemon, connection, BUS_PATH, error)) {
        bus_stop(self);
        return NULL;
    }
    meshd_networks_start(networks, &networks_events, self);
    self->sleep = bus_sleep_start(connection, networks);
    show_all(self); /* what came up from the stored maps, before anybody can ask */
    g_dbus_object_manager_server_set_connection(self->manager, connection);
    self->name =
        g_bus_own_name_on_connection(connection, BUS_NAME, G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                     on_name, on_name_lost, self, NULL);
    return self;
}

void bus_stop(Bus *self)
{
    if (self == NULL)
        return;
    bus_sleep_stop(self->sleep);
    if (self->name != 0)
        g_bus_unown_name(self->name);
    g_dbus_object_manager_server_set_connection(self->manager, NULL);
    if (g_dbus_interface_skeleton_get_connection(self->daemon) != NULL)
        g_dbus_interface_skeleton_unexport(self->daemon);
    bus_authorize_free(self->authorize);
    g_hash_table_unref(self->objects);
    g_object_unref(self->manager);
    g_object_unref(self->daemon);
    bus_flood_stop(self->flood);
    g_object_unref(self->connection);
    g_free(self);
}
