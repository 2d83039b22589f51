#include "gui/peers.h"

#include "common/glib/error.h"

#include <glib/gi18n.h>

enum {
    PAGE = 1000,     /* peers in an answer: the most that the daemon gives */
    SLICE_US = 4000, /* work between two looks at the screen */
    INBOX_MAX = 256, /* signals that wait; more of them: list again instead */
    AGAIN_MS = 1000, /* before a listing is begun anew, when one just failed or had a gap */
};
enum { PROP_LOADING = 1, PROP_FAILURE, N_PROPS };

/* What came from the bus and waits for its slice, in the order in which it came. */
typedef struct {
    GVariantIter *changed;
    char        **removed; /* NULL: a page of a listing */
    guint64       serial;
    unsigned      total; /* of a page: how many there are in all */
    bool          begun;
} Parcel;

struct _GuiPeers {
    GObject          parent;
    GDBusConnection *bus; /* NULL: the daemon is away */
    char            *path, *owner;
    GPtrArray       *peers;     /* owned GuiPeer, in no order */
    GHashTable      *by_node;   /* borrowed node key → Place */
    GQueue           inbox;     /* owned Parcel */
    GCancellable    *listing;   /* NULL: none is under way */
    char            *last_name; /* of the page before */
    char            *failure;
    guint64          serial; /* of the last signal or page that was taken over */
    unsigned         holds, subscription, slice_id, again_id;
    unsigned         round;    /* of the listing: who is of an older one at its end is gone */
    unsigned         n_listed; /* in the pages of this round */
    bool             based;    /* this round's first page said where serials begin */
};

/* Where a peer stands, and the listing that saw it last. */
typedef struct {
    GuiPeer *peer; /* borrowed */
    unsigned position, round;
} Place;

static GParamSpec *props[N_PROPS];
static guint       signal_resorted;

static void list_model_init(GListModelInterface *interface);
static void list_page(GuiPeers *self);
static void list_anew(GuiPeers *self);

G_DEFINE_FINAL_TYPE_WITH_CODE(GuiPeers, gui_peers, G_TYPE_OBJECT,
                              G_IMPLEMENT_INTERFACE(G_TYPE_LIST_MODEL, list_model_init))

static void free_parcel(gpointer data)
{
    Parcel *parcel = data;

    g_variant_iter_free(parcel->changed);
    g_strfreev(parcel->removed);
    g_free(parcel);
}

static void clear_inbox(GuiPeers *self)
{
    g_queue_clear_full(&self->inbox, free_parcel);
}

static void set_failure(GuiPeers *self, const char *text)
{
    if (g_strcmp0(self->failure, text) == 0)
        return;
    g_free(self->failure);
    self->failure = g_strdup(text);
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_FAILURE]);
}

/* ---- the model ---- */

static GType get_item_type(GListModel *model)
{
    (void)model;
    return GUI_TYPE_PEER;
}

static guint get_n_items(GListModel *model)
{
    return GUI_PEERS(model)->peers->len;
}

static gpointer get_item(GListModel *model, guint position)
{
    GuiPeers *self = GUI_PEERS(model);

    return position < self->peers->len ? g_object_ref(self->peers->pdata[position]) : NULL;
}

static void list_model_init(GListModelInterface *interface)
{
    interface->get_item_type = get_item_type;
    interface->get_n_items = get_n_items;
    interface->get_item = get_item;
}

/* The last one takes the place of the one that goes: order is not ours. The model is whole at each
 * of the two signals; in between the last one stands in it twice. */
static void drop(GuiPeers *self, Place *place)
{
    g_autoptr(GuiPeer) peer = g_object_ref(place->peer);
    unsigned at = place->position, last = self->peers->len - 1;

    if (at != last) {
        GuiPeer *moved = self->peers->pdata[last];
        Place   *other = g_hash_table_lookup(self->by_node, gui_peer_get_text(moved, "node"));

        other->position = at;
        g_object_unref(self->peers->pdata[at]);
        self->peers->pdata[at] = g_object_ref(moved);
        g_list_model_items_changed(G_LIST_MODEL(self), at, 1, 1);
    }
    g_ptr_array_remove_index(self->peers, last);
    g_hash_table_remove(self->by_node, gui_peer_get_text(peer, "node"));
    g_list_model_items_changed(G_LIST_MODEL(self), last, 1, 0);
    gui_peer_set_gone(peer);
}

static void add(GuiPeers *self, const char *node, GVariant *dict)
{
    GuiPeer *peer = gui_peer_new(node);
    Place   *place = g_new(Place, 1);

    *place = (Place){ peer, self->peers->len, self->round };
    gui_peer_update(peer, dict);
    g_ptr_array_add(self->peers, peer);
    g_hash_table_insert(self->by_node, (char *)gui_peer_get_text(peer, "node"), place);
}

/* True if it is a known peer whose place in an order may have changed. */
static bool take(GuiPeers *self, GVariant *dict)
{
    const char *node = NULL;
    Place      *place;

    if (!g_variant_lookup(dict, "node", "&s", &node))
        return false;
    place = g_hash_table_lookup(self->by_node, node);
    if (place == NULL) {
        add(self, node, dict);
        return false;
    }
    place->round = self->round;
    return gui_peer_update(place->peer, dict);
}

/* ---- slices ---- */

static void set_listing(GuiPeers *self, bool on)
{
    if (on == (self->listing != NULL))
        return;
    if (on) {
        self->listing = g_cancellable_new();
    } else {
        g_cancellable_cancel(self->listing);
        g_clear_object(&self->listing);
    }
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_LOADING]);
}

static void drop_unseen(GuiPeers *self)
{
    for (unsigned i = self->peers->len; i-- > 0;) {
        Place *place =
            g_hash_table_lookup(self->by_node, gui_peer_get_text(self->peers->pdata[i], "node"));

        if (place->round != self->round)
            drop(self, place);
    }
}

static gboolean on_again(gpointer user_data)
{
    GuiPeers *self = user_data;

    self->again_id = 0;
    list_anew(self);
    return G_SOURCE_REMOVE;
}

/* A gap, or a failure: after a breath, so that a busy daemon is not asked without end. */
static void list_later(GuiPeers *self)
{
    clear_inbox(self);
    self->based = false;
    set_listing(self, false);
    if (self->again_id == 0 && self->holds > 0 && self->bus != NULL)
        self->again_id = g_timeout_add(AGAIN_MS, on_again, self);
}

/* Serials are read when it is a parcel's turn, so pages and signals are in their order. False:
 * there is a gap. */
static bool begin(GuiPeers *self, Parcel *parcel)
{
    const bool page = parcel->removed == NULL;

    parcel->begun = true;
    if (self->based && parcel->serial != self->serial + (page ? 0 : 1))
        return false;
    self->serial = parcel->serial;
    self->based = true;
    if (page)
        self->n_listed += (unsigned)g_variant_iter_n_children(parcel->changed);
    for (char **node = parcel->removed; node != NULL && *node != NULL; node++) {
        Place *place = g_hash_table_lookup(self->by_node, *node);

        if (place != NULL)
            drop(self, place);
    }
    return true;
}

static void end_page(GuiPeers *self, const Parcel *page)
{
    if (g_variant_iter_n_children(page->changed) > 0 && self->n_listed < page->total) {
        list_page(self);
        return;
    }
    drop_unseen(self);
    set_failure(self, "");
    set_listing(self, false);
}

/* Takes dicts of @parcel until it is empty or @until (monotonic µs). True: it is done. */
static bool work(GuiPeers *self, Parcel *parcel, gint64 until)
{
    const unsigned   before = self->peers->len;
    bool             resorted = false, done = false;
    g_autofree char *last = NULL;

    while (!done && g_get_monotonic_time() < until) {
        g_autoptr(GVariant) dict = g_variant_iter_next_value(parcel->changed);

        done = dict == NULL;
        if (done)
            break;
        resorted = take(self, dict) || resorted;
        if (parcel->removed == NULL) {
            g_free(last);
            last = NULL;
            g_variant_lookup(dict, "name", "s", &last);
        }
    }
    if (last != NULL) {
        g_free(self->last_name);
        self->last_name = g_steal_pointer(&last);
    }
    if (self->peers->len > before)
        g_list_model_items_changed(G_LIST_MODEL(self), before, 0, self->peers->len - before);
    if (resorted)
        g_signal_emit(self, signal_resorted, 0);
    return done;
}

static gboolean on_slice(gpointer user_data)
{
    g_autoptr(GuiPeers) self = g_object_ref(user_data); /* what is told may let go of it */
    gint64  until = g_get_monotonic_time() + SLICE_US;
    Parcel *parcel = g_queue_peek_head(&self->inbox);

    if (parcel == NULL) {
        self->slice_id = 0;
        return G_SOURCE_REMOVE;
    }
    if (!self->based && parcel->removed != NULL) { /* the first page, behind it, has it already */
        free_parcel(g_queue_pop_head(&self->inbox));
        return G_SOURCE_CONTINUE;
    }
    if (!parcel->begun && !begin(self, parcel)) {
        list_later(self);
        return G_SOURCE_CONTINUE;
    }
    if (!work(self, parcel, until))
        return G_SOURCE_CONTINUE;
    g_queue_pop_head(&self->inbox);
    if (parcel->removed == NULL)
        end_page(self, parcel);
    free_parcel(parcel);
    return G_SOURCE_CONTINUE;
}

static void post(GuiPeers *self, Parcel *parcel)
{
    if (g_queue_get_length(&self->inbox) >= INBOX_MAX) {
        free_parcel(parcel);
        list_later(self);
        return;
    }
    g_queue_push_tail(&self->inbox, parcel);
    if (self->slice_id == 0) /* after frames, before what may wait */
        self->slice_id = g_idle_add_full(G_PRIORITY_DEFAULT_IDLE, on_slice, self, NULL);
}

/* ---- the bus ---- */

static void on_page(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiPeers) self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_task_propagate_pointer(G_TASK(result), &error);
    Parcel *parcel;

    (void)source;
    if (g_task_get_cancellable(G_TASK(result)) != self->listing)
        return; /* of a listing that was given up */
    if (reply == NULL) {
        set_failure(self, error->message);
        list_later(self);
        return;
    }
    if (!g_variant_is_of_type(reply, G_VARIANT_TYPE("(tuaa{sv})"))) {
        set_failure(self, _("The Mesh service answered something unknown"));
        set_listing(self, false);
        return;
    }
    parcel = g_new0(Parcel, 1);
    g_variant_get(reply, "(tuaa{sv})", &parcel->serial, &parcel->total, &parcel->changed);
    post(self, parcel);
}

static void list_page(GuiPeers *self)
{
    const GuiCallTarget target = { self->bus, self->path, GUI_CALL_NETWORK };
    const char         *after = self->last_name != NULL ? self->last_name : "";
    const GuiCall       call = { "ListPeers", g_variant_new("(su)", after, (guint32)PAGE) };

    gui_call_async(&target, &call, g_task_new(self, self->listing, on_page, g_object_ref(self)));
}

static void list_anew(GuiPeers *self)
{
    if (self->bus == NULL || self->holds == 0)
        return;
    clear_inbox(self);
    self->based = false;
    set_listing(self, false);
    g_clear_handle_id(&self->again_id, g_source_remove);
    g_clear_pointer(&self->last_name, g_free);
    self->round++;
    self->n_listed = 0;
    set_listing(self, true);
    list_page(self);
}

static void on_peers_changed(GDBusConnection *bus, const char *sender, const char *path,
                             const char *interface, const char *name, GVariant *arguments,
                             gpointer user_data)
{
    GuiPeers *self = user_data;
    Parcel   *parcel;

    (void)bus, (void)sender, (void)path, (void)interface, (void)name;
    if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(taa{sv}as)")))
        return;
    if (!self->based && self->listing == NULL)
        return; /* a listing is due, and its first page will have it */
    parcel = g_new0(Parcel, 1);
    g_variant_get(arguments, "(taa{sv}^as)", &parcel->serial, &parcel->changed, &parcel->removed);
    post(self, parcel);
}

static void follow(GuiPeers *self, bool on)
{
    if (on && self->subscription == 0 && self->bus != NULL) {
        self->subscription =
            g_dbus_connection_signal_subscribe(self->bus, self->owner, GUI_CALL_NETWORK,
                                               "PeersChanged", self->path, NULL,
                                               G_DBUS_SIGNAL_FLAGS_NONE, on_peers_changed, self,
                                               NULL);
        list_anew(self);
    } else if (!on && self->subscription != 0) {
        g_dbus_connection_signal_unsubscribe(self->bus, self->subscription);
        self->subscription = 0;
        self->based = false;
        clear_inbox(self);
        set_listing(self, false);
        g_clear_handle_id(&self->again_id, g_source_remove);
    }
}

void gui_peers_hold(GuiPeers *self)
{
    self->holds++;
    follow(self, true);
}

void gui_peers_release(GuiPeers *self)
{
    g_return_if_fail(self->holds > 0);
    if (--self->holds == 0)
        follow(self, false);
}

void gui_peers_restart(GuiPeers *self, GDBusConnection *bus, const char *owner)
{
    follow(self, false);
    g_set_object(&self->bus, bus);
    g_free(self->owner);
    self->owner = g_strdup(owner);
    set_failure(self, "");
    if (self->holds > 0)
        follow(self, true);
}

GuiPeer *gui_peers_find_node(GuiPeers *self, const char *node)
{
    Place *place = g_hash_table_lookup(self->by_node, node);

    return place != NULL ? place->peer : NULL;
}

GuiPeer *gui_peers_find(GuiPeers *self, const char *name)
{
    for (unsigned i = 0; i < self->peers->len; i++)
        if (strcmp(gui_peer_get_text(self->peers->pdata[i], "name"), name) == 0)
            return self->peers->pdata[i];
    return NULL;
}

/* ---- the object ---- */

static void gui_peers_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    GuiPeers *self = GUI_PEERS(object);

    (void)spec;
    if (id == PROP_LOADING)
        g_value_set_boolean(value, self->listing != NULL);
    else
        g_value_set_string(value, self->failure);
}

static void gui_peers_dispose(GObject *object)
{
    GuiPeers *self = GUI_PEERS(object);

    follow(self, false);
    g_clear_handle_id(&self->slice_id, g_source_remove);
    g_clear_handle_id(&self->again_id, g_source_remove);
    clear_inbox(self);
    g_clear_object(&self->bus);
    G_OBJECT_CLASS(gui_peers_parent_class)->dispose(object);
}

static void gui_peers_finalize(GObject *object)
{
    GuiPeers *self = GUI_PEERS(object);

    g_hash_table_unref(self->by_node);
    g_ptr_array_unref(self->peers);
    g_free(self->path);
    g_free(self->owner);
    g_free(self->last_name);
    g_free(self->failure);
    G_OBJECT_CLASS(gui_peers_parent_class)->finalize(object);
}

static void gui_peers_class_init(GuiPeersClass *class)
{
    const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;
    GObjectClass     *object = G_OBJECT_CLASS(class);

    object->get_property = gui_peers_get_property;
    object->dispose = gui_peers_dispose;
    object->finalize = gui_peers_finalize;
    props[PROP_LOADING] = g_param_spec_boolean("loading", NULL, NULL, false, flags);
    props[PROP_FAILURE] = g_param_spec_string("failure", NULL, NULL, "", flags);
    g_object_class_install_properties(object, N_PROPS, props);
    signal_resorted = g_signal_new("resorted", G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL,
                                   NULL, NULL, G_TYPE_NONE, 0);
}

static void gui_peers_init(GuiPeers *self)
{
    self->peers = g_ptr_array_new_with_free_func(g_object_unref);
    self->by_node = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    self->failure = g_strdup("");
    g_queue_init(&self->inbox);
}

GuiPeers *gui_peers_new(const char *path)
{
    GuiPeers *self = g_object_new(GUI_TYPE_PEERS, NULL);

    self->path = g_strdup(path);
    return self;
}
