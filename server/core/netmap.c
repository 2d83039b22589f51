/* server/core/netmap.c: lines of the map stream. Control thread only. */
#include "server/core/netmap.h"

#include "common/proto/mapline.h"
#include "common/proto/tip.h"
#include "common/std/clock.h"
#include "server/core/delta.h"
#include "server/core/presence.h"
#include "server/core/vouch.h"

#include <string.h>

#define DEFAULT_HB_S 60
#define MIN_HB_S     15
#define MAX_HB_S     900
#define MAX_PRESENCE 4000 /* indexes in a line: at most 12 bytes each */
#define MAX_ABSENCE  2500 /* the same with times, which take as much again */

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

void core_netmap_take(GArray *lines, CoreLineKind kind, uint32_t index, GBytes *bytes)
{
    core_netmap_add(lines, kind, index, bytes);
    g_bytes_unref(bytes);
}

GBytes *core_netmap_encode(const MeshMapline *line)
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

MeshSigned *core_netmap_get_tip(CoreNetwork *network)
{
    int64_t  now = mesh_clock_wall_s();
    uint64_t ver = network->row.ver;

    if (network->tip == NULL || network->tip_ver != ver || network->tip_s != now) {
        mesh_signed_unref(network->tip);
        network->tip = make_tip(network, ver, NULL);
        network->tip_ver = ver;
        network->tip_s = now;
    }
    return network->tip;
}

MeshPeer core_netmap_make_peer(const CoreNode *node)
{
    const CoreUserRow *user = g_hash_table_lookup(node->network->users, &node->row->owner);
    bool               fresh = node->e != NULL && node->e_exp > mesh_clock_wall_s();

    return (MeshPeer){ .index = node->row->index,
                       .online = node->online,
                       .last_seen = core_presence_get_seen(node),
                       .owner = user != NULL ? (char *)user->name : NULL,
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
                         .relays = network->relays != NULL ? network->relays->ver : 0,
                         .tip = tip };

    core_netmap_take(lines, CORE_LINE_HELLO, 0, core_netmap_encode(&line));
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
        peer = core_netmap_make_peer(node);
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
    g_autoptr(MeshSigned) set = core_vouch_sign(viewer);
    MeshMapline end = { .type = MESH_MAPLINE_SNAP_END, .ver = network->row.ver, .set = set };

    core_netmap_take(lines, CORE_LINE_SNAPSHOT, 0, core_netmap_encode(&start));
    for (guint i = 0; i < network->chunks->len; i++)
        add_chunk(lines, viewer, i);
    core_netmap_take(lines, CORE_LINE_SNAPSHOT, 0, core_netmap_encode(&end));
}

/* True when the cursor can be carried on with deltas. */
static bool cursor_is_live(const CoreNetwork *network, const CoreMapArgs *args)
{
    return args->ver > 0 && args->epoch == network->row.epoch && args->ver <= network->row.ver &&
           network->row.ver - args->ver <= CORE_LOG_ENTRIES;
}

/* --- endpoints and presence ------------------------------------------------------------------ */

GBytes *core_netmap_get_ep(CoreNode *node)
{
    MeshMapline line = { .type = MESH_MAPLINE_EP, .index = node->row->index, .e = node->e };

    if (node->ep_line == NULL)
        node->ep_line = core_netmap_encode(&line);
    return node->ep_line;
}

static GBytes *encode_indexes(MeshMapline *line, const uint32_t *indexes, size_t n)
{
    line->n_indexes = n;
    line->indexes = (uint32_t *)indexes;
    return core_netmap_encode(line);
}

void core_netmap_add_presence(GArray *lines, const GArray *indexes, const GArray *seen)
{
    guint max = seen != NULL ? MAX_ABSENCE : MAX_PRESENCE;

    for (guint at = 0; at < indexes->len; at += max) {
        MeshMapline line = { .type = seen != NULL ? MESH_MAPLINE_OFF : MESH_MAPLINE_ON,
                             .seen = seen != NULL ? &g_array_index(seen, uint32_t, at) : NULL };

        core_netmap_take(lines, CORE_LINE_PRESENCE, 0,
                         encode_indexes(&line, &g_array_index(indexes, uint32_t, at),
                                        MIN(indexes->len - at, max)));
    }
}

/* The endpoints of one chunk but @without's: lines in one piece. Owned. */
static GBytes *join_endpoints(const CoreNetwork *network, guint number, const CoreNode *without)
{
    GByteArray *joined = g_byte_array_new();
    guint       end = MIN((number + 1) * CORE_CHUNK_NODES, network->by_index->len);

    for (guint i = number * CORE_CHUNK_NODES; i < end; i++) {
        CoreNode *node = g_array_index(network->by_index, CoreNode *, i);
        gsize     len;

        if (node != NULL && node != without && node->row->state == CORE_NODE_ACTIVE &&
            core_netmap_make_peer(node).e != NULL) {
            const guint8 *text = g_bytes_get_data(core_netmap_get_ep(node), &len);

            g_byte_array_append(joined, text, (guint)len);
        }
    }
    return g_byte_array_free_to_bytes(joined);
}

static void add_endpoints(GArray *lines, const CoreNode *viewer)
{
    const CoreNetwork *network = viewer->network;

    for (guint i = 0; i < network->chunks->len; i++) {
        CoreChunk *chunk = g_ptr_array_index(network->chunks, i);
        bool       own = viewer->row->index / CORE_CHUNK_NODES == i;
        GBytes    *bytes;

        if (!own && chunk->endpoints == NULL)
            chunk->endpoints = join_endpoints(network, i, NULL);
        bytes = own ? join_endpoints(network, i, viewer) : g_bytes_ref(chunk->endpoints);
        if (g_bytes_get_size(bytes) > 0) /* many in one piece: none replaces another */
            core_netmap_add(lines, CORE_LINE_PRESENCE, 0, bytes);
        g_bytes_unref(bytes);
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

        core_netmap_take(lines, CORE_LINE_PRESENCE, 0,
                         encode_indexes(&line, &g_array_index(present, uint32_t, at), n));
        at += n;
    } while (at < present->len);
}

/* When those who are not present were: who comes back with a cursor has missed their going. A
 * snapshot says it of each. */
static void add_absence(GArray *lines, const CoreNode *viewer)
{
    const CoreNetwork *network = viewer->network;
    g_autoptr(GArray) absent = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    g_autoptr(GArray) seen = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    for (guint i = 0; i < network->by_index->len; i++) {
        const CoreNode *node = g_array_index(network->by_index, CoreNode *, i);
        uint32_t        at = node != NULL ? core_presence_get_seen(node) : 0;

        if (at == 0 || node == viewer || node->row->state != CORE_NODE_ACTIVE)
            continue;
        g_array_append_val(absent, node->row->index);
        g_array_append_val(seen, at);
    }
    core_netmap_add_presence(lines, absent, seen);
}

void core_netmap_add_opening(GArray *lines, const CoreNode *viewer, const CoreCaller *caller,
                             const CoreMapArgs *args)
{
    const CoreNetwork *network = viewer->network;
    guint              after_hello;
    bool               snapshot = !cursor_is_live(network, args);

    add_hello(lines, viewer, caller, core_netmap_grant_hb(args->hb_s));
    after_hello = lines->len;
    if (!snapshot && args->ver < network->row.ver &&
        !core_delta_add(lines, viewer->network, viewer, args->ver, NULL)) {
        g_array_set_size(lines, after_hello);
        snapshot = true;
    }
    if (snapshot)
        add_snapshot(lines, viewer);
    else
        add_endpoints(lines, viewer);
    add_presence(lines, viewer);
    if (!snapshot)
        add_absence(lines, viewer);
}

/* --- the last line of a stream --------------------------------------------------------------- */

GBytes *core_netmap_encode_restart(unsigned retry_in_s, unsigned spread_s)
{
    MeshMapline line = { .type = MESH_MAPLINE_RESTART,
                         .retry_in_s = retry_in_s,
                         .spread_s = spread_s };

    return core_netmap_encode(&line);
}

GBytes *core_netmap_encode_end(MeshMaplineType type, bool expired)
{
    MeshMapline line = { .type = type, .expired = expired };

    return core_netmap_encode(&line);
}
