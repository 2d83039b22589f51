#include "gui/settings.h"

#include <glib/gstdio.h>

static char *dup_file(void)
{
    return g_build_filename(g_get_user_config_dir(), "mesh", "desktop.ini", NULL);
}

/* As before the first start. */
static void clear(void)
{
    g_autofree char *path = dup_file();
    g_autofree char *dir = g_path_get_dirname(path);

    g_unlink(path);
    g_unlink(dir);
    g_rmdir(dir);
}

static void put(const char *path, const char *text)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

static void test_default(void)
{
    clear();
    for (unsigned i = 0; i < GUI_SETTINGS; i++)
        g_assert_true(gui_settings_get(i));
}

static void test_set(void)
{
    g_autofree char *path = dup_file(), *text = NULL;
    g_autoptr(GError) error = NULL;

    clear();
    g_assert_true(gui_settings_set(GUI_SETTING_NOTIFY_LOST, false, &error));
    g_assert_false(gui_settings_get(GUI_SETTING_NOTIFY_LOST));
    g_assert_true(gui_settings_get(GUI_SETTING_NOTIFY_CONNECTED));
    g_assert_true(gui_settings_set(GUI_SETTING_NOTIFY_LOST, true, &error));
    g_assert_true(gui_settings_get(GUI_SETTING_NOTIFY_LOST));
    g_assert_true(g_file_get_contents(path, &text, NULL, &error));
    g_assert_cmpstr(text, ==, "[notifications]\nlost=true\n");
}

/* What is not ours, and comments, stay. */
static void test_others(void)
{
    g_autofree char *path = dup_file(), *text = NULL;
    g_autoptr(GError) error = NULL;

    clear();
    put(path, "# mine\n[tray]\nx=1\n");
    g_assert_true(gui_settings_set(GUI_SETTING_NOTIFY_FILES, false, &error));
    g_assert_true(g_file_get_contents(path, &text, NULL, &error));
    g_assert_true(g_str_has_prefix(text, "#mine") || g_str_has_prefix(text, "# mine"));
    g_assert_nonnull(g_strstr_len(text, -1, "[tray]\nx=1\n"));
    g_assert_nonnull(g_strstr_len(text, -1, "[notifications]\nfiles=false\n"));
}

static void test_size(void)
{
    const GuiSettingsSize size = { 640, 480, true };
    g_autofree char      *path = dup_file();
    g_autoptr(GError) error = NULL;
    GuiSettingsSize got;

    clear();
    got = gui_settings_get_size();
    g_assert_true(got.width == 0 && got.height == 0 && !got.maximized);
    g_assert_true(gui_settings_set_size(&size, &error));
    g_assert_true(gui_settings_set(GUI_SETTING_NOTIFY_LOST, false, &error));
    got = gui_settings_get_size();
    g_assert_true(got.width == 640 && got.height == 480 && got.maximized);
    put(path, "[window]\nwidth=-5\nheight=99999999\nmaximized=perhaps\n");
    got = gui_settings_get_size();
    g_assert_true(got.width == 0 && got.height == 0 && !got.maximized);
}

static void test_damaged(void)
{
    g_autofree char *path = dup_file();

    clear();
    put(path, "[notifications\nlost=false\n");
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*desktop.ini*defaults are used");
    g_assert_true(gui_settings_get(GUI_SETTING_NOTIFY_LOST));
    g_test_assert_expected_messages();
}

static void test_no_folder(void)
{
    g_autofree char *dir = g_build_filename(g_get_user_config_dir(), "mesh", NULL);
    g_autofree char *path = dup_file();
    g_autoptr(GError) error = NULL;

    clear();
    put(dir, "in the way");
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*defaults are used");
    g_assert_false(gui_settings_set(GUI_SETTING_NOTIFY_LOST, false, &error));
    g_test_assert_expected_messages();
    g_assert_nonnull(error);
    g_assert_nonnull(g_strstr_len(error->message, -1, dir));
}

int main(int argc, char **argv)
{
    g_autofree char *home = g_dir_make_tmp("mesh-settings-XXXXXX", NULL);
    int              status;

    g_assert_nonnull(home);
    g_setenv("XDG_CONFIG_HOME", home, TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/settings/default", test_default);
    g_test_add_func("/settings/set", test_set);
    g_test_add_func("/settings/others", test_others);
    g_test_add_func("/settings/size", test_size);
    g_test_add_func("/settings/damaged", test_damaged);
    g_test_add_func("/settings/no-folder", test_no_folder);
    status = g_test_run();
    clear();
    g_rmdir(home);
    return status;
}
