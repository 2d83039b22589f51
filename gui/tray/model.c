/* gui/tray/model.c: meshd's networks by its ObjectManager, and Up and Down. */
#include "gui/tray/model.h"

#include "common/glib/error.h"
#include "gui/tray/peerlist.h"
#include "mesh-dbus.h"

#include <glib/gi18n.h>
#include <string.h>

#define BUS_NAME "org.meshvpn.Mesh1"
#define BUS_PATH "/org/meshvpn/Mesh1"
#define NETWORK  "org.meshvpn.Mesh1.Network"

enum {
    CALL_TIMEOUT_MS = 120000, /* somebody may have to type a password */
    RECENT_MAX = 5,
};

typedef struct {
    TrayModel       *model;
    MeshDBusNetwork *proxy; /* owned */
    TrayPeerList    *peers; /* NULL: the network is not up */
    GCancellable    *cancel;
    TrayWish         wish;        /* shown until both the answer and the new state are there */
    bool             is_calling;  /* Up or Down has no answer yet */
    bool             has_changed; /* the state, since that call */
    bool             asked_up;
    bool             was_on; /* before all were switched off together */
} Network;

struct TrayModel {
    GDBusObjectManager    *manager; /* NULL: not asked yet, or there is no system bus */
    GCancellable          *cancel;
    GPtrArray             *networks; /* owned Network, by name */
    const TrayModelEvents *events;
    gpointer               user_data;
    GPtrArray             *recent; /* owned addresses, the last copied first; NULL-terminated */
    unsigned               idle;   /* source that calls `changed`; 0: none */
    bool                   has_bus;
    TrayView               view;
};

static gboolean on_idle(gpointer user_data)
{
    TrayModel *self = user_data;

    self->idle = 0;
    self->events->changed(self->user_data);
    return G_SOURCE_REMOVE;
}

static void change(gpointer user_data)
{
    TrayModel *self = user_data;

    if (self->idle == 0)
        self->idle = g_idle_add(on_idle, self);
}

static void free_network(gpointer data)
{
    Network *network = data;

    g_cancellable_cancel(network->cancel);
    g_object_unref(network->cancel);
    tray_peerlist_free(network->peers);
    g_signal_handlers_disconnect_by_data(network->proxy, network);
    g_object_unref(network->proxy);
    g_free(network);
}

static const char *get_path(const Network *network)
{
    return g_dbus_proxy_get_object_path(G_DBUS_PROXY(network->proxy));
}

static int compare(gconstpointer a, gconstpointer b)
{
    const Network *left = *(const Network *const *)a;
    const Network *right = *(const Network *const *)b;
    int            order = g_strcmp0(mesh_dbus_network_get_name(left->proxy),
                                     mesh_dbus_network_get_name(right->proxy));

    return order != 0 ? order : g_strcmp0(get_path(left), get_path(right));
}

static Network *find(TrayModel *self, const char *path)
{
    for (unsigned i = 0; i < self->networks->len; i++)
        if (g_strcmp0(get_path(self->networks->pdata[i]), path) == 0)
            return self->networks->pdata[i];
    return NULL;
}

/* Peers are followed only where they can be reached. */
static void follow_peers(Network *network)
{
    bool is_up = g_strcmp0(mesh_dbus_network_get_state(network->proxy), "up") == 0;

    if (is_up && network->peers == NULL)
        network->peers = tray_peerlist_new(network->proxy, change, network->model);
    if (!is_up)
        g_clear_pointer(&network->peers, tray_peerlist_free);
}

static void on_properties(GDBusProxy *proxy, GVariant *changed, const char *const *invalidated,
                          gpointer user_data)
{
    Network *network = user_data;

    (void)proxy, (void)invalidated;
    if (g_variant_lookup(changed, "State", "&s", NULL)) {
        network->has_changed = true;
        if (!network->is_calling)
            network->wish = TRAY_WISH_NONE; /* it came true, or something else did */
        follow_peers(network);
    }
    g_ptr_array_sort(network->model->networks, compare);
    change(network->model);
}

static void add_network(TrayModel *self, GDBusObject *object)
{
    g_autoptr(GDBusInterface) interface = g_dbus_object_get_interface(object, NETWORK);
    Network *network;

    if (interface == NULL || find(self, g_dbus_object_get_object_path(object)) != NULL)
        return;
    network = g_new0(Network, 1);
    network->model = self;
    network->proxy = MESH_DBUS_NETWORK(g_object_ref(interface));
    network->cancel = g_cancellable_new();
    g_signal_connect(network->proxy, "g-properties-changed", G_CALLBACK(on_properties), network);
    g_ptr_array_add(self->networks, network);
    g_ptr_array_sort(self->networks, compare);
    follow_peers(network);
    change(self);
}

static void on_added(GDBusObjectManager *manager, GDBusObject *object, gpointer user_data)
{
    (void)manager;
    add_network(user_data, object);
}

static void on_removed(GDBusObjectManager *manager, GDBusObject *object, gpointer user_data)
{
    TrayModel *self = user_data;
    Network   *network = find(self, g_dbus_object_get_object_path(object));

    (void)manager;
    if (network == NULL)
        return;
    g_ptr_array_remove(self->networks, network);
    change(self);
}

static void on_owner(GObject *manager, GParamSpec *spec, gpointer user_data)
{
    (void)manager, (void)spec;
    change(user_data);
}

static void on_manager(GObject *source, GAsyncResult *result, gpointer user_data)
{
    TrayModel *self = user_data;
    g_autoptr(GError) error = NULL;
    GDBusObjectManager *manager;
    GList              *objects;

    (void)source;
    manager = mesh_dbus_object_manager_client_new_finish(result, &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* self is gone */
    change(self);
    if (manager == NULL) {
        g_warning("meshd: %s", error->message);
        return;
    }
    self->manager = manager;
    g_signal_connect(manager, "object-added", G_CALLBACK(on_added), self);
    g_signal_connect(manager, "object-removed", G_CALLBACK(on_removed), self);
    g_signal_connect(manager, "notify::name-owner", G_CALLBACK(on_owner), self);
    objects = g_dbus_object_manager_get_objects(manager);
    for (GList *at = objects; at != NULL; at = at->next)
        add_network(self, at->data);
    g_list_free_full(objects, g_object_unref);
}

static void on_bus(GObject *source, GAsyncResult *result, gpointer user_data)
{
    TrayModel *self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) bus = g_bus_get_finish(result, &error);

    (void)source;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* self is gone */
    self->has_bus = bus != NULL;
    if (bus == NULL) {
        change(self);
        return;
    }
    g_dbus_connection_set_exit_on_close(bus, false);
    mesh_dbus_object_manager_client_new(bus, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_DO_NOT_AUTO_START,
                                        BUS_NAME, BUS_PATH, self->cancel, on_manager, self);
}

TrayModel *tray_model_new(const TrayModelEvents *events, gpointer user_data)
{
    TrayModel *self = g_new0(TrayModel, 1);

    (void)mesh_error_quark(); /* meshd's errors become ours again */
    self->events = events;
    self->user_data = user_data;
    self->cancel = g_cancellable_new();
    self->networks = g_ptr_array_new_with_free_func(free_network);
    self->recent = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(self->recent, NULL);
    g_bus_get(G_BUS_TYPE_SYSTEM, self->cancel, on_bus, self);
    return self;
}

void tray_model_free(TrayModel *self)
{
    if (self == NULL)
        return;
    g_cancellable_cancel(self->cancel);
    g_clear_handle_id(&self->idle, g_source_remove);
    if (self->manager != NULL)
        g_signal_handlers_disconnect_by_data(self->manager, self);
    g_ptr_array_unref(self->networks);
    g_ptr_array_unref(self->recent);
    g_clear_object(&self->manager);
    g_object_unref(self->cancel);
    g_free(self);
}

static const char *find_missing(TrayModel *self)
{
    g_autofree char *owner = NULL;

    if (!self->has_bus)
        return _("there is no system bus");
    if (self->manager != NULL)
        owner = g_dbus_object_manager_client_get_name_owner(
            G_DBUS_OBJECT_MANAGER_CLIENT(self->manager));
    return owner == NULL ? _("the Mesh service is not running") : NULL;
}

static void view_peers(TrayModel *self, const Network *network, unsigned limit)
{
    TrayView *view = &self->view;
    TrayPeer  picked[TRAY_MENU_PEERS];
    unsigned  n;

    if (network->peers == NULL)
        return;
    n = tray_peers_pick(tray_peerlist_peers(network->peers),
                        (const char *const *)self->recent->pdata, picked, limit);
    for (unsigned i = 0; i < n; i++)
        view->peers[view->n_peers++] =
            (TrayPeerView){ picked[i].name, mesh_dbus_network_get_name(network->proxy),
                            picked[i].address };
    view->has_more_peers |= tray_peers_count(tray_peerlist_peers(network->peers)) > n;
}

const TrayView *tray_model_view(TrayModel *self)
{
    TrayView *view = &self->view;
    unsigned  n_listed = 0;

    *view = (TrayView){ .missing = find_missing(self) };
    if (view->missing != NULL)
        return view;
    for (unsigned i = 0; i < self->networks->len; i++)
        n_listed += ((Network *)self->networks->pdata[i])->peers != NULL;
    for (unsigned i = 0; i < MIN(self->networks->len, TRAY_MENU_NETWORKS); i++) {
        const Network *network = self->networks->pdata[i];

        view->networks[view->n_networks++] = (TrayNetworkView){
            .path = get_path(network),
            .name = mesh_dbus_network_get_name(network->proxy),
            .state = mesh_dbus_network_get_state(network->proxy),
            .server_state = mesh_dbus_network_get_server_state(network->proxy),
            .addresses = mesh_dbus_network_get_addresses(network->proxy),
            .wish = network->wish,
        };
        view_peers(self, network, TRAY_MENU_PEERS / CLAMP(n_listed, 1, TRAY_MENU_PEERS));
    }
    return view;
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

bool tray_model_list(TrayModel *self, GArray *out)
{
    for (unsigned i = 0; i < self->networks->len; i++) {
        const Network *network = self->networks->pdata[i];
        GuiNewsNetwork view = { .path = get_path(network),
                                .id = or_empty(mesh_dbus_network_get_id(network->proxy)),
                                .name = or_empty(mesh_dbus_network_get_name(network->proxy)),
                                .state = or_empty(mesh_dbus_network_get_state(network->proxy)),
                                .error = or_empty(mesh_dbus_network_get_error(network->proxy)) };

        g_array_append_val(out, view);
    }
    return find_missing(self) == NULL;
}

static bool is_on(const Network *network)
{
    const TrayNetworkView view = { .state = mesh_dbus_network_get_state(network->proxy) };

    return tray_menu_is_on(&view);
}

static void fail(Network *network, GError *error)
{
    g_autofree char *what = NULL;
    const char      *name = mesh_dbus_network_get_name(network->proxy);

    g_dbus_error_strip_remote_error(error);
    what = g_strdup_printf(network->asked_up ? _("Cannot connect %s") : _("Cannot disconnect %s"),
                           name);
    network->model->events->failed(what, error->message, network->model->user_data);
}

static void on_switched(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Network *network = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = NULL;

    reply = g_dbus_proxy_call_finish(G_DBUS_PROXY(source), result, &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* the network is gone */
    network->is_calling = false;
    if (error != NULL)
        fail(network, error);
    /* Done, but the property has not come yet: it goes on showing what was asked. */
    if (error != NULL || network->has_changed || is_on(network) == network->asked_up)
        network->wish = TRAY_WISH_NONE;
    change(network->model);
}

static void switch_network(Network *network, bool up)
{
    GVariant *options = g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0);

    if (network->wish != TRAY_WISH_NONE)
        return;
    network->wish = up ? TRAY_WISH_UP : TRAY_WISH_DOWN;
    network->is_calling = true;
    network->has_changed = false;
    network->asked_up = up;
    g_dbus_proxy_call(G_DBUS_PROXY(network->proxy), up ? "Up" : "Down",
                      g_variant_new_tuple(&options, 1),
                      G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION |
                          G_DBUS_CALL_FLAGS_NO_AUTO_START,
                      CALL_TIMEOUT_MS, network->cancel, on_switched, network);
    change(network->model);
}

void tray_model_toggle(TrayModel *self, const char *path)
{
    Network *network = find(self, path);

    if (network != NULL)
        switch_network(network, !is_on(network));
}

void tray_model_switch_all(TrayModel *self, bool up)
{
    bool any_was_on = false;

    for (unsigned i = 0; i < self->networks->len; i++)
        any_was_on |= ((Network *)self->networks->pdata[i])->was_on;
    for (unsigned i = 0; i < self->networks->len; i++) {
        Network *network = self->networks->pdata[i];

        if (!up)
            network->was_on = is_on(network);
        if (is_on(network) != up && (!up || network->was_on || !any_was_on))
            switch_network(network, up);
    }
}

void tray_model_note_copied(TrayModel *self, const char *address)
{
    for (unsigned i = 0; i + 1 < self->recent->len; i++) {
        if (strcmp(self->recent->pdata[i], address) == 0) {
            g_ptr_array_remove_index(self->recent, i);
            break;
        }
    }
    g_ptr_array_insert(self->recent, 0, g_strdup(address));
    if (self->recent->len > RECENT_MAX + 1)
        g_ptr_array_remove_index(self->recent, RECENT_MAX);
    change(self);
}
