#include "gui/actions.h"

#include "gui/about.h"
#include "gui/dialog-join.h"
#include "gui/notifications.h"
#include "gui/preferences.h"
#include "gui/window.h"

#include <string.h>

/* The first window of a type; NULL: none is open. The application knows the main one alone. */
static GtkWindow *find_window(GType type)
{
    GListModel *windows = gtk_window_get_toplevels();

    for (unsigned i = 0; i < g_list_model_get_n_items(windows); i++) {
        g_autoptr(GtkWindow) window = g_list_model_get_item(windows, i);

        if (G_TYPE_CHECK_INSTANCE_TYPE(window, type))
            return window; /* GTK holds it, too */
    }
    return NULL;
}

static GtkWindow *open_main(GuiApplication *application)
{
    GtkWindow *window = find_window(GUI_TYPE_WINDOW);

    if (window == NULL) {
        window = GTK_WINDOW(gui_window_new(application));
        gtk_window_present(window);
    }
    return window;
}

static void on_joined(GuiDialogJoin *dialog, GuiNetwork *network, GuiWindow *window)
{
    (void)dialog;
    gui_window_select(window, network);
}

static void on_join(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    GuiApplication *self = user_data;
    const char     *link = g_variant_get_string(parameter, NULL);
    GtkWindow      *parent = open_main(self);
    GtkWindow      *dialog = find_window(GUI_TYPE_DIALOG_JOIN);

    (void)action;
    if (dialog == NULL) {
        dialog = GTK_WINDOW(gui_dialog_join_new(parent, gui_application_get_client(self)));
        g_signal_connect_object(dialog, "joined", G_CALLBACK(on_joined), parent, 0);
    }
    if (*link != '\0')
        gui_dialog_join_set_link(GUI_DIALOG_JOIN(dialog), link);
    gtk_window_present(dialog);
}

static void on_preferences(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    GuiApplication *self = user_data;
    GtkWindow      *parent = open_main(self);
    GtkWindow      *window = find_window(GUI_TYPE_PREFERENCES);

    (void)action, (void)parameter;
    if (window == NULL)
        window = GTK_WINDOW(gui_preferences_new(parent, gui_application_get_client(self)));
    gtk_window_present(window);
}

static void on_about(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    GuiApplication *self = user_data;

    (void)action, (void)parameter;
    gui_about_show(open_main(self), gui_application_get_client(self));
}

static void on_refresh(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    (void)action, (void)parameter;
    gui_client_retry(gui_application_get_client(user_data));
}

static void on_show(GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
    (void)action, (void)parameter;
    gtk_window_present(open_main(user_data));
}

static const GActionEntry actions[] = {
    { .name = "preferences", .activate = on_preferences },
    { .name = "about", .activate = on_about },
    { .name = "refresh", .activate = on_refresh },
    { .name = "show", .activate = on_show },
    { .name = "join", .parameter_type = "s", .activate = on_join },
};

static const struct {
    const char *action, *keys[3];
} accels[] = {
    { "app.join::", { "<Primary>n" } },
    { "app.preferences", { "<Primary>comma" } },
    { "app.refresh", { "F5", "<Primary>r" } },
};

static void free_notifications(gpointer notifications)
{
    gui_notifications_free(notifications);
}

void gui_actions_add(GuiApplication *application)
{
    GuiNotifications *notifications =
        gui_notifications_new(G_APPLICATION(application), gui_application_get_client(application));

    g_object_set_data_full(G_OBJECT(application), "notifications", notifications,
                           free_notifications);
    g_action_map_add_action_entries(G_ACTION_MAP(application), actions, G_N_ELEMENTS(actions),
                                    application);
    for (size_t i = 0; i < G_N_ELEMENTS(accels); i++)
        gtk_application_set_accels_for_action(GTK_APPLICATION(application), accels[i].action,
                                              (const char *const *)accels[i].keys);
}
