#include "gui/page-status.h"

#include "gui/window.h"

#include <glib/gi18n.h>

struct _GuiPageStatus {
    AdwBin         parent;
    GuiClient     *client;
    AdwStatusPage *page;
    GtkButton     *fix;
    GtkLabel      *detail;
};

G_DEFINE_FINAL_TYPE(GuiPageStatus, gui_page_status, ADW_TYPE_BIN)

typedef enum { FIX_NONE, FIX_RETRY, FIX_START, FIX_JOIN } Fix;

/* Rows in the order of GuiClientState; the last is a daemon without networks. */
static const struct {
    const char *icon, *title, *text, *button;
    Fix         fix;
} table[] = {
    [GUI_CLIENT_STARTING] = { .icon = NULL, .title = "", .text = "" },
    [GUI_CLIENT_NO_BUS] = { "dialog-error-symbolic", N_("No System Bus"),
                            N_("Programs of this computer talk to the Mesh service by the D-Bus "
                               "system bus, and there is none to connect to."),
                            N_("_Try Again"), FIX_RETRY },
    [GUI_CLIENT_NOT_INSTALLED] = { "system-software-install-symbolic",
                                   N_("The Mesh Service Is Not Installed"),
                                   N_("This window shows what the Mesh service does. Install it, "
                                      "and this page goes away by itself."),
                                   NULL, FIX_NONE },
    [GUI_CLIENT_NOT_RUNNING] = { "media-playback-stop-symbolic",
                                 N_("The Mesh Service Is Not Running"),
                                 N_("It keeps the networks of this computer connected, also while "
                                    "this window is closed."),
                                 N_("_Start It"), FIX_START },
    [GUI_CLIENT_DENIED] = { "changes-prevent-symbolic", N_("No Permission"),
                            N_("The system bus does not let this user talk to the Mesh service."),
                            N_("_Try Again"), FIX_RETRY },
    [GUI_CLIENT_SILENT] = { "dialog-warning-symbolic", N_("The Mesh Service Does Not Answer"),
                            N_("It runs, but has not answered for a while."), N_("_Try Again"),
                            FIX_RETRY },
    [GUI_CLIENT_READY] = { "network-vpn-symbolic", N_("Welcome to Mesh"),
                           N_("Join a network with the link that its administrator gave you."),
                           N_("_Join a Network…"), FIX_JOIN },
};

bool gui_page_status_is_needed(GuiClient *client)
{
    return gui_client_get_state(client) != GUI_CLIENT_READY ||
           g_list_model_get_n_items(gui_client_get_networks(client)) == 0;
}

static void show(GuiPageStatus *self)
{
    const GuiClientState state = gui_client_get_state(self->client);
    const char          *detail = gui_client_get_text(self->client, "detail");
    const char          *text = table[state].text, *title = table[state].title;

    adw_status_page_set_icon_name(self->page, table[state].icon);
    adw_status_page_set_title(self->page, title[0] != '\0' ? _(title) : "");
    adw_status_page_set_description(self->page, text[0] != '\0' ? _(text) : "");
    gtk_label_set_text(self->detail, detail);
    gtk_widget_set_visible(GTK_WIDGET(self->detail), detail[0] != '\0');
    gtk_widget_set_visible(GTK_WIDGET(self->fix), table[state].fix != FIX_NONE);
    if (table[state].button != NULL)
        gtk_button_set_label(self->fix, _(table[state].button));
}

static void on_started(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiPageStatus) self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = gui_client_call_finish(GUI_CLIENT(source), result, &error);
    GtkRoot *root = gtk_widget_get_root(GTK_WIDGET(self));

    gtk_widget_set_sensitive(GTK_WIDGET(self->fix), true);
    if (reply == NULL && GUI_IS_WINDOW(root))
        gui_window_toast_error(GUI_WINDOW(root), error);
}

static void on_fix_clicked(GtkButton *button, GuiPageStatus *self)
{
    const Fix fix = table[gui_client_get_state(self->client)].fix;

    (void)button;
    if (fix == FIX_RETRY)
        gui_client_retry(self->client);
    if (fix == FIX_JOIN)
        gtk_widget_activate_action(GTK_WIDGET(self), "app.join", "s", "");
    if (fix != FIX_START)
        return;
    gtk_widget_set_sensitive(GTK_WIDGET(self->fix), false);
    gui_client_start_async(self->client, NULL, on_started, g_object_ref(self));
}

void gui_page_status_set_client(GuiPageStatus *self, GuiClient *client)
{
    self->client = g_object_ref(client);
    g_signal_connect_object(client, "notify::state", G_CALLBACK(show), self, G_CONNECT_SWAPPED);
    g_signal_connect_object(client, "notify::detail", G_CALLBACK(show), self, G_CONNECT_SWAPPED);
    show(self);
}

static void gui_page_status_dispose(GObject *object)
{
    g_clear_object(&GUI_PAGE_STATUS(object)->client);
    G_OBJECT_CLASS(gui_page_status_parent_class)->dispose(object);
}

static void gui_page_status_class_init(GuiPageStatusClass *class)
{
    GtkWidgetClass *widget = GTK_WIDGET_CLASS(class);

    G_OBJECT_CLASS(class)->dispose = gui_page_status_dispose;
    gtk_widget_class_set_template_from_resource(widget, "/org/meshvpn/Mesh/ui/page-status.ui");
    gtk_widget_class_bind_template_child(widget, GuiPageStatus, page);
    gtk_widget_class_bind_template_child(widget, GuiPageStatus, fix);
    gtk_widget_class_bind_template_child(widget, GuiPageStatus, detail);
    gtk_widget_class_bind_template_callback(widget, on_fix_clicked);
}

static void gui_page_status_init(GuiPageStatus *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
}
