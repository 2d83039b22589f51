#include "gui/series.h"

static void test_ring(void)
{
    g_autoptr(GuiSeries) series = gui_series_new(3);
    GuiSeriesSummary summary = gui_series_get_summary(series);

    g_assert_cmpuint(summary.values, ==, 0);
    g_assert_cmpfloat(summary.mean, ==, 0);
    for (double value = 1; value <= 4; value++)
        gui_series_push(series, value);
    g_assert_cmpuint(gui_series_get_count(series), ==, 3);
    g_assert_cmpfloat(gui_series_get(series, 0), ==, 4);
    g_assert_cmpfloat(gui_series_get(series, 2), ==, 2);
    summary = gui_series_get_summary(series);
    g_assert_cmpfloat(summary.min, ==, 2);
    g_assert_cmpfloat(summary.max, ==, 4);
    g_assert_cmpfloat(summary.mean, ==, 3);
    gui_series_clear(series);
    g_assert_cmpuint(gui_series_get_count(series), ==, 0);
    gui_series_push(series, 7);
    g_assert_cmpfloat(gui_series_get(series, 0), ==, 7);
}

static void test_missing(void)
{
    g_autoptr(GuiSeries) series = gui_series_new(GUI_SERIES_MAX);
    GuiSeriesSummary summary;

    gui_series_push(series, NAN);
    gui_series_push(series, 5);
    gui_series_push(series, NAN);
    summary = gui_series_get_summary(series);
    g_assert_cmpuint(summary.values, ==, 1);
    g_assert_cmpuint(summary.missing, ==, 2);
    g_assert_cmpfloat(summary.last, ==, 5);
    g_assert_cmpfloat(summary.min, ==, 5);
}

typedef struct {
    const char *name;
    double      value, least, want;
} CeilingCase;

static const CeilingCase ceilings[] = {
    { "nothing-is-the-least", 0, 1, 1 },
    { "least-is-rounded-too", 0, 3, 5 },
    { "one", 1, 0.1, 1 },
    { "just-above-one", 1.01, 0.1, 2 },
    { "between", 23, 1, 50 },
    { "a-decade", 1000, 1, 1000 },
    { "just-above-a-decade", 1000.5, 1, 2000 },
    { "below-one", 0.3, 0.01, 0.5 },
    { "large", 7.3e11, 1, 1e12 },
};

static void test_ceiling(gconstpointer data)
{
    const CeilingCase *c = data;

    g_assert_cmpfloat_with_epsilon(gui_series_get_ceiling(c->value, c->least), c->want,
                                   c->want * 1e-9);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/series/ring", test_ring);
    g_test_add_func("/series/missing", test_missing);
    for (size_t i = 0; i < G_N_ELEMENTS(ceilings); i++) {
        g_autofree char *path = g_strdup_printf("/series/ceiling/%s", ceilings[i].name);

        g_test_add_data_func(path, &ceilings[i], test_ceiling);
    }
    return g_test_run();
}
