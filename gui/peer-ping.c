#include "gui/peer-ping.h"

#include "common/glib/error.h"
#include "gui/chart.h"
#include "gui/series.h"
#include "gui/words.h"

#include <glib/gi18n.h>

enum {
    POINTS = 60,
    EVERY_MS = 1000,
    TIMEOUT_MS = 3000,
};

struct _GuiPeerPing {
    AdwBin        parent_instance;
    GuiNetwork   *network; /* owned */
    GuiPeer      *peer;    /* owned */
    GuiChart     *chart;   /* borrowed from the tree, as the other widgets */
    GtkWidget    *button, *summary, *group;
    GuiSeries    *series; /* owned; the values of the chart again, for the summary */
    GCancellable *cancel; /* owned; of the echo under way; NULL: not started */
    guint         wait;   /* source of the next one; 0: none */
    gint64        sent_us;
    bool          asked; /* a password may have been asked for: not again until the next start */
};

G_DEFINE_FINAL_TYPE(GuiPeerPing, gui_peer_ping, ADW_TYPE_BIN)

static void send_echo(GuiPeerPing *self);

static char *format_ms(double value)
{
    return gui_words_dup_latency((guint64)(value * 1000));
}

static void set_summary(GuiPeerPing *self, const char *text)
{
    gtk_label_set_text(GTK_LABEL(self->summary), text);
    gui_chart_describe(self->chart, text);
}

/* @problem: why the last one had no answer; NULL: it had. */
static void show_summary(GuiPeerPing *self, const char *problem)
{
    GuiSeriesSummary now = gui_series_get_summary(self->series);
    unsigned         all = now.values + now.missing;
    g_autofree char *count =
        g_strdup_printf(ngettext("%u answer of %u", "%u answers of %u", now.values), now.values,
                        all);
    g_autofree char *last = format_ms(now.last), *min = format_ms(now.min);
    g_autofree char *mean = format_ms(now.mean), *max = format_ms(now.max);
    g_autofree char *text = NULL;

    if (problem != NULL)
        text = g_strdup_printf("%s\n%s", count, problem);
    else
        /* Translators: round trips: the last one, the mean, and from the shortest to the longest */
        text =
            g_strdup_printf(_("%s\nlast %s, mean %s, from %s to %s"), count, last, mean, min, max);
    set_summary(self, text);
}

static void stop(GuiPeerPing *self)
{
    if (self->cancel == NULL)
        return;
    g_cancellable_cancel(self->cancel);
    g_clear_object(&self->cancel);
    g_clear_handle_id(&self->wait, g_source_remove);
    gtk_button_set_label(GTK_BUTTON(self->button), _("Start Ping"));
}

static gboolean on_wait_over(gpointer user_data)
{
    GuiPeerPing *self = user_data;

    self->wait = 0;
    send_echo(self);
    return G_SOURCE_REMOVE;
}

static void wait_for_next(GuiPeerPing *self)
{
    gint64 gone_ms = (g_get_monotonic_time() - self->sent_us) / 1000;

    self->wait =
        g_timeout_add((guint)(gone_ms >= EVERY_MS ? 1 : EVERY_MS - gone_ms), on_wait_over, self);
}

static void take_value(GuiPeerPing *self, double ms, const char *problem)
{
    gui_series_push(self->series, ms);
    gui_chart_push(self->chart, &ms);
    show_summary(self, problem);
}

static void on_answer(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiPeerPing) self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = gui_network_call_finish(GUI_NETWORK(source), result, &error);
    g_autoptr(GVariant) dict = NULL;
    guint64 rtt_us = 0;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* and it may have been started anew meanwhile */
    if (g_error_matches(error, MESH_ERROR, MESH_ERROR_NOT_AUTHORIZED)) {
        stop(self);
        set_summary(self, error->message);
        return;
    }
    if (reply != NULL) {
        dict = g_variant_get_child_value(reply, 0);
        g_variant_lookup(dict, "rtt-us", "t", &rtt_us);
    }
    take_value(self, reply == NULL ? NAN : (double)rtt_us / 1000,
               error == NULL ? NULL : error->message);
    wait_for_next(self);
}

static void send_echo(GuiPeerPing *self)
{
    GVariantBuilder options;
    GuiCall         call = { .method = "Ping", .quiet = self->asked };

    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&options, "{sv}", "timeout-ms", g_variant_new_uint32(TIMEOUT_MS));
    call.arguments = g_variant_new("(sa{sv})", gui_peer_get_text(self->peer, "name"), &options);
    self->asked = true;
    self->sent_us = g_get_monotonic_time();
    gui_network_call_async(self->network, &call, self->cancel, on_answer, g_object_ref(self));
}

static void on_button(GuiPeerPing *self)
{
    if (self->cancel != NULL) {
        stop(self);
        return;
    }
    self->cancel = g_cancellable_new();
    self->asked = false;
    gui_series_clear(self->series);
    gui_chart_clear(self->chart);
    set_summary(self, _("Waiting for the first answer…"));
    gtk_button_set_label(GTK_BUTTON(self->button), _("Stop Ping"));
    gtk_widget_show(gtk_widget_get_parent(GTK_WIDGET(self->chart)));
    send_echo(self);
}

static void gui_peer_ping_unmap(GtkWidget *widget)
{
    stop(GUI_PEER_PING(widget));
    GTK_WIDGET_CLASS(gui_peer_ping_parent_class)->unmap(widget);
}

static void gui_peer_ping_dispose(GObject *object)
{
    GuiPeerPing *self = GUI_PEER_PING(object);

    g_clear_handle_id(&self->wait, g_source_remove);
    if (self->cancel != NULL)
        g_cancellable_cancel(self->cancel);
    g_clear_object(&self->cancel);
    g_clear_object(&self->network);
    g_clear_object(&self->peer);
    G_OBJECT_CLASS(gui_peer_ping_parent_class)->dispose(object);
}

static void gui_peer_ping_finalize(GObject *object)
{
    gui_series_free(GUI_PEER_PING(object)->series);
    G_OBJECT_CLASS(gui_peer_ping_parent_class)->finalize(object);
}

static void gui_peer_ping_class_init(GuiPeerPingClass *klass)
{
    G_OBJECT_CLASS(klass)->dispose = gui_peer_ping_dispose;
    G_OBJECT_CLASS(klass)->finalize = gui_peer_ping_finalize;
    GTK_WIDGET_CLASS(klass)->unmap = gui_peer_ping_unmap;
}

static void gui_peer_ping_init(GuiPeerPing *self)
{
    const GuiChartShape shape = { .lines = 1, .points = POINTS, .format = format_ms, .least = 1 };
    GtkWidget          *card = gtk_box_new(GTK_ORIENTATION_VERTICAL, 6);

    self->series = gui_series_new(POINTS);
    self->group = adw_preferences_group_new();
    adw_preferences_group_set_title(ADW_PREFERENCES_GROUP(self->group), _("Ping"));
    self->button = gtk_button_new_with_label(_("Start Ping"));
    gtk_widget_set_valign(self->button, GTK_ALIGN_CENTER);
    g_signal_connect_swapped(self->button, "clicked", G_CALLBACK(on_button), self);
    adw_preferences_group_set_header_suffix(ADW_PREFERENCES_GROUP(self->group), self->button);
    self->chart = GUI_CHART(gui_chart_new(&shape, _("Round trips of the last minute")));
    self->summary = gui_chart_new_caption();
    gtk_box_append(GTK_BOX(card), GTK_WIDGET(self->chart));
    gtk_box_append(GTK_BOX(card), self->summary);
    gtk_widget_add_css_class(card, "card");
    gtk_widget_hide(card);
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(self->group), card);
    adw_bin_set_child(ADW_BIN(self), self->group);
}

GtkWidget *gui_peer_ping_new(GuiNetwork *network, GuiPeer *peer)
{
    GuiPeerPing *self = g_object_new(GUI_TYPE_PEER_PING, NULL);

    self->network = g_object_ref(network);
    self->peer = g_object_ref(peer);
    return GTK_WIDGET(self);
}
