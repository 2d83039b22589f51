/* gui/chart.h: GuiChart, a small live chart: one or two lines over time, newest at the right.
 * Thread: main loop only.
 *
 * Colours are the theme's (light, dark, high contrast), so they change with it. To a screen reader
 * it is an image with a label and a description, which the owner keeps in words. */
#pragma once

#include <gtk/gtk.h>

#define GUI_TYPE_CHART (gui_chart_get_type())
G_DECLARE_FINAL_TYPE(GuiChart, gui_chart, GUI, CHART, GtkWidget)

enum { GUI_CHART_LINES_MAX = 2 };

/* Text of a value on the axis, e.g. "20 ms". Owned. */
typedef char *(*GuiChartFormat)(double value);

/* @lines: 1 or 2; @points: values kept of each, 2 … GUI_SERIES_MAX; @format: of the axis; @least:
 * the axis goes at least so high. */
typedef struct {
    unsigned       lines;
    unsigned       points;
    GuiChartFormat format;
    double         least;
} GuiChartShape;

GtkWidget *gui_chart_new(const GuiChartShape *shape, const char *label);

/* Adds a value of each line, in order; NAN is a gap, marked as a failure. */
void gui_chart_push(GuiChart *self, const double *values);
void gui_chart_clear(GuiChart *self);

/* What it shows, in words, for who cannot see it. */
void gui_chart_describe(GuiChart *self, const char *text);

/* A label for the figures that belong below a chart. */
GtkWidget *gui_chart_new_caption(void);
