#include "daemon/dns/hostdns-nm.h"

#include "common/glib/log.h"

#include <string.h>

#define NAME      "org.freedesktop.NetworkManager"
#define OBJECT    "/org/freedesktop/NetworkManager/DnsManager"
#define INTERFACE "org.freedesktop.NetworkManager.DnsManager"

enum { CALL_TIMEOUT_MS = 10000 };

struct DnsHostdnsNm {
    GDBusConnection    *connection; /* ref */
    GCancellable       *cancellable;
    guint               watch, signal;
    char               *mode, *rc_manager; /* "" while it does not run */
    bool                known;
    DnsHostdnsNmChanged changed;
    void               *user_data;
};

static void set(DnsHostdnsNm *self, const char *mode, const char *rc_manager)
{
    if (self->known && strcmp(self->mode, mode) == 0 && strcmp(self->rc_manager, rc_manager) == 0)
        return;
    self->known = true;
    g_free(self->mode);
    g_free(self->rc_manager);
    self->mode = g_strdup(mode);
    self->rc_manager = g_strdup(rc_manager);
    self->changed(self->user_data);
}

static void on_properties(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    g_autoptr(GVariant) dict = NULL;
    const char   *mode = "", *rc_manager = "";
    DnsHostdnsNm *self = user_data;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* @self is gone */
    if (reply == NULL) {
        mesh_log_debug("NetworkManager says nothing of DNS: %s", error->message);
        set(self, "", "");
        return;
    }
    dict = g_variant_get_child_value(reply, 0);
    g_variant_lookup(dict, "Mode", "&s", &mode);
    g_variant_lookup(dict, "RcManager", "&s", &rc_manager);
    set(self, mode, rc_manager);
}

static void ask(DnsHostdnsNm *self)
{
    g_dbus_connection_call(self->connection, NAME, OBJECT, "org.freedesktop.DBus.Properties",
                           "GetAll", g_variant_new("(s)", INTERFACE), G_VARIANT_TYPE("(a{sv})"),
                           G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS, self->cancellable,
                           on_properties, self);
}

static void on_signal(GDBusConnection *connection, const char *sender, const char *path,
                      const char *interface, const char *signal, GVariant *parameters,
                      gpointer user_data)
{
    (void)connection, (void)sender, (void)path, (void)interface, (void)signal, (void)parameters;
    ask(user_data);
}

static void on_appeared(GDBusConnection *connection, const char *name, const char *owner,
                        gpointer user_data)
{
    (void)connection, (void)name, (void)owner;
    ask(user_data);
}

static void on_vanished(GDBusConnection *connection, const char *name, gpointer user_data)
{
    (void)connection, (void)name;
    set(user_data, "", "");
}

DnsHostdnsNm *dns_hostdns_nm_new(GDBusConnection *connection, DnsHostdnsNmChanged changed,
                                 void *user_data)
{
    DnsHostdnsNm *self = g_new0(DnsHostdnsNm, 1);

    self->connection = g_object_ref(connection);
    self->cancellable = g_cancellable_new();
    self->mode = g_strdup("");
    self->rc_manager = g_strdup("");
    self->changed = changed;
    self->user_data = user_data;
    self->signal =
        g_dbus_connection_signal_subscribe(connection, NAME, "org.freedesktop.DBus.Properties",
                                           "PropertiesChanged", OBJECT, INTERFACE,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self, NULL);
    self->watch = g_bus_watch_name_on_connection(connection, NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                 on_appeared, on_vanished, self, NULL);
    return self;
}

void dns_hostdns_nm_free(DnsHostdnsNm *self)
{
    if (self == NULL)
        return;
    g_bus_unwatch_name(self->watch);
    g_dbus_connection_signal_unsubscribe(self->connection, self->signal);
    g_cancellable_cancel(self->cancellable);
    g_object_unref(self->cancellable);
    g_object_unref(self->connection);
    g_free(self->mode);
    g_free(self->rc_manager);
    g_free(self);
}

DnsHostdnsNmInfo dns_hostdns_nm_get(const DnsHostdnsNm *self)
{
    if (self == NULL)
        return (DnsHostdnsNmInfo){ .mode = "", .rc_manager = "" };
    return (DnsHostdnsNmInfo){ .mode = self->mode, .rc_manager = self->rc_manager };
}

bool dns_hostdns_nm_uses_resolved(const DnsHostdnsNm *self)
{
    return strcmp(dns_hostdns_nm_get(self).mode, "systemd-resolved") == 0;
}

bool dns_hostdns_nm_is_known(const DnsHostdnsNm *self)
{
    return self == NULL || self->known;
}

bool dns_hostdns_nm_knows_zones(const DnsHostdnsNm *self)
{
    return strcmp(dns_hostdns_nm_get(self).mode, "dnsmasq") == 0;
}

bool dns_hostdns_nm_writes_file(const DnsHostdnsNm *self)
{
    DnsHostdnsNmInfo info = dns_hostdns_nm_get(self);

    return info.mode[0] != '\0' && strcmp(info.mode, "none") != 0 &&
           strcmp(info.rc_manager, "unmanaged") != 0;
}
