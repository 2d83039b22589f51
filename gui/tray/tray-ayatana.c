/* gui/tray/tray-ayatana.c: the tray by libayatana-appindicator3 (GTK 3): StatusNotifierItem and
 * dbusmenu. */
#include "gui/tray/tray.h"

#include <libayatana-appindicator/app-indicator.h>
#include <libdbusmenu-glib/dbusmenu-glib.h>
#include <string.h>

#define ITEM_ID "org.meshvpn.Mesh.Tray"

/* Some panels say when a menu opens and never that it closed. */
enum { OPEN_AT_MOST_S = 60 };

typedef struct {
    Tray      *tray;
    GtkWidget *widget;
    unsigned   row;
    gulong     handler; /* of "activate" */
    bool       is_checked;
} Item;

struct Tray {
    AppIndicator     *indicator;
    DbusmenuMenuitem *root; /* owned; says when the menu is opened */
    const TrayEvents *events;
    gpointer          user_data;
    Item             *items;
    unsigned          n_items;
    unsigned          open_timer; /* 0: the menu is closed */
};

static void close_menu(Tray *self)
{
    if (self->open_timer == 0)
        return;
    g_clear_handle_id(&self->open_timer, g_source_remove);
    self->events->closed(self->user_data);
}

static gboolean on_open_too_long(gpointer user_data)
{
    Tray *self = user_data;

    self->open_timer = 0;
    self->events->closed(self->user_data);
    return G_SOURCE_REMOVE;
}

static void open_menu(Tray *self)
{
    g_clear_handle_id(&self->open_timer, g_source_remove);
    self->open_timer = g_timeout_add_seconds(OPEN_AT_MOST_S, on_open_too_long, self);
}

static gboolean on_event(DbusmenuMenuitem *root, const char *name, GVariant *value, guint time_s,
                         gpointer user_data)
{
    (void)root, (void)value, (void)time_s;
    if (strcmp(name, "opened") == 0)
        open_menu(user_data);
    if (strcmp(name, "closed") == 0)
        close_menu(user_data);
    return FALSE;
}

static void on_about_to_show(DbusmenuMenuitem *root, gpointer user_data)
{
    (void)root;
    open_menu(user_data);
}

static void on_connection(AppIndicator *indicator, gboolean is_connected, gpointer user_data)
{
    (void)indicator;
    if (!is_connected) /* its menus went with the panel */
        close_menu(user_data);
}

static void set_checked(Item *item)
{
    g_signal_handler_block(item->widget, item->handler);
    gtk_check_menu_item_set_active(GTK_CHECK_MENU_ITEM(item->widget), item->is_checked);
    g_signal_handler_unblock(item->widget, item->handler);
}

static void on_activate(GtkMenuItem *widget, gpointer user_data)
{
    Item *item = user_data;
    Tray *self = item->tray;

    if (GTK_IS_CHECK_MENU_ITEM(widget))
        set_checked(item); /* GTK has just turned it: it shows what is, not what was clicked */
    self->events->clicked(item->row, self->user_data);
    close_menu(self);
}

static GtkWidget *make_widget(TrayRowKind kind)
{
    switch (kind) {
    case TRAY_ROW_CHECK:
        return gtk_check_menu_item_new_with_label("");
    case TRAY_ROW_SEPARATOR:
        return gtk_separator_menu_item_new();
    case TRAY_ROW_ACTION:
    case TRAY_ROW_SUBMENU:
        break;
    }
    return gtk_menu_item_new_with_label("");
}

static GtkWidget *make_menu(Tray *self, const TrayPlace *places)
{
    GtkWidget *menu = gtk_menu_new();

    for (unsigned i = 0; i < self->n_items; i++) {
        const TrayPlace *place = &places[i];
        Item            *item = &self->items[i];
        GtkWidget       *shell = menu;

        *item = (Item){ .tray = self, .widget = make_widget(place->kind), .row = i };
        if (place->parent >= 0)
            shell = gtk_menu_item_get_submenu(GTK_MENU_ITEM(self->items[place->parent].widget));
        if (place->kind == TRAY_ROW_SUBMENU)
            gtk_menu_item_set_submenu(GTK_MENU_ITEM(item->widget), gtk_menu_new());
        if (place->kind == TRAY_ROW_SEPARATOR)
            gtk_widget_show(item->widget);
        item->handler = g_signal_connect(item->widget, "activate", G_CALLBACK(on_activate), item);
        gtk_menu_shell_append(GTK_MENU_SHELL(shell), item->widget);
    }
    return menu;
}

/* The library makes its D-Bus menu of ours; that menu's root hears of opening and closing. */
static void watch_menu(Tray *self)
{
    g_autoptr(GObject) server = NULL;

    g_object_get(self->indicator, "dbus-menu-server", &server, NULL);
    if (server == NULL)
        return;
    g_object_get(server, DBUSMENU_SERVER_PROP_ROOT_NODE, &self->root, NULL);
    if (self->root == NULL)
        return;
    g_signal_connect(self->root, "event", G_CALLBACK(on_event), self);
    g_signal_connect(self->root, "about-to-show", G_CALLBACK(on_about_to_show), self);
}

Tray *tray_new(const TrayPlace *places, unsigned n_places, const TrayEvents *events,
               gpointer user_data, GError **error)
{
    Tray *self;

    /* Under Wayland only a window that has the focus may set the clipboard, and a tray has no
     * window: by X11, where there is an XWayland too, it may. */
    gdk_set_allowed_backends("x11,*");
    if (!gtk_init_check(NULL, NULL)) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                            "neither $DISPLAY nor $WAYLAND_DISPLAY names a screen that answers");
        return NULL;
    }
    self = g_new0(Tray, 1);
    self->events = events;
    self->user_data = user_data;
    self->n_items = n_places;
    self->items = g_new0(Item, n_places);
    self->indicator = app_indicator_new(ITEM_ID, "org.meshvpn.Mesh-symbolic",
                                        APP_INDICATOR_CATEGORY_COMMUNICATIONS);
    app_indicator_set_menu(self->indicator, GTK_MENU(make_menu(self, places)));
    g_signal_connect(self->indicator, "connection-changed", G_CALLBACK(on_connection), self);
    watch_menu(self);
    return self;
}

void tray_free(Tray *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->open_timer, g_source_remove);
    g_signal_handlers_disconnect_by_data(self->indicator, self);
    if (self->root != NULL)
        g_signal_handlers_disconnect_by_data(self->root, self);
    for (unsigned i = 0; i < self->n_items; i++)
        g_signal_handler_disconnect(self->items[i].widget, self->items[i].handler);
    g_clear_object(&self->root);
    g_clear_object(&self->indicator); /* and with it the menu */
    g_free(self->items);
    g_free(self);
}

void tray_show(Tray *self)
{
    app_indicator_set_status(self->indicator, APP_INDICATOR_STATUS_ACTIVE);
}

void tray_set_icon(Tray *self, const char *icon, const char *text)
{
    app_indicator_set_icon_full(self->indicator, icon, text);
    if (g_strcmp0(app_indicator_get_title(self->indicator), text) != 0)
        app_indicator_set_title(self->indicator, text);
}

void tray_set_row(Tray *self, unsigned row, const TrayRow *content)
{
    Item      *item = &self->items[row];
    GtkWidget *widget = item->widget;

    if (content->label != NULL &&
        strcmp(gtk_menu_item_get_label(GTK_MENU_ITEM(widget)), content->label) != 0)
        gtk_menu_item_set_label(GTK_MENU_ITEM(widget), content->label);
    if (GTK_IS_CHECK_MENU_ITEM(widget)) {
        item->is_checked = content->is_checked;
        set_checked(item); /* does nothing when it is so */
    }
    if (gtk_widget_get_sensitive(widget) != content->is_enabled)
        gtk_widget_set_sensitive(widget, content->is_enabled);
    if (gtk_widget_get_visible(widget) != content->is_shown)
        gtk_widget_set_visible(widget, content->is_shown);
}

void tray_set_middle(Tray *self, unsigned row)
{
    GtkWidget *widget = self->items[row].widget;

    if (app_indicator_get_secondary_activate_target(self->indicator) != widget)
        app_indicator_set_secondary_activate_target(self->indicator, widget);
}

bool tray_is_open(Tray *self)
{
    return self->open_timer != 0;
}

void tray_copy(Tray *self, const char *text)
{
    (void)self;
    gtk_clipboard_set_text(gtk_clipboard_get(GDK_SELECTION_CLIPBOARD), text, -1);
}
