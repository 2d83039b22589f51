#include "daemon/path/width.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/key.h"

#include <sys/socket.h>

enum {
    FULL_BYTES = 1432, /* 1400 of the interface's, and 32 of WireGuard's */
    TRIES = 3,
    EACH_MS = 150,
};

static PathWay *get_way(PathSeek *self)
{
    PathWay *way = path_seek_get_active(self);

    return way != NULL && way->to.link == 0 && way->to.endpoint.addr.family == AF_INET6 ? way
                                                                                        : NULL;
}

static gboolean on_timer(gpointer user_data)
{
    PathSeek *self = user_data;
    PathWay  *way = get_way(self);
    MeshProbe probe = { .type = MESH_PROBE_PING, .txid = self->width_txid, .length = FULL_BYTES };

    self->width_timer = 0;
    if (way == NULL || !wire_way_equal(&way->to, &self->width_way))
        return G_SOURCE_REMOVE;
    if (self->width_tries++ < TRIES) {
        path_seek_ping(self, way, 0); /* is anything answered there? */
        (void)path_seek_send(self, &probe, &way->to, 0);
        self->width_timer =
            g_timeout_add((guint)MAX(EACH_MS, 2 * way->rtt_us / 1000), on_timer, self);
        return G_SOURCE_REMOVE;
    }
    if (way->valid_ms < self->width_ms)
        return G_SOURCE_REMOVE; /* it is dark: others see to that */
    mesh_log_info("a way over IPv6 loses long packets: it is left out");
    way->narrow_ms = mesh_clock_boot_ms();
    way->valid = false;
    path_seek_leave(self);
    return G_SOURCE_REMOVE;
}

void path_width_ask(PathSeek *self)
{
    const PathWay *way = get_way(self);

    if (way == NULL || (self->width_timer != 0 && wire_way_equal(&way->to, &self->width_way)))
        return;
    path_width_end(self);
    self->width_way = way->to;
    self->width_tries = 0;
    self->width_ms = mesh_clock_boot_ms();
    mesh_key_random(&self->width_txid, sizeof self->width_txid);
    (void)on_timer(self);
}

void path_width_end(PathSeek *self)
{
    g_clear_handle_id(&self->width_timer, g_source_remove);
}

bool path_width_take_pong(PathSeek *self, uint64_t txid)
{
    if (self->width_timer == 0 || txid != self->width_txid)
        return false;
    path_width_end(self);
    return true;
}
