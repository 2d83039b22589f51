#include "gui/fix.h"

#include "gui/named.h"
#include "gui/netcheck.h"
#include "gui/window.h"

#include <glib/gi18n.h>
#include <string.h>

/* What goes on, until its callback: the button that began it stays insensitive. */
typedef struct {
    GtkWidget  *from;
    GuiNetwork *network; /* NULL: of the client */
} Work;

static Work *begin(GtkWidget *from, GuiNetwork *network)
{
    Work *work = g_new0(Work, 1);

    work->from = g_object_ref(from);
    g_set_object(&work->network, network);
    gtk_widget_set_sensitive(from, false);
    return work;
}

/* NULL: the window was closed meanwhile. */
static GuiWindow *get_window(GtkWidget *widget)
{
    GtkRoot *root = gtk_widget_get_root(widget);

    return GUI_IS_WINDOW(root) ? GUI_WINDOW(root) : NULL;
}

/* Takes @error, which is told; NULL: all went well. */
static void end(Work *work, GError *error)
{
    GuiWindow *window = get_window(work->from);

    gtk_widget_set_sensitive(work->from, true);
    if (window != NULL)
        gui_window_toast_error(window, error);
    g_clear_error(&error);
    g_clear_object(&work->network);
    g_object_unref(work->from);
    g_free(work);
}

void gui_fix_copy(GtkWidget *from, const char *text)
{
    GuiWindow *window = get_window(from);

    gdk_clipboard_set_text(gtk_widget_get_clipboard(from), text);
    if (window != NULL)
        gui_window_toast(window, _("Copied to the clipboard"));
}

static void copy_node(GtkWidget *from, GuiNetwork *network)
{
    g_autofree char *text = g_strdup_printf("%s %s", gui_network_get_text(network, "node-name"),
                                            gui_network_get_text(network, "node-key"));

    gui_fix_copy(from, text);
}

static void copy_install(GtkWidget *from)
{
    g_autofree char *command = gui_problem_dup_install(NULL);

    if (command != NULL)
        gui_fix_copy(from, command);
}

/* ---- calls that end with a word at most ---- */

static void on_client_done(GObject *source, GAsyncResult *result, gpointer user_data)
{
    GError *error = NULL;
    g_autoptr(GVariant) reply = gui_client_call_finish(GUI_CLIENT(source), result, &error);

    end(user_data, error);
}

static void on_network_done(GObject *source, GAsyncResult *result, gpointer user_data)
{
    GError *error = NULL;
    g_autoptr(GVariant) reply = gui_network_call_finish(GUI_NETWORK(source), result, &error);

    end(user_data, error);
}

static void on_repaired(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Work   *work = user_data;
    GError *error = NULL;
    g_autoptr(GVariant) reply = gui_client_call_finish(GUI_CLIENT(source), result, &error);
    g_autofree const char **found = NULL;
    g_autofree char        *text = NULL;
    GuiWindow              *window = get_window(work->from);

    if (reply != NULL && window != NULL && g_variant_is_of_type(reply, G_VARIANT_TYPE("(as)"))) {
        g_variant_get(reply, "(^a&s)", &found);
        text = g_strjoinv(" · ", (char **)found);
        gui_window_toast(window, text[0] != '\0' ? text : _("Nothing was found to repair"));
    }
    end(work, error);
}

void gui_fix_repair(GtkWidget *from, GuiNetwork *network)
{
    const GuiCall call = { "Repair", NULL };
    GuiWindow    *window = get_window(from);

    if (window != NULL)
        gui_client_call_async(gui_window_get_client(window), &call, NULL, on_repaired,
                              begin(from, network));
}

/* ---- what stands before this host ---- */

static void on_checked(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Work   *work = user_data;
    GError *error = NULL;
    g_autoptr(GVariant) reply = gui_network_call_finish(GUI_NETWORK(source), result, &error);
    g_autoptr(GVariant) found = NULL;
    g_autofree char *text = NULL;
    GuiWindow       *window = get_window(work->from);
    GtkWidget       *dialog;

    if (reply != NULL && window != NULL && g_variant_is_of_type(reply, G_VARIANT_TYPE("(a{sv})"))) {
        found = g_variant_get_child_value(reply, 0);
        text = gui_netcheck_dup_words(found);
        dialog = adw_message_dialog_new(GTK_WINDOW(window), _("Connection of This Computer"), text);
        adw_message_dialog_add_response(ADW_MESSAGE_DIALOG(dialog), "close", _("_Close"));
        gui_named_dialog(dialog);
        gtk_window_present(GTK_WINDOW(dialog));
    }
    end(work, error);
}

void gui_fix_check(GtkWidget *from, GuiNetwork *network)
{
    const GuiCall call = { "NetCheck", g_variant_new("(a{sv})", NULL) };

    gui_network_call_async(network, &call, NULL, on_checked, begin(from, network));
}

/* ---- leaving ---- */

/* The dialog went without an answer, with its window. */
static void on_leave_gone(GtkWidget *dialog, gpointer user_data)
{
    (void)dialog;
    end(user_data, NULL);
}

static void on_leave_response(AdwMessageDialog *dialog, const char *response, gpointer user_data)
{
    Work        *work = user_data;
    GVariantDict options;

    g_signal_handlers_disconnect_by_func(dialog, on_leave_gone, work);
    if (strcmp(response, "leave") != 0) {
        end(work, NULL);
        return;
    }
    g_variant_dict_init(&options, NULL);
    if (gui_problem_blocks(work->network)) /* the server would not listen to us */
        g_variant_dict_insert(&options, "force", "b", true);
    const GuiCall call = { "Leave", g_variant_new("(@a{sv})", g_variant_dict_end(&options)) };
    gui_network_call_async(work->network, &call, NULL, on_network_done, work);
}

void gui_fix_leave(GtkWidget *from, GuiNetwork *network)
{
    GuiWindow *window = get_window(from);
    GtkWidget *dialog;
    Work      *work;

    if (window == NULL)
        return;
    dialog = adw_message_dialog_new(GTK_WINDOW(window), NULL, NULL);
    /* Translators: %s is the name of a network */
    adw_message_dialog_format_heading(ADW_MESSAGE_DIALOG(dialog), _("Leave “%s”?"),
                                      gui_network_get_text(network, "name"));
    adw_message_dialog_set_body(ADW_MESSAGE_DIALOG(dialog),
                                _("This computer's keys and addresses in the network are deleted. "
                                  "To come back you need a new link."));
    adw_message_dialog_add_responses(ADW_MESSAGE_DIALOG(dialog), "cancel", _("_Cancel"), "leave",
                                     _("_Leave"), NULL);
    gui_named_dialog(dialog);
    adw_message_dialog_set_response_appearance(ADW_MESSAGE_DIALOG(dialog), "leave",
                                               ADW_RESPONSE_DESTRUCTIVE);
    adw_message_dialog_set_default_response(ADW_MESSAGE_DIALOG(dialog), "cancel");
    adw_message_dialog_set_close_response(ADW_MESSAGE_DIALOG(dialog), "cancel");
    work = begin(from, network);
    g_signal_connect(dialog, "response", G_CALLBACK(on_leave_response), work);
    g_signal_connect(dialog, "destroy", G_CALLBACK(on_leave_gone), work);
    gtk_window_present(GTK_WINDOW(dialog));
}

/* ---- all of them ---- */

static void run_of_network(GtkWidget *from, GuiNetwork *network, GuiFix fix)
{
    if (fix == GUI_FIX_NODE)
        copy_node(from, network);
    else if (fix == GUI_FIX_UP)
        gui_network_set_up_async(network, true, NULL, on_network_done, begin(from, network));
    else if (fix == GUI_FIX_LEAVE)
        gui_fix_leave(from, network);
    else if (fix == GUI_FIX_CHECK)
        gui_fix_check(from, network);
}

void gui_fix_run(GtkWidget *from, GuiNetwork *network, const GuiProblem *problem)
{
    GuiWindow *window = get_window(from);
    GuiClient *client = window != NULL ? gui_window_get_client(window) : NULL;

    if (client == NULL)
        return;
    if (problem->fix == GUI_FIX_RETRY)
        gui_client_retry(client);
    else if (problem->fix == GUI_FIX_START)
        gui_client_start_async(client, NULL, on_client_done, begin(from, NULL));
    else if (problem->fix == GUI_FIX_INSTALL)
        copy_install(from);
    else if (problem->fix == GUI_FIX_COPY)
        gui_fix_copy(from, problem->command);
    else if (problem->fix == GUI_FIX_JOIN)
        gtk_widget_activate_action(from, "app.join", "s", "");
    else if (problem->fix == GUI_FIX_RESTART)
        gtk_widget_activate_action(from, "app.restart", NULL);
    else if (problem->fix == GUI_FIX_REPAIR)
        gui_fix_repair(from, network);
    else if (network != NULL)
        run_of_network(from, network, problem->fix);
}
