#include "gui/row-peer.h"

#include "gui/words.h"

#include <glib/gi18n.h>

struct _GuiRowPeer {
    GtkBox    parent;
    GuiPeer  *peer; /* NULL: none */
    GtkImage *online;
    GtkLabel *name, *addresses, *path, *traffic;
};

G_DEFINE_FINAL_TYPE(GuiRowPeer, gui_row_peer, GTK_TYPE_BOX)

/* Sets only what changed: a text that is set anew is laid out anew. */
static void set_text(GtkLabel *label, const char *text)
{
    if (g_strcmp0(gtk_label_get_text(label), text) != 0)
        gtk_label_set_text(label, text);
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
    g_autofree char *label = NULL;

    if (item == NULL)
        return;
    label = g_strdup_printf("%s, %s%s%s", gui_peer_get_text(self->peer, "name"),
                            online ? _("online") : _("offline"), path[0] != '\0' ? ", " : "", path);
    gtk_accessible_update_property(GTK_ACCESSIBLE(item), GTK_ACCESSIBLE_PROPERTY_LABEL, label,
                                   GTK_ACCESSIBLE_PROPERTY_DESCRIPTION,
                                   gui_peer_get_text(self->peer, "reason"), -1);
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
    set_text(self->name, gui_peer_get_text(self->peer, "name"));
    set_text(self->addresses, addresses);
    set_text(self->path, path);
    set_text(self->traffic, traffic);
    if (online)
        gtk_widget_remove_css_class(GTK_WIDGET(self), "offline");
    else
        gtk_widget_add_css_class(GTK_WIDGET(self), "offline");
    name_row(self, path);
}

static gboolean on_query_tooltip(GtkWidget *widget, int x, int y, gboolean keyboard,
                                 GtkTooltip *tooltip)
{
    GuiRowPeer *self = GUI_ROW_PEER(widget);
    const char *reason = self->peer != NULL ? gui_peer_get_text(self->peer, "reason") : "";

    (void)x, (void)y, (void)keyboard;
    if (reason[0] == '\0')
        return false;
    gtk_tooltip_set_text(tooltip, reason);
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
    gtk_widget_class_set_template_from_resource(widget, "/org/meshvpn/Mesh/ui/row-peer.ui");
    gtk_widget_class_bind_template_child(widget, GuiRowPeer, online);
    gtk_widget_class_bind_template_child(widget, GuiRowPeer, name);
    gtk_widget_class_bind_template_child(widget, GuiRowPeer, addresses);
    gtk_widget_class_bind_template_child(widget, GuiRowPeer, path);
    gtk_widget_class_bind_template_child(widget, GuiRowPeer, traffic);
}

static void gui_row_peer_init(GuiRowPeer *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
}

GtkWidget *gui_row_peer_new(void)
{
    return g_object_new(GUI_TYPE_ROW_PEER, NULL);
}
