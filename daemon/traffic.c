#include "daemon/traffic.h"

#include "common/glib/keyset.h"
#include "common/std/clock.h"
#include "daemon/inside.h"
#include "daemon/path/doctor.h"

enum { FRESH_MS = 200 }; /* watchers that ask together share a reading */

typedef struct {
    MeshdTrafficPeer peer;
    uint64_t         changed; /* the reading that found it so */
    unsigned         round;   /* the last reading that met it */
} Row;

struct MeshdTraffic {
    GHashTable        *rows;    /* &Row.peer.node → owned Row */
    LockVerified      *map;     /* ref; the map of the last reading; NULL: the network was down */
    uint64_t           reading; /* number of the last one */
    int64_t            read_ms; /* boot clock: when it was; 0: never */
    MeshdTrafficTotals totals;
};

MeshdTraffic *meshd_traffic_new(void)
{
    MeshdTraffic *self = g_new0(MeshdTraffic, 1);

    self->rows = g_hash_table_new_full(mesh_keyset_hash, mesh_keyset_equal, NULL, g_free);
    return self;
}

void meshd_traffic_free(MeshdTraffic *self)
{
    if (self == NULL)
        return;
    g_hash_table_unref(self->rows);
    lock_verified_unref(self->map);
    g_free(self);
}

static bool is_same(const MeshdTrafficPeer *a, const MeshdTrafficPeer *b)
{
    return a->rx_bytes == b->rx_bytes && a->tx_bytes == b->tx_bytes && a->rtt_us == b->rtt_us &&
           a->last_handshake_s == b->last_handshake_s;
}

static void note(MeshdTraffic *self, const MeshdTrafficPeer *now)
{
    static const MeshdTrafficPeer nothing = { 0 };
    Row                          *row = g_hash_table_lookup(self->rows, &now->node);

    if (row == NULL && is_same(now, &nothing))
        return; /* of ten thousand peers most stay silent */
    if (row == NULL) {
        row = g_new0(Row, 1);
        row->peer.node = now->node;
        g_hash_table_insert(self->rows, &row->peer.node, row);
    }
    row->round = (unsigned)self->reading;
    if (is_same(&row->peer, now))
        return;
    row->peer = *now;
    row->changed = self->reading;
}

static void read_peers(MeshdTraffic *self, WirePlane *plane, Path *path)
{
    for (size_t i = 0; i < lock_verified_count(self->map); i++) {
        const LockPeer  *peer = lock_verified_get_peer(self->map, i);
        WirePeerInfo     wire;
        MeshdTrafficPeer now = { .node = peer->member->node };

        if (wire_plane_get_peer(plane, &peer->wg, &wire) < 0)
            continue;
        now.rx_bytes = wire.rx_bytes;
        now.tx_bytes = wire.tx_bytes;
        now.last_handshake_s = wire.last_handshake_s;
        now.rtt_us = (uint64_t)MAX(path_get_rtt(path, &peer->wg), 0);
        note(self, &now);
    }
}

static gboolean is_gone(gpointer key, gpointer value, gpointer user_data)
{
    const MeshdTraffic *self = user_data;

    (void)key;
    return ((const Row *)value)->round != (unsigned)self->reading;
}

void meshd_traffic_read(MeshdTraffic *self, MeshdEngine *engine)
{
    LockVerified *map = meshd_parts_get_map(engine->parts);
    WirePlane    *plane = meshd_parts_get_plane(engine->parts);
    Path         *path = meshd_parts_get_path(engine->parts);
    bool          runs = map != NULL && plane != NULL && path != NULL;
    int64_t       now_ms = mesh_clock_boot_ms();
    WireStats     stats = { 0 };

    if (self->read_ms != 0 && now_ms - self->read_ms < FRESH_MS)
        return;
    self->read_ms = now_ms;
    self->reading++;
    lock_verified_unref(self->map);
    self->map = runs ? lock_verified_ref(map) : NULL;
    if (runs) {
        wire_plane_get_stats(plane, &stats);
        read_peers(self, plane, path);
    }
    self->totals = (MeshdTrafficTotals){ stats.rx_bytes, stats.tx_bytes };
    g_hash_table_foreach_remove(self->rows, is_gone, self);
}

MeshdTrafficTotals meshd_traffic_get_totals(const MeshdTraffic *self)
{
    return self->totals;
}

static unsigned tell_one(MeshdTraffic *self, MeshdTrafficMark *mark, MeshdTrafficTell tell,
                         void *user_data)
{
    const Row *row = g_hash_table_lookup(self->rows, &mark->only);

    if (row == NULL || row->changed <= mark->told)
        return 0;
    mark->told = row->changed;
    tell(&row->peer, user_data);
    return 1;
}

/* Peers come and go between two calls, so a round goes by the index of the node, which is its own
 * for ever. What changes behind the place that it is at is told by it, the rest by the next. */
unsigned meshd_traffic_tell(MeshdTraffic *self, MeshdTrafficMark *mark, unsigned max,
                            MeshdTrafficTell tell, void *user_data)
{
    unsigned n = 0;

    if (mark->one)
        return tell_one(self, mark, tell, user_data);
    if (mark->until == 0)
        mark->until = self->reading;
    for (size_t i = 0; self->map != NULL && i < lock_verified_count(self->map); i++) {
        const LockPeer *peer = lock_verified_get_peer(self->map, i);
        const Row      *row;

        if (peer->index < mark->next)
            continue;
        row = g_hash_table_lookup(self->rows, &peer->member->node);
        if (row == NULL || row->changed <= mark->told)
            continue;
        if (n == max) {
            mark->next = peer->index;
            return n;
        }
        tell(&row->peer, user_data);
        n++;
    }
    mark->told = mark->until;
    mark->until = 0;
    mark->next = 0;
    return n;
}
