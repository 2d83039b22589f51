/* server/core/timers.c: timers of the control thread, sorted by when they are due. */
#include "server/core/timers.h"

#include "common/std/clock.h"

struct CoreTimers {
    GTree   *armed; /* CoreTimer → itself, borrowed */
    uint64_t order;
};

static int compare(const void *a, const void *b, void *user_data)
{
    const CoreTimer *x = a, *y = b;

    (void)user_data;
    if (x->due_ms != y->due_ms)
        return x->due_ms < y->due_ms ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

CoreTimers *core_timers_new(void)
{
    CoreTimers *self = g_new0(CoreTimers, 1);

    self->armed = g_tree_new_full(compare, NULL, NULL, NULL);
    return self;
}

void core_timers_free(CoreTimers *self)
{
    if (self == NULL)
        return;
    g_tree_unref(self->armed);
    g_free(self);
}

void core_timers_disarm(CoreTimers *self, CoreTimer *timer)
{
    if (timer->armed)
        g_tree_remove(self->armed, timer);
    timer->armed = false;
}

void core_timers_arm(CoreTimers *self, CoreTimer *timer, int64_t delay_ms)
{
    core_timers_disarm(self, timer);
    timer->due_ms = mesh_clock_boot_ms() + delay_ms;
    timer->order = ++self->order;
    timer->armed = true;
    g_tree_insert(self->armed, timer, timer);
}

static CoreTimer *first(CoreTimers *self)
{
    GTreeNode *node = g_tree_node_first(self->armed);

    return node != NULL ? g_tree_node_value(node) : NULL;
}

void core_timers_run(CoreTimers *self, void *context)
{
    int64_t    now = mesh_clock_boot_ms();
    CoreTimer *timer;

    while ((timer = first(self)) != NULL && timer->due_ms <= now) {
        core_timers_disarm(self, timer);
        timer->fire(context, timer->data);
    }
}

int64_t core_timers_next_ms(CoreTimers *self)
{
    CoreTimer *timer = first(self);
    int64_t    now;

    if (timer == NULL)
        return -1;
    now = mesh_clock_boot_ms();
    return timer->due_ms > now ? timer->due_ms - now : 0;
}
