/* What is news, and which of tray and window tells it. */
#include "gui/news.h"
#include "gui/settings.h"
#include "gui/tray/turns.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
    GString *told; /* what has happened since the last expect() */
    bool     is_looked_at;
    GuiNews *news;
} World;

static void tell(const GuiNewsNote *note, gpointer user_data)
{
    g_string_append_printf(((World *)user_data)->told, "[%s|%s|%s]", note->id, note->title,
                           note->body);
}

static void withdraw(const char *id, gpointer user_data)
{
    g_string_append_printf(((World *)user_data)->told, "[-%s]", id);
}

static void judged(const char *about, const char *state, gpointer user_data)
{
    (void)about, (void)state, (void)user_data;
}

static bool is_looked_at(gpointer user_data)
{
    return ((World *)user_data)->is_looked_at;
}

static const GuiNewsEvents events = { tell, withdraw, judged, is_looked_at };

static void expect(World *world, const char *want)
{
    g_assert_cmpstr(world->told->str, ==, want);
    g_string_truncate(world->told, 0);
}

static World *open_world(void)
{
    World *world = g_new0(World, 1);

    world->told = g_string_new(NULL);
    world->news = gui_news_new(&events, world);
    gui_news_set_times(world->news, G_MAXINT, G_MAXINT64);
    return world;
}

static void close_world(World *world)
{
    expect(world, "");
    gui_news_free(world->news);
    g_string_free(world->told, true);
    g_free(world);
}

/* A daemon with one network in this state; NULL: it is away; "": it has none. */
static void come(World *world, const char *state)
{
    const GuiNewsNetwork network = { "/n/1", "n1", "home", state, "why" };

    gui_news_update(world->news, state != NULL, &network, state != NULL && *state != '\0' ? 1 : 0);
}

/* ---- changes of one network ---- */

#define CONNECTED "[network-n1|home: connected|]"
#define LOST      "[network-n1|home: connection lost|why]"
#define APPROVAL  "[network-n1|Approval needed|Whoever runs the network has to let this device in.]"

typedef struct {
    const char *name;
    const char *states[6]; /* the first is found */
    const char *want;
    bool        is_looked_at;
} ChangeCase;

static const ChangeCase change_cases[] = {
    { "what-is-found-is-no-news", { "up" }, "", false },
    { "found-pending", { "pending" }, "", false },
    { "connected", { "down", "up" }, CONNECTED, false },
    { "connected-under-their-eyes", { "down", "up" }, "", true },
    { "switched-off", { "up", "down" }, "", false },
    { "lost-and-back", { "up", "error", "up" }, LOST CONNECTED, false },
    { "lost-under-their-eyes", { "up", "error", "up" }, LOST CONNECTED, true },
    { "lost-once", { "up", "error", "removed" }, LOST, false },
    { "removed", { "up", "removed" }, LOST, false },
    { "expired", { "up", "expired" }, LOST, false },
    { "cannot-start", { "down", "error" }, "", false },
    { "approval", { "down", "pending", "up" }, APPROVAL CONNECTED, false },
    { "approval-under-their-eyes", { "down", "pending", "up" }, "", true },
    { "the-same-again", { "up", "up", "up" }, "", false },
};

static void test_change(gconstpointer data)
{
    const ChangeCase *c = data;
    World            *world = open_world();

    world->is_looked_at = c->is_looked_at;
    for (unsigned i = 0; i < G_N_ELEMENTS(c->states) && c->states[i] != NULL; i++)
        come(world, c->states[i]);
    expect(world, c->want);
    close_world(world);
}

static void test_joined(void)
{
    World *world = open_world();

    come(world, "");
    come(world, "pending"); /* so soon that it was there already */
    expect(world, "");
    come(world, "");
    gui_news_set_times(world->news, G_MAXINT, -1);
    come(world, "pending");
    expect(world, APPROVAL);
    close_world(world);
}

static void test_off(void)
{
    World *world = open_world();
    g_autoptr(GError) error = NULL;

    for (GuiSetting at = GUI_SETTING_NOTIFY_CONNECTED; at <= GUI_SETTING_NOTIFY_APPROVAL; at++)
        g_assert_true(gui_settings_set(at, false, &error));
    come(world, "up");
    come(world, "error");
    come(world, "up");
    come(world, "pending");
    expect(world, "");
    for (GuiSetting at = GUI_SETTING_NOTIFY_CONNECTED; at <= GUI_SETTING_NOTIFY_APPROVAL; at++)
        g_assert_true(gui_settings_set(at, true, &error));
    come(world, "error");
    expect(world, LOST);
    close_world(world);
}

/* ---- the daemon ---- */

static void wait_until_told(World *world)
{
    while (world->told->len == 0)
        g_main_context_iteration(NULL, true);
}

static void test_restart(void)
{
    World *world = open_world();

    come(world, "up");
    come(world, NULL);
    come(world, NULL);
    come(world, "down");
    come(world, "up"); /* it does what it does when it starts */
    expect(world, "");
    come(world, "down");
    come(world, "up");
    expect(world, CONNECTED);
    come(world, NULL);
    come(world, "down");
    come(world, "error"); /* it was up, for people */
    expect(world, LOST);
    close_world(world);
}

static void test_gone(void)
{
    World *world = open_world();

    gui_news_set_times(world->news, 1, G_MAXINT64);
    come(world, "up");
    come(world, NULL);
    wait_until_told(world);
    expect(world, "[daemon|Connection lost|The Mesh service has stopped.]");
    come(world, NULL);
    come(world, "up");
    expect(world, "[-daemon]");
    close_world(world);
}

/* Nothing was up, so nothing is lost: no timer runs. */
static void test_gone_while_down(void)
{
    World *world = open_world();

    gui_news_set_times(world->news, 0, G_MAXINT64);
    come(world, "down");
    come(world, NULL);
    while (g_main_context_iteration(NULL, false))
        continue;
    come(world, "down");
    close_world(world);
}

/* ---- whose turn ---- */

static const GuiNewsNote note = { "/n/1", "up", "network-n1", "home: connected", "" };

static void send_note(const GuiNewsNote *sent, gpointer user_data)
{
    g_string_append_printf(user_data, "[%s]", sent->title);
}

typedef struct {
    const char *name;
    const char *steps; /* W, w: a window runs, none does; N: our news; t: theirs; d: ours is down,
                          o: theirs is down; x: withdrawn */
    const char *want;
} TurnCase;

#define SENT "[home: connected]"

static const TurnCase turn_cases[] = {
    { "no-window", "wN", SENT },
    { "window-tells", "WNt", "" },
    { "window-tells-first", "WtN", "" },
    { "window-tells-and-goes", "WNtw", "" },
    { "window-tells-and-goes-before-we-hear", "WtwN", "" },
    { "window-goes-untold", "WNw", SENT },
    { "window-comes", "wNWt", SENT },
    { "nobody-knows-yet", "Nw", SENT },
    { "not-so-any-more", "WNdw", "" },
    { "withdrawn", "WNxw", "" },
    { "window-was-ahead-by-two", "WotwdN", "" },
    { "once-more", "WtwNdN", SENT },
};

static void take_step(TrayTurns *turns, char step)
{
    switch (step) {
    case 'W':
    case 'w':
        tray_turns_set_window(turns, step == 'W');
        break;
    case 'N':
        tray_turns_tell(turns, &note);
        tray_turns_note_ours(turns, note.about, note.state);
        break;
    case 't':
        tray_turns_note_theirs(turns, note.about, note.state);
        break;
    case 'd':
        tray_turns_note_ours(turns, note.about, "down");
        break;
    case 'o':
        tray_turns_note_theirs(turns, note.about, "down");
        break;
    default:
        tray_turns_withdraw(turns, note.id);
    }
}

static void test_turn(gconstpointer data)
{
    const TurnCase *c = data;
    g_autoptr(GString) sent = g_string_new(NULL);
    g_autoptr(TrayTurns) turns = tray_turns_new(send_note, sent);

    tray_turns_set_patience(turns, G_MAXINT);
    for (const char *step = c->steps; *step != '\0'; step++)
        take_step(turns, *step);
    g_assert_cmpstr(sent->str, ==, c->want);
}

/* What was held long is dropped. */
static void test_patience(void)
{
    g_autoptr(GString) sent = g_string_new(NULL);
    g_autoptr(TrayTurns) turns = tray_turns_new(send_note, sent);

    tray_turns_set_patience(turns, 0);
    take_step(turns, 'N');
    g_assert_true(g_main_context_iteration(NULL, true));
    take_step(turns, 'w');
    g_assert_cmpstr(sent->str, ==, "");
    take_step(turns, 'N');
    g_assert_cmpstr(sent->str, ==, SENT);
}

/* Whoever speaks for the window fills no memory. */
static void test_bounded(void)
{
    g_autoptr(GString) sent = g_string_new(NULL);
    g_autoptr(TrayTurns) turns = tray_turns_new(send_note, sent);

    tray_turns_set_patience(turns, G_MAXINT);
    take_step(turns, 't');
    for (unsigned i = 0; i < 256; i++) {
        g_autofree char *about = g_strdup_printf("/other/%u", i);

        tray_turns_note_theirs(turns, about, "up");
    }
    take_step(turns, 'w');
    take_step(turns, 'N'); /* forgotten: told rather than lost */
    g_assert_cmpstr(sent->str, ==, SENT);
}

static void remove_home(const char *home)
{
    g_autofree char *folder = g_build_filename(home, "mesh", NULL);
    g_autofree char *file = g_build_filename(folder, "desktop.ini", NULL);

    g_unlink(file);
    g_rmdir(folder);
    g_rmdir(home);
}

int main(int argc, char **argv)
{
    g_autofree char *home = g_dir_make_tmp("mesh-news-XXXXXX", NULL);
    int              status;

    g_assert_nonnull(home);
    g_setenv("XDG_CONFIG_HOME", home, TRUE);
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(change_cases); i++) {
        g_autofree char *path = g_strdup_printf("/news/change/%s", change_cases[i].name);

        g_test_add_data_func(path, &change_cases[i], test_change);
    }
    g_test_add_func("/news/joined", test_joined);
    g_test_add_func("/news/off", test_off);
    g_test_add_func("/news/restart", test_restart);
    g_test_add_func("/news/gone", test_gone);
    g_test_add_func("/news/gone-while-down", test_gone_while_down);
    for (unsigned i = 0; i < G_N_ELEMENTS(turn_cases); i++) {
        g_autofree char *path = g_strdup_printf("/turns/%s", turn_cases[i].name);

        g_test_add_data_func(path, &turn_cases[i], test_turn);
    }
    g_test_add_func("/turns/patience", test_patience);
    g_test_add_func("/turns/bounded", test_bounded);
    status = g_test_run();
    remove_home(home);
    return status;
}
