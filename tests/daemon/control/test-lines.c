/* Tests of daemon/control/lines.c: however the bytes are cut, the lines are the same. */
#include "daemon/control/lines.h"

#include <string.h>

static bool collect(const char *text, size_t len, void *user_data)
{
    g_string_append_len(user_data, text, (gssize)len);
    g_string_append_c(user_data, '|');
    return true;
}

typedef struct {
    const char *name, *bytes, *want; /* want NULL: refused */
} LinesCase;

static const LinesCase cases[] = {
    { "one", "abc\n", "abc|" },
    { "two", "abc\ndef\n", "abc|def|" },
    { "heartbeats", "\n\nabc\n\n", "||abc||" },
    { "cr", "abc\r\n\r\n", "abc||" },
    { "no-end", "abc\nde", "abc|" },
    { "exactly-max", "0123456789\n", "0123456789|" },
    { "exactly-max-cr", "0123456789\r\nx\n", "0123456789|x|" },
    { "too-long", "0123456789ab\n", NULL },
    { "too-long-later", "a\n0123456789abcdef", NULL },
};

static void test_cut(gconstpointer data)
{
    const LinesCase *c = data;
    size_t           len = strlen(c->bytes);

    for (size_t step = 1; step <= len; step++) {
        ControlLines lines;
        g_autoptr(GString) got = g_string_new(NULL);
        bool ok = true;

        control_lines_init(&lines, 10);
        for (size_t at = 0; at < len && ok; at += step)
            ok = control_lines_feed(&lines, c->bytes + at, MIN(step, len - at), collect, got);
        g_assert_cmpint(ok, ==, c->want != NULL);
        if (c->want != NULL)
            g_assert_cmpstr(got->str, ==, c->want);
        control_lines_done(&lines);
    }
}

static bool stop_at_b(const char *text, size_t len, void *user_data)
{
    collect(text, len, user_data);
    return !(len == 1 && text[0] == 'b');
}

static void test_stops(void)
{
    ControlLines lines;
    g_autoptr(GString) got = g_string_new(NULL);

    control_lines_init(&lines, 10);
    g_assert_false(control_lines_feed(&lines, "a\nb\nc\n", 6, stop_at_b, got));
    g_assert_cmpstr(got->str, ==, "a|b|");
    control_lines_done(&lines);
    control_lines_done(&lines); /* twice is fine */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/lines/cut/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], test_cut);
    }
    g_test_add_func("/lines/stops", test_stops);
    return g_test_run();
}
