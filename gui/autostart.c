#include "gui/autostart.h"

#include <glib/gi18n.h>
#include <string.h>

/* Owned; NULL: there is none. */
static char *find_tray(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = self == NULL ? NULL : g_path_get_dirname(self);
    g_autofree char *beside = dir == NULL ? NULL : g_build_filename(dir, "mesh-tray", NULL);

    if (beside != NULL && g_file_test(beside, G_FILE_TEST_IS_EXECUTABLE))
        return g_steal_pointer(&beside);
    return g_find_program_in_path("mesh-tray");
}

static void run(GTask *task, const char *tray, const char *wish);

/* Status prints "on" or "off"; a change prints nothing, and then status is asked. */
static void on_done(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GTask) task = user_data;
    g_autoptr(GError) error = NULL;
    g_autofree char *out = NULL, *err = NULL, *tray = NULL;
    GSubprocess     *process = G_SUBPROCESS(source);

    if (!g_subprocess_communicate_utf8_finish(process, result, &out, &err, &error)) {
        g_task_return_error(task, g_steal_pointer(&error));
        return;
    }
    if (!g_subprocess_get_successful(process)) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s", g_strstrip(err));
        return;
    }
    if (g_strcmp0(g_task_get_task_data(task), "status") != 0) {
        tray = find_tray();
        g_task_set_task_data(task, (gpointer) "status", NULL);
        run(g_steal_pointer(&task), tray, "status");
        return;
    }
    g_task_return_boolean(task, g_str_equal(g_strstrip(out), "on"));
}

/* Takes the task. */
static void run(GTask *task, const char *tray, const char *wish)
{
    g_autofree char *option = g_strdup_printf("--autostart=%s", wish);
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) process = NULL;
    GSubprocessFlags flags = G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE;

    if (tray == NULL)
        g_set_error_literal(&error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                            _("The tray is not installed"));
    else
        process = g_subprocess_new(flags, &error, tray, option, NULL);
    if (process == NULL) {
        g_task_return_error(task, g_steal_pointer(&error));
        g_object_unref(task);
        return;
    }
    g_subprocess_communicate_utf8_async(process, NULL, NULL, on_done, task);
}

void gui_autostart_run_async(const char *wish, GAsyncReadyCallback done, gpointer user_data)
{
    GTask           *task = g_task_new(NULL, NULL, done, user_data);
    g_autofree char *tray = find_tray();

    g_task_set_source_tag(task, gui_autostart_run_async);
    g_task_set_task_data(task, g_strdup(wish), g_free);
    run(task, tray, wish);
}

bool gui_autostart_finish(GAsyncResult *result, bool *out_on, GError **error)
{
    g_autoptr(GError) failure = NULL;
    bool on = g_task_propagate_boolean(G_TASK(result), &failure);

    if (failure != NULL) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    *out_on = on;
    return true;
}
