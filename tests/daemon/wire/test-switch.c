/* tests/daemon/wire/test-switch.c: the three words, and nothing else. */
#include <glib.h>

#include "daemon/wire/switch.h"

static void test_words(void)
{
    static const char *const others[] = { "", "o", "On", "on ", "offf", "1", "automatic" };
    WireSwitch               wish = WIRE_SWITCH_AUTO;

    g_assert_true(wire_switch_parse("on", &wish));
    g_assert_cmpint(wish, ==, WIRE_SWITCH_ON);
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        g_assert_false(wire_switch_parse(others[i], &wish));
        g_assert_cmpint(wish, ==, WIRE_SWITCH_ON);
    }
    g_assert_true(wire_switch_parse("off", &wish));
    g_assert_cmpint(wish, ==, WIRE_SWITCH_OFF);
    g_assert_true(wire_switch_parse("auto", &wish));
    g_assert_cmpint(wish, ==, WIRE_SWITCH_AUTO);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/switch/words", test_words);
    return g_test_run();
}
