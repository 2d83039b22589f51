#include "gui/settings.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>

enum { MAX_PIXELS = 16384 }; /* of a side of a window, by hand or by accident */

static const struct {
    const char *group, *key;
} names[GUI_SETTINGS] = {
    [GUI_SETTING_NOTIFY_CONNECTED] = { "notifications", "connected" },
    [GUI_SETTING_NOTIFY_LOST] = { "notifications", "lost" },
    [GUI_SETTING_NOTIFY_APPROVAL] = { "notifications", "approval" },
    [GUI_SETTING_NOTIFY_FILES] = { "notifications", "files" },
};

static char *dup_path(void)
{
    return g_build_filename(g_get_user_config_dir(), "mesh", "desktop.ini", NULL);
}

/* A file that is missing or damaged is an empty one. */
static GKeyFile *load(void)
{
    GKeyFile        *file = g_key_file_new();
    g_autofree char *path = dup_path();
    g_autoptr(GError) error = NULL;

    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_KEEP_COMMENTS, &error) &&
        !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        g_warning("%s: %s; defaults are used", path, error->message);
    return file;
}

bool gui_settings_get(GuiSetting setting)
{
    g_autoptr(GKeyFile) file = load();
    g_autoptr(GError) error = NULL;
    bool value = g_key_file_get_boolean(file, names[setting].group, names[setting].key, &error);

    return error != NULL || value;
}

static bool save(GKeyFile *file, GError **error)
{
    g_autofree char *path = dup_path();
    g_autofree char *dir = g_path_get_dirname(path);

    if (g_mkdir_with_parents(dir, 0700) < 0) {
        g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno), "%s: %s", dir,
                    g_strerror(errno));
        return false;
    }
    return g_key_file_save_to_file(file, path, error);
}

bool gui_settings_set(GuiSetting setting, bool value, GError **error)
{
    g_autoptr(GKeyFile) file = load();

    g_key_file_set_boolean(file, names[setting].group, names[setting].key, value);
    return save(file, error);
}

/* ---- the window ---- */

static int get_pixels(GKeyFile *file, const char *key)
{
    int pixels = g_key_file_get_integer(file, "window", key, NULL);

    return pixels > 0 && pixels <= MAX_PIXELS ? pixels : 0;
}

GuiSettingsSize gui_settings_get_size(void)
{
    g_autoptr(GKeyFile) file = load();

    return (GuiSettingsSize){ .width = get_pixels(file, "width"),
                              .height = get_pixels(file, "height"),
                              .maximized =
                                  g_key_file_get_boolean(file, "window", "maximized", NULL) };
}

bool gui_settings_set_size(const GuiSettingsSize *size, GError **error)
{
    g_autoptr(GKeyFile) file = load();

    g_key_file_set_integer(file, "window", "width", size->width);
    g_key_file_set_integer(file, "window", "height", size->height);
    g_key_file_set_boolean(file, "window", "maximized", size->maximized);
    return save(file, error);
}
