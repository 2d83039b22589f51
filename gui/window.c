#include "gui/window.h"

#include "common/glib/error.h"
#include "gui/access.h"
#include "gui/bar-problem.h"
#include "gui/fix.h"
#include "gui/named.h"
#include "gui/page-peer.h"
#include "gui/page-peers.h"
#include "gui/page-status.h"
#include "gui/page-welcome.h"
#include "gui/row-network.h"
#include "gui/settings.h"
#include "gui/words.h"

#include <glib/gi18n.h>

struct _GuiWindow {
    AdwApplicationWindow parent;
    GuiClient           *client;
    GuiNetwork          *network; /* the selected one; NULL: none */
    AdwToastOverlay     *toasts;
    GtkStack            *top, *before;
    AdwLeaflet          *leaflet, *pages;
    GtkListBox          *networks;
    AdwWindowTitle      *title;
    GtkWidget           *page_network, *network_menu;
    GuiPagePeers        *peers;
    GuiPageStatus       *status;
    GuiPageWelcome      *welcome;
    GuiBarProblem       *version;
    bool                 is_pushing; /* a page is made visible */
};

G_DEFINE_FINAL_TYPE(GuiWindow, gui_window, ADW_TYPE_APPLICATION_WINDOW)

/* ---- toasts ---- */

void gui_window_toast(GuiWindow *self, const char *text)
{
    gui_named_toast(GTK_WIDGET(self->toasts), text);
}

void gui_window_toast_error(GuiWindow *self, const GError *error)
{
    if (error != NULL && !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        gui_window_toast(self, error->message);
}

/* ---- pages over the peers ---- */

/* By the leaflet's own order: that of its widgets is another. */
static GtkWidget *find_last_page(GuiWindow *self)
{
    g_autoptr(GtkSelectionModel) pages = adw_leaflet_get_pages(self->pages);
    const guint n = g_list_model_get_n_items(G_LIST_MODEL(pages));
    g_autoptr(AdwLeafletPage) last = g_list_model_get_item(G_LIST_MODEL(pages), n - 1);

    return adw_leaflet_page_get_child(last);
}

/* What lies behind the page that is seen now was left. */
static void drop_left_pages(GuiWindow *self)
{
    GtkWidget *shown = adw_leaflet_get_visible_child(self->pages);
    GtkWidget *last;

    for (;;) {
        last = find_last_page(self);
        if (last == shown || last == self->page_network)
            return;
        adw_leaflet_remove(self->pages, last);
    }
}

static void on_page_shown(GuiWindow *self)
{
    if (!self->is_pushing && !adw_leaflet_get_child_transition_running(self->pages))
        drop_left_pages(self);
}

static GtkWidget *make_page(GtkWidget *content, const char *title)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 0);
    GtkWidget *bar = adw_header_bar_new();
    GtkWidget *back = gtk_button_new_from_icon_name("go-previous-symbolic");

    gtk_actionable_set_action_name(GTK_ACTIONABLE(back), "win.back");
    gtk_widget_set_tooltip_text(back, _("Back"));
    gtk_accessible_update_property(GTK_ACCESSIBLE(back), GTK_ACCESSIBLE_PROPERTY_LABEL, _("Back"),
                                   -1);
    adw_header_bar_pack_start(ADW_HEADER_BAR(bar), back);
    adw_header_bar_set_title_widget(ADW_HEADER_BAR(bar), adw_window_title_new(title, ""));
    gtk_box_append(GTK_BOX(box), bar);
    gtk_widget_set_vexpand(content, true);
    gtk_box_append(GTK_BOX(box), content);
    return box;
}

void gui_window_push(GuiWindow *self, GtkWidget *page, const char *title)
{
    GtkWidget *box = make_page(page, title);

    drop_left_pages(self); /* a page may be on its way out still */
    adw_leaflet_append(self->pages, box);
    self->is_pushing = true; /* that page's way ends here, before ours is the visible one */
    adw_leaflet_set_visible_child(self->pages, box);
    self->is_pushing = false;
    adw_leaflet_set_visible_child_name(self->leaflet, "content");
}

void gui_window_back(GuiWindow *self)
{
    if (adw_leaflet_get_visible_child(self->pages) != self->page_network)
        adw_leaflet_navigate(self->pages, ADW_NAVIGATION_DIRECTION_BACK);
    else if (adw_leaflet_get_folded(self->leaflet))
        adw_leaflet_navigate(self->leaflet, ADW_NAVIGATION_DIRECTION_BACK);
}

/* ---- networks ---- */

static void show_title(GuiWindow *self)
{
    g_autofree char *state = NULL;

    if (self->network == NULL)
        return;
    state = gui_words_dup_state(self->network);
    adw_window_title_set_title(self->title, gui_network_get_text(self->network, "name"));
    adw_window_title_set_subtitle(self->title, state);
}

static void set_network(GuiWindow *self, GuiNetwork *network)
{
    if (network == self->network)
        return;
    if (self->network != NULL)
        g_signal_handlers_disconnect_by_func(self->network, show_title, self);
    g_set_object(&self->network, network);
    adw_leaflet_set_visible_child(self->pages, self->page_network);
    gui_page_peers_set_network(self->peers, network);
    if (network == NULL)
        return;
    g_signal_connect_swapped(network, "notify", G_CALLBACK(show_title), self);
    show_title(self);
}

static void on_row_selected(GtkListBox *box, GtkListBoxRow *row, GuiWindow *self)
{
    (void)box;
    if (row != NULL)
        set_network(self, gui_row_network_get_network(GUI_ROW_NETWORK(row)));
}

static void on_row_activated(GtkListBox *box, GtkListBoxRow *row, GuiWindow *self)
{
    (void)box, (void)row;
    adw_leaflet_set_visible_child_name(self->leaflet, "content");
}

static GtkWidget *make_row(gpointer item, gpointer user_data)
{
    (void)user_data;
    return gui_row_network_new(item);
}

/* The row of @network; the first one if it has none. */
static GtkListBoxRow *find_row(GuiWindow *self, GuiNetwork *network)
{
    GtkListBoxRow *row;

    for (int i = 0; (row = gtk_list_box_get_row_at_index(self->networks, i)) != NULL; i++)
        if (gui_row_network_get_network(GUI_ROW_NETWORK(row)) == network)
            return row;
    return gtk_list_box_get_row_at_index(self->networks, 0);
}

/* After networks came or went: something is selected if there is anything. */
static void select_any(GuiWindow *self)
{
    GtkListBoxRow *row = find_row(self, self->network);

    if (row != NULL)
        gtk_list_box_select_row(self->networks, row);
    else
        set_network(self, NULL);
}

/* What there is to see: the networks; the first run while there is none; what is wrong. */
static void show(GuiWindow *self)
{
    const bool        any = g_list_model_get_n_items(gui_client_get_networks(self->client)) > 0;
    const GuiProblem *problem = gui_problem_of_client(self->client);
    const bool        welcome = !any && gui_page_welcome_knows(gui_client_get_state(self->client));

    select_any(self);
    if (welcome)
        gui_page_welcome_show(self->welcome, self->client);
    else if (problem != NULL)
        gui_page_status_show(self->status, NULL, problem,
                             gui_client_get_text(self->client, "detail"));
    gui_access_show_page(self->before, welcome ? "welcome" : "problem");
    gui_access_show_page(self->top, any && problem == NULL ? "networks" : "status");
    gui_bar_problem_show(self->version, NULL, gui_problem_of_version(self->client), "");
    g_simple_action_set_enabled(G_SIMPLE_ACTION(
                                    g_action_map_lookup_action(G_ACTION_MAP(self), "netcheck")),
                                gui_client_offers(self->client, "netcheck"));
}

void gui_window_select(GuiWindow *self, GuiNetwork *network)
{
    gtk_list_box_select_row(self->networks, find_row(self, network));
    adw_leaflet_set_visible_child_name(self->leaflet, "content");
}

GuiClient *gui_window_get_client(GuiWindow *self)
{
    return self->client;
}

GuiNetwork *gui_window_get_network(GuiWindow *self)
{
    return self->network;
}

/* ---- actions ---- */

static void on_back(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    (void)action, (void)parameter;
    gui_window_back(user_data);
}

static void on_search(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    GuiWindow *self = user_data;

    (void)action, (void)parameter;
    g_object_set(self->peers, "searching", true, NULL);
}

static void on_copy_address(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    GuiWindow *self = user_data;
    g_auto(GStrv) addresses = NULL;

    (void)action, (void)parameter;
    if (self->network != NULL)
        g_object_get(self->network, "addresses", &addresses, NULL);
    if (addresses != NULL && addresses[0] != NULL)
        gui_fix_copy(GTK_WIDGET(self->page_network), addresses[0]);
}

static void on_netcheck(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    GuiWindow *self = user_data;

    (void)action, (void)parameter;
    if (self->network != NULL)
        gui_fix_check(GTK_WIDGET(self->network_menu), self->network);
}

static void on_leave(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    GuiWindow *self = user_data;

    (void)action, (void)parameter;
    if (self->network != NULL)
        gui_fix_leave(GTK_WIDGET(self->network_menu), self->network);
}

static void on_show_peer(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    GuiWindow  *self = user_data;
    const char *name = g_variant_get_string(parameter, NULL);
    GuiPeer    *peer = NULL;

    (void)action;
    if (self->network != NULL)
        peer = gui_peers_find(gui_network_get_peers(self->network), name);
    if (peer != NULL)
        gui_window_push(self, gui_page_peer_new(self->client, self->network, peer), name);
}

static const GActionEntry actions[] = {
    { .name = "show-peer", .parameter_type = "s", .activate = on_show_peer },
    { .name = "copy-address", .activate = on_copy_address },
    { .name = "leave", .activate = on_leave },
    { .name = "netcheck", .activate = on_netcheck },
    { .name = "back", .activate = on_back },
    { .name = "search", .activate = on_search },
};

/* ---- its size ---- */

static void restore_size(GuiWindow *self)
{
    const GuiSettingsSize size = gui_settings_get_size();

    if (size.width > 0 && size.height > 0)
        gtk_window_set_default_size(GTK_WINDOW(self), size.width, size.height);
    if (size.maximized)
        gtk_window_maximize(GTK_WINDOW(self));
}

/* When it is closed, and when the program is quit. */
static void save_size(GuiWindow *self)
{
    GuiSettingsSize size = { .maximized = gtk_window_is_maximized(GTK_WINDOW(self)) };
    g_autoptr(GError) error = NULL;

    gtk_window_get_default_size(GTK_WINDOW(self), &size.width, &size.height);
    if (!gui_settings_set_size(&size, &error))
        g_warning("the window's size is not remembered: %s", error->message);
}

static gboolean on_close_request(GtkWindow *window)
{
    save_size(GUI_WINDOW(window));
    return GTK_WINDOW_CLASS(gui_window_parent_class)->close_request(window);
}

/* ---- the object ---- */

static void gui_window_dispose(GObject *object)
{
    GuiWindow *self = GUI_WINDOW(object);

    if (self->network != NULL)
        g_signal_handlers_disconnect_by_func(self->network, show_title, self);
    g_clear_object(&self->network);
    if (self->client != NULL)
        g_signal_handlers_disconnect_by_data(gui_client_get_networks(self->client), self);
    g_clear_object(&self->client);
    G_OBJECT_CLASS(gui_window_parent_class)->dispose(object);
}

static void gui_window_class_init(GuiWindowClass *class)
{
    GtkWidgetClass *widget = GTK_WIDGET_CLASS(class);

    g_type_ensure(GUI_TYPE_PAGE_PEERS);
    g_type_ensure(GUI_TYPE_PAGE_STATUS);
    g_type_ensure(GUI_TYPE_PAGE_WELCOME);
    g_type_ensure(GUI_TYPE_BAR_PROBLEM);
    G_OBJECT_CLASS(class)->dispose = gui_window_dispose;
    GTK_WINDOW_CLASS(class)->close_request = on_close_request;
    gtk_widget_class_set_template_from_resource(widget, "/org/meshvpn/Mesh/ui/window.ui");
    gtk_widget_class_bind_template_child(widget, GuiWindow, toasts);
    gtk_widget_class_bind_template_child(widget, GuiWindow, top);
    gtk_widget_class_bind_template_child(widget, GuiWindow, leaflet);
    gtk_widget_class_bind_template_child(widget, GuiWindow, pages);
    gtk_widget_class_bind_template_child(widget, GuiWindow, networks);
    gtk_widget_class_bind_template_child(widget, GuiWindow, title);
    gtk_widget_class_bind_template_child(widget, GuiWindow, page_network);
    gtk_widget_class_bind_template_child(widget, GuiWindow, peers);
    gtk_widget_class_bind_template_child(widget, GuiWindow, network_menu);
    gtk_widget_class_bind_template_child(widget, GuiWindow, before);
    gtk_widget_class_bind_template_child(widget, GuiWindow, status);
    gtk_widget_class_bind_template_child(widget, GuiWindow, welcome);
    gtk_widget_class_bind_template_child(widget, GuiWindow, version);
    gtk_widget_class_bind_template_callback(widget, on_row_selected);
    gtk_widget_class_bind_template_callback(widget, on_row_activated);
}

static void gui_window_init(GuiWindow *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    g_action_map_add_action_entries(G_ACTION_MAP(self), actions, G_N_ELEMENTS(actions), self);
    gui_page_peers_set_key_source(self->peers, GTK_WIDGET(self));
    g_signal_connect_swapped(self->pages, "notify::child-transition-running",
                             G_CALLBACK(on_page_shown), self);
    g_signal_connect_swapped(self->pages, "notify::visible-child", G_CALLBACK(on_page_shown), self);
}

GuiWindow *gui_window_new(GuiApplication *application)
{
    static const char *const shown[] = { "notify::state", "notify::detail", "notify::api-version",
                                         "notify::features", "notify::version" };
    GuiWindow               *self = g_object_new(GUI_TYPE_WINDOW, "application", application, NULL);
    GListModel              *networks;

    self->client = g_object_ref(gui_application_get_client(application));
    networks = gui_client_get_networks(self->client);
    gtk_list_box_bind_model(self->networks, networks, make_row, NULL, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(shown); i++)
        g_signal_connect_object(self->client, shown[i], G_CALLBACK(show), self, G_CONNECT_SWAPPED);
    g_signal_connect_object(networks, "items-changed", G_CALLBACK(show), self,
                            G_CONNECT_SWAPPED | G_CONNECT_AFTER);
    restore_size(self);
    g_signal_connect_object(application, "shutdown", G_CALLBACK(save_size), self,
                            G_CONNECT_SWAPPED);
    show(self);
    return self;
}
