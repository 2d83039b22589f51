#include "gui/peer-path.h"

#include "common/glib/error.h"
#include "gui/words.h"

#include <glib/gi18n.h>
#include <string.h>

enum { HISTORY_MAX = 64 };

struct _GuiPeerPath {
    AdwBin        parent_instance;
    GuiNetwork   *network; /* owned */
    GuiPeer      *peer;    /* owned */
    GCancellable *cancel;  /* owned; of calls under way; NULL: not on the screen */
    GtkWidget    *group, *now, *latency, *why, *remedy, *locked, *history; /* borrowed */
    GtkWidget    *steps[HISTORY_MAX]; /* rows in the history, borrowed */
    unsigned      n_steps;
    bool          has_why, has_history;
};

G_DEFINE_FINAL_TYPE(GuiPeerPath, gui_peer_path, ADW_TYPE_BIN)

enum { DETAILS, SIGNALS };
static guint signals[SIGNALS];

char *gui_peer_path_dup_before(const char *name)
{
    const size_t length = strlen(name);
    char        *before;

    if (length == 0)
        return g_strdup("");
    before = g_strndup(name, length + 1);
    before[length - 1]--; /* names are ASCII from '-' on, and hold no DEL */
    before[length] = '\x7f';
    before = g_realloc(before, length + 2);
    before[length + 1] = '\0';
    return before;
}

static void set_row(GtkWidget *row, const char *text)
{
    adw_action_row_set_subtitle(ADW_ACTION_ROW(row), text);
    gtk_widget_set_visible(row, *text != '\0');
}

static void show_now(GuiPeerPath *self)
{
    g_autofree char *path = gui_words_dup_path(self->peer);
    g_autofree char *latency = gui_words_dup_latency(gui_peer_get_statistics(self->peer)->rtt_us);

    if (*path == '\0')
        set_row(self->now, gui_peer_is_online(self->peer) ? _("not tried yet") : _("offline"));
    else
        set_row(self->now, path);
    set_row(self->latency, latency);
    set_row(self->why, gui_peer_get_text(self->peer, "reason"));
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(self->why),
                                  g_str_equal(gui_peer_get_text(self->peer, "path"), "direct")
                                      ? _("Details")
                                      : _("Why not directly"));
}

/* NotAuthorized opens the way to ask with a password; other errors are said on the row. */
static void show_refusal(GuiPeerPath *self, const GError *error)
{
    if (g_error_matches(error, MESH_ERROR, MESH_ERROR_NOT_AUTHORIZED))
        gtk_widget_show(self->locked);
}

static void on_why(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiPeerPath) self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = gui_network_call_finish(GUI_NETWORK(source), result, &error);
    g_autoptr(GVariant) dict = NULL;
    const char *why = "", *remedy = "";

    if (reply == NULL) {
        show_refusal(self, error);
        return;
    }
    dict = g_variant_get_child_value(reply, 0);
    g_variant_lookup(dict, "why", "&s", &why);
    g_variant_lookup(dict, "remedy", "&s", &remedy);
    set_row(self->why, why);
    set_row(self->remedy, remedy);
    gtk_widget_hide(self->locked);
}

static void add_step(GuiPeerPath *self, gint64 time_us, const char *path, const char *endpoint)
{
    g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(time_us / G_USEC_PER_SEC);
    g_autoptr(GDateTime) local = g_date_time_to_local(utc);
    /* Translators: date and time of day, for g_date_time_format() */
    g_autofree char *when = g_date_time_format(local, _("%x %X"));
    g_autofree char *text =
        *endpoint == '\0' ? g_strdup(when) : g_strdup_printf("%s · %s", when, endpoint);
    GtkWidget *row = adw_action_row_new();

    adw_preferences_row_set_use_markup(ADW_PREFERENCES_ROW(row), FALSE);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(row),
                                  *path == '\0' ? C_("path", "none") : path);
    adw_action_row_set_subtitle(ADW_ACTION_ROW(row), text);
    adw_expander_row_add_row(ADW_EXPANDER_ROW(self->history), row);
    self->steps[self->n_steps++] = row;
}

static void clear_steps(GuiPeerPath *self)
{
    while (self->n_steps > 0)
        adw_expander_row_remove(ADW_EXPANDER_ROW(self->history), self->steps[--self->n_steps]);
}

static void on_history(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiPeerPath) self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = gui_network_call_finish(GUI_NETWORK(source), result, &error);
    g_autoptr(GVariant) steps = NULL;
    g_autofree char *count = NULL;
    gint64           time_us;
    const char      *path, *relay, *endpoint;

    if (reply == NULL) {
        show_refusal(self, error);
        return;
    }
    clear_steps(self);
    steps = g_variant_get_child_value(reply, 0);
    for (size_t i = g_variant_n_children(steps); i-- > 0 && self->n_steps < HISTORY_MAX;) {
        g_autofree char *words = NULL;

        g_variant_get_child(steps, i, "(x&s&s&s)", &time_us, &path, &relay, &endpoint);
        words = gui_words_dup_way(path, relay, true);
        add_step(self, time_us, words, endpoint);
    }
    count = g_strdup_printf(ngettext("%u change", "%u changes", self->n_steps), self->n_steps);
    adw_expander_row_set_subtitle(ADW_EXPANDER_ROW(self->history), count);
    gtk_widget_set_visible(self->history, self->n_steps > 0);
}

static void on_details(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiPeerPath) self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = gui_network_call_finish(GUI_NETWORK(source), result, &error);
    g_autoptr(GVariant) peers = NULL, dict = NULL;
    const char *node = "";

    if (reply == NULL) {
        show_refusal(self, error);
        return;
    }
    peers = g_variant_get_child_value(reply, 2);
    if (g_variant_n_children(peers) == 0)
        return;
    dict = g_variant_get_child_value(peers, 0);
    g_variant_lookup(dict, "node", "&s", &node);
    if (g_strcmp0(node, gui_peer_get_text(self->peer, "node")) == 0)
        g_signal_emit(self, signals[DETAILS], 0, dict);
}

static void ask(GuiPeerPath *self, const char *method, GVariant *arguments, bool quiet,
                GAsyncReadyCallback done)
{
    GuiCall call = { .method = method, .arguments = arguments, .quiet = quiet };

    gui_network_call_async(self->network, &call, self->cancel, done, g_object_ref(self));
}

static void ask_all(GuiPeerPath *self, bool quiet)
{
    const char      *name = gui_peer_get_text(self->peer, "name");
    g_autofree char *before = gui_peer_path_dup_before(name);

    if (self->cancel == NULL)
        return;
    /* One after the other: an administrator is asked once, and polkit remembers it. */
    if (self->has_why)
        ask(self, "Why", g_variant_new("(s)", name), quiet, on_why);
    if (self->has_history)
        ask(self, "PathHistory", g_variant_new("(s)", name), quiet, on_history);
    ask(self, "InspectPeers", g_variant_new("(su)", before, 1), quiet, on_details);
}

static void on_changed(GuiPeerPath *self)
{
    show_now(self);
    ask_all(self, true);
}

static void on_unlock(GuiPeerPath *self)
{
    ask_all(self, false);
}

static void gui_peer_path_map(GtkWidget *widget)
{
    GuiPeerPath *self = GUI_PEER_PATH(widget);

    GTK_WIDGET_CLASS(gui_peer_path_parent_class)->map(widget);
    self->cancel = g_cancellable_new();
    on_changed(self);
}

static void gui_peer_path_unmap(GtkWidget *widget)
{
    GuiPeerPath *self = GUI_PEER_PATH(widget);

    g_cancellable_cancel(self->cancel);
    g_clear_object(&self->cancel);
    GTK_WIDGET_CLASS(gui_peer_path_parent_class)->unmap(widget);
}

static void gui_peer_path_dispose(GObject *object)
{
    GuiPeerPath *self = GUI_PEER_PATH(object);

    g_clear_object(&self->cancel);
    g_clear_object(&self->network);
    g_clear_object(&self->peer);
    G_OBJECT_CLASS(gui_peer_path_parent_class)->dispose(object);
}

static void gui_peer_path_class_init(GuiPeerPathClass *klass)
{
    G_OBJECT_CLASS(klass)->dispose = gui_peer_path_dispose;
    GTK_WIDGET_CLASS(klass)->map = gui_peer_path_map;
    GTK_WIDGET_CLASS(klass)->unmap = gui_peer_path_unmap;
    signals[DETAILS] = g_signal_new("details", GUI_TYPE_PEER_PATH, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                    NULL, G_TYPE_NONE, 1, G_TYPE_VARIANT);
}

static GtkWidget *add_row(GuiPeerPath *self, const char *title)
{
    GtkWidget *row = adw_action_row_new();

    adw_preferences_row_set_use_markup(ADW_PREFERENCES_ROW(row), FALSE);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(row), title);
    gtk_widget_hide(row);
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(self->group), row);
    return row;
}

static void add_lock(GuiPeerPath *self)
{
    GtkWidget *button = gtk_button_new_with_label(_("Show Details…"));

    self->locked = add_row(self, _("More may be seen with an administrator's password"));
    gtk_widget_set_valign(button, GTK_ALIGN_CENTER);
    g_signal_connect_swapped(button, "clicked", G_CALLBACK(on_unlock), self);
    adw_action_row_add_suffix(ADW_ACTION_ROW(self->locked), button);
}

static void gui_peer_path_init(GuiPeerPath *self)
{
    self->group = adw_preferences_group_new();
    adw_preferences_group_set_title(ADW_PREFERENCES_GROUP(self->group), _("Path"));
    self->now = add_row(self, _("Reached"));
    self->latency = add_row(self, _("Round trip"));
    self->why = add_row(self, _("Why not directly"));
    self->remedy = add_row(self, _("What would help"));
    add_lock(self);
    self->history = adw_expander_row_new();
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(self->history), _("History"));
    gtk_widget_hide(self->history);
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(self->group), self->history);
    adw_bin_set_child(ADW_BIN(self), self->group);
}

GtkWidget *gui_peer_path_new(GuiClient *client, GuiNetwork *network, GuiPeer *peer)
{
    GuiPeerPath *self = g_object_new(GUI_TYPE_PEER_PATH, NULL);

    self->network = g_object_ref(network);
    self->peer = g_object_ref(peer);
    self->has_why = gui_client_offers(client, "why");
    self->has_history = gui_client_offers(client, "path-history");
    for (size_t i = 0; i < 3; i++) {
        static const char *const news[] = { "notify::path", "notify::relay", "notify::online" };

        g_signal_connect_object(peer, news[i], G_CALLBACK(on_changed), self, G_CONNECT_SWAPPED);
    }
    g_signal_connect_object(peer, "notify::rtt-us", G_CALLBACK(show_now), self, G_CONNECT_SWAPPED);
    return GTK_WIDGET(self);
}
