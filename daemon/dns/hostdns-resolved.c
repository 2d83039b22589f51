#include "daemon/dns/hostdns-resolved.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "daemon/dns/reverse.h"

#include <sys/socket.h>

#define OBJECT       "/org/freedesktop/resolve1"
#define INTERFACE    "org.freedesktop.resolve1.Manager"
#define NO_SUCH_LINK "org.freedesktop.resolve1.NoSuchLink"

enum {
    CALL_TIMEOUT_MS = 10000,
    LINK_RETRY_MS = 200, /* it hears of new links from the kernel, as we do, a little later */
    LINK_RETRIES = 25,
};

typedef struct {
    const char *method;
    GVariant *(*make)(const DnsHostdnsResolved *self); /* floating */
    bool needed; /* false: a systemd-resolved that does not know the method is good enough */
} Step;

struct DnsHostdnsResolved {
    GDBusConnection       *connection; /* ref */
    GCancellable          *cancellable;
    DnsHostdnsLink         link; /* its texts are not used but the suffix */
    char                  *suffix;
    size_t                 step;
    unsigned               retries;
    guint                  timer;
    DnsHostdnsResolvedDone done;
    void                  *user_data;
};

static GVariant *make_servers(const DnsHostdnsResolved *self)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("a(iay)"));
    for (size_t i = 0; i < self->link.n_servers; i++) {
        const MeshAddr *addr = &self->link.servers[i];
        size_t          len = addr->family == AF_INET ? 4 : 16;

        g_variant_builder_add(&list, "(i@ay)", (gint32)addr->family,
                              g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, addr->bytes, len, 1));
    }
    return g_variant_new("(ia(iay))", self->link.ifindex, &list);
}

static GVariant *make_domains(const DnsHostdnsResolved *self)
{
    g_autofree DnsName *zones = g_new(DnsName, DNS_REVERSE_MAX_ZONES);
    char                text[DNS_NAME_TEXT_SIZE];
    GVariantBuilder     list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("a(sb)"));
    g_variant_builder_add(&list, "(sb)", self->suffix, true);
    for (size_t i = 0; i < self->link.n_prefixes; i++) {
        size_t n = dns_reverse_list(&self->link.prefixes[i], zones);

        for (size_t k = 0; k < n; k++)
            g_variant_builder_add(&list, "(sb)", dns_name_format(&zones[k], text), true);
    }
    return g_variant_new("(ia(sb))", self->link.ifindex, &list);
}

static GVariant *make_false(const DnsHostdnsResolved *self)
{
    return g_variant_new("(ib)", self->link.ifindex, false);
}

/* Our zones are signed by nobody (the root says that "mesh" is not), and we speak no TLS. */
static GVariant *make_no(const DnsHostdnsResolved *self)
{
    return g_variant_new("(is)", self->link.ifindex, "no");
}

static GVariant *make_nothing(const DnsHostdnsResolved *self)
{
    (void)self;
    return NULL;
}

static const Step steps[] = {
    { "SetLinkDNS", make_servers, true },
    { "SetLinkDomains", make_domains, true },
    { "SetLinkDefaultRoute", make_false, false },
    { "SetLinkDNSSEC", make_no, false },
    { "SetLinkDNSOverTLS", make_no, false },
    { "FlushCaches", make_nothing, false }, /* "no such name" of a moment ago */
};

static void run_step(DnsHostdnsResolved *self);

static gboolean on_retry(gpointer user_data)
{
    DnsHostdnsResolved *self = user_data;

    self->timer = 0;
    run_step(self);
    return G_SOURCE_REMOVE;
}

static bool is_remote(const GError *error, const char *name)
{
    g_autofree char *remote = g_dbus_error_get_remote_error(error);

    return g_strcmp0(remote, name) == 0;
}

static void finish(DnsHostdnsResolved *self, const GError *error)
{
    g_autoptr(GError) told = NULL;
    g_autofree char *text = NULL;

    if (error != NULL) {
        text = g_strdup(error->message);
        g_strdelimit(text, "\n", ' ');
        told = g_error_new(MESH_ERROR, MESH_ERROR_HOST, "systemd-resolved, %s: %s",
                           steps[self->step].method, text);
    }
    self->done(told, self->user_data);
}

static void on_step(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    DnsHostdnsResolved *self = user_data;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* @self is gone */
    if (error != NULL && is_remote(error, NO_SUCH_LINK) && self->retries < LINK_RETRIES) {
        self->retries++;
        self->timer = g_timeout_add(LINK_RETRY_MS, on_retry, self);
        return;
    }
    if (error != NULL && (steps[self->step].needed ||
                          !g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD))) {
        g_dbus_error_strip_remote_error(error);
        finish(self, error);
        return;
    }
    self->step++;
    if (self->step < G_N_ELEMENTS(steps))
        run_step(self);
    else
        finish(self, NULL);
}

static void run_step(DnsHostdnsResolved *self)
{
    const Step *step = &steps[self->step];

    g_dbus_connection_call(self->connection, DNS_HOSTDNS_RESOLVED_NAME, OBJECT, INTERFACE,
                           step->method, step->make(self), NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START,
                           CALL_TIMEOUT_MS, self->cancellable, on_step, self);
}

DnsHostdnsResolved *dns_hostdns_resolved_start(GDBusConnection       *connection,
                                               const DnsHostdnsLink  *link,
                                               DnsHostdnsResolvedDone done, void *user_data)
{
    DnsHostdnsResolved *self = g_new0(DnsHostdnsResolved, 1);

    self->connection = g_object_ref(connection);
    self->cancellable = g_cancellable_new();
    self->link = *link;
    self->suffix = g_strdup(link->suffix);
    self->done = done;
    self->user_data = user_data;
    run_step(self);
    return self;
}

void dns_hostdns_resolved_free(DnsHostdnsResolved *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->timer, g_source_remove);
    g_cancellable_cancel(self->cancellable);
    g_object_unref(self->cancellable);
    g_object_unref(self->connection);
    g_free(self->suffix);
    g_free(self);
}

static void on_reverted(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    (void)user_data;
    if (error != NULL && !is_remote(error, NO_SUCH_LINK))
        mesh_log_warning("systemd-resolved, RevertLink: %s", error->message);
}

void dns_hostdns_resolved_revert(GDBusConnection *connection, int ifindex)
{
    g_dbus_connection_call(connection, DNS_HOSTDNS_RESOLVED_NAME, OBJECT, INTERFACE, "RevertLink",
                           g_variant_new("(i)", ifindex), NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START,
                           CALL_TIMEOUT_MS, NULL, on_reverted, NULL);
}
