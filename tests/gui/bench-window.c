/* The window with many peers: how long until its first frame and until all are listed, the work of
 * a frame while it scrolls, how soon a search is answered, its memory. For tests/bench/gui.py:
 * bench-window PEERS. Prints a line "NAME VALUE UNIT" each; it judges nothing. */
#include "gui/application.h"
#include "gui/window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SCROLL_FRAMES = 400, FLICK_FRAMES = 200, SCROLL_PX = 90 };

typedef enum { LOAD, SCROLL, FLICK, SEARCH, DONE } Stage;

typedef struct {
    GtkApplication *application;
    GtkWidget      *window;
    unsigned        peers, frames;
    gint64          began, asked; /* µs; asked: when a search was, 0: none */
    gint64          frame_began;
    double   asked_cpu, frame_cpu; /* ms of the processor that the main loop had taken by then */
    Stage    stage;
    unsigned search;
    bool     first;
    GArray  *work, *work_cpu; /* ms of each frame of this stage */
    GArray  *answers, *answers_cpu;
} Bench;

static const char *const searches[] = { "n",         "no", "node-0",  "node-04",
                                        "node-0421", "",   "10.71.3", "fd7a:1:2:1f",
                                        "nobody",    "",   "node-09", "" };

/* ms of the processor that this thread took. Others run on the machine, too: that is in no other
 * time. */
static double get_cpu(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void add(GArray *values, double value)
{
    g_array_append_val(values, value);
}

static GtkWidget *find(GtkWidget *from, GType type)
{
    GtkWidget *found = NULL;

    if (g_type_is_a(G_OBJECT_TYPE(from), type))
        return from;
    for (GtkWidget *at = gtk_widget_get_first_child(from); at != NULL && found == NULL;
         at = gtk_widget_get_next_sibling(at))
        found = find(at, type);
    return found;
}

static int compare(gconstpointer a, gconstpointer b)
{
    return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b;
}

static void report(const char *name, GArray *values)
{
    if (values->len == 0)
        return;
    g_array_sort(values, compare);
    printf("%s-p50 %.2f ms\n", name, g_array_index(values, double, values->len / 2));
    printf("%s-p95 %.2f ms\n", name, g_array_index(values, double, values->len * 95 / 100));
    printf("%s-max %.2f ms\n", name, g_array_index(values, double, values->len - 1));
    g_array_set_size(values, 0);
}

/* What of this process alone is in memory, and its share of what others use, too. */
static void report_memory(void)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents("/proc/self/smaps_rollup", &text, NULL, NULL))
        return;
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        if (g_str_has_prefix(*line, "Rss:") || g_str_has_prefix(*line, "Pss:"))
            printf("%.3s %.1f MiB\n", *line, (double)atol(*line + 4) / 1024.0);
}

static GtkAdjustment *get_adjustment(Bench *bench)
{
    GtkWidget *list = find(bench->window, GTK_TYPE_LIST_VIEW);

    return gtk_scrollable_get_vadjustment(GTK_SCROLLABLE(list));
}

static void scroll(Bench *bench, double step)
{
    GtkAdjustment *adjustment = get_adjustment(bench);
    double         value = gtk_adjustment_get_value(adjustment) + step;
    double room = gtk_adjustment_get_upper(adjustment) - gtk_adjustment_get_page_size(adjustment);

    gtk_adjustment_set_value(adjustment, value > room ? 0 : value);
}

static void search(Bench *bench)
{
    GtkWidget *entry = find(bench->window, GTK_TYPE_SEARCH_ENTRY);

    bench->asked = g_get_monotonic_time();
    bench->asked_cpu = get_cpu();
    gtk_editable_set_text(GTK_EDITABLE(entry), searches[bench->search]);
}

static void next_stage(Bench *bench)
{
    static const char *const names[] = { "load", "scroll", "flick", "search-frame" };
    static const char *const cpu_names[] = { "load-cpu", "scroll-cpu", "flick-cpu",
                                             "search-frame-cpu" };

    report(names[bench->stage], bench->work);
    report(cpu_names[bench->stage], bench->work_cpu);
    bench->stage++;
    bench->frames = 0;
    if (bench->stage == SEARCH)
        g_object_set(find(bench->window, GTK_TYPE_SEARCH_BAR), "search-mode-enabled", true, NULL);
    if (bench->stage == DONE) {
        report("search", bench->answers);
        report("search-cpu", bench->answers_cpu);
        report_memory();
        g_application_quit(G_APPLICATION(bench->application));
    }
}

static void step_search(Bench *bench)
{
    if (bench->frames < 10 || bench->asked != 0)
        return; /* the search bar opens; or the answer is not drawn yet */
    if (bench->search == G_N_ELEMENTS(searches)) {
        next_stage(bench);
        return;
    }
    search(bench);
    bench->search++;
}

static bool is_loaded(Bench *bench)
{
    GtkWidget  *list = find(bench->window, GTK_TYPE_LIST_VIEW);
    GListModel *model = G_LIST_MODEL(gtk_list_view_get_model(GTK_LIST_VIEW(list)));

    return g_list_model_get_n_items(model) >= bench->peers;
}

static gboolean on_tick(GtkWidget *widget, GdkFrameClock *clock, gpointer user_data)
{
    Bench *bench = user_data;

    (void)widget, (void)clock;
    bench->frames++;
    if (bench->stage == LOAD && is_loaded(bench)) {
        printf("loaded %.0f ms\n", (double)(g_get_monotonic_time() - bench->began) / 1000.0);
        next_stage(bench);
    } else if (bench->stage == SCROLL) {
        scroll(bench, SCROLL_PX);
        if (bench->frames == SCROLL_FRAMES)
            next_stage(bench);
    } else if (bench->stage == FLICK) {
        scroll(bench, gtk_adjustment_get_page_size(get_adjustment(bench)) * 1.5);
        if (bench->frames == FLICK_FRAMES)
            next_stage(bench);
    } else if (bench->stage == SEARCH) {
        step_search(bench);
    }
    gtk_widget_queue_draw(bench->window); /* the next frame comes whatever this one was */
    return G_SOURCE_CONTINUE;
}

static void on_before(GdkFrameClock *clock, Bench *bench)
{
    (void)clock;
    bench->frame_began = g_get_monotonic_time();
    bench->frame_cpu = get_cpu();
}

static void on_after(GdkFrameClock *clock, Bench *bench)
{
    const gint64 now = g_get_monotonic_time();
    const double cpu = get_cpu();

    (void)clock;
    if (!bench->first)
        printf("first-frame %.0f ms\n", (double)(now - bench->began) / 1000.0);
    bench->first = true;
    add(bench->work, (double)(now - bench->frame_began) / 1000.0);
    add(bench->work_cpu, cpu - bench->frame_cpu);
    if (bench->asked == 0)
        return;
    add(bench->answers, (double)(now - bench->asked) / 1000.0);
    add(bench->answers_cpu, cpu - bench->asked_cpu);
    if (g_getenv("BENCH_TALK") != NULL)
        fprintf(stderr, "search %u \"%s\": %.1f ms cpu\n", bench->search,
                searches[bench->search - 1], cpu - bench->asked_cpu);
    bench->asked = 0;
}

static void on_window_added(GtkApplication *application, GtkWindow *window, Bench *bench)
{
    GdkFrameClock *clock;

    (void)application;
    if (bench->window != NULL)
        return;
    bench->window = GTK_WIDGET(window);
    gtk_widget_realize(bench->window);
    clock = gtk_widget_get_frame_clock(bench->window);
    g_signal_connect(clock, "before-paint", G_CALLBACK(on_before), bench);
    g_signal_connect_after(clock, "after-paint", G_CALLBACK(on_after), bench);
    gtk_widget_add_tick_callback(bench->window, on_tick, bench, NULL);
}

int main(int argc, char **argv)
{
    g_autoptr(GuiApplication) application = NULL;
    const char *began = g_getenv("BENCH_BEGAN_US"); /* CLOCK_MONOTONIC before we were started */
    Bench       bench = { .peers = argc > 1 ? (unsigned)atoi(argv[1]) : 0 };

    setvbuf(stdout, NULL, _IOLBF, 0);
    bench.began = began != NULL ? g_ascii_strtoll(began, NULL, 10) : g_get_monotonic_time();
    bench.work = g_array_new(false, false, sizeof(double));
    bench.work_cpu = g_array_new(false, false, sizeof(double));
    bench.answers = g_array_new(false, false, sizeof(double));
    bench.answers_cpu = g_array_new(false, false, sizeof(double));
    application = gui_application_new();
    bench.application = GTK_APPLICATION(application);
    g_signal_connect(application, "window-added", G_CALLBACK(on_window_added), &bench);
    return g_application_run(G_APPLICATION(application), 1, argv);
}
