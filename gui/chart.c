#include "gui/chart.h"

#include "gui/series.h"

enum {
    MIN_WIDTH = 120,
    HEIGHT = 112,
    PAD = 6,
    GRID_LINES = 2,
    GAP_MARK_HEIGHT = 10,
};

struct _GuiChart {
    GtkWidget      parent_instance;
    GuiSeries     *series[GUI_CHART_LINES_MAX]; /* owned; the first .lines of them */
    GuiChartFormat format;
    unsigned       lines;
    double         least;
};

G_DEFINE_FINAL_TYPE(GuiChart, gui_chart, GTK_TYPE_WIDGET)

/* What a frame needs to know; the axis goes from 0 to top. */
typedef struct {
    GuiChart *chart;
    cairo_t  *cr;
    double    x, y, width, height; /* of the drawing, without the text above it */
    double    top;
    GdkRGBA   text, accent, second, error;
} Frame;

static GdkRGBA find_color(GtkWidget *widget, const char *name, const char *fallback)
{
    GdkRGBA color;

    if (!gtk_style_context_lookup_color(gtk_widget_get_style_context(widget), name, &color))
        gdk_rgba_parse(&color, fallback);
    return color;
}

static void set_color(cairo_t *cr, const GdkRGBA *color, double alpha)
{
    cairo_set_source_rgba(cr, color->red, color->green, color->blue, color->alpha * alpha);
}

/* Where a value of this age stands: the newest at the right end, whatever the language. */
static double get_x(const Frame *frame, const GuiSeries *series, unsigned age)
{
    return frame->x + frame->width - frame->width * age / (gui_series_get_capacity(series) - 1);
}

static double get_y(const Frame *frame, double value)
{
    return frame->y + frame->height * (1 - CLAMP(value / frame->top, 0, 1));
}

static void draw_grid(const Frame *frame)
{
    set_color(frame->cr, &frame->text, 0.15);
    cairo_set_line_width(frame->cr, 1);
    for (int i = 0; i <= GRID_LINES; i++) {
        double y = (double)(int)(frame->y + frame->height * i / GRID_LINES) + 0.5;

        cairo_move_to(frame->cr, frame->x, y);
        cairo_line_to(frame->cr, frame->x + frame->width, y);
    }
    cairo_stroke(frame->cr);
}

/* Puts the run of values that begins at @oldest into the path. Returns the age of its newest one.
 */
static unsigned trace_run(const Frame *frame, const GuiSeries *series, unsigned oldest)
{
    unsigned age = oldest;

    cairo_new_path(frame->cr);
    cairo_move_to(frame->cr, get_x(frame, series, age), get_y(frame, gui_series_get(series, age)));
    while (age > 0 && !isnan(gui_series_get(series, age - 1))) {
        age--;
        cairo_line_to(frame->cr, get_x(frame, series, age),
                      get_y(frame, gui_series_get(series, age)));
    }
    return age;
}

/* A run of values without a gap: a line, and below it a light area; a lone value is a dot. */
static unsigned draw_run(const Frame *frame, const GuiSeries *series, const GdkRGBA *color,
                         unsigned oldest)
{
    cairo_t *cr = frame->cr;
    unsigned newest = trace_run(frame, series, oldest);

    set_color(cr, color, 1);
    if (newest == oldest) {
        cairo_arc(cr, get_x(frame, series, oldest), get_y(frame, gui_series_get(series, oldest)),
                  2.5, 0, 2 * G_PI);
        cairo_fill(cr);
        return newest;
    }
    cairo_set_line_width(cr, 2);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_stroke_preserve(cr);
    cairo_line_to(cr, get_x(frame, series, newest), frame->y + frame->height);
    cairo_line_to(cr, get_x(frame, series, oldest), frame->y + frame->height);
    cairo_close_path(cr);
    set_color(cr, color, 0.12);
    cairo_fill(cr);
    return newest;
}

static void draw_gap(const Frame *frame, double x)
{
    set_color(frame->cr, &frame->error, 1);
    cairo_set_line_width(frame->cr, 2);
    cairo_move_to(frame->cr, x, frame->y + frame->height);
    cairo_line_to(frame->cr, x, frame->y + frame->height - GAP_MARK_HEIGHT);
    cairo_stroke(frame->cr);
}

static void draw_series(const Frame *frame, const GuiSeries *series, const GdkRGBA *color)
{
    unsigned age = gui_series_get_count(series);

    while (age-- > 0) {
        if (isnan(gui_series_get(series, age)))
            draw_gap(frame, get_x(frame, series, age));
        else
            age = draw_run(frame, series, color, age);
    }
}

/* The end of the axis, as text above the drawing at the side where lines of text begin. */
static void draw_axis_text(const Frame *frame)
{
    GtkWidget       *widget = GTK_WIDGET(frame->chart);
    g_autofree char *text = frame->chart->format(frame->top);
    g_autoptr(PangoLayout) layout = gtk_widget_create_pango_layout(widget, text);
    int width, height;

    pango_layout_get_pixel_size(layout, &width, &height);
    set_color(frame->cr, &frame->text, 0.7);
    cairo_move_to(frame->cr,
                  gtk_widget_get_direction(widget) == GTK_TEXT_DIR_RTL
                      ? frame->x + frame->width - width
                      : frame->x,
                  frame->y - height - 2);
    pango_cairo_show_layout(frame->cr, layout);
}

static int get_text_height(GtkWidget *widget)
{
    g_autoptr(PangoLayout) layout = gtk_widget_create_pango_layout(widget, "0");
    int height;

    pango_layout_get_pixel_size(layout, NULL, &height);
    return height;
}

static void take_style(Frame *frame)
{
    GtkWidget *widget = GTK_WIDGET(frame->chart);

    gtk_style_context_get_color(gtk_widget_get_style_context(widget), &frame->text);
    frame->accent = find_color(widget, "accent_color", "#1c71d8");
    frame->second = find_color(widget, "success_color", "#1b8553");
    frame->error = find_color(widget, "error_color", "#c01c28");
}

static void gui_chart_snapshot(GtkWidget *widget, GtkSnapshot *snapshot)
{
    GuiChart *self = GUI_CHART(widget);
    int       width = gtk_widget_get_width(widget), height = gtk_widget_get_height(widget);
    int       above = get_text_height(widget) + PAD;
    double    max = 0;
    Frame     frame = { .chart = self, .x = PAD, .y = above };

    if (width <= 2 * PAD || height <= above + PAD)
        return;
    frame.width = width - 2 * PAD;
    frame.height = height - above - PAD;
    for (unsigned i = 0; i < self->lines; i++)
        max = MAX(max, gui_series_get_summary(self->series[i]).max);
    frame.top = gui_series_get_ceiling(max, self->least);
    take_style(&frame);
    frame.cr =
        gtk_snapshot_append_cairo(snapshot, &GRAPHENE_RECT_INIT(0, 0, (float)width, (float)height));
    draw_grid(&frame);
    for (unsigned i = self->lines; i-- > 0;)
        draw_series(&frame, self->series[i], i == 0 ? &frame.accent : &frame.second);
    draw_axis_text(&frame);
    cairo_destroy(frame.cr);
}

static void gui_chart_finalize(GObject *object)
{
    GuiChart *self = GUI_CHART(object);

    for (unsigned i = 0; i < self->lines; i++)
        gui_series_free(self->series[i]);
    G_OBJECT_CLASS(gui_chart_parent_class)->finalize(object);
}

static void gui_chart_class_init(GuiChartClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);

    G_OBJECT_CLASS(klass)->finalize = gui_chart_finalize;
    widget_class->snapshot = gui_chart_snapshot;
    gtk_widget_class_set_css_name(widget_class, "chart");
    gtk_widget_class_set_accessible_role(widget_class, GTK_ACCESSIBLE_ROLE_IMG);
}

static void gui_chart_init(GuiChart *self)
{
    gtk_widget_set_hexpand(GTK_WIDGET(self), TRUE);
    gtk_widget_set_size_request(GTK_WIDGET(self), MIN_WIDTH, HEIGHT);
}

GtkWidget *gui_chart_new(const GuiChartShape *shape, const char *label)
{
    GuiChart *self;

    g_return_val_if_fail(shape->lines >= 1 && shape->lines <= GUI_CHART_LINES_MAX, NULL);
    g_return_val_if_fail(shape->points >= 2 && shape->format != NULL && shape->least > 0, NULL);
    self = g_object_new(GUI_TYPE_CHART, NULL);
    self->lines = shape->lines;
    self->format = shape->format;
    self->least = shape->least;
    for (unsigned i = 0; i < self->lines; i++)
        self->series[i] = gui_series_new(shape->points);
    gtk_accessible_update_property(GTK_ACCESSIBLE(self), GTK_ACCESSIBLE_PROPERTY_LABEL, label, -1);
    return GTK_WIDGET(self);
}

void gui_chart_push(GuiChart *self, const double *values)
{
    for (unsigned i = 0; i < self->lines; i++)
        gui_series_push(self->series[i], values[i]);
    gtk_widget_queue_draw(GTK_WIDGET(self));
}

void gui_chart_clear(GuiChart *self)
{
    for (unsigned i = 0; i < self->lines; i++)
        gui_series_clear(self->series[i]);
    gtk_widget_queue_draw(GTK_WIDGET(self));
}

void gui_chart_describe(GuiChart *self, const char *text)
{
    gtk_accessible_update_property(GTK_ACCESSIBLE(self), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, text,
                                   -1);
}

GtkWidget *gui_chart_new_caption(void)
{
    GtkWidget *label = gtk_label_new("");

    gtk_label_set_wrap(GTK_LABEL(label), TRUE);
    gtk_label_set_xalign(GTK_LABEL(label), 0);
    gtk_widget_add_css_class(label, "numeric");
    gtk_widget_add_css_class(label, "caption");
    gtk_widget_set_margin_start(label, 12);
    gtk_widget_set_margin_end(label, 12);
    gtk_widget_set_margin_bottom(label, 12);
    return label;
}
