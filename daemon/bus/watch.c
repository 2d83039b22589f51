#include "daemon/bus/watch.h"

#include "common/glib/error.h"
#include "common/std/base64.h"
#include "daemon/bus/authorize.h"
#include "daemon/bus/bus.h"
#include "daemon/bus/interfaces.h"
#include "daemon/doctor.h"
#include "daemon/traffic.h"

enum {
    MIN_INTERVAL_MS = 250,
    MAX_INTERVAL_MS = 60000,
    MAX_WATCHERS = 32, /* of one network */
    MAX_OF_USER = 8,   /* of those; so one user does not keep the others out */
    MAX_PEERS = 256,   /* in one signal */
};

struct BusWatch {
    MeshdNetworks *networks; /* borrowed */
    char          *id;
    GHashTable    *watchers; /* unique name on the bus → owned Watcher */
    MeshdTraffic  *traffic;  /* NULL: nobody watches */
};

typedef struct {
    BusWatch          *owner;
    GDBusConnection   *connection; /* ref */
    char              *sender;
    guint32            uid;
    guint              name;  /* watch of it */
    guint              timer; /* 0: not yet */
    guint              first; /* idle source of the first signal; 0: none */
    guint              interval_ms;
    MeshdTrafficMark   mark;
    MeshdTrafficTotals told;  /* by the last signal */
    bool               quiet; /* and it said that nothing changed */
} Watcher;

static void free_watcher(gpointer data)
{
    Watcher *watcher = data;

    g_clear_handle_id(&watcher->timer, g_source_remove);
    g_clear_handle_id(&watcher->first, g_source_remove);
    g_clear_handle_id(&watcher->name, g_bus_unwatch_name);
    g_object_unref(watcher->connection);
    g_free(watcher->sender);
    g_free(watcher);
}

BusWatch *bus_watch_new(MeshdNetworks *networks, const char *id)
{
    BusWatch *self = g_new0(BusWatch, 1);

    self->networks = networks;
    self->id = g_strdup(id);
    self->watchers = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_watcher);
    return self;
}

void bus_watch_free(BusWatch *self)
{
    if (self == NULL)
        return;
    g_hash_table_unref(self->watchers);
    meshd_traffic_free(self->traffic);
    g_free(self->id);
    g_free(self);
}

void bus_watch_stop(BusWatch *self, const char *sender)
{
    g_hash_table_remove(self->watchers, sender);
    if (g_hash_table_size(self->watchers) == 0)
        g_clear_pointer(&self->traffic, meshd_traffic_free);
}

/* ---- telling ---- */

static void add_peer(const MeshdTrafficPeer *peer, void *user_data)
{
    char node[MESH_BASE64URL_SIZE(MESH_KEY_BYTES)];

    if (mesh_base64url_encode(MESH_SPAN(peer->node.bytes, MESH_KEY_BYTES), node, sizeof node) < 0)
        return; /* cannot be: the buffer is made for it */
    g_variant_builder_add(user_data, "(stttx)", node, peer->rx_bytes, peer->tx_bytes, peer->rtt_us,
                          peer->last_handshake_s);
}

/* Nothing new is told once, so that a rate can fall to zero, and then not again. */
static void tell(Watcher *watcher, bool first)
{
    BusWatch          *self = watcher->owner;
    MeshdEngine       *engine = meshd_networks_find(self->networks, self->id);
    g_autofree char   *path = bus_daemon_dup_path(self->id);
    MeshdTrafficTotals now;
    GVariantBuilder    peers;
    bool               news;

    if (engine == NULL)
        return;
    meshd_traffic_read(self->traffic, engine);
    now = meshd_traffic_get_totals(self->traffic);
    g_variant_builder_init(&peers, G_VARIANT_TYPE("a(stttx)"));
    news = meshd_traffic_tell(self->traffic, &watcher->mark, MAX_PEERS, add_peer, &peers) > 0 ||
           now.rx_bytes != watcher->told.rx_bytes || now.tx_bytes != watcher->told.tx_bytes ||
           first;
    if (news || !watcher->quiet)
        (void)g_dbus_connection_emit_signal(watcher->connection, watcher->sender, path,
                                            BUS_NAME ".Network", "Statistics",
                                            g_variant_new("(ttta(stttx))",
                                                          (guint64)g_get_monotonic_time(),
                                                          now.rx_bytes, now.tx_bytes, &peers),
                                            NULL); /* fails when the bus is gone: so are we then */
    else
        g_variant_builder_clear(&peers);
    watcher->told = now;
    watcher->quiet = !news;
}

static gboolean on_due(gpointer user_data)
{
    tell(user_data, false);
    return G_SOURCE_CONTINUE;
}

static gboolean on_first(gpointer user_data)
{
    Watcher *watcher = user_data;

    watcher->first = 0;
    watcher->timer = g_timeout_add(watcher->interval_ms, on_due, watcher);
    tell(watcher, true);
    return G_SOURCE_REMOVE;
}

/* ---- who watches ---- */

static void on_vanished(GDBusConnection *connection, const char *name, gpointer user_data)
{
    Watcher *watcher = user_data;

    (void)connection, (void)name;
    bus_watch_stop(watcher->owner, watcher->sender);
}

static unsigned count_of(BusWatch *self, guint32 uid)
{
    GHashTableIter iter;
    gpointer       watcher;
    unsigned       n = 0;

    g_hash_table_iter_init(&iter, self->watchers);
    while (g_hash_table_iter_next(&iter, NULL, &watcher))
        n += ((Watcher *)watcher)->uid == uid;
    return n;
}

static bool check(BusWatch *self, const char *sender, guint32 uid, guint interval_ms,
                  GError **error)
{
    bool full = g_hash_table_size(self->watchers) >= MAX_WATCHERS;

    if (interval_ms < MIN_INTERVAL_MS || interval_ms > MAX_INTERVAL_MS) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    "option \"interval-ms\" is %u and not from %d to %d", interval_ms,
                    MIN_INTERVAL_MS, MAX_INTERVAL_MS);
        return false;
    }
    if (g_hash_table_contains(self->watchers, sender) ||
        (!full && count_of(self, uid) < MAX_OF_USER))
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_LIMIT, "%d programs%s watch this network already",
                full ? MAX_WATCHERS : MAX_OF_USER, full ? "" : " of yours");
    return false;
}

bool bus_watch_start(BusWatch *self, GDBusMethodInvocation *invocation, const char *peer,
                     guint interval_ms, GError **error)
{
    const char      *sender = g_dbus_method_invocation_get_sender(invocation);
    guint32          uid = bus_authorize_get_uid(invocation);
    MeshdEngine     *engine = meshd_networks_find(self->networks, self->id);
    MeshdTrafficMark mark = { .one = peer[0] != '\0' };
    const LockPeer  *found = NULL;
    Watcher         *watcher;

    if (!check(self, sender, uid, interval_ms, error))
        return false;
    if (mark.one) {
        found = engine != NULL ? meshd_doctor_find(engine, peer, error) : NULL;
        if (found == NULL)
            return false;
        mark.only = found->member->node;
    }
    bus_watch_stop(self, sender);
    if (self->traffic == NULL)
        self->traffic = meshd_traffic_new();
    watcher = g_new0(Watcher, 1);
    watcher->owner = self;
    watcher->connection = g_object_ref(g_dbus_method_invocation_get_connection(invocation));
    watcher->sender = g_strdup(sender);
    watcher->uid = uid;
    watcher->interval_ms = interval_ms;
    watcher->mark = mark;
    g_hash_table_insert(self->watchers, watcher->sender, watcher);
    watcher->name =
        g_bus_watch_name_on_connection(watcher->connection, sender, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                       NULL, on_vanished, watcher, NULL);
    watcher->first = g_idle_add(on_first, watcher);
    return true;
}
