#include "gui/tray/turns.h"

#include <string.h>

enum {
    PATIENCE_MS = 2000,
    MAX_ABOUT = 256, /* any program of the session may speak for the window */
    US_IN_MS = 1000,
};

/* Of a network, or of the daemon. */
typedef struct {
    TrayTurns *turns;
    char      *about;
    char      *ours, *theirs; /* owned; NULL: none yet. Theirs is kept while they are ahead of us */
    gint64     theirs_us;
    unsigned   timer;                     /* 0: nothing is held */
    char      *state, *id, *title, *body; /* owned; what is held */
} Turn;

struct TrayTurns {
    TrayTurnsSend send;
    gpointer      user_data;
    GHashTable   *turns; /* `about` of an owned Turn → it */
    unsigned      patience_ms;
    bool          has_window;
};

static void drop(Turn *turn)
{
    g_clear_handle_id(&turn->timer, g_source_remove);
    g_clear_pointer(&turn->state, g_free);
    g_clear_pointer(&turn->id, g_free);
    g_clear_pointer(&turn->title, g_free);
    g_clear_pointer(&turn->body, g_free);
}

static void free_turn(gpointer data)
{
    Turn *turn = data;

    drop(turn);
    g_free(turn->about);
    g_free(turn->ours);
    g_free(turn->theirs);
    g_free(turn);
}

static Turn *get_turn(TrayTurns *self, const char *about)
{
    Turn *turn = g_hash_table_lookup(self->turns, about);

    if (turn != NULL)
        return turn;
    if (g_hash_table_size(self->turns) >= MAX_ABOUT)
        g_hash_table_remove_all(self->turns);
    turn = g_new0(Turn, 1);
    turn->turns = self;
    turn->about = g_strdup(about);
    g_hash_table_insert(self->turns, turn->about, turn);
    return turn;
}

static gboolean on_held_long(gpointer user_data)
{
    Turn *turn = user_data;

    turn->timer = 0;
    drop(turn);
    return G_SOURCE_REMOVE;
}

static void hold(Turn *turn, const GuiNewsNote *note)
{
    drop(turn);
    turn->state = g_strdup(note->state);
    turn->id = g_strdup(note->id);
    turn->title = g_strdup(note->title);
    turn->body = g_strdup(note->body);
    turn->timer = g_timeout_add(turn->turns->patience_ms, on_held_long, turn);
}

static void send_held(Turn *turn)
{
    const GuiNewsNote note = { turn->about, turn->state, turn->id, turn->title, turn->body };

    turn->turns->send(&note, turn->turns->user_data);
    drop(turn);
}

/* What the window said does not count for ever: it may have been about a change that is long past.
 */
static bool is_ahead(const Turn *turn)
{
    gint64 age_us = g_get_monotonic_time() - turn->theirs_us;

    return turn->theirs != NULL && age_us <= (gint64)turn->turns->patience_ms * US_IN_MS;
}

void tray_turns_tell(TrayTurns *self, const GuiNewsNote *note)
{
    Turn *turn = get_turn(self, note->about);

    if (is_ahead(turn))
        return;
    if (self->has_window)
        hold(turn, note);
    else
        self->send(note, self->user_data);
}

void tray_turns_withdraw(TrayTurns *self, const char *id)
{
    GHashTableIter iter;
    gpointer       value;

    g_hash_table_iter_init(&iter, self->turns);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (g_strcmp0(((Turn *)value)->id, id) == 0)
            drop(value);
    }
}

void tray_turns_set_window(TrayTurns *self, bool runs)
{
    GHashTableIter iter;
    gpointer       value;

    self->has_window = runs;
    if (runs)
        return;
    g_hash_table_iter_init(&iter, self->turns);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (((Turn *)value)->timer != 0)
            send_held(value);
    }
}

void tray_turns_note_ours(TrayTurns *self, const char *about, const char *state)
{
    Turn *turn = get_turn(self, about);

    g_free(turn->ours);
    turn->ours = g_strdup(state);
    if (g_strcmp0(turn->theirs, state) == 0)
        g_clear_pointer(&turn->theirs, g_free);
    if (turn->timer != 0 && strcmp(turn->state, state) != 0)
        drop(turn); /* it is not so any more */
}

void tray_turns_note_theirs(TrayTurns *self, const char *about, const char *state)
{
    Turn *turn = get_turn(self, about);

    g_clear_pointer(&turn->theirs, g_free);
    if (g_strcmp0(turn->ours, state) == 0) {
        drop(turn);
        return;
    }
    turn->theirs = g_strdup(state);
    turn->theirs_us = g_get_monotonic_time();
}

TrayTurns *tray_turns_new(TrayTurnsSend send, gpointer user_data)
{
    TrayTurns *self = g_new0(TrayTurns, 1);

    self->send = send;
    self->user_data = user_data;
    self->turns = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_turn);
    self->has_window = true;
    tray_turns_set_patience(self, PATIENCE_MS);
    return self;
}

void tray_turns_set_patience(TrayTurns *self, unsigned ms)
{
    self->patience_ms = ms;
}

void tray_turns_free(TrayTurns *self)
{
    if (self == NULL)
        return;
    g_hash_table_unref(self->turns);
    g_free(self);
}
