#include "gui/preferences-proxy.h"

#include "gui/named.h"

#include <glib/gi18n.h>

enum { AUTO, NONE, MANUAL, CHOICES };

static const struct {
    const char *title, *subtitle;
    const char *value; /* for SetProxy; NULL: what stands in the entry */
} choices[CHOICES] = {
    [AUTO] = { N_("As the system says"), N_("What the Mesh service finds in its environment"),
               "auto" },
    [NONE] = { N_("None"), "", "none" },
    [MANUAL] = { N_("This one"), "", NULL },
};

struct _GuiPreferencesProxy {
    AdwPreferencesGroup parent_instance;
    GuiClient          *client; /* owned */
    GtkWidget          *checks[CHOICES];
    GtkWidget          *address, *exempt;
    bool                showing; /* what changes now is not the user's doing */
};

G_DEFINE_FINAL_TYPE(GuiPreferencesProxy, gui_preferences_proxy, ADW_TYPE_PREFERENCES_GROUP)

/* What we write is no change that a button would have to apply. */
static void write_entry(GtkWidget *row, const char *text)
{
    adw_entry_row_set_show_apply_button(ADW_ENTRY_ROW(row), FALSE);
    gtk_editable_set_text(GTK_EDITABLE(row), text);
    adw_entry_row_set_show_apply_button(ADW_ENTRY_ROW(row), TRUE);
}

/* An older daemon does not tell which hosts need no proxy, so they cannot be shown. */
static void show_entries(GuiPreferencesProxy *self, bool manual)
{
    gtk_widget_set_visible(self->address, manual);
    gtk_widget_set_visible(self->exempt, manual && gui_client_offers(self->client, "proxy-exempt"));
}

static void show(GuiPreferencesProxy *self)
{
    const char *proxy = gui_client_get_text(self->client, "proxy");
    unsigned    choice = g_str_equal(proxy, "auto")   ? AUTO
                         : g_str_equal(proxy, "none") ? NONE
                                                      : MANUAL;

    self->showing = true;
    gtk_check_button_set_active(GTK_CHECK_BUTTON(self->checks[choice]), TRUE);
    write_entry(self->address, choice == MANUAL ? proxy : "");
    show_entries(self, choice == MANUAL);
    self->showing = false;
}

static void show_exempt(GuiPreferencesProxy *self)
{
    write_entry(self->exempt, gui_client_get_text(self->client, "proxy-exempt"));
}

static void on_set(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiPreferencesProxy) self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = gui_client_call_finish(GUI_CLIENT(source), result, &error);
    GtkRoot *root = gtk_widget_get_root(GTK_WIDGET(self));

    if (reply != NULL)
        return;
    if (ADW_IS_PREFERENCES_WINDOW(root))
        gui_named_toast(GTK_WIDGET(root), error->message);
    show(self);
    show_exempt(self);
}

static void set_proxy(GuiPreferencesProxy *self, const char *proxy, const char *exempt)
{
    GuiCall      call = { .method = "SetProxy" };
    GVariantDict options;

    g_variant_dict_init(&options, NULL);
    g_variant_dict_insert(&options, "exempt", "s", exempt);
    call.arguments = g_variant_new("(s@a{sv})", proxy, g_variant_dict_end(&options));
    gui_client_call_async(self->client, &call, NULL, on_set, g_object_ref(self));
}

static const char *get_exempt(GuiPreferencesProxy *self)
{
    return gui_client_get_text(self->client, "proxy-exempt");
}

static void on_toggled(GtkCheckButton *check, GuiPreferencesProxy *self)
{
    if (self->showing || !gtk_check_button_get_active(check))
        return;
    for (unsigned i = 0; i < CHOICES; i++) {
        if (self->checks[i] != GTK_WIDGET(check))
            continue;
        show_entries(self, i == MANUAL);
        if (choices[i].value != NULL)
            set_proxy(self, choices[i].value, get_exempt(self));
        else
            gtk_widget_grab_focus(self->address);
    }
}

static void on_address(GuiPreferencesProxy *self)
{
    const char *proxy = gtk_editable_get_text(GTK_EDITABLE(self->address));

    if (*proxy != '\0') /* that would mean: the proxy that there is */
        set_proxy(self, proxy, get_exempt(self));
}

/* The proxy's password is not told to us: "" keeps it. */
static void on_exempt(GuiPreferencesProxy *self)
{
    set_proxy(self, "", gtk_editable_get_text(GTK_EDITABLE(self->exempt)));
}

static void add_choice(GuiPreferencesProxy *self, unsigned i)
{
    GtkWidget *row = adw_action_row_new();
    GtkWidget *check = gtk_check_button_new();

    self->checks[i] = check;
    if (i > 0)
        gtk_check_button_set_group(GTK_CHECK_BUTTON(check), GTK_CHECK_BUTTON(self->checks[0]));
    gtk_widget_set_valign(check, GTK_ALIGN_CENTER);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(row), _(choices[i].title));
    if (*choices[i].subtitle != '\0')
        adw_action_row_set_subtitle(ADW_ACTION_ROW(row), _(choices[i].subtitle));
    adw_action_row_add_prefix(ADW_ACTION_ROW(row), check);
    adw_action_row_set_activatable_widget(ADW_ACTION_ROW(row), check);
    g_signal_connect(check, "toggled", G_CALLBACK(on_toggled), self);
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(self), row);
}

static GtkWidget *add_entry(GuiPreferencesProxy *self, const char *title, GCallback on_apply)
{
    GtkWidget *row = adw_entry_row_new();

    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(row), title);
    adw_entry_row_set_show_apply_button(ADW_ENTRY_ROW(row), TRUE);
    gui_named_entry(ADW_ENTRY_ROW(row));
    g_signal_connect_swapped(row, "apply", on_apply, self);
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(self), row);
    return row;
}

static void gui_preferences_proxy_dispose(GObject *object)
{
    g_clear_object(&GUI_PREFERENCES_PROXY(object)->client);
    G_OBJECT_CLASS(gui_preferences_proxy_parent_class)->dispose(object);
}

static void gui_preferences_proxy_class_init(GuiPreferencesProxyClass *klass)
{
    G_OBJECT_CLASS(klass)->dispose = gui_preferences_proxy_dispose;
}

static void gui_preferences_proxy_init(GuiPreferencesProxy *self)
{
    adw_preferences_group_set_title(ADW_PREFERENCES_GROUP(self), _("Proxy"));
    adw_preferences_group_set_description(ADW_PREFERENCES_GROUP(self),
                                          _("By which servers, and relays over TLS, are reached"));
    self->showing = true;
    for (unsigned i = 0; i < CHOICES; i++)
        add_choice(self, i);
    self->address =
        add_entry(self, _("http://[NAME:PASSWORD@]HOST[:PORT]"), G_CALLBACK(on_address));
    self->exempt = add_entry(self, _("Hosts without proxy, with commas"), G_CALLBACK(on_exempt));
    self->showing = false;
}

GtkWidget *gui_preferences_proxy_new(GuiClient *client)
{
    GuiPreferencesProxy *self = g_object_new(GUI_TYPE_PREFERENCES_PROXY, NULL);

    self->client = g_object_ref(client);
    g_signal_connect_object(client, "notify::proxy", G_CALLBACK(show), self, G_CONNECT_SWAPPED);
    g_signal_connect_object(client, "notify::proxy-exempt", G_CALLBACK(show_exempt), self,
                            G_CONNECT_SWAPPED);
    show(self);
    show_exempt(self);
    return GTK_WIDGET(self);
}
