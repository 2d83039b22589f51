/* gui/tray/news.c: model → rules → whose turn it is → desktop. */
#include "gui/tray/news.h"

#include "gui/tray/turns.h"

#define WINDOW_ID "org.meshvpn.Mesh"
#define ACTION    "judged"

struct TrayNews {
    GApplication *application; /* borrowed */
    TrayDesktop  *desktop;     /* borrowed */
    GuiNews      *news;        /* owned */
    TrayTurns    *turns;       /* owned */
    unsigned      watch;       /* of the window's name; 0: no session bus */
};

static void send_note(const GuiNewsNote *note, gpointer user_data)
{
    TrayNews *self = user_data;

    tray_desktop_notify(self->desktop, note->id, note->title, note->body);
}

static void tell(const GuiNewsNote *note, gpointer user_data)
{
    tray_turns_tell(((TrayNews *)user_data)->turns, note);
}

static void withdraw(const char *id, gpointer user_data)
{
    TrayNews *self = user_data;

    tray_turns_withdraw(self->turns, id);
    tray_desktop_withdraw(self->desktop, id);
}

static void judged(const char *about, const char *state, gpointer user_data)
{
    tray_turns_note_ours(((TrayNews *)user_data)->turns, about, state);
}

static const GuiNewsEvents events = { tell, withdraw, judged, NULL };

static void on_judged(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    TrayNews   *self = user_data;
    const char *about, *state;

    (void)action;
    g_variant_get(parameter, "(&s&s)", &about, &state);
    tray_turns_note_theirs(self->turns, about, state);
}

static void on_window(GDBusConnection *session, const char *name, const char *owner,
                      gpointer user_data)
{
    (void)session, (void)name, (void)owner;
    tray_turns_set_window(((TrayNews *)user_data)->turns, true);
}

static void on_no_window(GDBusConnection *session, const char *name, gpointer user_data)
{
    (void)session, (void)name;
    tray_turns_set_window(((TrayNews *)user_data)->turns, false);
}

void tray_news_update(TrayNews *self, TrayModel *model)
{
    g_autoptr(GArray) networks = g_array_new(false, true, sizeof(GuiNewsNetwork));
    bool is_ready = tray_model_list(model, networks);

    gui_news_update(self->news, is_ready, (const GuiNewsNetwork *)(const void *)networks->data,
                    networks->len);
}

TrayNews *tray_news_new(GApplication *application, TrayDesktop *desktop)
{
    static const GActionEntry actions[] = {
        { .name = ACTION, .parameter_type = "(ss)", .activate = on_judged }
    };
    GDBusConnection *session = g_application_get_dbus_connection(application);
    TrayNews        *self = g_new0(TrayNews, 1);

    self->application = application;
    self->desktop = desktop;
    self->news = gui_news_new(&events, self);
    self->turns = tray_turns_new(send_note, self);
    g_action_map_add_action_entries(G_ACTION_MAP(application), actions, G_N_ELEMENTS(actions),
                                    self);
    if (session != NULL)
        self->watch =
            g_bus_watch_name_on_connection(session, WINDOW_ID, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                           on_window, on_no_window, self, NULL);
    return self;
}

void tray_news_free(TrayNews *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->watch, g_bus_unwatch_name);
    g_action_map_remove_action(G_ACTION_MAP(self->application), ACTION);
    gui_news_free(self->news);
    tray_turns_free(self->turns);
    g_free(self);
}
