#include "daemon/path/idle.h"

#include "common/std/clock.h"

/* Longer than the 30 s after which the data plane tells of the next data (WIRE_EVENT_ACTIVE): who
 * rests is sure to be told. */
enum { IDLE_MS = 31000 };

static int64_t get_idle_ms(const PathSeek *self)
{
    WirePeerInfo info;

    if (wire_plane_get_peer(self->host->plane, &self->told->wg, &info) < 0)
        return 0;
    return mesh_clock_boot_ms() - (int64_t)info.last_data_ms;
}

static gboolean on_timer(gpointer user_data)
{
    PathSeek *self = user_data;
    int64_t   idle_ms;

    self->idle_timer = 0;
    if (self->relay.link == 0 || path_seek_get_active(self) == NULL || self->checks > 0)
        return G_SOURCE_REMOVE; /* the next route begins anew */
    idle_ms = get_idle_ms(self);
    if (idle_ms < IDLE_MS) {
        self->idle_timer = g_timeout_add((guint)(IDLE_MS - idle_ms), on_timer, self);
        return G_SOURCE_REMOVE;
    }
    self->resting = true;
    path_seek_steer(self, 0);
    return G_SOURCE_REMOVE;
}

void path_idle_watch(PathSeek *self)
{
    if (!self->resting && self->idle_timer == 0)
        self->idle_timer = g_timeout_add(IDLE_MS, on_timer, self);
}

void path_idle_end(PathSeek *self)
{
    g_clear_handle_id(&self->idle_timer, g_source_remove);
    self->resting = false;
}
