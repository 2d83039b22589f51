#include "gui/peer-traffic.h"

#include "gui/chart.h"

#include <glib/gi18n.h>

enum {
    POINTS = 60,
    EVERY_MS = 1000,
    LEAST_BYTES_S = 1000,
};

struct _GuiPeerTraffic {
    AdwBin      parent_instance;
    GuiNetwork *network; /* owned */
    GuiPeer    *peer;    /* owned */
    GuiChart   *chart;   /* borrowed from the tree, as the label */
    GtkWidget  *summary;
    unsigned    watch;              /* 0: not on the screen */
    gulong      ticks;              /* handler of "statistics" */
    guint64     at_us;              /* of the tick before, on the daemon's clock; 0: none yet */
    guint64     rx_bytes, tx_bytes; /* then */
};

G_DEFINE_FINAL_TYPE(GuiPeerTraffic, gui_peer_traffic, ADW_TYPE_BIN)

static char *format_rate(double bytes_s)
{
    g_autofree char *size = g_format_size((guint64)bytes_s);

    /* Translators: %s is an amount of bytes, e.g. "20 kB": so much in a second */
    return g_strdup_printf(_("%s/s"), size);
}

static void show_summary(GuiPeerTraffic *self, double rx_s, double tx_s)
{
    g_autofree char *rx_rate = format_rate(rx_s), *tx_rate = format_rate(tx_s);
    g_autofree char *rx = g_format_size(self->rx_bytes), *tx = g_format_size(self->tx_bytes);
    g_autofree char *text = g_strdup_printf(_("Receiving %s, %s in all\nSending %s, %s in all"),
                                            rx_rate, rx, tx_rate, tx);

    gtk_label_set_text(GTK_LABEL(self->summary), text);
    gui_chart_describe(self->chart, text);
}

/* The daemon is silent while nothing moves, so a late tick means that there was nothing before. */
static void push_silence(GuiPeerTraffic *self, guint64 gone_us)
{
    const double nothing[] = { 0, 0 };
    guint64      seconds = gone_us / (EVERY_MS * 1000);

    for (guint64 i = 1; i < MIN(seconds, POINTS); i++)
        gui_chart_push(self->chart, nothing);
}

static void on_tick(GuiPeerTraffic *self, guint64 time_us)
{
    const GuiPeerStatistics *now = gui_peer_get_statistics(self->peer);
    double                   rates[2] = { 0, 0 };
    double                   seconds;

    if (time_us > self->at_us && time_us - self->at_us < EVERY_MS * 900)
        return; /* somebody else in this window wants ticks sooner */
    if (self->at_us != 0 && time_us > self->at_us && now->rx_bytes >= self->rx_bytes &&
        now->tx_bytes >= self->tx_bytes) {
        /* After a silence all that came is the last second's. */
        seconds = MIN((double)(time_us - self->at_us) / 1e6, 2.0 * EVERY_MS / 1000);
        rates[0] = (double)(now->rx_bytes - self->rx_bytes) / seconds;
        rates[1] = (double)(now->tx_bytes - self->tx_bytes) / seconds;
        push_silence(self, time_us - self->at_us);
        gui_chart_push(self->chart, rates);
    }
    self->at_us = time_us;
    self->rx_bytes = now->rx_bytes;
    self->tx_bytes = now->tx_bytes;
    show_summary(self, rates[0], rates[1]);
}

static void gui_peer_traffic_map(GtkWidget *widget)
{
    GuiPeerTraffic *self = GUI_PEER_TRAFFIC(widget);

    GTK_WIDGET_CLASS(gui_peer_traffic_parent_class)->map(widget);
    self->at_us = 0;
    gui_chart_clear(self->chart);
    show_summary(self, 0, 0);
    self->ticks = g_signal_connect_swapped(self->network, "statistics", G_CALLBACK(on_tick), self);
    self->watch = gui_network_watch(self->network, gui_peer_get_text(self->peer, "name"), EVERY_MS);
}

static void gui_peer_traffic_unmap(GtkWidget *widget)
{
    GuiPeerTraffic *self = GUI_PEER_TRAFFIC(widget);

    gui_network_unwatch(self->network, self->watch);
    self->watch = 0;
    g_clear_signal_handler(&self->ticks, self->network);
    GTK_WIDGET_CLASS(gui_peer_traffic_parent_class)->unmap(widget);
}

static void gui_peer_traffic_dispose(GObject *object)
{
    GuiPeerTraffic *self = GUI_PEER_TRAFFIC(object);

    if (self->network != NULL) {
        gui_network_unwatch(self->network, self->watch);
        self->watch = 0;
        g_clear_signal_handler(&self->ticks, self->network);
    }
    g_clear_object(&self->network);
    g_clear_object(&self->peer);
    G_OBJECT_CLASS(gui_peer_traffic_parent_class)->dispose(object);
}

static void gui_peer_traffic_class_init(GuiPeerTrafficClass *klass)
{
    G_OBJECT_CLASS(klass)->dispose = gui_peer_traffic_dispose;
    GTK_WIDGET_CLASS(klass)->map = gui_peer_traffic_map;
    GTK_WIDGET_CLASS(klass)->unmap = gui_peer_traffic_unmap;
}

static void gui_peer_traffic_init(GuiPeerTraffic *self)
{
    const GuiChartShape shape = {
        .lines = 2, .points = POINTS, .format = format_rate, .least = LEAST_BYTES_S
    };
    GtkWidget *group = adw_preferences_group_new();
    GtkWidget *card = gtk_box_new(GTK_ORIENTATION_VERTICAL, 6);

    adw_preferences_group_set_title(ADW_PREFERENCES_GROUP(group), _("Traffic"));
    self->chart = GUI_CHART(gui_chart_new(&shape, _("Traffic of the last minute")));
    self->summary = gui_chart_new_caption();
    gtk_box_append(GTK_BOX(card), GTK_WIDGET(self->chart));
    gtk_box_append(GTK_BOX(card), self->summary);
    gtk_widget_add_css_class(card, "card");
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(group), card);
    adw_bin_set_child(ADW_BIN(self), group);
}

GtkWidget *gui_peer_traffic_new(GuiNetwork *network, GuiPeer *peer)
{
    GuiPeerTraffic *self = g_object_new(GUI_TYPE_PEER_TRAFFIC, NULL);

    self->network = g_object_ref(network);
    self->peer = g_object_ref(peer);
    return GTK_WIDGET(self);
}
