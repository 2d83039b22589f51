/* gui/tray/app.c: clicks → meshd, meshd → icon and rows. */
#include "gui/tray/app.h"

#include "gui/tray/desktop.h"
#include "gui/tray/host.h"
#include "gui/tray/model.h"
#include "gui/tray/news.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>

#define APP_ID "org.meshvpn.Mesh.Tray"

typedef struct {
    GApplication *application;
    unsigned      patience_s;
    TrayModel    *model;
    TrayHost     *host;
    TrayDesktop  *desktop;
    TrayNews     *news;
    Tray         *tray;  /* NULL: no panel has come yet */
    TrayMenu     *shown; /* NULL: nothing yet */
    bool          has_host;
    bool          is_known; /* what the model says */
    int           status;
} App;

static GDBusConnection *get_session(App *self)
{
    return g_application_get_dbus_connection(self->application);
}

static void show_menu(App *self)
{
    g_autoptr(TrayMenu) menu = tray_menu_new(tray_model_view(self->model));

    if (self->shown != NULL && tray_is_open(self->tray))
        tray_menu_keep(menu, self->shown);
    for (unsigned i = 0; i < TRAY_MENU_N_ROWS; i++)
        tray_set_row(self->tray, i, &menu->rows[i]);
    tray_set_middle(self->tray, menu->middle);
    tray_set_icon(self->tray, menu->icon, menu->text);
    if (self->shown == NULL)
        tray_show(self->tray); /* not before it is right */
    tray_menu_free(self->shown);
    self->shown = g_steal_pointer(&menu);
}

static void on_clicked(unsigned row, gpointer user_data)
{
    App        *self = user_data;
    const char *key = self->shown != NULL ? self->shown->keys[row] : NULL;

    if (row == TRAY_MENU_OPEN || row == TRAY_MENU_MORE_PEERS)
        tray_desktop_open_window(self->desktop);
    if (row == TRAY_MENU_QUIT)
        g_application_quit(self->application);
    if (key == NULL)
        return;
    if (row < TRAY_MENU_ALL)
        tray_model_toggle(self->model, key);
    else if (row == TRAY_MENU_ALL)
        tray_model_switch_all(self->model, g_str_equal(key, "up"));
    else
        tray_copy(self->tray, key);
    if (row >= TRAY_MENU_PEER && row < TRAY_MENU_MORE_PEERS)
        tray_model_note_copied(self->model, key);
}

static void on_closed(gpointer user_data)
{
    show_menu(user_data);
}

static const TrayEvents tray_events = { on_clicked, on_closed };

static void start_tray(App *self)
{
    g_autoptr(GError) error = NULL;

    if (self->tray != NULL || !self->has_host || !self->is_known)
        return;
    self->tray = tray_new(tray_menu_places, TRAY_MENU_N_ROWS, &tray_events, self, &error);
    if (self->tray == NULL) {
        g_printerr("mesh-tray: %s\n", error->message);
        self->status = 1;
        g_application_quit(self->application);
        return;
    }
    show_menu(self);
}

static void on_changed(gpointer user_data)
{
    App *self = user_data;

    self->is_known = true;
    tray_news_update(self->news, self->model);
    if (self->tray != NULL)
        show_menu(self);
    else
        start_tray(self);
}

static void on_failed(const char *what, const char *why, gpointer user_data)
{
    App *self = user_data;

    g_printerr("mesh-tray: %s: %s\n", what, why);
    tray_desktop_notify(self->desktop, "failed", what, why);
}

static const TrayModelEvents model_events = { on_changed, on_failed };

static void on_host_found(gpointer user_data)
{
    App *self = user_data;

    self->has_host = true;
    start_tray(self);
}

/* Whether this user was told before; from now on: yes. */
static bool was_told(void)
{
    g_autofree char *folder = g_build_filename(g_get_user_state_dir(), "mesh", NULL);
    g_autofree char *path = g_build_filename(folder, "told-no-tray", NULL);

    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return true;
    if (g_mkdir_with_parents(folder, 0700) < 0 || !g_file_set_contents(path, "", 0, NULL))
        g_debug("%s: %s", path, g_strerror(errno)); /* it is told once more, next time */
    return false;
}

static void on_host_missing(gpointer user_data)
{
    App        *self = user_data;
    const char *title = _("This desktop has no place for tray icons");
    const char *body = _("Mesh works without one, in its window. On GNOME the extension "
                         "“AppIndicator and KStatusNotifierItem Support” makes a place; "
                         "the icon then appears by itself.");

    g_printerr("mesh-tray: %s. %s\n", title, body);
    if (!was_told())
        tray_desktop_notify(self->desktop, "no-host", title, body);
}

static const TrayHostEvents host_events = { on_host_found, on_host_missing };

static void on_startup(GApplication *application, gpointer user_data)
{
    App *self = user_data;

    g_application_hold(application);
    self->desktop = tray_desktop_new(get_session(self));
    self->news = tray_news_new(application, self->desktop);
    self->model = tray_model_new(&model_events, self);
    self->host = tray_host_new(get_session(self), self->patience_s, &host_events, self);
}

/* A second start: there is nothing to show but what is there. */
static void on_activate(GApplication *application, gpointer user_data)
{
    (void)application, (void)user_data;
}

static void on_quit(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    (void)action, (void)parameter;
    g_application_quit(user_data);
}

static int run_first(App *self)
{
    static const GActionEntry actions[] = { { .name = "quit", .activate = on_quit } };
    int                       status;

    g_action_map_add_action_entries(G_ACTION_MAP(self->application), actions, G_N_ELEMENTS(actions),
                                    self->application);
    g_signal_connect(self->application, "startup", G_CALLBACK(on_startup), self);
    g_signal_connect(self->application, "activate", G_CALLBACK(on_activate), self);
    status = g_application_run(self->application, 0, NULL);
    tray_free(self->tray);
    tray_host_free(self->host);
    tray_model_free(self->model);
    tray_news_free(self->news);
    tray_desktop_free(self->desktop);
    tray_menu_free(self->shown);
    return status != 0 ? status : self->status;
}

int tray_app_run(unsigned patience_s)
{
    g_autoptr(GApplication) application = g_application_new(APP_ID, G_APPLICATION_DEFAULT_FLAGS);
    g_autoptr(GError) error = NULL;
    App self = { .application = application, .patience_s = patience_s };

    return run_first(&self);
}
