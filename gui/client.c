#include "gui/client.h"

#include "common/glib/error.h"

#include <glib/gi18n.h>
#include <string.h>

enum {
    LOOK_TIMEOUT_MS = 10000, /* a daemon that answers later than that is told to be silent */
    START_TIMEOUT_MS = 60000,
};
enum { VERSION, PROXY, PROXY_EXEMPT, N_TEXTS }; /* properties of the daemon that are strings */
enum {
    PROP_STATE = 1,
    PROP_DETAIL,
    PROP_NETWORKS,
    PROP_API_VERSION,
    PROP_FEATURES,
    PROP_FIRST_TEXT,
    N_PROPS = PROP_FIRST_TEXT + N_TEXTS,
};

static const char *const text_names[N_TEXTS] = { "version", "proxy", "proxy-exempt" };
static const char *const text_dbus[N_TEXTS] = { "Version", "Proxy", "ProxyExempt" };

struct _GuiClient {
    GObject          parent;
    GDBusConnection *bus;    /* NULL: not connected */
    char            *owner;  /* unique name of the daemon; NULL: it does not run */
    GCancellable    *cancel; /* of what is asked now; renewed when the daemon goes */
    GListStore      *networks;
    char            *detail, *texts[N_TEXTS];
    char           **features;
    unsigned         name_watch, subscriptions[2], api_version;
    GuiClientState   state;
    bool             seen; /* it ran while we looked: so it is installed */
};

G_DEFINE_FINAL_TYPE(GuiClient, gui_client, G_TYPE_OBJECT)

static GParamSpec *props[N_PROPS];

static void set_state(GuiClient *self, GuiClientState state, const char *detail)
{
    g_object_freeze_notify(G_OBJECT(self));
    if (g_strcmp0(self->detail, detail) != 0) {
        g_free(self->detail);
        self->detail = g_strdup(detail);
        g_object_notify_by_pspec(G_OBJECT(self), props[PROP_DETAIL]);
    }
    if (state != self->state) {
        self->state = state;
        g_object_notify_by_pspec(G_OBJECT(self), props[PROP_STATE]);
    }
    g_object_thaw_notify(G_OBJECT(self));
}

static void renew_cancel(GuiClient *self)
{
    g_cancellable_cancel(self->cancel);
    g_set_object(&self->cancel, NULL);
    self->cancel = g_cancellable_new();
}

/* ---- the list of networks ---- */

static int compare_networks(gconstpointer a, gconstpointer b, gpointer user_data)
{
    GuiNetwork *left = (GuiNetwork *)a, *right = (GuiNetwork *)b;
    int         order =
        g_utf8_collate(gui_network_get_text(left, "name"), gui_network_get_text(right, "name"));

    (void)user_data;
    return order != 0 ? order : strcmp(gui_network_get_path(left), gui_network_get_path(right));
}

GuiNetwork *gui_client_find(GuiClient *self, const char *path)
{
    GListModel *model = G_LIST_MODEL(self->networks);

    for (unsigned i = 0; i < g_list_model_get_n_items(model); i++) {
        g_autoptr(GuiNetwork) network = g_list_model_get_item(model, i);

        if (strcmp(gui_network_get_path(network), path) == 0)
            return network; /* the list holds it */
    }
    return NULL;
}

static void on_renamed(GuiNetwork *network, GParamSpec *spec, GuiClient *self)
{
    (void)network, (void)spec;
    g_list_store_sort(self->networks, compare_networks, NULL);
}

static void remove_at(GuiClient *self, unsigned position)
{
    g_autoptr(GuiNetwork) network = g_list_model_get_item(G_LIST_MODEL(self->networks), position);

    g_signal_handlers_disconnect_by_func(network, on_renamed, self);
    g_list_store_remove(self->networks, position);
    gui_network_attach(network, NULL, NULL);
}

static void remove_network(GuiClient *self, const char *path)
{
    GuiNetwork *network = gui_client_find(self, path);
    unsigned    position;

    if (network != NULL && g_list_store_find(self->networks, network, &position))
        remove_at(self, position);
}

/* @interfaces: a{sa{sv}} of an object of the daemon. */
static void show_network(GuiClient *self, const char *path, GVariant *interfaces)
{
    g_autoptr(GVariant) properties =
        g_variant_lookup_value(interfaces, GUI_CALL_NETWORK, G_VARIANT_TYPE_VARDICT);
    g_autoptr(GuiNetwork) made = NULL;
    GuiNetwork *network = gui_client_find(self, path);

    if (properties == NULL)
        return;
    if (network == NULL)
        network = made = gui_network_new(path);
    gui_network_update(network, properties);
    gui_network_attach(network, self->bus, self->owner);
    if (made == NULL)
        return;
    g_list_store_insert_sorted(self->networks, made, compare_networks, NULL);
    g_signal_connect(made, "notify::name", G_CALLBACK(on_renamed), self);
}

static void drop_absent(GuiClient *self, GVariant *objects)
{
    GListModel *model = G_LIST_MODEL(self->networks);

    for (unsigned i = g_list_model_get_n_items(model); i-- > 0;) {
        g_autoptr(GuiNetwork) network = g_list_model_get_item(model, i);
        g_autoptr(GVariant) there =
            g_variant_lookup_value(objects, gui_network_get_path(network), NULL);

        if (there == NULL)
            remove_at(self, i);
    }
}

/* ---- what the daemon says of itself ---- */

static void take_daemon(GuiClient *self, GVariant *properties)
{
    g_auto(GStrv) features = NULL;
    guint32 api_version;

    g_object_freeze_notify(G_OBJECT(self));
    for (int i = 0; i < N_TEXTS; i++) {
        g_autofree char *text = NULL;

        if (!g_variant_lookup(properties, text_dbus[i], "s", &text) ||
            strcmp(text, self->texts[i]) == 0)
            continue;
        g_free(self->texts[i]);
        self->texts[i] = g_steal_pointer(&text);
        g_object_notify_by_pspec(G_OBJECT(self), props[PROP_FIRST_TEXT + i]);
    }
    if (g_variant_lookup(properties, "ApiVersion", "u", &api_version) &&
        api_version != self->api_version) {
        self->api_version = api_version;
        g_object_notify_by_pspec(G_OBJECT(self), props[PROP_API_VERSION]);
    }
    if (g_variant_lookup(properties, "Features", "^as", &features) &&
        !g_strv_equal((const char *const *)features, (const char *const *)self->features)) {
        g_strfreev(self->features);
        self->features = g_steal_pointer(&features);
        g_object_notify_by_pspec(G_OBJECT(self), props[PROP_FEATURES]);
    }
    g_object_thaw_notify(G_OBJECT(self));
}

/* A daemon that is older than the one before it says less: what it does not say is not so. */
static void forget_daemon(GuiClient *self)
{
    GVariantDict dict;
    g_autoptr(GVariant) nothing = NULL;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "ApiVersion", "u", 0);
    g_variant_dict_insert(&dict, "ProxyExempt", "s", "");
    g_variant_dict_insert_value(&dict, "Features", g_variant_new_strv(NULL, 0));
    nothing = g_variant_ref_sink(g_variant_dict_end(&dict));
    take_daemon(self, nothing);
}

static void on_properties_changed(GuiClient *self, const char *path, GVariant *arguments)
{
    g_autoptr(GVariant) changed = NULL;
    const char *interface;

    if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sa{sv}as)")))
        return;
    g_variant_get(arguments, "(&s@a{sv}@as)", &interface, &changed, NULL);
    if (strcmp(interface, GUI_CALL_DAEMON) == 0) {
        take_daemon(self, changed);
    } else if (strcmp(interface, GUI_CALL_NETWORK) == 0) {
        GuiNetwork *network = gui_client_find(self, path);

        if (network != NULL)
            gui_network_update(network, changed);
    }
}

/* What moves of the daemon and of its networks. PeersChanged and Statistics are not for us. */
static void on_signal(GDBusConnection *bus, const char *sender, const char *path,
                      const char *interface, const char *name, GVariant *arguments,
                      gpointer user_data)
{
    GuiClient *self = user_data;

    (void)bus, (void)sender, (void)interface;
    if (strcmp(name, "PropertiesChanged") == 0) {
        on_properties_changed(self, path, arguments);
    } else if (strcmp(name, "InterfacesAdded") == 0 &&
               g_variant_is_of_type(arguments, G_VARIANT_TYPE("(oa{sa{sv}})"))) {
        g_autoptr(GVariant) interfaces = NULL;
        const char *object;

        g_variant_get(arguments, "(&o@a{sa{sv}})", &object, &interfaces);
        show_network(self, object, interfaces);
    } else if (strcmp(name, "InterfacesRemoved") == 0 &&
               g_variant_is_of_type(arguments, G_VARIANT_TYPE("(oas)"))) {
        const char *object;

        g_variant_get(arguments, "(&o@as)", &object, NULL);
        remove_network(self, object);
    }
}

static void unsubscribe(GuiClient *self, GDBusConnection *bus)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(self->subscriptions); i++) {
        if (self->subscriptions[i] != 0)
            g_dbus_connection_signal_unsubscribe(bus, self->subscriptions[i]);
        self->subscriptions[i] = 0;
    }
}

static void subscribe(GuiClient *self)
{
    static const char *const interfaces[] = { "org.freedesktop.DBus.Properties",
                                              "org.freedesktop.DBus.ObjectManager" };

    G_STATIC_ASSERT(G_N_ELEMENTS(interfaces) == G_N_ELEMENTS(self->subscriptions));
    unsubscribe(self, self->bus);
    for (unsigned i = 0; i < G_N_ELEMENTS(interfaces); i++)
        self->subscriptions[i] =
            g_dbus_connection_signal_subscribe(self->bus, self->owner, interfaces[i], NULL, NULL,
                                               NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self,
                                               NULL);
}

/* ---- looking ---- */

/* Why the daemon did not tell us of itself. Takes @error. */
static void give_up(GuiClient *self, GError *error)
{
    GuiClientState state = GUI_CLIENT_SILENT;

    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED) ||
        g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_AUTH_FAILED))
        state = GUI_CLIENT_DENIED;
    if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        g_dbus_error_strip_remote_error(error);
        set_state(self, state, error->message);
    }
    g_error_free(error);
}

static void on_objects(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiClient) self = user_data;
    g_autoptr(GVariant) objects = NULL;
    g_autoptr(GVariant) reply = NULL;
    GError      *error = NULL;
    GVariantIter iter;
    const char  *path;
    GVariant    *interfaces;

    reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (reply == NULL) {
        give_up(self, error);
        return;
    }
    objects = g_variant_get_child_value(reply, 0);
    drop_absent(self, objects);
    g_variant_iter_init(&iter, objects);
    while (g_variant_iter_loop(&iter, "{&o@a{sa{sv}}}", &path, &interfaces))
        show_network(self, path, interfaces);
    set_state(self, GUI_CLIENT_READY, "");
}

/* Asks the daemon that runs now, by its unique name: whoever comes after it is another. */
static void ask(GuiClient *self, const char *interface, const char *method, GVariant *arguments,
                GAsyncReadyCallback done)
{
    const bool objects = arguments == NULL;

    g_dbus_connection_call(self->bus, self->owner, GUI_CALL_PATH, interface, method, arguments,
                           G_VARIANT_TYPE(objects ? "(a{oa{sa{sv}}})" : "(a{sv})"),
                           G_DBUS_CALL_FLAGS_NO_AUTO_START, LOOK_TIMEOUT_MS, self->cancel, done,
                           g_object_ref(self));
}

static void on_daemon(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiClient) self = user_data;
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) properties = NULL;
    GError *error = NULL;

    reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (reply == NULL) {
        give_up(self, error);
        return;
    }
    properties = g_variant_get_child_value(reply, 0);
    forget_daemon(self);
    take_daemon(self, properties);
    ask(self, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, on_objects);
}

static void look(GuiClient *self)
{
    renew_cancel(self);
    ask(self, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new("(s)", GUI_CALL_DAEMON),
        on_daemon);
}

static void on_appeared(GDBusConnection *bus, const char *name, const char *owner,
                        gpointer user_data)
{
    GuiClient *self = user_data;

    (void)bus, (void)name;
    g_free(self->owner);
    self->owner = g_strdup(owner);
    self->seen = true;
    subscribe(self);
    look(self);
}

static void on_activatable(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiClient) self = user_data;
    g_autoptr(GVariant) reply = NULL;
    g_autofree const char **names = NULL;

    reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, NULL);
    if (self->owner != NULL || self->bus == NULL)
        return; /* it came meanwhile, or the bus went */
    if (reply != NULL)
        g_variant_get(reply, "(^a&s)", &names);
    if (names != NULL && g_strv_contains(names, GUI_CALL_NAME))
        self->seen = true;
    set_state(self, self->seen ? GUI_CLIENT_NOT_RUNNING : GUI_CLIENT_NOT_INSTALLED, "");
}

static void detach_networks(GuiClient *self)
{
    GListModel *model = G_LIST_MODEL(self->networks);

    for (unsigned i = 0; i < g_list_model_get_n_items(model); i++) {
        g_autoptr(GuiNetwork) network = g_list_model_get_item(model, i);

        gui_network_attach(network, NULL, NULL);
    }
}

static void on_vanished(GDBusConnection *bus, const char *name, gpointer user_data)
{
    GuiClient *self = user_data;

    (void)name;
    renew_cancel(self);
    g_clear_pointer(&self->owner, g_free);
    detach_networks(self);
    if (bus == NULL)
        return; /* on_closed() says it */
    unsubscribe(self, bus);
    g_dbus_connection_call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "ListActivatableNames", NULL,
                           G_VARIANT_TYPE("(as)"), G_DBUS_CALL_FLAGS_NONE, LOOK_TIMEOUT_MS, NULL,
                           on_activatable, g_object_ref(self));
}

/* ---- the bus ---- */

static void on_closed(GDBusConnection *bus, gboolean by_peer, GError *error, gpointer user_data);

static void drop_bus(GuiClient *self)
{
    renew_cancel(self);
    g_clear_handle_id(&self->name_watch, g_bus_unwatch_name);
    g_clear_pointer(&self->owner, g_free);
    detach_networks(self);
    if (self->bus == NULL)
        return;
    g_signal_handlers_disconnect_by_func(self->bus, on_closed, self);
    unsubscribe(self, self->bus);
    g_clear_object(&self->bus);
}

static void on_closed(GDBusConnection *bus, gboolean by_peer, GError *error, gpointer user_data)
{
    GuiClient *self = user_data;

    (void)bus, (void)by_peer;
    drop_bus(self);
    set_state(self, GUI_CLIENT_NO_BUS, error != NULL ? error->message : "");
}

static void on_connected(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiClient) self = user_data;
    g_autoptr(GError) error = NULL;
    GDBusConnection *bus = g_dbus_connection_new_for_address_finish(result, &error);

    (void)source;
    if (bus == NULL) {
        if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
            set_state(self, GUI_CLIENT_NO_BUS, error->message);
        return;
    }
    self->bus = bus;
    g_signal_connect(bus, "closed", G_CALLBACK(on_closed), self);
    self->name_watch =
        g_bus_watch_name_on_connection(bus, GUI_CALL_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                       on_appeared, on_vanished, self, NULL);
}

/* A connection of our own: the shared one ends the program when the bus closes it. */
static void connect_bus(GuiClient *self)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, &error);

    if (address == NULL) {
        set_state(self, GUI_CLIENT_NO_BUS, error->message);
        return;
    }
    g_dbus_connection_new_for_address(address,
                                      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                          G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                      NULL, self->cancel, on_connected, g_object_ref(self));
}

void gui_client_retry(GuiClient *self)
{
    set_state(self, GUI_CLIENT_STARTING, "");
    if (self->owner != NULL) {
        look(self);
        return;
    }
    drop_bus(self);
    connect_bus(self);
}

/* ---- calls ---- */

void gui_client_call_async(GuiClient *self, const GuiCall *call, GCancellable *cancel,
                           GAsyncReadyCallback done, gpointer user_data)
{
    const GuiCallTarget target = { self->bus, GUI_CALL_PATH, GUI_CALL_DAEMON };

    gui_call_async(&target, call, g_task_new(self, cancel, done, user_data));
}

GVariant *gui_client_call_finish(GuiClient *self, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, self), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void on_started(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    GError   *error = NULL;
    GVariant *reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    if (reply != NULL) {
        g_task_return_pointer(task, reply, (GDestroyNotify)g_variant_unref);
        return;
    }
    g_dbus_error_strip_remote_error(error);
    g_task_return_error(task, error);
}

void gui_client_start_async(GuiClient *self, GCancellable *cancel, GAsyncReadyCallback done,
                            gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(self, cancel, done, user_data);

    if (self->bus == NULL) {
        g_task_return_new_error(task, MESH_ERROR, MESH_ERROR_NO_DAEMON, "%s",
                                _("There is no system bus"));
        return;
    }
    g_dbus_connection_call(self->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "StartServiceByName",
                           g_variant_new("(su)", GUI_CALL_NAME, 0), NULL,
                           G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, START_TIMEOUT_MS,
                           cancel, on_started, g_steal_pointer(&task));
}

/* ---- the object ---- */

GuiClientState gui_client_get_state(GuiClient *self)
{
    return self->state;
}

GListModel *gui_client_get_networks(GuiClient *self)
{
    return G_LIST_MODEL(self->networks);
}

bool gui_client_offers(GuiClient *self, const char *feature)
{
    return g_strv_contains((const char *const *)self->features, feature);
}

const char *gui_client_get_text(GuiClient *self, const char *property)
{
    if (strcmp(property, "detail") == 0)
        return self->detail;
    for (int i = 0; i < N_TEXTS; i++)
        if (strcmp(property, text_names[i]) == 0)
            return self->texts[i];
    g_return_val_if_reached("");
}

static void gui_client_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    GuiClient *self = GUI_CLIENT(object);

    (void)spec;
    if (id == PROP_STATE)
        g_value_set_int(value, (int)self->state);
    else if (id == PROP_DETAIL)
        g_value_set_string(value, self->detail);
    else if (id == PROP_NETWORKS)
        g_value_set_object(value, self->networks);
    else if (id == PROP_API_VERSION)
        g_value_set_uint(value, self->api_version);
    else if (id == PROP_FEATURES)
        g_value_set_boxed(value, self->features);
    else
        g_value_set_string(value, self->texts[id - PROP_FIRST_TEXT]);
}

static void gui_client_dispose(GObject *object)
{
    GuiClient *self = GUI_CLIENT(object);

    drop_bus(self);
    while (g_list_model_get_n_items(G_LIST_MODEL(self->networks)) > 0)
        remove_at(self, 0);
    G_OBJECT_CLASS(gui_client_parent_class)->dispose(object);
}

static void gui_client_finalize(GObject *object)
{
    GuiClient *self = GUI_CLIENT(object);

    g_object_unref(self->networks);
    g_object_unref(self->cancel);
    g_free(self->detail);
    for (int i = 0; i < N_TEXTS; i++)
        g_free(self->texts[i]);
    g_strfreev(self->features);
    G_OBJECT_CLASS(gui_client_parent_class)->finalize(object);
}

static void gui_client_class_init(GuiClientClass *class)
{
    const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;
    GObjectClass     *object = G_OBJECT_CLASS(class);

    object->get_property = gui_client_get_property;
    object->dispose = gui_client_dispose;
    object->finalize = gui_client_finalize;
    props[PROP_STATE] =
        g_param_spec_int("state", NULL, NULL, 0, GUI_CLIENT_READY, GUI_CLIENT_STARTING, flags);
    props[PROP_DETAIL] = g_param_spec_string("detail", NULL, NULL, "", flags);
    props[PROP_NETWORKS] = g_param_spec_object("networks", NULL, NULL, G_TYPE_LIST_MODEL, flags);
    props[PROP_API_VERSION] = g_param_spec_uint("api-version", NULL, NULL, 0, G_MAXUINT, 0, flags);
    props[PROP_FEATURES] = g_param_spec_boxed("features", NULL, NULL, G_TYPE_STRV, flags);
    for (int i = 0; i < N_TEXTS; i++)
        props[PROP_FIRST_TEXT + i] = g_param_spec_string(text_names[i], NULL, NULL, "", flags);
    g_object_class_install_properties(object, N_PROPS, props);
}

static void gui_client_init(GuiClient *self)
{
    self->networks = g_list_store_new(GUI_TYPE_NETWORK);
    self->cancel = g_cancellable_new();
    self->detail = g_strdup("");
    self->features = g_new0(char *, 1);
    for (int i = 0; i < N_TEXTS; i++)
        self->texts[i] = g_strdup("");
}

GuiClient *gui_client_new(void)
{
    GuiClient *self = g_object_new(GUI_TYPE_CLIENT, NULL);

    connect_bus(self);
    return self;
}
