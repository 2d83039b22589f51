#include "gui/network.h"

#include "common/glib/error.h"

#include <glib/gi18n.h>
#include <string.h>

/* Every property of the interface: the property here, the one there, its D-Bus type. */
static const struct {
    const char *name, *dbus, *type;
} table[] = {
    { "id", "Id", "s" },
    { "name", "Name", "s" },
    { "node-name", "NodeName", "s" },
    { "node-key", "NodeKey", "s" },
    { "public-key", "PublicKey", "s" },
    { "state", "State", "s" },
    { "error", "Error", "s" },
    { "problem", "Problem", "s" },
    { "server", "Server", "s" },
    { "server-key", "ServerKey", "s" },
    { "server-state", "ServerState", "s" },
    { "server-error", "ServerError", "s" },
    { "interface", "Interface", "s" },
    { "listen-port", "ListenPort", "q" },
    { "addresses", "Addresses", "as" },
    { "prefixes", "Prefixes", "as" },
    { "endpoints", "Endpoints", "as" },
    { "warnings", "Warnings", "as" },
    { "suffix", "Suffix", "s" },
    { "dns-state", "DnsState", "s" },
    { "port-map-state", "PortMapState", "s" },
    { "port-map-error", "PortMapError", "s" },
    { "dns", "Dns", "b" },
    { "port-map", "PortMap", "b" },
    { "lan", "Lan", "b" },
    { "hard-nat", "HardNat", "b" },
    { "peer-relay-state", "PeerRelayState", "s" },
    { "peer-relay-error", "PeerRelayError", "s" },
    { "peer-relay-port", "PeerRelayPort", "q" },
    { "lan-state", "LanState", "s" },
    { "map-version", "MapVersion", "s" },
    { "peers-online", "PeersOnline", "u" },
    { "peers-total", "PeersTotal", "u" },
    { "management", "Management", "s" },
    { "peers-serial", "PeersSerial", "t" },
    { "routes", "Routes", "as" },
    { "dns-servers", "DnsServers", "as" },
    { "dns-domains", "DnsDomains", "as" },
    { "mtu", "Mtu", "u" },
    { "gateway", "Gateway", "s" },
    { "aes", "Aes", "b" },
    { "aes-state", "AesState", "s" },
    { "engines", "Engines", "as" },
};
enum {
    PROP_FIRST = 1,
    PROP_UP = PROP_FIRST + G_N_ELEMENTS(table),
    PROP_BUSY,
    PROP_PEERS,
    N_PROPS,
};

typedef struct {
    unsigned id, interval_ms;
    char    *peer;
} Watch;

struct _GuiNetwork {
    GObject          parent;
    GDBusConnection *bus; /* NULL: the daemon is away */
    char            *path, *owner;
    GVariant        *values[G_N_ELEMENTS(table)]; /* NULL: not told */
    GuiPeers        *peers;
    GArray          *watches;
    unsigned         next_watch, subscription;
    char            *watched; /* peer of the Watch that was sent last; NULL: none */
    unsigned         watched_ms;
    GTask           *calling; /* borrowed: the Up or Down under way, its callback drops it */
    GTask           *pending; /* owned: the wish after it, the last one alone */
    bool             calling_up, pending_up;
};

G_DEFINE_FINAL_TYPE(GuiNetwork, gui_network, G_TYPE_OBJECT)

static GParamSpec *props[N_PROPS];
static guint       signal_statistics;

/* ---- properties ---- */

static int find(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++)
        if (strcmp(table[i].name, name) == 0)
            return (int)i;
    return -1;
}

const char *gui_network_get_text(GuiNetwork *self, const char *property)
{
    int at = find(property);

    g_return_val_if_fail(at >= 0 && strcmp(table[at].type, "s") == 0, "");
    return self->values[at] != NULL ? g_variant_get_string(self->values[at], NULL) : "";
}

const char *gui_network_get_path(GuiNetwork *self)
{
    return self->path;
}

GuiPeers *gui_network_get_peers(GuiNetwork *self)
{
    return self->peers;
}

static bool is_up(GuiNetwork *self)
{
    static const char *const not_up[] = { "", "down", "removed", "expired", NULL };

    return !g_strv_contains(not_up, gui_network_get_text(self, "state"));
}

static void take(GuiNetwork *self, const char *dbus_name, GVariant *value)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        if (strcmp(table[i].dbus, dbus_name) != 0)
            continue;
        if (!g_variant_is_of_type(value, G_VARIANT_TYPE(table[i].type)) ||
            (self->values[i] != NULL && g_variant_equal(self->values[i], value)))
            return;
        g_clear_pointer(&self->values[i], g_variant_unref);
        self->values[i] = g_variant_ref(value);
        g_object_notify_by_pspec(G_OBJECT(self), props[PROP_FIRST + i]);
        return;
    }
}

void gui_network_update(GuiNetwork *self, GVariant *properties)
{
    const bool   up = is_up(self);
    GVariantIter iter;
    const char  *name;
    GVariant    *value;

    g_object_freeze_notify(G_OBJECT(self));
    g_variant_iter_init(&iter, properties);
    while (g_variant_iter_loop(&iter, "{&sv}", &name, &value))
        take(self, name, value);
    if (is_up(self) != up)
        g_object_notify_by_pspec(G_OBJECT(self), props[PROP_UP]);
    g_object_thaw_notify(G_OBJECT(self));
}

static void get_listed(GuiNetwork *self, unsigned at, GValue *value)
{
    static const char *const none[] = { NULL };
    GVariant                *known = self->values[at];
    const char              *type = table[at].type;

    if (strcmp(type, "as") == 0)
        g_value_take_boxed(value, known != NULL ? g_variant_dup_strv(known, NULL)
                                                : g_strdupv((char **)none));
    else if (strcmp(type, "b") == 0)
        g_value_set_boolean(value, known != NULL && g_variant_get_boolean(known));
    else if (strcmp(type, "q") == 0)
        g_value_set_uint(value, known != NULL ? g_variant_get_uint16(known) : 0);
    else if (strcmp(type, "t") == 0)
        g_value_set_uint64(value, known != NULL ? g_variant_get_uint64(known) : 0);
    else if (strcmp(type, "u") == 0)
        g_value_set_uint(value, known != NULL ? g_variant_get_uint32(known) : 0);
    else
        g_value_set_string(value, known != NULL ? g_variant_get_string(known, NULL) : "");
}

static void gui_network_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    GuiNetwork *self = GUI_NETWORK(object);

    (void)spec;
    if (id == PROP_UP)
        g_value_set_boolean(value, is_up(self));
    else if (id == PROP_BUSY)
        g_value_set_boolean(value, self->calling != NULL);
    else if (id == PROP_PEERS)
        g_value_set_object(value, self->peers);
    else
        get_listed(self, id - PROP_FIRST, value);
}

/* ---- calls ---- */

void gui_network_call_async(GuiNetwork *self, const GuiCall *call, GCancellable *cancel,
                            GAsyncReadyCallback done, gpointer user_data)
{
    const GuiCallTarget target = { self->bus, self->path, GUI_CALL_NETWORK };

    gui_call_async(&target, call, g_task_new(self, cancel, done, user_data));
}

GVariant *gui_network_call_finish(GuiNetwork *self, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, self), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void return_nothing(GTask *task)
{
    GVariant *nothing = g_variant_ref_sink(g_variant_new_tuple(NULL, 0));

    g_task_return_pointer(task, nothing, (GDestroyNotify)g_variant_unref);
}

static void begin_up(GuiNetwork *self, GTask *task, bool up);

/* @done: what the call before it has brought about already. */
static void begin_pending(GuiNetwork *self, bool done)
{
    GTask *task = g_steal_pointer(&self->pending);

    if (task != NULL && !done) {
        begin_up(self, task, self->pending_up);
        return;
    }
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_BUSY]);
    if (task != NULL)
        return_nothing(task);
    g_clear_object(&task);
}

/* Whether the wish that waits is fulfilled. The daemon tells of its state a moment after it has
 * answered; and what failed for another reason than these it goes on trying by itself. */
static bool is_pending_done(GuiNetwork *self, const GError *error)
{
    if (error == NULL)
        return self->pending_up == self->calling_up;
    return self->pending_up == is_up(self) &&
           (g_error_matches(error, MESH_ERROR, MESH_ERROR_NOT_AUTHORIZED) ||
            g_error_matches(error, MESH_ERROR, MESH_ERROR_NO_DAEMON));
}

static void on_up_done(GObject *source, GAsyncResult *result, gpointer user_data)
{
    GuiNetwork *self = GUI_NETWORK(source);
    g_autoptr(GTask) task = user_data;
    GError   *error = NULL;
    GVariant *reply = g_task_propagate_pointer(G_TASK(result), &error);

    self->calling = NULL;
    begin_pending(self, is_pending_done(self, error));
    if (reply != NULL)
        g_task_return_pointer(task, reply, (GDestroyNotify)g_variant_unref);
    else
        g_task_return_error(task, error);
}

/* Takes @task. */
static void begin_up(GuiNetwork *self, GTask *task, bool up)
{
    const GuiCall call = { up ? "Up" : "Down", g_variant_new("(a{sv})", NULL) };

    self->calling = task;
    self->calling_up = up;
    gui_network_call_async(self, &call, g_task_get_cancellable(task), on_up_done, task);
}

/* Takes @task. One wish waits at most: the one before it is of no use any more. */
static void set_pending(GuiNetwork *self, GTask *task, bool up)
{
    g_autoptr(GTask) before = g_steal_pointer(&self->pending);

    self->pending = task;
    self->pending_up = up;
    if (before != NULL)
        g_task_return_new_error(before, G_IO_ERROR, G_IO_ERROR_CANCELLED, "%s",
                                up ? "switched on again" : "switched off again");
}

void gui_network_set_up_async(GuiNetwork *self, bool up, GCancellable *cancel,
                              GAsyncReadyCallback done, gpointer user_data)
{
    GTask *task = g_task_new(self, cancel, done, user_data);

    if (self->calling != NULL) {
        set_pending(self, task, up);
        return;
    }
    begin_up(self, task, up);
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_BUSY]);
}

/* ---- watching ---- */

static void free_watch(gpointer data)
{
    g_free(((Watch *)data)->peer);
}

static void take_peer(GuiNetwork *self, const char *node, const GuiPeerStatistics *now)
{
    GuiPeer *peer = gui_peers_find_node(self->peers, node);

    if (peer != NULL)
        gui_peer_update_statistics(peer, now);
}

static void on_statistics(GDBusConnection *bus, const char *sender, const char *path,
                          const char *interface, const char *name, GVariant *arguments,
                          gpointer user_data)
{
    g_autoptr(GuiNetwork) self = g_object_ref(user_data);
    g_autoptr(GVariantIter) peers = NULL;
    GuiPeerStatistics now;
    guint64           time_us, rx, tx;
    const char       *node;

    (void)bus, (void)sender, (void)path, (void)interface, (void)name;
    if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(ttta(stttx))")))
        return;
    g_variant_get(arguments, "(ttta(stttx))", &time_us, &rx, &tx, &peers);
    while (g_variant_iter_next(peers, "(&stttx)", &node, &now.rx_bytes, &now.tx_bytes, &now.rtt_us,
                               &now.last_handshake))
        take_peer(self, node, &now);
    g_signal_emit(self, signal_statistics, 0, time_us, rx, tx);
}

/* What all watchers together need: one peer if they all want that one, else all of them. */
static const char *sum_watches(GuiNetwork *self, unsigned *out_interval_ms)
{
    const char *peer = NULL;

    *out_interval_ms = G_MAXUINT;
    for (unsigned i = 0; i < self->watches->len; i++) {
        const Watch *watch = &g_array_index(self->watches, Watch, i);

        peer = peer == NULL || strcmp(peer, watch->peer) == 0 ? watch->peer : "";
        *out_interval_ms = MIN(*out_interval_ms, watch->interval_ms);
    }
    return peer;
}

/* Nobody waits for the answer: where it is refused or not known, figures stand still. */
static void send(GuiNetwork *self, const char *method, GVariant *arguments)
{
    g_dbus_connection_call(self->bus, self->owner, self->path, GUI_CALL_NETWORK, method, arguments,
                           NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, NULL, NULL);
}

static void send_watch(GuiNetwork *self, const char *peer, unsigned interval_ms)
{
    GVariantDict options;

    if (self->subscription == 0)
        self->subscription =
            g_dbus_connection_signal_subscribe(self->bus, self->owner, GUI_CALL_NETWORK,
                                               "Statistics", self->path, NULL,
                                               G_DBUS_SIGNAL_FLAGS_NONE, on_statistics, self, NULL);
    g_variant_dict_init(&options, NULL);
    g_variant_dict_insert(&options, "interval-ms", "u", interval_ms);
    send(self, "Watch", g_variant_new("(s@a{sv})", peer, g_variant_dict_end(&options)));
}

static void forget_watch(GuiNetwork *self)
{
    if (self->subscription != 0)
        g_dbus_connection_signal_unsubscribe(self->bus, self->subscription);
    self->subscription = 0;
    g_clear_pointer(&self->watched, g_free);
}

static void apply_watches(GuiNetwork *self)
{
    unsigned    interval_ms;
    const char *peer = sum_watches(self, &interval_ms);

    if (self->bus == NULL)
        return;
    if (peer == NULL && self->watched != NULL) {
        send(self, "Unwatch", NULL);
        forget_watch(self);
        return;
    }
    if (g_strcmp0(peer, self->watched) == 0 && (peer == NULL || interval_ms == self->watched_ms))
        return;
    send_watch(self, peer, interval_ms);
    g_free(self->watched);
    self->watched = g_strdup(peer);
    self->watched_ms = interval_ms;
}

unsigned gui_network_watch(GuiNetwork *self, const char *peer, unsigned interval_ms)
{
    const Watch watch = { ++self->next_watch, interval_ms, g_strdup(peer) };

    g_array_append_val(self->watches, watch);
    apply_watches(self);
    return watch.id;
}

void gui_network_unwatch(GuiNetwork *self, unsigned watch)
{
    for (unsigned i = 0; i < self->watches->len; i++)
        if (g_array_index(self->watches, Watch, i).id == watch) {
            g_array_remove_index(self->watches, i);
            break;
        }
    apply_watches(self);
}

void gui_network_attach(GuiNetwork *self, GDBusConnection *bus, const char *owner)
{
    if (g_strcmp0(owner, self->owner) == 0 && bus == self->bus)
        return;
    forget_watch(self);
    g_set_object(&self->bus, bus);
    g_free(self->owner);
    self->owner = g_strdup(owner);
    gui_peers_restart(self->peers, bus, owner);
    apply_watches(self);
}

/* ---- the object ---- */

static void gui_network_dispose(GObject *object)
{
    GuiNetwork *self = GUI_NETWORK(object);

    gui_network_attach(self, NULL, NULL);
    G_OBJECT_CLASS(gui_network_parent_class)->dispose(object);
}

static void gui_network_finalize(GObject *object)
{
    GuiNetwork *self = GUI_NETWORK(object);

    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++)
        g_clear_pointer(&self->values[i], g_variant_unref);
    g_array_unref(self->watches);
    g_object_unref(self->peers);
    g_free(self->path);
    G_OBJECT_CLASS(gui_network_parent_class)->finalize(object);
}

static GParamSpec *make_spec(const char *name, const char *type)
{
    const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

    if (strcmp(type, "as") == 0)
        return g_param_spec_boxed(name, NULL, NULL, G_TYPE_STRV, flags);
    if (strcmp(type, "b") == 0)
        return g_param_spec_boolean(name, NULL, NULL, false, flags);
    if (strcmp(type, "s") == 0)
        return g_param_spec_string(name, NULL, NULL, "", flags);
    if (strcmp(type, "t") == 0)
        return g_param_spec_uint64(name, NULL, NULL, 0, G_MAXUINT64, 0, flags);
    if (strcmp(type, "o") == 0)
        return g_param_spec_object(name, NULL, NULL, GUI_TYPE_PEERS, flags);
    return g_param_spec_uint(name, NULL, NULL, 0, G_MAXUINT, 0, flags);
}

static void gui_network_class_init(GuiNetworkClass *class)
{
    GObjectClass *object = G_OBJECT_CLASS(class);

    object->get_property = gui_network_get_property;
    object->dispose = gui_network_dispose;
    object->finalize = gui_network_finalize;
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++)
        props[PROP_FIRST + i] = make_spec(table[i].name, table[i].type);
    props[PROP_UP] = make_spec("up", "b");
    props[PROP_BUSY] = make_spec("busy", "b");
    props[PROP_PEERS] = make_spec("peers", "o");
    g_object_class_install_properties(object, N_PROPS, props);
    signal_statistics =
        g_signal_new("statistics", G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                     G_TYPE_NONE, 3, G_TYPE_UINT64, G_TYPE_UINT64, G_TYPE_UINT64);
}

static void gui_network_init(GuiNetwork *self)
{
    self->watches = g_array_new(false, false, sizeof(Watch));
    g_array_set_clear_func(self->watches, free_watch);
}

GuiNetwork *gui_network_new(const char *path)
{
    GuiNetwork *self = g_object_new(GUI_TYPE_NETWORK, NULL);

    self->path = g_strdup(path);
    self->peers = gui_peers_new(path);
    return self;
}
