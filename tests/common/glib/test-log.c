/* Tests of common/glib/log.c: secrets are masked, rates are held, levels hold. */
#include "common/glib/log.h"

#include "common/std/clock.h"

#include <string.h>

static GPtrArray *lines; /* owned texts "level line" */
static int64_t    now_ns;

static void on_line(MeshLogLevel level, const char *line, void *user_data)
{
    (void)user_data;
    g_ptr_array_add(lines, g_strdup_printf("%d %s", (int)level, line));
}

static int64_t get_now(void *user_data)
{
    (void)user_data;
    return now_ns;
}

static void begin(void)
{
    static const MeshClockSource source = { .boot_ns = get_now, .wall_ns = get_now };

    lines = g_ptr_array_new_with_free_func(g_free);
    now_ns = 1000000000000;
    mesh_clock_set_source(&source);
    mesh_log_set_sink(on_line, NULL);
    mesh_log_set_level(MESH_LOG_INFO);
}

static void end(void)
{
    mesh_log_set_sink(NULL, NULL);
    mesh_clock_set_source(NULL);
    g_ptr_array_unref(lines);
}

typedef struct {
    const char *name, *text, *want;
} RedactCase;

static const RedactCase redacts[] = {
    { "plain", "nothing here", "nothing here" },
    { "link", "mesh://h/0011?s=AAA&k=SECRET&tls=webpki", "mesh://h/0011?s=AAA&k=***&tls=webpki" },
    { "link-end", "join mesh://h/0011?s=AAA&k=SECRET now", "join mesh://h/0011?s=AAA&k=*** now" },
    { "quoted", "'k=SECRET'", "'k=***'" },
    { "upper", "PSK=abc", "PSK=***" },
    { "not-a-name", "ok=fine task=1", "ok=fine task=1" },
    { "twice", "token=a secret=b", "token=*** secret=***" },
    { "empty", "k=", "k=***" },
};

static void test_redact(gconstpointer data)
{
    const RedactCase *c = data;
    g_autofree char  *got = mesh_log_redact(c->text);

    g_assert_cmpstr(got, ==, c->want);
}

static void test_fields(void)
{
    MeshLogField fields[] = { { "network", "home" },
                              { "peer", NULL },
                              { "private-key", "abc" },
                              { "link", "mesh://h/00?k=abc" } };

    begin();
    mesh_log_write(MESH_LOG_WARNING, fields, G_N_ELEMENTS(fields), "it %s\nforged", "broke");
    g_assert_cmpuint(lines->len, ==, 1);
    g_assert_cmpstr(lines->pdata[0], ==,
                    "4 it broke forged network=home private-key=*** link=mesh://h/00?k=***");
    end();
}

static void test_levels(void)
{
    MeshLogLevel level = MESH_LOG_ERROR;

    begin();
    mesh_log_debug("hidden");
    g_assert_cmpuint(lines->len, ==, 0);
    mesh_log_info("shown");
    g_assert_cmpuint(lines->len, ==, 1);
    g_assert_true(mesh_log_parse_level("debug", &level));
    g_assert_cmpint(level, ==, MESH_LOG_DEBUG);
    g_assert_false(mesh_log_parse_level("loud", &level));
    g_assert_false(mesh_log_parse_level(NULL, &level));
    mesh_log_set_level(level);
    mesh_log_debug("shown too");
    g_assert_cmpuint(lines->len, ==, 2);
    end();
}

static void test_rate(void)
{
    begin();
    for (int i = 0; i < 100; i++)
        mesh_log_info("again %d", i);
    g_assert_cmpuint(lines->len, ==, 10);
    mesh_log_info("another line has its own rate");
    g_assert_cmpuint(lines->len, ==, 11);
    now_ns += 1000000000;
    for (int i = 0; i < 2; i++)
        mesh_log_info("again %d", i); /* the same text as above: the same rate if merged or not */
    g_assert_cmpuint(lines->len, >=, 12);
    end();
}

static void say(int i)
{
    mesh_log_info("held %d", i);
}

static void test_held_back(void)
{
    begin();
    for (int i = 0; i < 15; i++)
        say(i);
    now_ns += 1000000000;
    say(15);
    say(16);
    g_assert_cmpuint(lines->len, ==, 11);
    g_assert_cmpstr(lines->pdata[10], ==, "6 held 15 (5 like it held back)");
    end();
}

static void test_glib_messages(void)
{
    begin();
    g_log_structured("Some", G_LOG_LEVEL_WARNING, "MESSAGE", "from %s k=x", "glib");
    g_assert_cmpuint(lines->len, ==, 1);
    g_assert_cmpstr(lines->pdata[0], ==, "4 from glib k=*** domain=Some");
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_unsetenv("MESH_LOG");
    mesh_log_init("test", MESH_LOG_INFO);
    for (size_t i = 0; i < G_N_ELEMENTS(redacts); i++) {
        g_autofree char *path = g_strdup_printf("/log/redact/%s", redacts[i].name);
        g_test_add_data_func(path, &redacts[i], test_redact);
    }
    g_test_add_func("/log/fields", test_fields);
    g_test_add_func("/log/levels", test_levels);
    g_test_add_func("/log/rate", test_rate);
    g_test_add_func("/log/held-back", test_held_back);
    g_test_add_func("/log/glib-messages", test_glib_messages);
    return g_test_run();
}
