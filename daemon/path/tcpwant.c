#include "daemon/path/tcpwant.h"

#include "common/std/clock.h"

enum {
    KEPT_MS = 3600 * 1000
}; /* a pair that talks is noted at each attempt, each 10 min at least */

static gboolean on_timer(gpointer user_data)
{
    PathTcpWant *self = user_data;
    int64_t      left_ms = self->noted_ms + KEPT_MS - mesh_clock_boot_ms();
    bool         wanted = left_ms > 0;

    self->timer = wanted ? g_timeout_add((guint)left_ms, on_timer, self) : 0;
    if (wanted != self->wanted) {
        self->wanted = wanted;
        self->changed(self->user_data);
    }
    return G_SOURCE_REMOVE;
}

void path_tcpwant_start(PathTcpWant *self, void (*changed)(void *user_data), void *user_data)
{
    *self = (PathTcpWant){ .changed = changed, .user_data = user_data };
}

void path_tcpwant_stop(PathTcpWant *self)
{
    g_clear_handle_id(&self->timer, g_source_remove);
}

void path_tcpwant_note(PathTcpWant *self)
{
    self->noted_ms = mesh_clock_boot_ms();
    if (self->timer == 0)
        self->timer = g_idle_add(on_timer, self);
}
