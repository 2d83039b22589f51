/* server/core/netmap.c: lines of the map stream. Control thread only. */
#include "server/core/netmap.h"

#include "common/proto/mapline.h"
#include "common/proto/tip.h"
#include "common/std/clock.h"

#include <string.h>

#define DEFAULT_HB_S   60
#define MIN_HB_S       15
#define MAX_HB_S       900
#define MAX_PRESENCE   4000  /* indexes in a line: at most 12 bytes each */
#define DELTA_ROOM     48000 /* estimated bytes in a delta of several versions */
#define LINE_MAX_BYTES (MESH_MAPLINE_MAX_BYTES + 1)

static void clear_line(gpointer data)
{
    g_bytes_unref(((CoreLine *)data)->bytes);
}

GArray *core_netmap_new_lines(void)
{
    GArray *lines = g_array_new(FALSE, FALSE, sizeof(CoreLine));

    g_array_set_clear_func(lines, clear_line);
    return lines;
}

void core_netmap_add(GArray *lines, CoreLineKind kind, uint32_t index, GBytes *bytes)
{
    CoreLine line = { .bytes = g_bytes_ref(bytes), .kind = kind, .index = index };

    g_array_append_val(lines, line);
}

static void take_line(GArray *lines, CoreLineKind kind, uint32_t index, GBytes *bytes)
{
    core_netmap_add(lines, kind, index, bytes);
    g_bytes_unref(bytes);
}

static GBytes *encode(const MeshMapline *line)
{
    size_t len;
    char  *text = mesh_mapline_encode(line, &len);

    return g_bytes_new_take(text, len);
}

unsigned core_netmap_grant_hb(unsigned wish_s)
{
    return wish_s == 0 ? DEFAULT_HB_S : CLAMP(wish_s, MIN_HB_S, MAX_HB_S);
}

/* @nonce NULL: a delta's tip, shared by all who get it. Owned. */
static MeshSigned *make_tip(const CoreNetwork *network, uint64_t ver, const MeshNonce *nonce)
{
    const CoreNetworkRow *row = &network->row;
    g_autoptr(GError) error = NULL;
    MeshTip tip = {
        .epoch = row->epoch, .ver = ver, .pver = row->pver, .time = mesh_clock_wall_s()
    };
    MeshSigned *object;

    if (nonce != NULL) {
        tip.has_nonce = true;
        tip.nonce = *nonce;
    }
    object = mesh_tip_sign(&tip, &row->net.id, core_signer_get_secret(network->signer), &error);
    if (object == NULL)
        g_error("tip: %s", error->message); /* five numbers cannot be too long */
    return object;
}

static MeshPeer make_peer(const CoreNode *node)
{
    bool fresh = node->e != NULL && node->e_exp > mesh_clock_wall_s();

    return (MeshPeer){ .index = node->row->index,
                       .online = node->online,
                       .m = node->row->m,
                       .k = node->row->k,
                       .e = fresh ? node->e : NULL };
}

static void add_hello(GArray *lines, const CoreNode *viewer, const CoreCaller *caller,
                      unsigned hb_s)
{
    const CoreNetwork *network = viewer->network;
    g_autoptr(MeshSigned) tip = make_tip(network, network->row.ver, &caller->params.nonce);
    MeshMapline line = { .type = MESH_MAPLINE_HELLO,
                         .time = mesh_clock_wall_s(),
                         .hb_s = hb_s,
                         .observed = caller->observed,
                         .has_network = true,
                         .network = network->row.net,
                         .tip = tip };

    take_line(lines, CORE_LINE_HELLO, 0, encode(&line));
}

/* --- snapshots: "peers" lines, made once for everyone --------------------------------------- */

static void end_peers(GPtrArray *lines, GString *text)
{
    if (text->len == 0)
        return;
    g_string_append(text, "]}\n");
    g_ptr_array_add(lines, g_bytes_new(text->str, text->len));
    g_string_truncate(text, 0);
}

/* The peers of one chunk but @without, in lines of at most 16 KiB where several fit. Owned. */
static GPtrArray *encode_chunk(const CoreNetwork *network, guint number, const CoreNode *without)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autoptr(GString) text = g_string_new(NULL);
    guint end = MIN((number + 1) * CORE_CHUNK_NODES, network->by_index->len);

    for (guint i = number * CORE_CHUNK_NODES; i < end; i++) {
        const CoreNode  *node = g_array_index(network->by_index, CoreNode *, i);
        g_autofree char *encoded = NULL;
        MeshPeer         peer;

        if (node == NULL || node == without || node->row->state != CORE_NODE_ACTIVE)
            continue;
        peer = make_peer(node);
        encoded = mesh_mapline_encode_peer(&peer);
        if (text->len + strlen(encoded) + 4 > MESH_MAPLINE_PEERS_MAX)
            end_peers(lines, text);
        g_string_append(text, text->len == 0 ? "{\"t\":\"peers\",\"peers\":[" : ",");
        g_string_append(text, encoded);
    }
    end_peers(lines, text);
    return lines;
}

static void add_chunk(GArray *lines, const CoreNode *viewer, guint number)
{
    const CoreNetwork *network = viewer->network;
    CoreChunk         *chunk = g_ptr_array_index(network->chunks, number);
    bool               own = viewer->row->index / CORE_CHUNK_NODES == number;
    GPtrArray         *peers;

    if (!own && chunk->lines == NULL)
        chunk->lines = encode_chunk(network, number, NULL);
    peers = own ? encode_chunk(network, number, viewer) : g_ptr_array_ref(chunk->lines);
    for (guint i = 0; i < peers->len; i++)
        core_netmap_add(lines, CORE_LINE_SNAPSHOT, 0, g_ptr_array_index(peers, i));
    g_ptr_array_unref(peers);
}

static void add_snapshot(GArray *lines, const CoreNode *viewer)
{
    const CoreNetwork *network = viewer->network;
    MeshMapline        start = { .type = MESH_MAPLINE_SNAP,
                                 .epoch = network->row.epoch,
                                 .ver = network->row.ver,
                                 .m = viewer->row->m,
                                 .p = network->row.policy,
                                 .count = network->active - 1 };
    MeshMapline        end = { .type = MESH_MAPLINE_SNAP_END, .ver = network->row.ver };

    take_line(lines, CORE_LINE_SNAPSHOT, 0, encode(&start));
    for (guint i = 0; i < network->chunks->len; i++)
        add_chunk(lines, viewer, i);
    take_line(lines, CORE_LINE_SNAPSHOT, 0, encode(&end));
}

/* --- deltas ---------------------------------------------------------------------------------- */

/* A delta in the making. */
typedef struct {
    GArray         *put;  /* MeshPeer, borrowing */
    GArray         *gone; /* MeshGone */
    size_t          room; /* estimated bytes so far */
    uint64_t        from, to;
    bool            with_network, with_policy;
    const CoreNode *own; /* who gets his own M; NULL: nobody */
} Delta;

static void delta_init(Delta *self, uint64_t from)
{
    *self = (Delta){ .from = from };
    self->put = g_array_new(FALSE, FALSE, sizeof(MeshPeer));
    self->gone = g_array_new(FALSE, FALSE, sizeof(MeshGone));
}

static void delta_done(Delta *self)
{
    g_array_unref(self->put);
    g_array_unref(self->gone);
}

static void delta_next(Delta *self)
{
    g_array_set_size(self->put, 0);
    g_array_set_size(self->gone, 0);
    self->room = 0;
    self->from = self->to;
    self->with_network = self->with_policy = false;
    self->own = NULL;
}

/* The tip is of the newest version, not of @to: of several deltas behind a hello none may tell an
 * older one than hello did. */
static GBytes *delta_encode(const Delta *self, const CoreNetwork *network)
{
    g_autoptr(MeshSigned) tip = make_tip(network, network->row.ver, NULL);
    MeshMapline line = { .type = MESH_MAPLINE_DELTA,
                         .from = self->from,
                         .to = self->to,
                         .has_network = self->with_network,
                         .network = network->row.net,
                         .tip = tip,
                         .m = self->own != NULL ? self->own->row->m : NULL,
                         .p = self->with_policy ? network->row.policy : NULL,
                         .n_peers = self->put->len,
                         .peers = (MeshPeer *)(void *)self->put->data,
                         .n_gone = self->gone->len,
                         .gone = (MeshGone *)(void *)self->gone->data };

    return encode(&line);
}

static size_t body_len(const MeshSigned *object)
{
    size_t len = 0;

    if (object != NULL)
        mesh_signed_get_body(object, &len);
    return len + len / 4 + 128; /* quotes are escaped; the signature */
}

static void delta_add_gone(Delta *self, uint32_t index, const MeshKey *node, uint64_t serial)
{
    MeshGone gone = { .index = index, .node = *node, .serial = serial };

    if (serial == 0) /* it was never a peer */
        return;
    g_array_append_val(self->gone, gone);
    self->room += 128;
}

static void delta_add_node(Delta *self, const CoreNode *node, const CoreNode *viewer)
{
    MeshPeer peer;

    if (node == viewer) {
        self->own = node;
        self->room += body_len(node->row->m);
        return;
    }
    if (node->row->state != CORE_NODE_ACTIVE) {
        delta_add_gone(self, node->row->index, &node->row->node, node->row->serial);
        return;
    }
    peer = make_peer(node);
    g_array_append_val(self->put, peer);
    self->room += body_len(peer.m) + body_len(peer.k) + body_len(peer.e) + 64;
}

GBytes *core_netmap_encode_delta(CoreNetwork *network, const CoreChange *change,
                                 const CoreNode *viewer)
{
    Delta   delta;
    GBytes *bytes;

    delta_init(&delta, change->network.ver - 1);
    delta.to = change->network.ver;
    delta.with_network = change->network_changed;
    delta.with_policy = change->policy_changed;
    for (guint i = 0; i < change->put->len; i++) {
        const CoreNodeRow *row = g_ptr_array_index(change->put, i);

        delta_add_node(&delta, core_model_find(network, &row->node), viewer);
    }
    for (guint i = 0; i < change->gone->len; i++) {
        const CoreTombRow *tomb = &g_array_index(change->gone, CoreTombRow, i);

        delta_add_gone(&delta, tomb->index, &tomb->node, tomb->serial);
    }
    bytes = delta_encode(&delta, network);
    delta_done(&delta);
    return bytes;
}

/* The oldest log entry above @ver; NULL: none. */
static const GList *log_after(const CoreNetwork *network, uint64_t ver)
{
    const GList *at = network->log.tail;
    const GList *found = NULL;

    for (; at != NULL && ((const CoreLogItem *)at->data)->ver > ver; at = at->prev)
        found = at;
    return found;
}

/* Ends the delta at its version. False: it does not fit a line. */
static bool flush_delta(GArray *lines, Delta *delta, const CoreNetwork *network)
{
    GBytes *bytes = delta_encode(delta, network);
    bool    fits = g_bytes_get_size(bytes) <= LINE_MAX_BYTES;

    take_line(lines, CORE_LINE_DELTA, 0, bytes);
    delta_next(delta);
    return fits;
}

/* Everything since @ver, in as few lines as fit. False: one version alone does not fit. */
static bool add_deltas(GArray *lines, const CoreNode *viewer, uint64_t ver)
{
    const CoreNetwork *network = viewer->network;
    Delta              delta;
    bool               fits = true;

    delta_init(&delta, ver);
    delta.with_network = network->info_ver > ver;
    delta.with_policy = network->policy_ver > ver;
    delta.room = delta.with_policy ? body_len(network->row.policy) : 0;
    delta.to = ver;
    for (const GList *at = log_after(network, ver); fits && at != NULL; at = at->next) {
        const CoreLogItem *item = at->data;

        if (item->ver != delta.to && delta.room > DELTA_ROOM)
            fits = flush_delta(lines, &delta, network);
        delta.to = item->ver;
        if (item->node != NULL)
            delta_add_node(&delta, item->node, viewer);
        else
            delta_add_gone(&delta, item->tomb->index, &item->tomb->node, item->tomb->serial);
    }
    delta.to = network->row.ver; /* later versions than the last entry's: nothing a node sees */
    fits = fits && flush_delta(lines, &delta, network);
    delta_done(&delta);
    return fits;
}

/* True when the cursor can be carried on with deltas. */
static bool cursor_is_live(const CoreNetwork *network, const CoreMapArgs *args)
{
    return args->ver > 0 && args->epoch == network->row.epoch && args->ver <= network->row.ver &&
           network->row.ver - args->ver <= CORE_LOG_ENTRIES;
}

/* --- endpoints and presence ------------------------------------------------------------------ */

GBytes *core_netmap_encode_ep(const CoreNode *node)
{
    MeshMapline line = { .type = MESH_MAPLINE_EP, .index = node->row->index, .e = node->e };

    return encode(&line);
}

static GBytes *encode_indexes(MeshMapline *line, const uint32_t *indexes, size_t n)
{
    line->n_indexes = n;
    line->indexes = (uint32_t *)indexes;
    return encode(line);
}

GBytes *core_netmap_encode_presence(bool on, const uint32_t *indexes, size_t n)
{
    MeshMapline line = { .type = on ? MESH_MAPLINE_ON : MESH_MAPLINE_OFF };

    return encode_indexes(&line, indexes, n);
}

static void add_endpoints(GArray *lines, const CoreNode *viewer)
{
    const CoreNetwork *network = viewer->network;

    for (guint i = 0; i < network->by_index->len; i++) {
        const CoreNode *node = g_array_index(network->by_index, CoreNode *, i);

        if (node != NULL && node != viewer && node->row->state == CORE_NODE_ACTIVE &&
            make_peer(node).e != NULL)
            take_line(lines, CORE_LINE_EP, node->row->index, core_netmap_encode_ep(node));
    }
}

/* The whole list of who is present, which replaces whatever the node believed. */
static void add_presence(GArray *lines, const CoreNode *viewer)
{
    const CoreNetwork *network = viewer->network;
    g_autoptr(GArray) present = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    guint at = 0;

    for (guint i = 0; i < network->by_index->len; i++) {
        const CoreNode *node = g_array_index(network->by_index, CoreNode *, i);

        if (node != NULL && node != viewer && node->online && node->row->state == CORE_NODE_ACTIVE)
            g_array_append_val(present, node->row->index);
    }
    do {
        guint       n = MIN(present->len - at, MAX_PRESENCE);
        MeshMapline line = { .type = MESH_MAPLINE_ON, .all = true, .end = at + n == present->len };

        take_line(lines, CORE_LINE_PRESENCE, 0,
                  encode_indexes(&line, &g_array_index(present, uint32_t, at), n));
        at += n;
    } while (at < present->len);
}

void core_netmap_add_opening(GArray *lines, const CoreNode *viewer, const CoreCaller *caller,
                             const CoreMapArgs *args)
{
    const CoreNetwork *network = viewer->network;
    guint              after_hello;
    bool               snapshot = !cursor_is_live(network, args);

    add_hello(lines, viewer, caller, core_netmap_grant_hb(args->hb_s));
    after_hello = lines->len;
    if (!snapshot && args->ver < network->row.ver && !add_deltas(lines, viewer, args->ver)) {
        g_array_set_size(lines, after_hello);
        snapshot = true;
    }
    if (snapshot)
        add_snapshot(lines, viewer);
    else
        add_endpoints(lines, viewer);
    add_presence(lines, viewer);
}

/* --- the last line of a stream --------------------------------------------------------------- */

GBytes *core_netmap_encode_restart(unsigned retry_in_s, unsigned spread_s)
{
    MeshMapline line = { .type = MESH_MAPLINE_RESTART,
                         .retry_in_s = retry_in_s,
                         .spread_s = spread_s };

    return encode(&line);
}

GBytes *core_netmap_encode_replaced(void)
{
    MeshMapline line = { .type = MESH_MAPLINE_REPLACED };

    return encode(&line);
}

GBytes *core_netmap_encode_revoked(bool expired)
{
    MeshMapline line = { .type = MESH_MAPLINE_REVOKED, .expired = expired };

    return encode(&line);
}
