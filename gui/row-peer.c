#include "gui/row-peer.h"

#include "gui/words.h"

#include <glib/gi18n.h>
#include <string.h>

struct _GuiRowPeer {
    GtkBox    parent;
    GuiPeer  *peer; /* NULL: none */
    GtkImage *online;
    GtkLabel *who; /* name over addresses */
    GtkLabel *how; /* path and latency over traffic */
};

G_DEFINE_FINAL_TYPE(GuiRowPeer, gui_row_peer, GTK_TYPE_BOX)

/* Two lines in one label, the second small and pale: half the widgets, and lists make hundreds of
 * rows at once. Sets only what changed: a text that is set anew is laid out anew. */
static void set_lines(GtkLabel *label, const char *first, const char *second)
{
    g_autofree char *text = g_strconcat(first, second[0] != '\0' ? "\n" : NULL, second, NULL);
    g_autoptr(PangoAttrList) attributes = NULL;
    PangoAttribute *small, *pale;

    if (g_strcmp0(gtk_label_get_text(label), text) == 0)
        return;
    attributes = pango_attr_list_new();
    small = pango_attr_scale_new(PANGO_SCALE_SMALL);
    pale = pango_attr_foreground_alpha_new(G_MAXUINT16 / 3 * 2);
    small->start_index = pale->start_index = (guint)strlen(first);
    pango_attr_list_insert(attributes, small);
    pango_attr_list_insert(attributes, pale);
    gtk_label_set_text(label, text);
    gtk_label_set_attributes(label, attributes);
}

static char *dup_path_and_latency(GuiPeer *peer)
{
    g_autofree char *path = gui_words_dup_path(peer);
    g_autofree char *latency = gui_words_dup_latency(gui_peer_get_statistics(peer)->rtt_us);

    if (path[0] == '\0' || latency[0] == '\0')
        return g_strdup(path);
    /* Translators: how a peer is reached, and the round trip: "direct · 12 ms" */
    return g_strdup_printf(_("%s · %s"), path, latency);
}

/* The list's own widget around the row is what has the focus, so it bears the name. */
static void name_row(GuiRowPeer *self, const char *path)
{
    GtkWidget       *item = gtk_widget_get_parent(GTK_WIDGET(self));
    const bool       online = gui_peer_is_online(self->peer);
    g_autofree char *label = NULL, *reason = NULL;

    if (item == NULL)
        return;
    reason = gui_words_dup_reason(self->peer);
    label = g_strdup_printf("%s, %s%s%s", gui_peer_get_text(self->peer, "name"),
                            online ? _("online") : _("offline"), path[0] != '\0' ? ", " : "", path);
    gtk_accessible_update_property(GTK_ACCESSIBLE(item), GTK_ACCESSIBLE_PROPERTY_LABEL, label,
                                   GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, reason, -1);
}

static void show(GuiRowPeer *self)
{
    const GuiPeerStatistics *now = gui_peer_get_statistics(self->peer);
    const bool               online = gui_peer_is_online(self->peer);
    g_autofree char *addresses = g_strjoinv("  ", (char **)gui_peer_get_addresses(self->peer));
    g_autofree char *path = dup_path_and_latency(self->peer);
    g_autofree char *traffic = gui_words_dup_traffic(now->rx_bytes, now->tx_bytes);

    gtk_image_set_from_icon_name(self->online,
                                 online ? "emblem-ok-symbolic" : "window-minimize-symbolic");
    set_lines(self->who, gui_peer_get_text(self->peer, "name"), addresses);
    set_lines(self->how, path, traffic);
    if (online)
        gtk_widget_remove_css_class(GTK_WIDGET(self), "offline");
    else
        gtk_widget_add_css_class(GTK_WIDGET(self), "offline");
    name_row(self, path);
}

/* Why there is no direct way, and of who is offline when he was seen. */
static char *dup_tip(GuiPeer *peer)
{
    g_autofree char *reason = gui_words_dup_reason(peer);
    gint64           seen_s = 0;
    g_autofree char *time = NULL, *seen = NULL;

    g_object_get(peer, "last-seen", &seen_s, NULL);
    if (gui_peer_is_online(peer) || seen_s == 0)
        return g_steal_pointer(&reason);
    time = gui_words_dup_time(seen_s);
    /* Translators: %s is a date and a time of day */
    seen = g_strdup_printf(_("last seen %s"), time);
    return g_strconcat(reason, reason[0] != '\0' ? "\n" : "", seen, NULL);
}

static gboolean on_query_tooltip(GtkWidget *widget, int x, int y, gboolean keyboard,
                                 GtkTooltip *tooltip)
{
    GuiRowPeer      *self = GUI_ROW_PEER(widget);
    g_autofree char *text = self->peer != NULL ? dup_tip(self->peer) : g_strdup("");

    (void)x, (void)y, (void)keyboard;
    if (text[0] == '\0')
        return false;
    gtk_tooltip_set_text(tooltip, text);
    return true;
}

void gui_row_peer_set_peer(GuiRowPeer *self, GuiPeer *peer)
{
    if (peer == self->peer)
        return;
    if (self->peer != NULL)
        g_signal_handlers_disconnect_by_func(self->peer, show, self);
    g_set_object(&self->peer, peer);
    if (peer == NULL)
        return;
    g_signal_connect_swapped(peer, "changed", G_CALLBACK(show), self);
    show(self);
}

/* Lines of a label are aligned to each other by sides of the screen, not of the reader. */
static void gui_row_peer_direction_changed(GtkWidget *widget, GtkTextDirection before)
{
    GuiRowPeer *self = GUI_ROW_PEER(widget);
    const bool  rtl = gtk_widget_get_direction(widget) == GTK_TEXT_DIR_RTL;

    GTK_WIDGET_CLASS(gui_row_peer_parent_class)->direction_changed(widget, before);
    gtk_label_set_justify(self->who, rtl ? GTK_JUSTIFY_RIGHT : GTK_JUSTIFY_LEFT);
    gtk_label_set_justify(self->how, rtl ? GTK_JUSTIFY_LEFT : GTK_JUSTIFY_RIGHT);
}

static void gui_row_peer_dispose(GObject *object)
{
    gui_row_peer_set_peer(GUI_ROW_PEER(object), NULL);
    G_OBJECT_CLASS(gui_row_peer_parent_class)->dispose(object);
}

static void gui_row_peer_class_init(GuiRowPeerClass *class)
{
    GtkWidgetClass *widget = GTK_WIDGET_CLASS(class);

    G_OBJECT_CLASS(class)->dispose = gui_row_peer_dispose;
    widget->query_tooltip = on_query_tooltip;
    widget->direction_changed = gui_row_peer_direction_changed;
}

static GtkLabel *append_label(GuiRowPeer *self, float align)
{
    GtkWidget *label = gtk_label_new(NULL);

    gtk_label_set_xalign(GTK_LABEL(label), align);
    gtk_label_set_ellipsize(GTK_LABEL(label), PANGO_ELLIPSIZE_END); /* each line for itself */
    gtk_box_append(GTK_BOX(self), label);
    return GTK_LABEL(label);
}

/* Without a template, which would take most of the time that a row takes. */
static void gui_row_peer_init(GuiRowPeer *self)
{
    GtkWidget *image =
        g_object_new(GTK_TYPE_IMAGE, "accessible-role", GTK_ACCESSIBLE_ROLE_PRESENTATION, NULL);

    gtk_box_set_spacing(GTK_BOX(self), 12);
    gtk_widget_set_has_tooltip(GTK_WIDGET(self), true);
    gtk_widget_add_css_class(GTK_WIDGET(self), "peer");
    self->online = GTK_IMAGE(image);
    gtk_box_append(GTK_BOX(self), image);
    self->who = append_label(self, 0);
    gtk_widget_set_hexpand(GTK_WIDGET(self->who), true);
    self->how = append_label(self, 1);
    gtk_widget_add_css_class(GTK_WIDGET(self->how), "numeric");
    gui_row_peer_direction_changed(GTK_WIDGET(self), GTK_TEXT_DIR_NONE);
}

GtkWidget *gui_row_peer_new(void)
{
    return g_object_new(GUI_TYPE_ROW_PEER, NULL);
}
