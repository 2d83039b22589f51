#include "gui/dialog-join.h"

#include "common/proto/joinlink.h"
#include "gui/named.h"
#include "gui/qr.h"

#include <glib/gi18n.h>
#include <sodium.h>
#include <string.h>

struct _GuiDialogJoin {
    AdwWindow             parent_instance;
    GuiClient            *client;  /* owned */
    GuiNetwork           *network; /* owned; NULL until the join is over and the network known */
    char                 *path;    /* owned; of the network that was joined; NULL: none yet */
    GCancellable         *cancel;  /* owned; of what is under way; cancelled when the dialog goes */
    GtkFileChooserNative *chooser; /* owned; NULL unless it is open */
    char                 *next; /* owned, secret; a link that came while one is joined; or NULL */
    GtkWidget            *link, *server, *error, *options, *node_name, *only6;
    GtkWidget *cancel_button, *join, *paste, *open, *stack, *busy, *spinner, *result, *warnings,
        *done;
};

G_DEFINE_FINAL_TYPE(GuiDialogJoin, gui_dialog_join, ADW_TYPE_WINDOW)

enum { JOINED, SIGNALS };
static guint signals[SIGNALS];

static const char *const image_types[] = { "image/png", "image/jpeg",    "image/gif", "image/webp",
                                           "image/bmp", "image/svg+xml", NULL };

static void show_error(GuiDialogJoin *self, const char *text)
{
    gtk_label_set_text(GTK_LABEL(self->error), text);
    gtk_widget_set_visible(self->error, *text != '\0');
}

static void free_secret(char *text)
{
    if (text == NULL)
        return;
    sodium_memzero(text, strlen(text));
    g_free(text);
}

/* Shows where the link leads, or what is wrong with it. The daemon judges again. */
static void on_link_changed(GuiDialogJoin *self)
{
    const char  *text = gtk_editable_get_text(GTK_EDITABLE(self->link));
    MeshJoinlink link = { 0 };
    g_autoptr(GError) error = NULL;
    g_autofree char *authority = NULL;
    bool             good = mesh_joinlink_parse(text, &link, &error);

    show_error(self, good || *text == '\0' ? "" : error->message);
    if (good)
        authority = mesh_joinlink_dup_authority(&link);
    mesh_joinlink_wipe(&link);
    adw_action_row_set_subtitle(ADW_ACTION_ROW(self->server), good ? authority : "");
    gtk_widget_set_visible(self->server, good);
    gtk_widget_set_sensitive(self->join, good);
}

static bool is_on_page(GuiDialogJoin *self, const char *name)
{
    return g_str_equal(gtk_stack_get_visible_child_name(GTK_STACK(self->stack)), name);
}

static void show_page(GuiDialogJoin *self, const char *name)
{
    bool form = g_str_equal(name, "form");

    gtk_stack_set_visible_child_name(GTK_STACK(self->stack), name);
    gtk_widget_set_visible(self->join, form);
    gtk_widget_set_visible(self->cancel_button, !g_str_equal(name, "result"));
    gtk_spinner_set_spinning(GTK_SPINNER(self->spinner), g_str_equal(name, "busy"));
}

/* Keeps a link until what is under way is over, and says so; NULL: there is none any more. */
static void set_next(GuiDialogJoin *self, const char *link)
{
    g_clear_pointer(&self->next, free_secret);
    self->next = g_strdup(link);
    adw_status_page_set_description(
        ADW_STATUS_PAGE(self->busy),
        link == NULL ? NULL
                     : _("Another join link has come. It is shown as soon as this one is done."));
}

static void show_state(GuiDialogJoin *self);

/* From a result back to the form, as if the dialog were opened for another network. */
static void start_over(GuiDialogJoin *self)
{
    g_signal_handlers_disconnect_by_func(self->network, show_state, self);
    g_signal_emit(self, signals[JOINED], 0, self->network);
    g_clear_object(&self->network);
    g_clear_pointer(&self->path, g_free);
    gtk_editable_set_text(GTK_EDITABLE(self->node_name), "");
    gtk_switch_set_active(GTK_SWITCH(self->only6), FALSE);
    show_page(self, "form");
    gtk_widget_grab_focus(self->link);
}

void gui_dialog_join_set_link(GuiDialogJoin *self, const char *link)
{
    char *copy;

    if (is_on_page(self, "busy")) {
        set_next(self, link);
        return;
    }
    if (is_on_page(self, "result"))
        start_over(self);
    if (strlen(link) > MESH_JOINLINK_MAX) {
        show_error(self, _("This is not a join link: it is too long."));
        return;
    }
    copy = g_strdup(link);
    gtk_editable_set_text(GTK_EDITABLE(self->link), g_strstrip(copy));
    free_secret(copy);
}

/* Shows the link that came meanwhile; false: none did. */
static bool take_next(GuiDialogJoin *self)
{
    char *link = g_steal_pointer(&self->next);

    if (link == NULL)
        return false;
    set_next(self, NULL);
    gui_dialog_join_set_link(self, link);
    free_secret(link);
    return true;
}

static void on_qr_read(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiDialogJoin) self = user_data;
    g_autoptr(GError) error = NULL;
    char *link = gui_qr_read_finish(result, &error);

    (void)source;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    if (link == NULL)
        show_error(self, error->message);
    else
        gui_dialog_join_set_link(self, link);
    gui_qr_free_text(link);
}

static void on_texture(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiDialogJoin) self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GdkTexture) texture =
        gdk_clipboard_read_texture_finish(GDK_CLIPBOARD(source), result, &error);

    if (texture != NULL)
        gui_qr_read_texture_async(texture, self->cancel, on_qr_read, g_object_ref(self));
    else if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        show_error(self, error->message);
}

static void on_text(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiDialogJoin) self = user_data;
    g_autoptr(GError) error = NULL;
    char *text = gdk_clipboard_read_text_finish(GDK_CLIPBOARD(source), result, &error);

    if (text != NULL) {
        gui_dialog_join_set_link(self, text);
        free_secret(text);
    } else if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        show_error(self, error->message);
    }
}

static void on_paste(GuiDialogJoin *self)
{
    GdkClipboard      *clipboard = gtk_widget_get_clipboard(GTK_WIDGET(self));
    GdkContentFormats *formats = gdk_clipboard_get_formats(clipboard);
    bool               text = gdk_content_formats_contain_gtype(formats, G_TYPE_STRING) ||
                gdk_content_formats_contain_mime_type(formats, "text/plain;charset=utf-8") ||
                gdk_content_formats_contain_mime_type(formats, "text/plain");

    if (text) {
        gdk_clipboard_read_text_async(clipboard, self->cancel, on_text, g_object_ref(self));
        return;
    }
    for (size_t i = 0; image_types[i] != NULL; i++) {
        if (!gdk_content_formats_contain_mime_type(formats, image_types[i]))
            continue;
        gdk_clipboard_read_texture_async(clipboard, self->cancel, on_texture, g_object_ref(self));
        return;
    }
    show_error(self, _("There is neither a link nor a picture in the clipboard."));
}

static void on_chosen(GuiDialogJoin *self, int response, GtkNativeDialog *chooser)
{
    g_autoptr(GFile) file = gtk_file_chooser_get_file(GTK_FILE_CHOOSER(chooser));

    if (response == GTK_RESPONSE_ACCEPT && file != NULL)
        gui_qr_read_file_async(file, self->cancel, on_qr_read, g_object_ref(self));
    g_clear_object(&self->chooser);
}

static void on_open(GuiDialogJoin *self)
{
    g_autoptr(GtkFileFilter) filter = gtk_file_filter_new();

    if (self->chooser != NULL)
        return;
    self->chooser = gtk_file_chooser_native_new(_("Open a Picture of a QR Code"), GTK_WINDOW(self),
                                                GTK_FILE_CHOOSER_ACTION_OPEN, NULL, NULL);
    gtk_file_filter_set_name(filter, _("Pictures"));
    gtk_file_filter_add_pixbuf_formats(filter);
    gtk_file_chooser_add_filter(GTK_FILE_CHOOSER(self->chooser), filter);
    gtk_native_dialog_set_modal(GTK_NATIVE_DIALOG(self->chooser), TRUE);
    g_signal_connect_swapped(self->chooser, "response", G_CALLBACK(on_chosen), self);
    gtk_native_dialog_show(GTK_NATIVE_DIALOG(self->chooser));
}

/* What became of it, again whenever the network's state changes. */
static void show_state(GuiDialogJoin *self)
{
    const char      *state = gui_network_get_text(self->network, "state");
    const char      *name = gui_network_get_text(self->network, "name");
    g_autofree char *text = NULL;
    const char      *title;

    adw_status_page_set_icon_name(ADW_STATUS_PAGE(self->result), g_str_equal(state, "up")
                                                                     ? "emblem-ok-symbolic"
                                                                     : "content-loading-symbolic");
    if (g_str_equal(state, "pending")) {
        title = _("Waiting for Approval");
        text = g_strdup(_("Whoever runs the network has to let this device in. You can close this "
                          "window meanwhile."));
    } else if (g_str_equal(state, "up")) {
        title = _("Connected");
        text = g_strdup_printf(_("This device is in %s as %s."), name,
                               gui_network_get_text(self->network, "node-name"));
    } else {
        title = _("Joined");
        text = g_strdup(gui_network_get_text(self->network, "error"));
    }
    adw_status_page_set_title(ADW_STATUS_PAGE(self->result), title);
    g_strdelimit(text, "<>&", '_'); /* the page's description is markup */
    adw_status_page_set_description(ADW_STATUS_PAGE(self->result), text);
}

/* The object may come a moment after the answer. */
static void find_network(GuiDialogJoin *self)
{
    GuiNetwork *network = self->path == NULL ? NULL : gui_client_find(self->client, self->path);

    if (network == NULL || self->network != NULL)
        return;
    self->network = g_object_ref(network);
    g_signal_connect_object(network, "notify::state", G_CALLBACK(show_state), self,
                            G_CONNECT_SWAPPED);
    show_state(self);
    show_page(self, "result");
    gtk_widget_grab_focus(self->done);
}

static void show_warnings(GuiDialogJoin *self, const char *const *warnings)
{
    g_autofree char *text = g_strjoinv("\n", (char **)warnings);

    gtk_label_set_text(GTK_LABEL(self->warnings), text);
    gtk_widget_set_visible(self->warnings, *text != '\0');
}

/* The error stays, even beside another link: which server it is of is said with it then. */
static void show_failure(GuiDialogJoin *self, const GError *error)
{
    const char      *server = adw_action_row_get_subtitle(ADW_ACTION_ROW(self->server));
    g_autofree char *text = g_strdup_printf("%s: %s", server, error->message);

    show_page(self, "form");
    show_error(self, take_next(self) ? text : error->message);
    gtk_widget_grab_focus(self->link);
}

static void on_joined(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiDialogJoin) self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = gui_client_call_finish(GUI_CLIENT(source), result, &error);
    g_autofree const char **warnings = NULL;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    if (reply == NULL) {
        show_failure(self, error);
        return;
    }
    g_variant_get(reply, "(o^a&s)", &self->path, &warnings);
    gtk_editable_set_text(GTK_EDITABLE(self->link), "");
    show_warnings(self, warnings);
    find_network(self);
}

static GVariant *make_options(GuiDialogJoin *self)
{
    const char     *name = gtk_editable_get_text(GTK_EDITABLE(self->node_name));
    GVariantBuilder options;

    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    if (*name != '\0')
        g_variant_builder_add(&options, "{sv}", "name", g_variant_new_string(name));
    if (gtk_switch_get_active(GTK_SWITCH(self->only6)))
        g_variant_builder_add(&options, "{sv}", "ip4", g_variant_new_boolean(FALSE));
    return g_variant_builder_end(&options);
}

static void on_join(GuiDialogJoin *self)
{
    GuiCall call = { .method = "Join" };

    if (!gtk_widget_get_sensitive(self->join) || !gtk_widget_get_visible(self->join))
        return;
    call.arguments = g_variant_new("(s@a{sv})", gtk_editable_get_text(GTK_EDITABLE(self->link)),
                                   make_options(self));
    show_error(self, "");
    show_page(self, "busy");
    gui_client_call_async(self->client, &call, self->cancel, on_joined, g_object_ref(self));
}

static void on_done(GuiDialogJoin *self)
{
    if (!take_next(self))
        gtk_window_close(GTK_WINDOW(self));
}

/* Not before it is on the screen: GTK 4.8 forgets to tell screen readers of a window whose focus
 * was set earlier. */
static gboolean focus_link(gpointer user_data)
{
    GuiDialogJoin *self = user_data;

    if (gtk_widget_get_mapped(GTK_WIDGET(self)) && is_on_page(self, "form"))
        gtk_widget_grab_focus(self->link);
    return G_SOURCE_REMOVE;
}

static void gui_dialog_join_map(GtkWidget *widget)
{
    GTK_WIDGET_CLASS(gui_dialog_join_parent_class)->map(widget);
    g_idle_add_full(G_PRIORITY_DEFAULT_IDLE, focus_link, g_object_ref(widget), g_object_unref);
}

static gboolean gui_dialog_join_close_request(GtkWindow *window)
{
    GuiDialogJoin *self = GUI_DIALOG_JOIN(window);

    g_cancellable_cancel(self->cancel);
    gtk_editable_set_text(GTK_EDITABLE(self->link), ""); /* its buffer wipes what it frees */
    if (self->network != NULL)
        g_signal_emit(self, signals[JOINED], 0, self->network);
    return GTK_WINDOW_CLASS(gui_dialog_join_parent_class)->close_request(window);
}

static void gui_dialog_join_dispose(GObject *object)
{
    GuiDialogJoin *self = GUI_DIALOG_JOIN(object);

    g_cancellable_cancel(self->cancel);
    g_clear_object(&self->cancel);
    g_clear_object(&self->chooser);
    g_clear_object(&self->network);
    g_clear_object(&self->client);
    g_clear_pointer(&self->path, g_free);
    g_clear_pointer(&self->next, free_secret);
    G_OBJECT_CLASS(gui_dialog_join_parent_class)->dispose(object);
}

#define BIND(name)                                                        \
    gtk_widget_class_bind_template_child_full(widget_class, #name, FALSE, \
                                              G_STRUCT_OFFSET(GuiDialogJoin, name))

static void gui_dialog_join_class_init(GuiDialogJoinClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);

    G_OBJECT_CLASS(klass)->dispose = gui_dialog_join_dispose;
    widget_class->map = gui_dialog_join_map;
    GTK_WINDOW_CLASS(klass)->close_request = gui_dialog_join_close_request;
    signals[JOINED] = g_signal_new("joined", GUI_TYPE_DIALOG_JOIN, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                   NULL, G_TYPE_NONE, 1, GUI_TYPE_NETWORK);
    gtk_widget_class_set_template_from_resource(widget_class,
                                                "/org/meshvpn/Mesh/ui/dialog-join.ui");
    BIND(cancel_button), BIND(link), BIND(server), BIND(error), BIND(options), BIND(node_name),
        BIND(only6);
    BIND(join), BIND(paste), BIND(open), BIND(stack), BIND(busy), BIND(spinner), BIND(result);
    BIND(warnings), BIND(done);
    gtk_widget_class_bind_template_callback(widget_class, on_link_changed);
    gtk_widget_class_bind_template_callback(widget_class, on_join);
    gtk_widget_class_bind_template_callback(widget_class, on_paste);
    gtk_widget_class_bind_template_callback(widget_class, on_open);
    gtk_widget_class_bind_template_callback(widget_class, on_done);
    gtk_widget_class_bind_template_callback(widget_class, gtk_window_close);
    gtk_widget_class_add_binding_action(widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
}

static void gui_dialog_join_init(GuiDialogJoin *self)
{
    self->cancel = g_cancellable_new();
    gtk_widget_init_template(GTK_WIDGET(self));
    gui_named_entry(ADW_ENTRY_ROW(self->link));
    gui_named_entry(ADW_ENTRY_ROW(self->node_name));
}

GuiDialogJoin *gui_dialog_join_new(GtkWindow *parent, GuiClient *client)
{
    GuiDialogJoin *self = g_object_new(GUI_TYPE_DIALOG_JOIN, "transient-for", parent, NULL);

    self->client = g_object_ref(client);
    g_signal_connect_object(gui_client_get_networks(client), "items-changed",
                            G_CALLBACK(find_network), self, G_CONNECT_SWAPPED);
    return self;
}
