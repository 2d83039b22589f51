#include "gui/peer-path.h"

#include "common/glib/error.h"
#include "common/glib/reason.h"
#include "gui/words.h"

#include <glib/gi18n.h>
#include <string.h>

enum { HISTORY_MAX = 64 };

/* What is asked of the daemon, one after the other: an administrator is asked for a password once,
 * and polkit remembers it; or refuses once, and nothing more is asked. */
typedef struct {
    const char *feature; /* that has it; NULL: every daemon */
    const char *method;
    void (*show)(GuiPeerPath *self, GVariant *reply);
} Question;

struct _GuiPeerPath {
    AdwBin          parent_instance;
    GuiClient      *client;            /* owned */
    GuiNetwork     *network;           /* owned */
    GuiPeer        *peer;              /* owned */
    GCancellable   *cancel;            /* owned; of the call under way; NULL: not on the screen */
    const Question *asking;            /* under way; NULL: none */
    bool            loud;              /* a password may be asked for now */
    bool            again, again_loud; /* all of it, once this is answered */
    GtkWidget      *group, *now, *latency, *why, *remedy, *locked, *history; /* borrowed */
    GtkWidget      *steps[HISTORY_MAX]; /* rows in the history, borrowed */
    unsigned        n_steps;
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
    g_autofree char *reason = gui_words_dup_reason(self->peer);
    g_autofree char *latency = gui_words_dup_latency(gui_peer_get_statistics(self->peer)->rtt_us);

    if (*path == '\0')
        set_row(self->now, gui_peer_is_online(self->peer) ? _("not tried yet") : _("offline"));
    else
        set_row(self->now, path);
    set_row(self->latency, latency);
    set_row(self->why, reason);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(self->why),
                                  g_str_equal(gui_peer_get_text(self->peer, "path"), "direct")
                                      ? _("Details")
                                      : _("Why not directly"));
}

static void show_why(GuiPeerPath *self, GVariant *reply)
{
    g_autoptr(GVariant) dict = g_variant_get_child_value(reply, 0);
    g_autofree char *why = mesh_reason_dup_why(dict), *remedy = mesh_reason_dup_remedy(dict);

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

static void show_history(GuiPeerPath *self, GVariant *reply)
{
    g_autoptr(GVariant) steps = g_variant_get_child_value(reply, 0);
    g_autofree char *count = NULL;
    gint64           time_us;
    const char      *path, *relay, *endpoint;

    clear_steps(self);
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

static void show_details(GuiPeerPath *self, GVariant *reply)
{
    g_autoptr(GVariant) peers = g_variant_get_child_value(reply, 2);
    g_autoptr(GVariant) dict = NULL;
    const char *node = "";

    if (g_variant_n_children(peers) == 0)
        return;
    dict = g_variant_get_child_value(peers, 0);
    g_variant_lookup(dict, "node", "&s", &node);
    if (g_strcmp0(node, gui_peer_get_text(self->peer, "node")) == 0)
        g_signal_emit(self, signals[DETAILS], 0, dict);
}

static const Question questions[] = { { "why", "Why", show_why },
                                      { "path-history", "PathHistory", show_history },
                                      { NULL, "InspectPeers", show_details },
                                      { NULL, NULL, NULL } };

static void ask_from(GuiPeerPath *self, const Question *question);

static void ask_all(GuiPeerPath *self, bool loud)
{
    if (self->cancel == NULL)
        return;
    if (self->asking != NULL) {
        self->again = true;
        self->again_loud = self->again_loud || loud;
        return;
    }
    self->loud = loud;
    ask_from(self, questions);
}

static void end_asking(GuiPeerPath *self)
{
    const bool again = self->again, loud = self->again_loud;

    self->asking = NULL;
    self->again = self->again_loud = false;
    if (again)
        ask_all(self, loud);
}

/* Other errors than a refusal, such as of a network that is down, leave the row as it is. */
static void on_answer(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GuiPeerPath) self = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = gui_network_call_finish(GUI_NETWORK(source), result, &error);

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        end_asking(self);
        return;
    }
    if (g_error_matches(error, MESH_ERROR, MESH_ERROR_NOT_AUTHORIZED)) {
        gtk_widget_show(self->locked);
        end_asking(self);
        return;
    }
    if (reply != NULL)
        self->asking->show(self, reply);
    ask_from(self, self->asking + 1);
}

static GVariant *make_arguments(GuiPeerPath *self, const Question *question)
{
    const char      *name = gui_peer_get_text(self->peer, "name");
    g_autofree char *before = NULL;

    if (question->show != show_details)
        return g_variant_new("(s)", name);
    before = gui_peer_path_dup_before(name);
    return g_variant_new("(su)", before, 1);
}

/* The page may have left the screen meanwhile. */
static void ask_from(GuiPeerPath *self, const Question *question)
{
    GuiCall call = { .quiet = !self->loud };

    while (question->feature != NULL && !gui_client_offers(self->client, question->feature))
        question++;
    if (question->method == NULL || self->cancel == NULL) {
        end_asking(self);
        return;
    }
    self->asking = question;
    call.method = question->method;
    call.arguments = make_arguments(self, question);
    gui_network_call_async(self->network, &call, self->cancel, on_answer, g_object_ref(self));
}

static void on_changed(GuiPeerPath *self)
{
    show_now(self);
    ask_all(self, false);
}

static void on_unlock(GuiPeerPath *self)
{
    ask_all(self, true);
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
    g_clear_object(&self->client);
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

    self->client = g_object_ref(client);
    self->network = g_object_ref(network);
    self->peer = g_object_ref(peer);
    for (size_t i = 0; i < 3; i++) {
        static const char *const news[] = { "notify::path", "notify::relay", "notify::online" };

        g_signal_connect_object(peer, news[i], G_CALLBACK(on_changed), self, G_CONNECT_SWAPPED);
    }
    g_signal_connect_object(peer, "notify::rtt-us", G_CALLBACK(show_now), self, G_CONNECT_SWAPPED);
    return GTK_WIDGET(self);
}
