#include "gui/series.h"

static const double CEILING_MAX = 1e18;

struct GuiSeries {
    unsigned capacity;
    unsigned count; /* at most capacity */
    unsigned next;  /* where the next value goes */
    double   values[];
};

GuiSeries *gui_series_new(unsigned capacity)
{
    GuiSeries *self;

    g_return_val_if_fail(capacity > 0 && capacity <= GUI_SERIES_MAX, NULL);
    self = g_malloc0(sizeof *self + capacity * sizeof self->values[0]);
    self->capacity = capacity;
    return self;
}

void gui_series_free(GuiSeries *self)
{
    g_free(self);
}

void gui_series_push(GuiSeries *self, double value)
{
    g_return_if_fail(isnan(value) || (value >= 0 && isfinite(value)));
    self->values[self->next] = value;
    self->next = (self->next + 1) % self->capacity;
    if (self->count < self->capacity)
        self->count++;
}

void gui_series_clear(GuiSeries *self)
{
    self->count = 0;
    self->next = 0;
}

unsigned gui_series_get_count(const GuiSeries *self)
{
    return self->count;
}

unsigned gui_series_get_capacity(const GuiSeries *self)
{
    return self->capacity;
}

double gui_series_get(const GuiSeries *self, unsigned age)
{
    g_return_val_if_fail(age < self->count, NAN);
    return self->values[(self->next + self->capacity - 1 - age) % self->capacity];
}

GuiSeriesSummary gui_series_get_summary(const GuiSeries *self)
{
    GuiSeriesSummary summary = { 0 };
    double           sum = 0;

    for (unsigned age = self->count; age-- > 0;) {
        double value = gui_series_get(self, age);

        if (isnan(value)) {
            summary.missing++;
            continue;
        }
        summary.min = summary.values == 0 ? value : MIN(summary.min, value);
        summary.max = MAX(summary.max, value);
        summary.last = value;
        summary.values++;
        sum += value;
    }
    if (summary.values > 0)
        summary.mean = sum / summary.values;
    return summary;
}

double gui_series_get_ceiling(double value, double least)
{
    static const double steps[] = { 1, 2, 5, 10 };
    double              decade = 1;

    g_return_val_if_fail(least > 0, 1);
    if (!(value > least))
        value = least;
    value = MIN(value, CEILING_MAX);
    while (decade > value)
        decade /= 10;
    while (decade * 10 <= value)
        decade *= 10;
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        /* A value that stands on a step by calculation may miss it by rounding. */
        if (value <= steps[i] * decade * (1 + 1e-9))
            return steps[i] * decade;
    }
    return value;
}
