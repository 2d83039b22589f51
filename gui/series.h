/* gui/series.h: GuiSeries, the last values of something that is measured again and again: a bounded
 * ring, pure. Owner: a chart. Thread: any, one at a time. */
#pragma once

#include <glib.h>
#include <math.h>
#include <stdbool.h>

enum { GUI_SERIES_MAX = 600 };

typedef struct GuiSeries GuiSeries;

/* What the ring holds. Values are those that are not NAN; with none of them they are 0. */
typedef struct {
    unsigned values;  /* how many */
    unsigned missing; /* how many are NAN: measured without a result */
    double   last, min, max, mean;
} GuiSeriesSummary;

GuiSeries *gui_series_new(unsigned capacity); /* 1 … GUI_SERIES_MAX */
void       gui_series_free(GuiSeries *self);  /* NULL is fine */

/* Adds a value, 0 or more, or NAN; the oldest falls out of a full ring. */
void     gui_series_push(GuiSeries *self, double value);
void     gui_series_clear(GuiSeries *self);
unsigned gui_series_get_count(const GuiSeries *self);
unsigned gui_series_get_capacity(const GuiSeries *self);

/* @age: 0 is the newest; less than the count. */
double           gui_series_get(const GuiSeries *self, unsigned age);
GuiSeriesSummary gui_series_get_summary(const GuiSeries *self);

/* The smallest of 1, 2, 5, 10, 20, 50 … (and their parts by ten) that is not below @value: where an
 * axis ends. At least @least, which is more than 0. */
double gui_series_get_ceiling(double value, double least);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuiSeries, gui_series_free)
