#include "gui/news.h"

#include "gui/settings.h"

#include <glib/gi18n.h>
#include <string.h>

#define DAEMON_ID "daemon" /* of what is told of it */

enum {
    GONE_MS = 15000,    /* a daemon that is upgraded is back before */
    START_US = 2000000, /* what comes so soon after the daemon was there already */
};

struct GuiNews {
    const GuiNewsEvents *events;
    gpointer             user_data;
    GHashTable          *known; /* owned path of a network → owned Known */
    unsigned             gone; /* source: the daemon has been away since; 0: it is there, or told */
    unsigned             gone_ms;
    gint64               start_us;
    gint64               ready_us; /* since when the daemon answers; 0: it does not */
    bool                 told_gone;
};

/* A network, as it was last. */
typedef struct {
    char *state; /* owned */
    bool  told_lost;
    bool  comes_back; /* it was up when the daemon went, and the daemon has not brought it up yet */
} Known;

static void free_known(gpointer data)
{
    Known *known = data;

    g_free(known->state);
    g_free(known);
}

static bool is_lost(const char *state)
{
    static const char *const lost[] = { "error", "removed", "expired", NULL };

    return g_strv_contains(lost, state);
}

static bool is_looked_at(GuiNews *self)
{
    return self->events->is_looked_at != NULL && self->events->is_looked_at(self->user_data);
}

/* Takes the title. */
static void tell_of(GuiNews *self, const GuiNewsNetwork *network, char *title, const char *body)
{
    g_autofree char  *text = title;
    g_autofree char  *id = g_strdup_printf("network-%s", network->id != NULL ? network->id : "");
    const GuiNewsNote note = { .about = network->path,
                               .state = network->state,
                               .id = id,
                               .title = text,
                               .body = body != NULL ? body : "" };

    self->events->tell(&note, self->user_data);
}

static void tell_lost(GuiNews *self, const GuiNewsNetwork *network)
{
    if (gui_settings_get(GUI_SETTING_NOTIFY_LOST))
        tell_of(self, network,
                /* Translators: %s is the name of a network */
                g_strdup_printf(_("%s: connection lost"), network->name), network->error);
}

static void tell_approval(GuiNews *self, const GuiNewsNetwork *network)
{
    if (!is_looked_at(self) && gui_settings_get(GUI_SETTING_NOTIFY_APPROVAL))
        tell_of(self, network, g_strdup(_("Approval needed")),
                _("Whoever runs the network has to let this device in."));
}

static void tell_connected(GuiNews *self, const GuiNewsNetwork *network)
{
    if (gui_settings_get(GUI_SETTING_NOTIFY_CONNECTED))
        tell_of(self, network, g_strdup_printf(_("%s: connected"), network->name), NULL);
}

/* @before: "" is nothing. */
static void judge(GuiNews *self, Known *known, const char *before, const GuiNewsNetwork *network)
{
    const char *now = network->state;
    bool        came_back = known->comes_back;

    if (came_back)
        before = "up"; /* for people; the daemon begins with all of them down */
    if (strcmp(now, "down") != 0)
        known->comes_back = false;
    if (is_lost(now) && !is_lost(before) && strcmp(before, "down") != 0 && *before != '\0') {
        known->told_lost = true;
        tell_lost(self, network);
    } else if (strcmp(now, "pending") == 0) {
        tell_approval(self, network);
    } else if (strcmp(now, "up") == 0) {
        if (known->told_lost || (!came_back && !is_looked_at(self)))
            tell_connected(self, network);
        known->told_lost = false;
    }
}

static void learn(GuiNews *self, const GuiNewsNetwork *network)
{
    Known *known = g_new0(Known, 1);

    known->state = g_strdup(network->state);
    g_hash_table_insert(self->known, g_strdup(network->path), known);
    if (g_get_monotonic_time() - self->ready_us > self->start_us)
        judge(self, known, "", network);
    self->events->judged(network->path, network->state, self->user_data);
}

/* @is_found: the daemon has just come, and this is how it has it. */
static void put(GuiNews *self, const GuiNewsNetwork *network, bool is_found)
{
    Known           *known = g_hash_table_lookup(self->known, network->path);
    g_autofree char *before = NULL;

    if (known == NULL) {
        learn(self, network);
        return;
    }
    if (strcmp(known->state, network->state) == 0)
        return;
    before = g_steal_pointer(&known->state);
    known->state = g_strdup(network->state);
    if (is_found)
        known->comes_back = strcmp(before, "up") == 0 && strcmp(known->state, "down") == 0;
    else if (*before != '\0')
        judge(self, known, before, network);
    self->events->judged(network->path, network->state, self->user_data);
}

static void forget_absent(GuiNews *self, const GuiNewsNetwork *networks, unsigned n)
{
    GHashTableIter iter;
    gpointer       path;

    g_hash_table_iter_init(&iter, self->known);
    while (g_hash_table_iter_next(&iter, &path, NULL)) {
        unsigned i = 0;

        while (i < n && strcmp(networks[i].path, path) != 0)
            i++;
        if (i == n)
            g_hash_table_iter_remove(&iter);
    }
}

/* ---- the daemon ---- */

static bool any_up(GuiNews *self)
{
    GHashTableIter iter;
    gpointer       known;

    g_hash_table_iter_init(&iter, self->known);
    while (g_hash_table_iter_next(&iter, NULL, &known)) {
        if (strcmp(((Known *)known)->state, "up") == 0)
            return true;
    }
    return false;
}

static gboolean on_still_gone(gpointer user_data)
{
    GuiNews          *self = user_data;
    const GuiNewsNote note = { .about = "",
                               .state = "gone",
                               .id = DAEMON_ID,
                               .title = _("Connection lost"),
                               .body = _("The Mesh service has stopped.") };

    self->gone = 0;
    self->told_gone = true;
    if (gui_settings_get(GUI_SETTING_NOTIFY_LOST))
        self->events->tell(&note, self->user_data);
    self->events->judged("", "gone", self->user_data);
    return G_SOURCE_REMOVE;
}

static void note_ready(GuiNews *self)
{
    self->ready_us = g_get_monotonic_time();
    g_clear_handle_id(&self->gone, g_source_remove);
    if (self->told_gone)
        self->events->withdraw(DAEMON_ID, self->user_data);
    self->told_gone = false;
    self->events->judged("", "ready", self->user_data);
}

static void note_away(GuiNews *self)
{
    self->ready_us = 0;
    if (self->gone == 0 && !self->told_gone && any_up(self))
        self->gone = g_timeout_add(self->gone_ms, on_still_gone, self);
}

void gui_news_update(GuiNews *self, bool is_ready, const GuiNewsNetwork *networks, unsigned n)
{
    bool was_ready = self->ready_us != 0;

    if (!is_ready) {
        if (was_ready)
            note_away(self);
        return;
    }
    if (!was_ready)
        note_ready(self);
    forget_absent(self, networks, n);
    for (unsigned i = 0; i < n; i++)
        put(self, &networks[i], !was_ready);
}

GuiNews *gui_news_new(const GuiNewsEvents *events, gpointer user_data)
{
    GuiNews *self = g_new0(GuiNews, 1);

    self->events = events;
    self->user_data = user_data;
    self->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_known);
    gui_news_set_times(self, GONE_MS, START_US);
    return self;
}

void gui_news_set_times(GuiNews *self, unsigned gone_ms, gint64 start_us)
{
    self->gone_ms = gone_ms;
    self->start_us = start_us;
}

void gui_news_free(GuiNews *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->gone, g_source_remove);
    g_hash_table_unref(self->known);
    g_free(self);
}
