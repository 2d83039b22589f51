/* Tests of daemon/journal.c and of what state.c makes of it: additions come back in their order, of
 * a torn journal those before the tear, and none of another generation. */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "tests/daemon/statefixture.h"

#include <glib/gstdio.h>
#include <string.h>

/* A document with @n of the additions one, two, three. Returns its journal, owned. */
static char *make_log(StateFixture *f, const char *base, unsigned n, gsize *out_len)
{
    static const char *const additions[] = { "one", "two", "three" };
    char                    *text = NULL;

    statefixture_save(f, base);
    for (unsigned i = 0; i < n; i++)
        g_assert_true(statefixture_append(f, additions[i]));
    statefixture_restart(f);
    g_assert_true(g_file_get_contents(f->log, &text, out_len, NULL));
    return text;
}

static void test_order(StateFixture *f, gconstpointer data)
{
    (void)data;
    g_assert_false(statefixture_append(f, "one")); /* nothing to add to */
    statefixture_save(f, "base");
    for (int i = 0; i < 3; i++)
        g_assert_true(statefixture_append(f, i == 0 ? "one" : i == 1 ? "" : "three\n3"));
    statefixture_assert_loads(f, "base|one||three\n3"); /* what waits counts as on disk */
    statefixture_restart(f);
    g_assert_false(statefixture_append(f, "four")); /* nothing is known of it in this run */
    statefixture_assert_loads(f, "base|one||three\n3");
    g_assert_true(statefixture_append(f, "four"));
    statefixture_restart(f);
    statefixture_assert_loads(f, "base|one||three\n3|four");
    statefixture_assert_troubles(f, 0);
}

static void test_whole(StateFixture *f, gconstpointer data)
{
    g_autoptr(GBytes) later = g_bytes_new_static("later", 5);

    (void)data;
    statefixture_save(f, "base");
    g_assert_true(statefixture_append(f, "one"));
    meshd_state_save_later(f->state, &f->net, "map", later);
    g_assert_true(statefixture_append(f, "two"));
    statefixture_assert_loads(f, "later|two");
    statefixture_restart(f);
    statefixture_assert_loads(f, "later|two");
    statefixture_save(f, "newest");
    statefixture_assert_loads(f, "newest");
    statefixture_restart(f);
    statefixture_assert_loads(f, "newest");
    g_assert_false(g_file_test(f->log, G_FILE_TEST_EXISTS));
}

/* Behind the first line, or behind an addition, which are one line each here. */
static bool ends_whole(const char *text, gsize cut)
{
    unsigned lines = 0;

    for (gsize i = 0; i < cut; i++)
        lines += text[i] == '\n';
    return text[cut - 1] == '\n' && lines % 2 == 1;
}

/* A journal is cut at every byte: what is whole comes back, the next addition takes the place of
 * what is not. */
static void test_torn(StateFixture *f, gconstpointer data)
{
    gsize            len = 0;
    g_autofree char *text = make_log(f, "base", 3, &len);
    unsigned         seen[4] = { 0 };

    (void)data;
    for (gsize cut = 0; cut <= len; cut++) {
        static const char *const wants[] = { "base", "base|one", "base|one|two",
                                             "base|one|two|three" };
        g_autofree char         *found = NULL, *want = NULL;
        size_t                   n = 0;

        g_assert_true(g_file_set_contents(f->log, text, (gssize)cut, NULL));
        statefixture_restart(f);
        found = statefixture_load(f);
        while (n < 3 && strcmp(found, wants[n]) != 0)
            n++;
        g_assert_cmpstr(found, ==, wants[n]);
        seen[n]++;
        statefixture_assert_troubles(f, cut > 0 && !ends_whole(text, cut)); /* it is said */
        g_assert_true(statefixture_append(f, "next"));
        statefixture_restart(f);
        want = g_strconcat(wants[n], "|next", NULL);
        statefixture_assert_loads(f, want);
    }
    for (size_t i = 0; i < 3; i++)
        g_assert_cmpuint(seen[i], >, 60); /* a line of a checksum */
    g_assert_cmpuint(seen[3], ==, 1);
}

/* A byte changed anywhere ends the journal there, but for those of the first line: the additions
 * themselves tell which document they go on from. It is said in any case. */
static void test_changed(StateFixture *f, gconstpointer data)
{
    gsize            len = 0;
    g_autofree char *text = make_log(f, "base", 2, &len);
    gsize            head = (gsize)(strchr(text, '\n') + 1 - text);

    (void)data;
    for (gsize at = 0; at < len; at++) {
        g_autofree char *found = NULL;

        text[at] ^= 1;
        g_assert_true(g_file_set_contents(f->log, text, (gssize)len, NULL));
        text[at] ^= 1;
        statefixture_restart(f);
        found = statefixture_load(f);
        if (at < head)
            g_assert_cmpstr(found, ==, "base|one|two");
        else
            g_assert_true(g_str_equal(found, "base") || g_str_equal(found, "base|one"));
        statefixture_assert_troubles(f, 1);
        if (at < head)
            g_assert_false(statefixture_append(f, "three")); /* to be written whole */
    }
}

static void test_other_generation(StateFixture *f, gconstpointer data)
{
    gsize            len = 0;
    g_autofree char *text = make_log(f, "first", 1, &len);

    (void)data;
    statefixture_assert_loads(f, "first|one");
    statefixture_save(f, "second");
    g_assert_true(statefixture_append(f, "two"));
    statefixture_restart(f);
    statefixture_assert_loads(f, "second|two");
    g_assert_true(
        g_file_set_contents(f->path, "torn", -1, NULL)); /* then the one before, as it was */
    statefixture_assert_loads(f, "first|one");
    g_assert_false(statefixture_append(f, "three")); /* and the newest is to be whole first */
    statefixture_save(f, "third");
    statefixture_assert_loads(f, "third");
    g_assert_true(g_file_set_contents(f->log, text, (gssize)len, NULL)); /* of the first */
    statefixture_assert_loads(f, "third");
}

/* The first generation of all has no other before it, yet its journal may be long. */
static void test_second_copy(StateFixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);

    (void)data;
    statefixture_save(f, "first");
    g_assert_true(statefixture_append(f, "one"));
    statefixture_restart(f);
    g_assert_true(g_file_set_contents(f->path, "torn", -1, NULL));
    statefixture_assert_loads(f, "first|one");
    meshd_state_repair(f->state, found);
    g_assert_cmpuint(found->len, >, 0);
    statefixture_restart(f);
    statefixture_assert_loads(f, "first|one");
    statefixture_assert_troubles(f, 0);
}

/* What the generation before has of additions stays its own, whatever becomes of the newest. */
static void test_missing(StateFixture *f, gconstpointer data)
{
    (void)data;
    statefixture_save(f, "first");
    g_assert_true(statefixture_append(f, "one"));
    statefixture_restart(f);
    statefixture_save(f, "second");
    g_assert_true(statefixture_append(f, "two"));
    statefixture_restart(f);
    g_assert_cmpint(g_unlink(f->path), ==, 0);
    statefixture_assert_loads(f, "first|one");
    statefixture_save(f, "third"); /* "first" is the one before still */
    g_assert_true(g_file_set_contents(f->path, "torn", -1, NULL));
    statefixture_assert_loads(f, "first|one");
}

/* The power went when the document was replaced, and its journal was not moved yet. */
static void test_not_moved(StateFixture *f, gconstpointer data)
{
    (void)data;
    statefixture_save(f, "first");
    g_assert_true(statefixture_append(f, "one"));
    statefixture_restart(f);
    statefixture_save(f, "second");
    g_assert_cmpint(g_rename(f->prev_log, f->log), ==, 0);
    statefixture_restart(f);
    statefixture_assert_loads(f, "second");
    g_assert_true(statefixture_append(f, "two"));
    statefixture_restart(f);
    statefixture_assert_loads(f, "second|two");
    statefixture_assert_troubles(f, 0);
    g_assert_true(g_file_set_contents(f->path, "torn", -1, NULL));
    statefixture_assert_loads(f, "first|one");
}

static void test_full(StateFixture *f, gconstpointer data)
{
    g_autofree char *text = g_strnfill(1000, 'x');
    unsigned         n = 0;

    (void)data;
    statefixture_save(f, "base");
    while (statefixture_append(f, text))
        n++;
    g_assert_cmpuint(n, >=, 60);
    g_assert_cmpuint(n, <=, 66);
    statefixture_restart(f);
    (void)g_free(statefixture_load(f));
    g_assert_false(statefixture_append(f, text));
    statefixture_save(f, "base");
    g_assert_true(statefixture_append(f, text));
}

/* What is there and cannot be read is not taken for nothing: then floors would go back. */
static void test_unreadable(StateFixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autoptr(GError) error = NULL;
    g_autofree char *aside = g_strconcat(f->log, "-aside", NULL);

    (void)data;
    statefixture_save(f, "base");
    g_assert_true(statefixture_append(f, "one"));
    statefixture_restart(f);
    g_assert_cmpint(g_rename(f->log, aside), ==, 0);
    g_assert_cmpint(g_mkdir(f->log, 0700), ==, 0);
    g_assert_null(meshd_state_load_log(f->state, &f->net, "map", records, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_STATE);
    g_assert_nonnull(strstr(error->message, f->log));
    g_assert_false(statefixture_append(f, "two")); /* nor written over */
    g_assert_cmpint(g_rmdir(f->log), ==, 0);
    g_assert_cmpint(g_rename(aside, f->log), ==, 0);
    statefixture_assert_loads(f, "base|one");
}

static void test_repair(StateFixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);

    (void)data;
    statefixture_save(f, "first");
    g_assert_true(statefixture_append(f, "one"));
    statefixture_restart(f);
    statefixture_assert_loads(f, "first|one");
    statefixture_save(f, "second");
    g_assert_true(statefixture_append(f, "lost"));
    statefixture_restart(f);
    g_assert_true(g_file_set_contents(f->path, "torn", -1, NULL));
    meshd_state_repair(f->state, found);
    g_assert_cmpuint(found->len, >, 0);
    statefixture_assert_loads(f, "first|one");
    g_assert_false(statefixture_append(f, "two"));
    statefixture_save(f, "third");
    g_assert_true(statefixture_append(f, "two"));
    statefixture_restart(f);
    statefixture_assert_loads(f, "third|two");
    g_assert_true(g_file_set_contents(f->path, "torn", -1, NULL));
    statefixture_assert_loads(f, "first|one"); /* which the repair had put back */
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(StateFixture *f, gconstpointer data);
    } tests[] = {
        { "/journal/order", test_order },
        { "/journal/whole", test_whole },
        { "/journal/torn", test_torn },
        { "/journal/changed", test_changed },
        { "/journal/other-generation", test_other_generation },
        { "/journal/second-copy", test_second_copy },
        { "/journal/missing", test_missing },
        { "/journal/not-moved", test_not_moved },
        { "/journal/full", test_full },
        { "/journal/repair", test_repair },
        { "/journal/unreadable", test_unreadable },
    };

    g_test_init(&argc, &argv, NULL);
    mesh_log_init("test", MESH_LOG_ERROR);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
        statefixture_add(tests[i].name, NULL, tests[i].test);
    return g_test_run();
}
