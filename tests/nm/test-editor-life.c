/* tests/nm/test-editor-life.c: editor and page end in either order, as programs do it; compiled
 * for each GTK. Run where there is a display. */
#include <NetworkManager.h>
#include <gtk/gtk.h>
#include <stdbool.h>

NMVpnEditor *nm_vpn_editor_factory_mesh(NMVpnEditorPlugin *plugin, NMConnection *connection,
                                        GError **error);

/* What differs between the two. */
#if GTK_MAJOR_VERSION >= 4
#define start()         gtk_init_check()
#define make_window()   gtk_window_new()
#define fill(window, w) gtk_window_set_child(GTK_WINDOW(window), w)
#define destroy(window) gtk_window_destroy(GTK_WINDOW(window))
#define find_last(page) gtk_widget_get_last_child(page)
#else
#define start()         gtk_init_check(NULL, NULL)
#define make_window()   gtk_window_new(GTK_WINDOW_TOPLEVEL)
#define fill(window, w) gtk_container_add(GTK_CONTAINER(window), w)
#define destroy(window) gtk_widget_destroy(window)
#define find_last(page) find_last_of(gtk_container_get_children(GTK_CONTAINER(page)))

static GtkWidget *find_last_of(GList *children)
{
    GtkWidget *last = g_list_last(children)->data;

    g_list_free(children);
    return last;
}
#endif

static NMVpnEditor *open_editor(GtkWidget **out_window)
{
    g_autoptr(NMConnection) connection = nm_simple_connection_new();
    NMVpnEditor *editor;

    nm_connection_add_setting(connection, nm_setting_vpn_new());
    editor = nm_vpn_editor_factory_mesh(NULL, connection, NULL);
    *out_window = make_window();
    fill(*out_window, GTK_WIDGET(nm_vpn_editor_get_widget(editor)));
    return editor;
}

static gboolean on_over(gpointer user_data)
{
    *(bool *)user_data = true;
    return G_SOURCE_REMOVE;
}

/* All that answers of its own accord: no bus is there, and that is told by the main loop. */
static void let_answer(void)
{
    bool over = false;

    g_timeout_add(500, on_over, &over);
    while (!over)
        g_main_context_iteration(NULL, true);
}

static void test_page_first(void)
{
    g_autoptr(NMConnection) connection = nm_simple_connection_new();
    g_autoptr(GError) error = NULL;
    GtkWidget   *window;
    NMVpnEditor *editor = open_editor(&window);

    nm_connection_add_setting(connection, nm_setting_vpn_new());
    destroy(window);
    let_answer(); /* a critical word ends the test */
    g_assert_false(nm_vpn_editor_update_connection(editor, connection, &error));
    g_assert_nonnull(error);
    g_object_unref(editor);
}

static void test_editor_first(void)
{
    GtkWidget   *window;
    NMVpnEditor *editor = open_editor(&window);
    GtkWidget   *page = GTK_WIDGET(nm_vpn_editor_get_widget(editor)), *button = find_last(page);

    g_assert_true(GTK_IS_BUTTON(button));
    g_assert_cmpuint(g_signal_handler_find(button, G_SIGNAL_MATCH_ID,
                                           g_signal_lookup("clicked", GTK_TYPE_BUTTON), 0, NULL,
                                           NULL, NULL),
                     !=, 0);
    g_object_unref(editor);
    g_assert_cmpuint(g_signal_handler_find(button, G_SIGNAL_MATCH_ID,
                                           g_signal_lookup("clicked", GTK_TYPE_BUTTON), 0, NULL,
                                           NULL, NULL),
                     ==, 0);
    g_signal_emit_by_name(button, "clicked");
    let_answer();
    destroy(window);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", true);
    g_setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus", true);
    g_setenv("GTK_A11Y", "none", true); /* it would miss the bus, aloud */
    if (!start()) {
        g_print("1..0 # SKIP no display\n");
        return 0;
    }
    g_test_add_func("/nm/editor/page-first", test_page_first);
    g_test_add_func("/nm/editor/editor-first", test_editor_first);
    return g_test_run();
}
