#include "gui/page-peers.h"

#include "gui/access.h"
#include "gui/bar-problem.h"
#include "gui/page-status.h"
#include "gui/row-peer.h"

#include <glib/gi18n.h>

enum { SPARE_ROWS = 256, FIRST_ROWS = 40, MORE_ROWS = 40 };
/* How often figures move: while the window has the keys, and while it has not. */
enum { WATCH_MS = 2000, GLANCE_MS = 10000 };
enum { PROP_SEARCHING = 1, N_PROPS };

struct _GuiPagePeers {
    AdwBin              parent;
    GuiNetwork         *network; /* NULL: none */
    GtkSearchBar       *search_bar;
    GtkSearchEntry     *search;
    GtkStack           *stack;
    GuiBarProblem      *bar;
    GuiPageStatus      *problem;
    AdwStatusPage      *empty;
    GtkListView        *list;
    GtkScrolledWindow  *scroller;
    GtkSortListModel   *sorted;
    GtkFilterListModel *filtered;
    GtkSliceListModel  *slice;           /* of what was found, while it is new: see show_first() */
    char               *folded;          /* what is searched for, casefolded; "": everything */
    bool                held;            /* the network's peers are, since the page is mapped */
    unsigned            watch, watch_ms; /* 0: nobody looks */
    unsigned            grow;  /* tick that shows more of what was found; 0: all of it is */
    GPtrArray          *spare; /* owned rows that no item has now */
};

G_DEFINE_FINAL_TYPE(GuiPagePeers, gui_page_peers, ADW_TYPE_BIN)

static GParamSpec *props[N_PROPS];

/* ---- rows ---- */

/* Rows are kept when a search leaves few of them, for its end wants hundreds back at once. */
static void on_setup(GtkListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
    GuiPagePeers *self = user_data;
    const guint   n = self->spare->len;
    g_autoptr(GtkWidget) row = NULL;

    (void)factory;
    row = n > 0 ? g_ptr_array_steal_index_fast(self->spare, n - 1)
                : g_object_ref_sink(gui_row_peer_new());
    gtk_list_item_set_child(item, row);
}

static void on_teardown(GtkListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
    GuiPagePeers *self = user_data;
    GtkWidget    *row = gtk_list_item_get_child(item);

    (void)factory;
    if (row == NULL || self->spare->len >= SPARE_ROWS)
        return;
    g_ptr_array_add(self->spare, g_object_ref(row));
    gtk_list_item_set_child(item, NULL);
}

static void on_bind(GtkListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
    (void)factory, (void)user_data;
    gui_row_peer_set_peer(GUI_ROW_PEER(gtk_list_item_get_child(item)),
                          gtk_list_item_get_item(item));
}

static void on_unbind(GtkListItemFactory *factory, GtkListItem *item, gpointer user_data)
{
    (void)factory, (void)user_data;
    gui_row_peer_set_peer(GUI_ROW_PEER(gtk_list_item_get_child(item)), NULL);
}

static void on_row_activated(GtkListView *list, guint position, GuiPagePeers *self)
{
    g_autoptr(GuiPeer) peer = g_list_model_get_item(G_LIST_MODEL(self->filtered), position);

    (void)list;
    if (peer != NULL)
        gtk_widget_activate_action(GTK_WIDGET(self), "win.show-peer", "s",
                                   gui_peer_get_text(peer, "name"));
}

/* ---- order and search ---- */

static int compare(gconstpointer a, gconstpointer b, gpointer user_data)
{
    (void)user_data;
    return gui_peer_compare((GuiPeer *)a, (GuiPeer *)b);
}

static gboolean matches(gpointer item, gpointer user_data)
{
    return gui_peer_matches(item, ((GuiPagePeers *)user_data)->folded);
}

static void on_resorted(GuiPagePeers *self)
{
    gtk_sorter_changed(gtk_sort_list_model_get_sorter(self->sorted), GTK_SORTER_CHANGE_DIFFERENT);
    if (self->folded[0] != '\0')
        gtk_filter_changed(gtk_filter_list_model_get_filter(self->filtered),
                           GTK_FILTER_CHANGE_DIFFERENT);
}

/* What stands in the place of an empty list. */
static void show_stack(GuiPagePeers *self)
{
    const bool any = g_list_model_get_n_items(G_LIST_MODEL(self->filtered)) > 0;
    const bool searched = self->folded[0] != '\0';
    gboolean   loading = false;

    if (self->network == NULL || gui_problem_blocks(self->network)) {
        gui_access_show_page(self->stack, "problem");
        return;
    }
    g_object_get(gui_network_get_peers(self->network), "loading", &loading, NULL);
    adw_status_page_set_icon_name(self->empty,
                                  searched ? "edit-find-symbolic" : "network-workgroup-symbolic");
    adw_status_page_set_title(self->empty, searched ? _("No Peer Found") : _("No Peers"));
    adw_status_page_set_description(self->empty,
                                    searched ? _("Search for another name or address.")
                                             : _("Other devices appear here once they join."));
    gui_access_show_page(self->stack, any || loading ? "list" : "empty");
}

/* What is wrong: in the place of the peers if there can be none, else over them. */
static void show_problem(GuiPagePeers *self)
{
    const GuiProblem *problem = gui_problem_of_network(self->network);
    const bool        blocks = gui_problem_blocks(self->network);
    g_autofree char  *detail = gui_problem_dup_detail(self->network);

    if (blocks && problem != NULL)
        gui_page_status_show(self->problem, self->network, problem, detail);
    gui_bar_problem_show(self->bar, self->network, blocks ? NULL : problem, detail);
    show_stack(self);
}

static gboolean on_grow(GtkWidget *widget, GdkFrameClock *clock, gpointer user_data)
{
    GuiPagePeers *self = user_data;
    const guint   size = gtk_slice_list_model_get_size(self->slice) + MORE_ROWS;

    (void)widget, (void)clock;
    gtk_slice_list_model_set_size(self->slice, size < SPARE_ROWS ? size : G_MAXUINT);
    if (size < SPARE_ROWS)
        return G_SOURCE_CONTINUE;
    self->grow = 0;
    return G_SOURCE_REMOVE;
}

/* A list makes some 200 rows at once, seen or not: too much for one frame. What fits into a window
 * comes first, the rest frame by frame. */
static void show_first(GuiPagePeers *self)
{
    gtk_slice_list_model_set_size(self->slice, FIRST_ROWS);
    if (self->grow == 0)
        self->grow = gtk_widget_add_tick_callback(GTK_WIDGET(self), on_grow, self, NULL);
}

/* A search for more letters looks only at what was found with fewer. */
static void on_search_changed(GtkSearchEntry *entry, GuiPagePeers *self)
{
    g_autofree char *stripped = g_strstrip(g_strdup(gtk_editable_get_text(GTK_EDITABLE(entry))));
    g_autofree char *was = self->folded;
    GtkFilterChange  change = GTK_FILTER_CHANGE_DIFFERENT;

    self->folded = g_utf8_casefold(stripped, -1);
    if (strstr(self->folded, was) != NULL)
        change = GTK_FILTER_CHANGE_MORE_STRICT;
    else if (strstr(was, self->folded) != NULL)
        change = GTK_FILTER_CHANGE_LESS_STRICT;
    show_first(self);
    gtk_filter_changed(gtk_filter_list_model_get_filter(self->filtered), change);
    show_stack(self);
}

static void on_search_activated(GtkSearchEntry *entry, GuiPagePeers *self)
{
    (void)entry;
    if (g_list_model_get_n_items(G_LIST_MODEL(self->filtered)) > 0)
        on_row_activated(self->list, 0, self);
}

/* ---- the network ---- */

/* How often figures should move; 0: nobody can see them. */
static unsigned get_interval(GuiPagePeers *self)
{
    GtkRoot    *root = gtk_widget_get_root(GTK_WIDGET(self));
    GdkSurface *surface;

    if (!self->held || !GTK_IS_WINDOW(root))
        return 0;
    surface = gtk_native_get_surface(GTK_NATIVE(root));
    if (GDK_IS_TOPLEVEL(surface) &&
        (gdk_toplevel_get_state(GDK_TOPLEVEL(surface)) & GDK_TOPLEVEL_STATE_MINIMIZED) != 0)
        return 0;
    return gtk_window_is_active(GTK_WINDOW(root)) ? WATCH_MS : GLANCE_MS;
}

static void watch(GuiPagePeers *self)
{
    const unsigned wish = get_interval(self);

    if (wish == self->watch_ms)
        return;
    if (self->watch != 0)
        gui_network_unwatch(self->network, self->watch);
    self->watch = wish != 0 ? gui_network_watch(self->network, "", wish) : 0;
    self->watch_ms = wish;
}

static void look(GuiPagePeers *self, bool on)
{
    if (self->network == NULL || on == self->held)
        return;
    self->held = on;
    if (on)
        gui_peers_hold(gui_network_get_peers(self->network));
    else
        gui_peers_release(gui_network_get_peers(self->network));
    watch(self);
}

static void forget_network(GuiPagePeers *self)
{
    if (self->network == NULL)
        return;
    g_signal_handlers_disconnect_by_data(gui_network_get_peers(self->network), self);
    g_signal_handlers_disconnect_by_func(self->network, show_problem, self);
}

void gui_page_peers_set_network(GuiPagePeers *self, GuiNetwork *network)
{
    static const char *const shown[] = { "notify::state",        "notify::problem",
                                         "notify::error",        "notify::server-state",
                                         "notify::server-error", "notify::warnings" };
    GListModel *peers = network != NULL ? G_LIST_MODEL(gui_network_get_peers(network)) : NULL;

    if (network == self->network)
        return;
    look(self, false);
    forget_network(self);
    g_set_object(&self->network, network);
    gtk_search_bar_set_search_mode(self->search_bar, false);
    gtk_sort_list_model_set_model(self->sorted, peers);
    if (network == NULL)
        return;
    g_signal_connect_swapped(peers, "resorted", G_CALLBACK(on_resorted), self);
    g_signal_connect_swapped(peers, "notify::loading", G_CALLBACK(show_stack), self);
    for (unsigned i = 0; i < G_N_ELEMENTS(shown); i++)
        g_signal_connect_swapped(network, shown[i], G_CALLBACK(show_problem), self);
    look(self, gtk_widget_get_mapped(GTK_WIDGET(self)));
    show_problem(self);
}

void gui_page_peers_set_key_source(GuiPagePeers *self, GtkWidget *widget)
{
    gtk_search_bar_set_key_capture_widget(self->search_bar, widget);
}

/* ---- the widget ---- */

static void gui_page_peers_map(GtkWidget *widget)
{
    GtkRoot *root = gtk_widget_get_root(widget);

    GTK_WIDGET_CLASS(gui_page_peers_parent_class)->map(widget);
    g_signal_connect_swapped(root, "notify::is-active", G_CALLBACK(watch), widget);
    g_signal_connect_swapped(gtk_native_get_surface(GTK_NATIVE(root)), "notify::state",
                             G_CALLBACK(watch), widget);
    look(GUI_PAGE_PEERS(widget), true);
}

static void gui_page_peers_unmap(GtkWidget *widget)
{
    GtkRoot    *root = gtk_widget_get_root(widget);
    GdkSurface *surface = gtk_native_get_surface(GTK_NATIVE(root));

    g_signal_handlers_disconnect_by_func(root, watch, widget);
    if (surface != NULL)
        g_signal_handlers_disconnect_by_func(surface, watch, widget);
    look(GUI_PAGE_PEERS(widget), false);
    GTK_WIDGET_CLASS(gui_page_peers_parent_class)->unmap(widget);
}

static void gui_page_peers_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    (void)id, (void)spec;
    g_value_set_boolean(value, gtk_search_bar_get_search_mode(GUI_PAGE_PEERS(object)->search_bar));
}

static void gui_page_peers_set_property(GObject *object, guint id, const GValue *value,
                                        GParamSpec *spec)
{
    (void)id, (void)spec;
    gtk_search_bar_set_search_mode(GUI_PAGE_PEERS(object)->search_bar, g_value_get_boolean(value));
}

static void gui_page_peers_dispose(GObject *object)
{
    GuiPagePeers *self = GUI_PAGE_PEERS(object);

    gui_page_peers_set_network(self, NULL);
    if (self->filtered != NULL)
        g_signal_handlers_disconnect_by_data(self->filtered, self);
    if (self->grow != 0)
        gtk_widget_remove_tick_callback(GTK_WIDGET(self), self->grow);
    self->grow = 0;
    g_clear_object(&self->slice);
    g_clear_object(&self->filtered);
    g_clear_object(&self->sorted);
    G_OBJECT_CLASS(gui_page_peers_parent_class)->dispose(object);
}

static void gui_page_peers_finalize(GObject *object)
{
    g_free(GUI_PAGE_PEERS(object)->folded);
    g_ptr_array_unref(GUI_PAGE_PEERS(object)->spare);
    G_OBJECT_CLASS(gui_page_peers_parent_class)->finalize(object);
}

static void gui_page_peers_class_init(GuiPagePeersClass *class)
{
    GtkWidgetClass *widget = GTK_WIDGET_CLASS(class);
    GObjectClass   *object = G_OBJECT_CLASS(class);

    object->get_property = gui_page_peers_get_property;
    object->set_property = gui_page_peers_set_property;
    object->dispose = gui_page_peers_dispose;
    object->finalize = gui_page_peers_finalize;
    widget->map = gui_page_peers_map;
    widget->unmap = gui_page_peers_unmap;
    props[PROP_SEARCHING] =
        g_param_spec_boolean("searching", NULL, NULL, false,
                             G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
    g_object_class_install_properties(object, N_PROPS, props);
    g_type_ensure(GUI_TYPE_BAR_PROBLEM);
    g_type_ensure(GUI_TYPE_PAGE_STATUS);
    gtk_widget_class_set_template_from_resource(widget, "/org/meshvpn/Mesh/ui/page-peers.ui");
    gtk_widget_class_bind_template_child(widget, GuiPagePeers, search_bar);
    gtk_widget_class_bind_template_child(widget, GuiPagePeers, search);
    gtk_widget_class_bind_template_child(widget, GuiPagePeers, stack);
    gtk_widget_class_bind_template_child(widget, GuiPagePeers, bar);
    gtk_widget_class_bind_template_child(widget, GuiPagePeers, problem);
    gtk_widget_class_bind_template_child(widget, GuiPagePeers, empty);
    gtk_widget_class_bind_template_child(widget, GuiPagePeers, list);
    gtk_widget_class_bind_template_child(widget, GuiPagePeers, scroller);
    gtk_widget_class_bind_template_callback(widget, on_search_changed);
    gtk_widget_class_bind_template_callback(widget, on_search_activated);
    gtk_widget_class_bind_template_callback(widget, on_row_activated);
}

static void on_search_mode(GuiPagePeers *self)
{
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_SEARCHING]);
}

static void gui_page_peers_init(GuiPagePeers *self)
{
    g_autoptr(GtkListItemFactory) factory = gtk_signal_list_item_factory_new();
    g_autoptr(GtkNoSelection) selection = NULL;

    self->folded = g_strdup("");
    gtk_widget_init_template(GTK_WIDGET(self));
    gtk_search_bar_connect_entry(self->search_bar, GTK_EDITABLE(self->search));
    g_signal_connect_swapped(self->search_bar, "notify::search-mode-enabled",
                             G_CALLBACK(on_search_mode), self);
    self->sorted =
        gtk_sort_list_model_new(NULL, GTK_SORTER(gtk_custom_sorter_new(compare, NULL, NULL)));
    self->filtered =
        gtk_filter_list_model_new(g_object_ref(G_LIST_MODEL(self->sorted)),
                                  GTK_FILTER(gtk_custom_filter_new(matches, self, NULL)));
    g_signal_connect_object(self->filtered, "items-changed", G_CALLBACK(show_stack), self,
                            G_CONNECT_SWAPPED);
    self->spare = g_ptr_array_new_with_free_func(g_object_unref);
    g_signal_connect_object(factory, "setup", G_CALLBACK(on_setup), self, 0);
    g_signal_connect_object(factory, "teardown", G_CALLBACK(on_teardown), self, 0);
    g_signal_connect(factory, "bind", G_CALLBACK(on_bind), NULL);
    g_signal_connect(factory, "unbind", G_CALLBACK(on_unbind), NULL);
    gtk_list_view_set_factory(self->list, factory);
    self->slice =
        gtk_slice_list_model_new(g_object_ref(G_LIST_MODEL(self->filtered)), 0, G_MAXUINT);
    selection = gtk_no_selection_new(g_object_ref(G_LIST_MODEL(self->slice)));
    gtk_list_view_set_model(self->list, GTK_SELECTION_MODEL(selection));
}
