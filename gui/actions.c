#include "gui/actions.h"

#include "gui/dialog-join.h"
#include "gui/window.h"

#include <string.h>

/* The first window of a type; NULL: none is open. */
static GtkWindow *find_window(GuiApplication *application, GType type)
{
    GList *windows = gtk_application_get_windows(GTK_APPLICATION(application));

    for (; windows != NULL; windows = windows->next) {
        if (G_TYPE_CHECK_INSTANCE_TYPE(windows->data, type))
            return windows->data;
    }
    return NULL;
}

static GtkWindow *open_main(GuiApplication *application)
{
    GtkWindow *window = find_window(application, GUI_TYPE_WINDOW);

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
    GtkWindow      *dialog = find_window(self, GUI_TYPE_DIALOG_JOIN);

    (void)action;
    if (dialog == NULL) {
        dialog = GTK_WINDOW(gui_dialog_join_new(parent, gui_application_get_client(self)));
        g_signal_connect_object(dialog, "joined", G_CALLBACK(on_joined), parent, 0);
    }
    if (*link != '\0')
        gui_dialog_join_set_link(GUI_DIALOG_JOIN(dialog), link);
    gtk_window_present(dialog);
}

static const GActionEntry actions[] = {
    { .name = "join", .parameter_type = "s", .activate = on_join },
};

static const struct {
    const char *action, *keys[3];
} accels[] = {
    { "app.join::", { "<Primary>n" } },
};

void gui_actions_add(GuiApplication *application)
{
    g_action_map_add_action_entries(G_ACTION_MAP(application), actions, G_N_ELEMENTS(actions),
                                    application);
    for (size_t i = 0; i < G_N_ELEMENTS(accels); i++)
        gtk_application_set_accels_for_action(GTK_APPLICATION(application), accels[i].action,
                                              (const char *const *)accels[i].keys);
}
