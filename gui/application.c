#include "gui/application.h"

#include "gui/actions.h"
#include "gui/window.h"

struct _GuiApplication {
    AdwApplication parent;
    GuiClient     *client; /* NULL before startup */
    bool           restart;
};

G_DEFINE_FINAL_TYPE(GuiApplication, gui_application, ADW_TYPE_APPLICATION)

static void on_quit(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    (void)action, (void)parameter;
    g_application_quit(G_APPLICATION(user_data));
}

static void on_restart(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    GUI_APPLICATION(user_data)->restart = true;
    on_quit(action, parameter, user_data);
}

static const GActionEntry actions[] = {
    { .name = "restart", .activate = on_restart },
    { .name = "quit", .activate = on_quit },
};

static const struct {
    const char *action, *keys[3];
} accels[] = {
    { "app.quit", { "<Primary>q" } },
    { "window.close", { "<Primary>w" } },
    { "win.search", { "<Primary>f" } },
    { "win.back", { "<Alt>Left", "Back" } },
};

static void gui_application_startup(GApplication *application)
{
    GuiApplication *self = GUI_APPLICATION(application);

    G_APPLICATION_CLASS(gui_application_parent_class)->startup(application);
    g_action_map_add_action_entries(G_ACTION_MAP(self), actions, G_N_ELEMENTS(actions), self);
    for (unsigned i = 0; i < G_N_ELEMENTS(accels); i++)
        gtk_application_set_accels_for_action(GTK_APPLICATION(self), accels[i].action,
                                              (const char *const *)accels[i].keys);
    self->client = gui_client_new();
    gui_actions_add(self);
}

static void gui_application_activate(GApplication *application)
{
    GtkWindow *window = gtk_application_get_active_window(GTK_APPLICATION(application));

    if (window == NULL)
        window = GTK_WINDOW(gui_window_new(GUI_APPLICATION(application)));
    gtk_window_present(window);
}

/* A mesh:// link that was clicked, or stood on the command line. */
static void gui_application_open(GApplication *application, GFile **files, int n_files,
                                 const char *hint)
{
    g_autofree char *link = n_files > 0 ? g_file_get_uri(files[0]) : NULL;

    (void)hint;
    if (link == NULL || !g_str_has_prefix(link, "mesh:"))
        g_clear_pointer(&link, g_free);
    g_application_activate(application);
    g_action_group_activate_action(G_ACTION_GROUP(application), "join",
                                   g_variant_new_string(link == NULL ? "" : link));
}

static void gui_application_dispose(GObject *object)
{
    g_clear_object(&GUI_APPLICATION(object)->client);
    G_OBJECT_CLASS(gui_application_parent_class)->dispose(object);
}

GuiClient *gui_application_get_client(GuiApplication *self)
{
    return self->client;
}

bool gui_application_wants_restart(GuiApplication *self)
{
    return self->restart;
}

static void gui_application_class_init(GuiApplicationClass *class)
{
    GApplicationClass *application = G_APPLICATION_CLASS(class);

    application->startup = gui_application_startup;
    application->activate = gui_application_activate;
    application->open = gui_application_open;
    G_OBJECT_CLASS(class)->dispose = gui_application_dispose;
}

static void gui_application_init(GuiApplication *self)
{
    (void)self;
}

GuiApplication *gui_application_new(void)
{
    return g_object_new(GUI_TYPE_APPLICATION, "application-id", GUI_APPLICATION_ID,
                        "resource-base-path", "/org/meshvpn/Mesh", "flags",
                        G_APPLICATION_HANDLES_OPEN, NULL);
}
