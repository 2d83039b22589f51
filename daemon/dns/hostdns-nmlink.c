#include "daemon/dns/hostdns-nmlink.h"

#include "common/glib/error.h"
#include "common/glib/log.h"

#define NM_PATH        "/org/freedesktop/NetworkManager"
#define NM_INTERFACE   "org.freedesktop.NetworkManager"
#define NM_DEVICE      "org.freedesktop.NetworkManager.Device"
#define PROPERTIES     "org.freedesktop.DBus.Properties"
#define UNKNOWN_DEVICE "org.freedesktop.NetworkManager.UnknownDevice"
#define CHANGED_SINCE  "org.freedesktop.NetworkManager.Device.VersionIdMismatch"

enum {
    CALL_TIMEOUT_MS = 10000,
    RETRY_MS = 200, /* it hears of our link and its addresses from the kernel, a little later */
    MAX_RETRIES = 50,
    RETRIES_ASK = 2,
    DEVICE_UNMANAGED = 10,    /* NM_DEVICE_STATE_UNMANAGED */
    DEVICE_ACTIVATED = 100,   /* NM_DEVICE_STATE_ACTIVATED */
    PRESERVE_EXTERNAL_IP = 1, /* NM_DEVICE_REAPPLY_FLAGS_PRESERVE_EXTERNAL_IP */
};

struct DnsHostdnsNmlink {
    GDBusConnection     *connection; /* ref */
    GCancellable        *cancellable;
    DnsHostdnsLink       link; /* its texts are the two below */
    char                *ifname, *suffix;
    bool                 first, undo, busy;
    char                *device; /* object path; NULL: not known yet */
    guint                signal, timer;
    unsigned             retries;
    DnsHostdnsNmlinkDone done;
    void                *user_data;
};

static void find_device(DnsHostdnsNmlink *self);

/* ---- ends ---- */

static void finish(DnsHostdnsNmlink *self, const char *step, const GError *error)
{
    g_autoptr(GError) told = NULL;
    g_autofree char *text = NULL;

    self->busy = false;
    self->retries = 0;
    if (error != NULL) {
        text = g_strdup(error->message);
        g_strdelimit(text, "\n", ' ');
        told = g_error_new(MESH_ERROR, MESH_ERROR_HOST, "NetworkManager, %s %s: %s", step,
                           self->ifname, text);
    }
    self->done(told, self->user_data);
}

static gboolean on_retry(gpointer user_data)
{
    DnsHostdnsNmlink *self = user_data;

    self->timer = 0;
    find_device(self);
    return G_SOURCE_REMOVE;
}

/* @why: told when it has been too often. */
static void retry(DnsHostdnsNmlink *self, const char *step, const GError *why)
{
    if (self->retries == MAX_RETRIES) {
        finish(self, step, why);
        return;
    }
    self->retries++;
    self->timer = g_timeout_add(RETRY_MS, on_retry, self);
}

static void retry_because(DnsHostdnsNmlink *self, const char *step, const char *why)
{
    g_autoptr(GError) error = g_error_new_literal(MESH_ERROR, MESH_ERROR_HOST, why);

    retry(self, step, error);
}

static bool is_remote(const GError *error, const char *name)
{
    g_autofree char *remote = g_dbus_error_get_remote_error(error);

    return g_strcmp0(remote, name) == 0;
}

static bool is_gone(const GError *error)
{
    return is_remote(error, UNKNOWN_DEVICE) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER);
}

/* Returns: the reply, owned; NULL with *@out_self NULL: we are gone; else with @error set. */
static GVariant *take_reply(GObject *source, GAsyncResult *result, gpointer user_data,
                            DnsHostdnsNmlink **out_self, GError **error)
{
    g_autoptr(GError) call_error = NULL;
    GVariant *reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &call_error);

    *out_self = NULL;
    if (g_error_matches(call_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return NULL;
    *out_self = user_data;
    if (call_error != NULL)
        g_propagate_error(error, g_steal_pointer(&call_error));
    return reply;
}

static void call_device(DnsHostdnsNmlink *self, const char *method, GVariant *arguments,
                        const char *reply, GAsyncReadyCallback done)
{
    g_dbus_connection_call(self->connection, DNS_HOSTDNS_NM_NAME, self->device, NM_DEVICE, method,
                           arguments, G_VARIANT_TYPE(reply), G_DBUS_CALL_FLAGS_NO_AUTO_START,
                           CALL_TIMEOUT_MS, self->cancellable, done, self);
}

/* ---- the steps, the last one first ---- */

static void on_reapplied(GObject *source, GAsyncResult *result, gpointer user_data)
{
    DnsHostdnsNmlink *self;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = take_reply(source, result, user_data, &self, &error);

    if (self == NULL)
        return;
    if (error != NULL && is_remote(error, CHANGED_SINCE)) {
        retry(self, "Reapply", error);
        return;
    }
    if (error != NULL)
        g_dbus_error_strip_remote_error(error);
    finish(self, "Reapply", error);
}

static void on_applied(GObject *source, GAsyncResult *result, gpointer user_data)
{
    DnsHostdnsNmlink *self;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = take_reply(source, result, user_data, &self, &error);
    g_autoptr(GVariant) settings = NULL;
    GVariant            *edited;
    DnsHostdnsNmlinkWish wish;
    guint64              version = 0;
    bool                 not_yet = false;

    if (self == NULL)
        return;
    if (error != NULL) {
        g_dbus_error_strip_remote_error(error);
        finish(self, "GetAppliedConnection", error);
        return;
    }
    g_variant_get(reply, "(@a{sa{sv}}t)", &settings, &version);
    wish = (DnsHostdnsNmlinkWish){ .link = &self->link, .first = self->first };
    edited = dns_hostdns_nmlink_edit(settings, wish, self->undo, &not_yet);
    if (edited != NULL)
        call_device(self, "Reapply",
                    g_variant_new("(@a{sa{sv}}tu)", edited, version, PRESERVE_EXTERNAL_IP), "()",
                    on_reapplied);
    else if (not_yet)
        retry_because(self, "GetAppliedConnection", "it does not know our address");
    else
        finish(self, NULL, NULL);
}

/* A VPN connection that had the interface, and died, left it so. */
static void ask_to_manage(DnsHostdnsNmlink *self)
{
    g_dbus_connection_call(self->connection, DNS_HOSTDNS_NM_NAME, self->device, PROPERTIES, "Set",
                           g_variant_new("(ssv)", NM_DEVICE, "Managed",
                                         g_variant_new_boolean(true)),
                           NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS,
                           self->cancellable, NULL, NULL);
}

static void on_state(GObject *source, GAsyncResult *result, gpointer user_data)
{
    DnsHostdnsNmlink *self;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = take_reply(source, result, user_data, &self, &error);
    g_autoptr(GVariant) value = NULL;
    guint32 state = 0;
    bool    active;

    if (self == NULL)
        return;
    if (error != NULL) {
        g_dbus_error_strip_remote_error(error);
        retry(self, "state of", error);
        return;
    }
    g_variant_get(reply, "(v)", &value);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT32))
        state = g_variant_get_uint32(value);
    active = state == DEVICE_ACTIVATED;
    if (state == DEVICE_UNMANAGED && !self->undo && self->retries == RETRIES_ASK)
        ask_to_manage(self);
    if (!active && self->undo)
        finish(self, NULL, NULL);
    else if (!active)
        retry_because(self, "state of", "it does not manage the interface");
    else
        call_device(self, "GetAppliedConnection", g_variant_new("(u)", 0), "(a{sa{sv}}t)",
                    on_applied);
}

/* A new start of NetworkManager, or somebody who connects the device again, takes our part away. */
static void on_signal(GDBusConnection *connection, const char *sender, const char *path,
                      const char *interface, const char *signal, GVariant *parameters,
                      gpointer user_data)
{
    DnsHostdnsNmlink *self = user_data;
    guint32           state = 0;

    (void)connection, (void)sender, (void)path, (void)interface, (void)signal;
    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(uuu)")))
        return;
    g_variant_get_child(parameters, 0, "u", &state);
    if (state == DEVICE_ACTIVATED && !self->busy)
        find_device(self);
}

static void take_device(DnsHostdnsNmlink *self, const char *device)
{
    if (g_strcmp0(self->device, device) == 0)
        return;
    if (self->signal != 0)
        g_dbus_connection_signal_unsubscribe(self->connection, self->signal);
    g_free(self->device);
    self->device = g_strdup(device);
    self->signal =
        g_dbus_connection_signal_subscribe(self->connection, DNS_HOSTDNS_NM_NAME, NM_DEVICE,
                                           "StateChanged", device, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                           on_signal, self, NULL);
}

static void on_device(GObject *source, GAsyncResult *result, gpointer user_data)
{
    DnsHostdnsNmlink *self;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = take_reply(source, result, user_data, &self, &error);
    const char *device = NULL;

    if (self == NULL)
        return;
    if (error != NULL && self->undo && is_gone(error)) {
        finish(self, NULL, NULL); /* what was ours went with it */
        return;
    }
    if (error != NULL) {
        bool wait = is_remote(error, UNKNOWN_DEVICE);

        g_dbus_error_strip_remote_error(error);
        (wait ? retry : finish)(self, "GetDeviceByIpIface", error);
        return;
    }
    g_variant_get(reply, "(&o)", &device);
    take_device(self, device);
    g_dbus_connection_call(self->connection, DNS_HOSTDNS_NM_NAME, device, PROPERTIES, "Get",
                           g_variant_new("(ss)", NM_DEVICE, "State"), G_VARIANT_TYPE("(v)"),
                           G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS, self->cancellable,
                           on_state, self);
}

static void find_device(DnsHostdnsNmlink *self)
{
    self->busy = true;
    g_dbus_connection_call(self->connection, DNS_HOSTDNS_NM_NAME, NM_PATH, NM_INTERFACE,
                           "GetDeviceByIpIface", g_variant_new("(s)", self->ifname),
                           G_VARIANT_TYPE("(o)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_TIMEOUT_MS,
                           self->cancellable, on_device, self);
}

/* ---- the front ---- */

DnsHostdnsNmlink *dns_hostdns_nmlink_start(GDBusConnection *connection, DnsHostdnsNmlinkWish wish,
                                           DnsHostdnsNmlinkDone done, void *user_data)
{
    DnsHostdnsNmlink *self = g_new0(DnsHostdnsNmlink, 1);

    self->connection = g_object_ref(connection);
    self->cancellable = g_cancellable_new();
    self->link = *wish.link;
    self->link.ifname = self->ifname = g_strdup(wish.link->ifname);
    self->link.suffix = self->suffix = g_strdup(wish.link->suffix);
    self->first = wish.first;
    self->done = done;
    self->user_data = user_data;
    find_device(self);
    return self;
}

/* Neither answers nor signals reach us any more. */
static void silence(DnsHostdnsNmlink *self)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    if (self->signal != 0)
        g_dbus_connection_signal_unsubscribe(self->connection, self->signal);
    self->signal = 0;
    g_cancellable_cancel(self->cancellable);
    g_clear_object(&self->cancellable);
    g_clear_pointer(&self->device, g_free);
}

void dns_hostdns_nmlink_undo(DnsHostdnsNmlink *self, DnsHostdnsNmlinkDone done, void *user_data)
{
    silence(self);
    self->cancellable = g_cancellable_new();
    self->undo = true;
    self->retries = 0;
    self->done = done;
    self->user_data = user_data;
    find_device(self);
}

void dns_hostdns_nmlink_free(DnsHostdnsNmlink *self)
{
    if (self == NULL)
        return;
    silence(self);
    g_object_unref(self->connection);
    g_free(self->ifname);
    g_free(self->suffix);
    g_free(self);
}
