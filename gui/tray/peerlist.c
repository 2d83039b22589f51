/* gui/tray/peerlist.c: ListPeers page by page, PeersChanged on top. */
#include "gui/tray/peerlist.h"

enum { PAGE = 1000, AGAIN_AFTER_S = 1 };

struct TrayPeerList {
    MeshDBusNetwork *proxy; /* owned */
    GCancellable    *cancel;
    TrayPeers       *peers;
    void (*changed)(gpointer user_data);
    gpointer user_data;
    guint64  serial; /* of what the table holds */
    bool     is_listing;
    unsigned again; /* timer: list once more; 0: none */
};

static void ask_page(TrayPeerList *self, const char *after);

static gboolean on_again(gpointer user_data)
{
    TrayPeerList *self = user_data;

    self->again = 0;
    if (!self->is_listing)
        ask_page(self, "");
    return G_SOURCE_REMOVE;
}

/* Not at once: a network that changes quickly would be listed all the time. */
static void list_again(TrayPeerList *self)
{
    if (self->again == 0)
        self->again = g_timeout_add_seconds(AGAIN_AFTER_S, on_again, self);
}

static void put_all(TrayPeerList *self, GVariant *peers)
{
    for (gsize i = 0; i < g_variant_n_children(peers); i++) {
        g_autoptr(GVariant) peer = g_variant_get_child_value(peers, i);

        tray_peers_put(self->peers, peer);
    }
}

/* The name of the last peer of a page, where the next one goes on; NULL: there is none. Owned. */
static char *find_last(GVariant *peers)
{
    gsize n = g_variant_n_children(peers);
    char *name = NULL;

    if (n > 0) {
        g_autoptr(GVariant) last = g_variant_get_child_value(peers, n - 1);

        (void)g_variant_lookup(last, "name", "s", &name);
    }
    return name;
}

static void on_page(GObject *source, GAsyncResult *result, gpointer user_data)
{
    TrayPeerList *self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) peers = NULL;
    g_autofree char *last = NULL;
    guint64          serial = 0;
    guint            total = 0;

    if (!mesh_dbus_network_call_list_peers_finish(MESH_DBUS_NETWORK(source), &serial, &total,
                                                  &peers, result, &error)) {
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
            return; /* self is gone */
        self->is_listing = false;
        return; /* a menu without peers; the network's next change of state asks again */
    }
    put_all(self, peers);
    self->serial = MAX(self->serial, serial);
    last = find_last(peers);
    if (last != NULL && g_variant_n_children(peers) >= PAGE &&
        tray_peers_count(self->peers) < total) {
        ask_page(self, last);
        return;
    }
    self->is_listing = false;
    self->changed(self->user_data);
}

static void ask_page(TrayPeerList *self, const char *after)
{
    if (after[0] == '\0') {
        tray_peers_clear(self->peers);
        self->serial = 0;
    }
    self->is_listing = true;
    mesh_dbus_network_call_list_peers(self->proxy, after, PAGE, self->cancel, on_page, self);
}

static void on_peers_changed(MeshDBusNetwork *proxy, guint64 serial, GVariant *changed,
                             const char *const *removed, gpointer user_data)
{
    TrayPeerList *self = user_data;

    (void)proxy;
    if (!self->is_listing && serial > self->serial + 1) {
        list_again(self);
        return;
    }
    put_all(self, changed);
    for (unsigned i = 0; removed[i] != NULL; i++)
        tray_peers_remove(self->peers, removed[i]);
    self->serial = MAX(self->serial, serial);
    if (!self->is_listing)
        self->changed(self->user_data);
}

TrayPeerList *tray_peerlist_new(MeshDBusNetwork *proxy, void (*changed)(gpointer user_data),
                                gpointer         user_data)
{
    TrayPeerList *self = g_new0(TrayPeerList, 1);

    self->proxy = g_object_ref(proxy);
    self->cancel = g_cancellable_new();
    self->peers = tray_peers_new();
    self->changed = changed;
    self->user_data = user_data;
    g_signal_connect(proxy, "peers-changed", G_CALLBACK(on_peers_changed), self);
    ask_page(self, "");
    return self;
}

void tray_peerlist_free(TrayPeerList *self)
{
    if (self == NULL)
        return;
    g_cancellable_cancel(self->cancel);
    g_clear_handle_id(&self->again, g_source_remove);
    g_signal_handlers_disconnect_by_data(self->proxy, self);
    g_object_unref(self->cancel);
    g_object_unref(self->proxy);
    tray_peers_free(self->peers);
    g_free(self);
}

TrayPeers *tray_peerlist_peers(TrayPeerList *self)
{
    return self->peers;
}
