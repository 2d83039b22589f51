/* common/proto/netmap.c: see netmap.h. Lines applied; the disk cache is in netmapcache.c. */
#include "common/proto/netmap.h"

#include "common/glib/error.h"
#include "common/proto/netmapstore.h"

#include <string.h>

enum {
    MAX_GONE = 65536, /* remembered tombstones; the gate's floors are the lasting ones */
};

static void clear_peer(gpointer peer)
{
    mesh_mapline_clear_peer(peer);
}

static GArray *new_peers(void)
{
    GArray *peers = g_array_new(FALSE, TRUE, sizeof(MeshPeer));

    g_array_set_clear_func(peers, clear_peer);
    return peers;
}

MeshNetmap *mesh_netmap_new(void)
{
    MeshNetmap *self = g_new0(MeshNetmap, 1);

    self->news = g_new0(MeshNetmapNews, 1);
    self->news->whole = true;
    self->news->indexes = g_hash_table_new(NULL, NULL);
    self->peers = new_peers();
    self->gone = g_array_new(FALSE, TRUE, sizeof(MeshGone));
    return self;
}

static void drop_staged(MeshNetmap *self)
{
    g_clear_pointer(&self->staged, g_array_unref);
    g_clear_pointer(&self->staged_m, mesh_signed_unref);
    g_clear_pointer(&self->staged_p, mesh_signed_unref);
}

void mesh_netmap_free(MeshNetmap *self)
{
    if (self == NULL)
        return;
    drop_staged(self);
    g_hash_table_unref(self->news->indexes);
    g_free(self->news);
    g_array_unref(self->peers);
    g_array_unref(self->gone);
    mesh_signed_unref(self->head.m);
    mesh_signed_unref(self->head.p);
    mesh_signed_unref(self->head.tip);
    mesh_signed_unref(self->head.delta_tip);
    mesh_signed_unref(self->head.set);
    g_free(self);
}

static MeshPeer ref_peer(const MeshPeer *peer)
{
    return (MeshPeer){ .index = peer->index,
                       .last_seen = peer->last_seen,
                       .online = peer->online,
                       .owner = peer->owner != NULL ? g_ref_string_acquire(peer->owner) : NULL,
                       .m = mesh_signed_ref(peer->m),
                       .k = mesh_signed_ref(peer->k),
                       .e = mesh_signed_ref(peer->e) };
}

MeshNetmap *mesh_netmap_copy(const MeshNetmap *self)
{
    MeshNetmap *copy = mesh_netmap_new();

    copy->news->whole = self->news->whole || g_hash_table_size(self->news->indexes) > 0;
    copy->news->head = self->news->head;
    copy->head = self->head;
    mesh_signed_ref(copy->head.m);
    mesh_signed_ref(copy->head.p);
    mesh_signed_ref(copy->head.tip);
    mesh_signed_ref(copy->head.delta_tip);
    mesh_signed_ref(copy->head.set);
    for (guint i = 0; i < self->peers->len; i++) {
        MeshPeer peer = ref_peer(&g_array_index(self->peers, MeshPeer, i));

        g_array_append_val(copy->peers, peer);
    }
    g_array_append_vals(copy->gone, self->gone->data, self->gone->len);
    return copy;
}

const MeshNetmapHead *mesh_netmap_get_head(const MeshNetmap *self)
{
    return &self->head;
}

size_t mesh_netmap_count(const MeshNetmap *self)
{
    return self->peers->len;
}

const MeshPeer *mesh_netmap_get_peer(const MeshNetmap *self, size_t at)
{
    return &g_array_index(self->peers, MeshPeer, at);
}

/* Where @index is, or would have to stand. */
static guint locate(const GArray *peers, uint32_t index, bool *out_found)
{
    guint low = 0, high = peers->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (g_array_index(peers, MeshPeer, middle).index < index)
            low = middle + 1;
        else
            high = middle;
    }
    *out_found = low < peers->len && g_array_index(peers, MeshPeer, low).index == index;
    return low;
}

static MeshPeer *find_peer(const MeshNetmap *self, uint32_t index)
{
    bool  found;
    guint at = locate(self->peers, index, &found);

    return found ? &g_array_index(self->peers, MeshPeer, at) : NULL;
}

const MeshPeer *mesh_netmap_find_peer(const MeshNetmap *self, uint32_t index)
{
    return find_peer(self, index);
}

const MeshGone *mesh_netmap_get_gone(const MeshNetmap *self, size_t *out_count)
{
    *out_count = self->gone->len;
    return (const MeshGone *)(void *)self->gone->data;
}

/* Takes over one reference of @value into @slot. */
static void replace(MeshSigned **slot, MeshSigned *value)
{
    mesh_signed_unref(*slot);
    *slot = value;
}

void mesh_netmap_begin(MeshNetmap *self, const MeshNonce *nonce)
{
    drop_staged(self);
    self->in_presence = false;
    replace(&self->head.tip, NULL);
    replace(&self->head.delta_tip, NULL);
    self->head.nonce = *nonce;
}

static bool bad(GError **error, const char *what)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_ANSWER, "map: %s", what);
    return false;
}

static bool apply_hello(MeshNetmap *self, const MeshMapline *line, MeshNetmapChange *out_change,
                        GError **error)
{
    if (self->head.tip != NULL)
        return bad(error, "a second hello");
    replace(&self->head.tip, mesh_signed_ref(line->tip));
    self->head.network = line->network;
    self->head.has_network = true;
    self->news->head = true;
    *out_change = self->head.m != NULL ? MESH_NETMAP_CHANGED : MESH_NETMAP_NOTHING;
    return true;
}

static bool apply_snap(MeshNetmap *self, const MeshMapline *line, MeshNetmapChange *out_change,
                       GError **error)
{
    (void)out_change;
    if (self->staged != NULL)
        return bad(error, "a snapshot within a snapshot");
    self->staged = new_peers();
    self->staged_epoch = line->epoch;
    self->staged_ver = line->ver;
    self->staged_count = line->count;
    self->staged_m = mesh_signed_ref(line->m);
    self->staged_p = mesh_signed_ref(line->p);
    return true;
}

static bool apply_peers(MeshNetmap *self, const MeshMapline *line, MeshNetmapChange *out_change,
                        GError **error)
{
    (void)out_change;
    if (self->staged == NULL)
        return bad(error, "peers outside a snapshot");
    if (self->staged->len + line->n_peers > self->staged_count)
        return bad(error, "more peers than the snapshot said");
    for (size_t i = 0; i < line->n_peers; i++) {
        MeshPeer peer = ref_peer(&line->peers[i]);

        g_array_append_val(self->staged, peer);
    }
    return true;
}

static int compare_peers(const void *a, const void *b)
{
    uint32_t x = ((const MeshPeer *)a)->index, y = ((const MeshPeer *)b)->index;

    return x < y ? -1 : x > y;
}

static bool apply_snap_end(MeshNetmap *self, const MeshMapline *line, MeshNetmapChange *out_change,
                           GError **error)
{
    if (self->staged == NULL)
        return bad(error, "the end of no snapshot");
    if (line->ver != self->staged_ver || self->staged->len != self->staged_count)
        return bad(error, "a snapshot with another version or count at its end");
    g_array_sort(self->staged, compare_peers);
    for (guint i = 1; i < self->staged->len; i++)
        if (compare_peers(&g_array_index(self->staged, MeshPeer, i - 1),
                          &g_array_index(self->staged, MeshPeer, i)) == 0)
            return bad(error, "an index twice in a snapshot");
    g_array_unref(self->peers);
    self->peers = g_steal_pointer(&self->staged);
    self->news->whole = true;
    replace(&self->head.m, g_steal_pointer(&self->staged_m));
    replace(&self->head.p, g_steal_pointer(&self->staged_p));
    replace(&self->head.set, mesh_signed_ref(line->set));
    self->head.epoch = self->staged_epoch;
    self->head.ver = self->staged_ver;
    *out_change = MESH_NETMAP_CHANGED;
    return true;
}

void mesh_netmapstore_put(MeshNetmap *self, const MeshPeer *put)
{
    MeshPeer peer = ref_peer(put);
    bool     found;
    guint    at = locate(self->peers, put->index, &found);

    mesh_netmapnews_note(self, put->index);
    if (found) {
        mesh_mapline_clear_peer(&g_array_index(self->peers, MeshPeer, at));
        g_array_index(self->peers, MeshPeer, at) = peer;
        return;
    }
    g_array_insert_val(self->peers, at, peer);
}

void mesh_netmapstore_remove(MeshNetmap *self, uint32_t index)
{
    bool  found;
    guint at = locate(self->peers, index, &found);

    mesh_netmapnews_note(self, index);
    if (found)
        g_array_remove_index(self->peers, at);
}

static void take_gone(MeshNetmap *self, const MeshGone *gone)
{
    mesh_netmapstore_remove(self, gone->index);
    if (self->gone->len >= MAX_GONE)
        g_array_remove_range(self->gone, 0, MAX_GONE / 2);
    g_array_append_val(self->gone, *gone);
}

static bool apply_delta(MeshNetmap *self, const MeshMapline *line, MeshNetmapChange *out_change,
                        GError **error)
{
    if (self->staged != NULL)
        return bad(error, "a delta within a snapshot");
    if (self->head.epoch != 0 && line->to <= self->head.ver)
        return true;
    if (self->head.epoch == 0 || line->from > self->head.ver) {
        *out_change = MESH_NETMAP_GAP;
        return true;
    }
    if (self->peers->len + line->n_peers > MESH_NETMAP_MAX_PEERS)
        return bad(error, "too many peers");
    replace(&self->head.set, NULL);
    for (size_t i = 0; i < line->n_gone; i++)
        take_gone(self, &line->gone[i]);
    for (size_t i = 0; i < line->n_peers; i++)
        mesh_netmapstore_put(self, &line->peers[i]);
    if (line->m != NULL)
        replace(&self->head.m, mesh_signed_ref(line->m));
    if (line->p != NULL)
        replace(&self->head.p, mesh_signed_ref(line->p));
    if (line->tip != NULL)
        replace(&self->head.delta_tip, mesh_signed_ref(line->tip));
    if (line->has_network)
        self->head.network = line->network;
    self->news->head |= line->m != NULL || line->p != NULL || line->has_network;
    self->head.ver = line->to;
    *out_change = MESH_NETMAP_CHANGED;
    return true;
}

static bool apply_ep(MeshNetmap *self, const MeshMapline *line, MeshNetmapChange *out_change,
                     GError **error)
{
    MeshPeer *peer = find_peer(self, line->index);

    (void)error;
    if (peer == NULL || mesh_signed_equal(peer->e, line->e))
        return true;
    replace(&peer->e, mesh_signed_ref(line->e));
    mesh_netmapnews_note(self, line->index);
    *out_change = MESH_NETMAP_PRESENCE;
    return true;
}

/* @last_seen 0: not told; who was off already keeps what he had. */
static bool set_online(MeshPeer *peer, bool online, uint32_t last_seen)
{
    uint32_t seen = online ? 0 : last_seen != 0 ? last_seen : peer->last_seen;
    bool     changed = peer->online != online || peer->last_seen != seen;

    peer->online = online;
    peer->last_seen = seen;
    return changed;
}

static bool apply_presence(MeshNetmap *self, const MeshMapline *line, MeshNetmapChange *out_change,
                           GError **error)
{
    bool online = line->type == MESH_MAPLINE_ON, changed = false;

    (void)error;
    if (online && line->all && !self->in_presence) { /* who is not in the list is off */
        for (guint i = 0; i < self->peers->len; i++)
            changed |= set_online(&g_array_index(self->peers, MeshPeer, i), false, 0);
    }
    if (online && line->all)
        self->in_presence = !line->end;
    for (size_t i = 0; i < line->n_indexes; i++) {
        MeshPeer *peer = find_peer(self, line->indexes[i]);

        if (peer != NULL)
            changed |= set_online(peer, online, line->seen != NULL ? line->seen[i] : 0);
    }
    if (changed)
        *out_change = MESH_NETMAP_PRESENCE;
    return true;
}

bool mesh_netmap_apply(MeshNetmap *self, const MeshMapline *line, MeshNetmapChange *out_change,
                       GError **error)
{
    MeshNetmapChange change = MESH_NETMAP_NOTHING;
    bool             ok = true;

    switch (line->type) {
    case MESH_MAPLINE_HELLO:
        ok = apply_hello(self, line, &change, error);
        break;
    case MESH_MAPLINE_SNAP:
        ok = apply_snap(self, line, &change, error);
        break;
    case MESH_MAPLINE_PEERS:
        ok = apply_peers(self, line, &change, error);
        break;
    case MESH_MAPLINE_SNAP_END:
        ok = apply_snap_end(self, line, &change, error);
        break;
    case MESH_MAPLINE_DELTA:
        ok = apply_delta(self, line, &change, error);
        break;
    case MESH_MAPLINE_EP:
        ok = apply_ep(self, line, &change, error);
        break;
    case MESH_MAPLINE_ON:
    case MESH_MAPLINE_OFF:
        ok = apply_presence(self, line, &change, error);
        break;
    default: /* about the connection, or unknown: not about the map */
        break;
    }
    if (ok)
        *out_change = change;
    return ok;
}
