/* tests/daemon/statefixture.c: see statefixture.h. */
#include "tests/daemon/statefixture.h"

#include <string.h>

static void open_state(StateFixture *f)
{
    g_autoptr(GError) error = NULL;

    f->state = meshd_state_open(f->dir, &error);
    g_assert_no_error(error);
}

static void set_up(StateFixture *f, gconstpointer data)
{
    (void)data;
    f->dir = g_dir_make_tmp("mesh-state-XXXXXX", NULL);
    f->net = (MeshNetworkId){ { 1, 2, 3, 4, 5, 6, 7, 0xab } };
    f->network = g_build_filename(f->dir, "networks", "01020304050607ab", NULL);
    f->path = g_build_filename(f->network, "map", NULL);
    f->prev = g_strconcat(f->path, ".prev", NULL);
    f->log = g_strconcat(f->path, ".log", NULL);
    f->prev_log = g_strconcat(f->prev, ".log", NULL);
    open_state(f);
}

static void tear_down(StateFixture *f, gconstpointer data)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", f->dir);

    (void)data;
    meshd_state_close(f->state);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    g_free(f->dir);
    g_free(f->network);
    g_free(f->path);
    g_free(f->prev);
    g_free(f->log);
    g_free(f->prev_log);
}

void statefixture_add(const char *name, gconstpointer data, StateFixtureTest test)
{
    g_test_add(name, StateFixture, data, set_up, test, tear_down);
}

void statefixture_restart(StateFixture *f)
{
    meshd_state_close(f->state);
    open_state(f);
}

void statefixture_save(StateFixture *f, const char *text)
{
    g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
    g_autoptr(GError) error = NULL;

    g_assert_true(meshd_state_save(f->state, &f->net, "map", bytes, &error));
    g_assert_no_error(error);
}

bool statefixture_append(StateFixture *f, const char *text)
{
    g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));

    return meshd_state_append_later(f->state, &f->net, "map", bytes);
}

static void append_bytes(GString *text, GBytes *bytes)
{
    gsize       len = 0;
    const char *more = g_bytes_get_data(bytes, &len);

    g_string_append_len(text, more, (gssize)len);
}

char *statefixture_load(StateFixture *f)
{
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = meshd_state_load_log(f->state, &f->net, "map", records, &error);
    GString *text = g_string_new(NULL);

    g_assert_no_error(error);
    if (bytes != NULL)
        append_bytes(text, bytes);
    for (guint i = 0; i < records->len; i++) {
        g_string_append_c(text, '|');
        append_bytes(text, records->pdata[i]);
    }
    return g_string_free(text, false);
}

void statefixture_assert_loads(StateFixture *f, const char *want)
{
    g_autofree char *text = statefixture_load(f);

    g_assert_cmpstr(text, ==, want);
}

void statefixture_assert_troubles(StateFixture *f, unsigned want)
{
    g_auto(GStrv) troubles = meshd_state_list_troubles(f->state, &f->net, NULL);

    g_assert_cmpuint(g_strv_length(troubles), ==, want);
    for (char **text = troubles; *text != NULL; text++)
        g_assert_nonnull(strstr(*text, f->path));
}
