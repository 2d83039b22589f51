/* Tests of daemon/journal.c and of what state.c makes of it: additions come back in their order, of
 * a torn journal those before the tear, and none of another generation. */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "daemon/statelog.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
    char         *dir;
    MeshdState   *state;
    MeshNetworkId net;
    char         *path, *log; /* of the document "map" */
} Fixture;

static void open_state(Fixture *f)
{
    g_autoptr(GError) error = NULL;

    f->state = meshd_state_open(f->dir, &error);
    g_assert_no_error(error);
}

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    f->dir = g_dir_make_tmp("mesh-journal-XXXXXX", NULL);
    f->net = (MeshNetworkId){ { 1, 2, 3, 4, 5, 6, 7, 0xab } };
    f->path = g_build_filename(f->dir, "networks", "01020304050607ab", "map", NULL);
    f->log = g_strconcat(f->path, ".log", NULL);
    open_state(f);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", f->dir);

    (void)data;
    meshd_state_close(f->state);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    g_free(f->dir);
    g_free(f->path);
    g_free(f->log);
}

static void save(Fixture *f, const char *text)
{
    g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
    g_autoptr(GError) error = NULL;

    g_assert_true(meshd_state_save(f->state, &f->net, "map", bytes, &error));
    g_assert_no_error(error);
}

static bool add(Fixture *f, const char *text)
{
    g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));

    return meshd_state_append_later(f->state, &f->net, "map", bytes);
}

static void restart(Fixture *f)
{
    meshd_state_close(f->state); /* all is on disk then */
    open_state(f);
}

/* The document and its additions, one behind the other with "|" between. Owned; "": none. */
static char *load(Fixture *f)
{
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = meshd_state_load_log(f->state, &f->net, "map", records, &error);
    GString *text = g_string_new(NULL);

    g_assert_no_error(error);
    if (bytes != NULL)
        g_string_append_len(text, g_bytes_get_data(bytes, NULL), (gssize)g_bytes_get_size(bytes));
    for (guint i = 0; i < records->len; i++) {
        gsize       len = 0;
        const char *more = g_bytes_get_data(records->pdata[i], &len);

        g_string_append_c(text, '|');
        g_string_append_len(text, more, (gssize)len);
    }
    return g_string_free(text, false);
}

static void assert_loads(Fixture *f, const char *want)
{
    g_autofree char *text = load(f);

    g_assert_cmpstr(text, ==, want);
}

static unsigned count_troubles(Fixture *f)
{
    g_auto(GStrv) troubles = meshd_state_list_troubles(f->state, &f->net, NULL);

    return g_strv_length(troubles);
}

static void test_order(Fixture *f, gconstpointer data)
{
    (void)data;
    g_assert_false(add(f, "one")); /* nothing to add to */
    save(f, "base");
    for (int i = 0; i < 3; i++)
        g_assert_true(add(f, i == 0 ? "one" : i == 1 ? "" : "three\n3"));
    assert_loads(f, "base|one||three\n3"); /* what waits counts as on disk */
    restart(f);
    g_assert_false(add(f, "four")); /* nothing is known of it in this run */
    assert_loads(f, "base|one||three\n3");
    g_assert_true(add(f, "four"));
    restart(f);
    assert_loads(f, "base|one||three\n3|four");
    g_assert_cmpuint(count_troubles(f), ==, 0);
}

static void test_whole(Fixture *f, gconstpointer data)
{
    g_autoptr(GBytes) later = g_bytes_new_static("later", 5);

    (void)data;
    save(f, "base");
    g_assert_true(add(f, "one"));
    meshd_state_save_later(f->state, &f->net, "map", later);
    g_assert_true(add(f, "two"));
    assert_loads(f, "later|two");
    restart(f);
    assert_loads(f, "later|two");
    save(f, "newest");
    assert_loads(f, "newest");
    restart(f);
    assert_loads(f, "newest");
    g_assert_false(g_file_test(f->log, G_FILE_TEST_EXISTS));
}

/* A journal is cut at every byte: what is whole comes back, the next addition takes the place of
 * what is not. */
static void test_torn(Fixture *f, gconstpointer data)
{
    g_autofree char *text = NULL;
    gsize            len = 0;
    unsigned         seen[4] = { 0 };

    (void)data;
    save(f, "base");
    g_assert_true(add(f, "one") && add(f, "two") && add(f, "three"));
    restart(f);
    g_assert_true(g_file_get_contents(f->log, &text, &len, NULL));
    for (gsize cut = 0; cut <= len; cut++) {
        static const char *const wants[] = { "base", "base|one", "base|one|two",
                                             "base|one|two|three" };
        g_autofree char         *found = NULL, *want = NULL;
        size_t                   n = 0;

        g_assert_true(g_file_set_contents(f->log, text, (gssize)cut, NULL));
        restart(f);
        found = load(f);
        while (n < 3 && strcmp(found, wants[n]) != 0)
            n++;
        g_assert_cmpstr(found, ==, wants[n]);
        seen[n]++;
        g_assert_true(add(f, "next"));
        restart(f);
        want = g_strconcat(wants[n], "|next", NULL);
        assert_loads(f, want);
    }
    for (size_t i = 0; i < 3; i++)
        g_assert_cmpuint(seen[i], >, 60); /* a line of a checksum */
    g_assert_cmpuint(seen[3], ==, 1);
    g_assert_true(g_file_set_contents(f->log, text, (gssize)len - 5, NULL));
    restart(f);
    assert_loads(f, "base|one|two");
    g_assert_cmpuint(count_troubles(f), ==, 1); /* it is said */
}

/* A byte changed anywhere ends the journal there. */
static void test_changed(Fixture *f, gconstpointer data)
{
    g_autofree char *text = NULL;
    gsize            len = 0;

    (void)data;
    save(f, "base");
    g_assert_true(add(f, "one") && add(f, "two"));
    restart(f);
    g_assert_true(g_file_get_contents(f->log, &text, &len, NULL));
    for (gsize at = 0; at < len; at++) {
        g_autofree char *found = NULL;

        text[at] ^= 1;
        g_assert_true(g_file_set_contents(f->log, text, (gssize)len, NULL));
        text[at] ^= 1;
        restart(f);
        found = load(f);
        g_assert_true(g_str_equal(found, "base") || g_str_equal(found, "base|one"));
    }
}

static void test_other_generation(Fixture *f, gconstpointer data)
{
    g_autofree char *text = NULL;
    gsize            len = 0;

    (void)data;
    save(f, "first");
    g_assert_true(add(f, "one"));
    restart(f);
    assert_loads(f, "first|one");
    g_assert_true(g_file_get_contents(f->log, &text, &len, NULL));
    save(f, "second");
    g_assert_true(add(f, "two"));
    restart(f);
    assert_loads(f, "second|two");
    g_assert_true(
        g_file_set_contents(f->path, "torn", -1, NULL)); /* then the one before, as it was */
    assert_loads(f, "first|one");
    g_assert_false(add(f, "three")); /* and the newest is to be whole first */
    save(f, "third");
    assert_loads(f, "third");
    g_assert_true(g_file_set_contents(f->log, text, (gssize)len, NULL)); /* of the first */
    assert_loads(f, "third");
}

/* The first generation of all has no other before it, yet its journal may be long. */
static void test_second_copy(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);

    (void)data;
    save(f, "first");
    g_assert_true(add(f, "one"));
    restart(f);
    g_assert_true(g_file_set_contents(f->path, "torn", -1, NULL));
    assert_loads(f, "first|one");
    meshd_state_repair(f->state, found);
    g_assert_cmpuint(found->len, >, 0);
    restart(f);
    assert_loads(f, "first|one");
    g_assert_cmpuint(count_troubles(f), ==, 0);
}

static void test_full(Fixture *f, gconstpointer data)
{
    g_autofree char *text = g_strnfill(1000, 'x');
    unsigned         n = 0;

    (void)data;
    save(f, "base");
    while (add(f, text))
        n++;
    g_assert_cmpuint(n, >=, 60);
    g_assert_cmpuint(n, <=, 66);
    restart(f);
    (void)g_free(load(f));
    g_assert_false(add(f, text));
    save(f, "base");
    g_assert_true(add(f, text));
}

/* What is there and cannot be read is not taken for nothing: then floors would go back. */
static void test_unreadable(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autoptr(GError) error = NULL;
    g_autofree char *aside = g_strconcat(f->log, "-aside", NULL);

    (void)data;
    save(f, "base");
    g_assert_true(add(f, "one"));
    restart(f);
    g_assert_cmpint(g_rename(f->log, aside), ==, 0);
    g_assert_cmpint(g_mkdir(f->log, 0700), ==, 0);
    g_assert_null(meshd_state_load_log(f->state, &f->net, "map", records, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_STATE);
    g_assert_nonnull(strstr(error->message, f->log));
    g_assert_false(add(f, "two")); /* nor written over */
    g_assert_cmpint(g_rmdir(f->log), ==, 0);
    g_assert_cmpint(g_rename(aside, f->log), ==, 0);
    assert_loads(f, "base|one");
}

static void test_repair(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);

    (void)data;
    save(f, "first");
    g_assert_true(add(f, "one"));
    restart(f);
    assert_loads(f, "first|one");
    save(f, "second");
    g_assert_true(g_file_set_contents(f->path, "torn", -1, NULL));
    meshd_state_repair(f->state, found);
    g_assert_cmpuint(found->len, >, 0);
    assert_loads(f, "first|one");
    g_assert_false(add(f, "two"));
    save(f, "third");
    g_assert_true(add(f, "two"));
    restart(f);
    assert_loads(f, "third|two");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(Fixture *f, gconstpointer data);
    } tests[] = {
        { "/journal/order", test_order },
        { "/journal/whole", test_whole },
        { "/journal/torn", test_torn },
        { "/journal/changed", test_changed },
        { "/journal/other-generation", test_other_generation },
        { "/journal/second-copy", test_second_copy },
        { "/journal/full", test_full },
        { "/journal/repair", test_repair },
        { "/journal/unreadable", test_unreadable },
    };

    g_test_init(&argc, &argv, NULL);
    mesh_log_init("test", MESH_LOG_ERROR);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].test, tear_down);
    return g_test_run();
}
