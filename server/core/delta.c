/* server/core/delta.c: what has changed since a version, as "delta" lines. Control thread only. */
#include "server/core/delta.h"

#include "common/proto/mapline.h"
#include "server/core/netmap.h"

#include <string.h>

#define DELTA_ROOM     48000 /* estimated bytes in a delta of several versions */
#define LINE_MAX_BYTES (MESH_MAPLINE_MAX_BYTES + 1)

/* A delta in the making. */
typedef struct {
    GString        *put;     /* encoded peers, joined by commas */
    GArray         *gone;    /* MeshGone */
    GHashTable     *encoded; /* see core_delta_add() */
    size_t          room;    /* estimated bytes so far */
    uint64_t        from, to;
    bool            with_network, with_policy;
    const CoreNode *own; /* who gets his own M; NULL: nobody */
} Delta;

static void delta_init(Delta *self, uint64_t from, GHashTable *encoded)
{
    *self = (Delta){ .from = from, .encoded = encoded };
    self->put = g_string_new(NULL);
    self->gone = g_array_new(FALSE, FALSE, sizeof(MeshGone));
}

static void delta_done(Delta *self)
{
    g_string_free(self->put, TRUE);
    g_array_unref(self->gone);
}

static void delta_next(Delta *self)
{
    g_string_truncate(self->put, 0);
    g_array_set_size(self->gone, 0);
    self->room = 0;
    self->from = self->to;
    self->with_network = self->with_policy = false;
    self->own = NULL;
}

/* The line with the peers, whose texts are made already, put into their empty list. Its tip is of
 * the newest version, not of @to: of several deltas behind a hello none may tell an older one. */
static GBytes *delta_encode(const Delta *self, CoreNetwork *network)
{
    static const char list[] = "\"put\":[";
    MeshMapline       line = { .type = MESH_MAPLINE_DELTA,
                               .from = self->from,
                               .to = self->to,
                               .has_network = self->with_network,
                               .network = network->row.net,
                               .tip = core_netmap_get_tip(network),
                               .m = self->own != NULL ? self->own->row->m : NULL,
                               .p = self->with_policy ? network->row.policy : NULL,
                               .n_gone = self->gone->len,
                               .gone = (MeshGone *)(void *)self->gone->data };
    size_t            len;
    g_autofree char  *text = mesh_mapline_encode(&line, &len);
    const char       *at = strstr(text, list); /* within strings a quote is escaped: no other */
    GString          *whole;

    g_assert(at != NULL);
    at += strlen(list);
    whole = g_string_sized_new(len + self->put->len + 1);
    g_string_append_len(whole, text, at - text);
    g_string_append_len(whole, self->put->str, (gssize)self->put->len);
    g_string_append(whole, at);
    return g_string_free_to_bytes(whole);
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
    const char      *text = NULL;
    g_autofree char *fresh = NULL;

    if (node == viewer) {
        self->own = node;
        self->room += body_len(node->row->m);
        return;
    }
    if (node->row->state != CORE_NODE_ACTIVE) {
        delta_add_gone(self, node->row->index, &node->row->node, node->row->serial);
        return;
    }
    if (self->encoded != NULL)
        text = g_hash_table_lookup(self->encoded, node);
    if (text == NULL) {
        MeshPeer peer = core_netmap_make_peer(node);

        text = fresh = mesh_mapline_encode_peer(&peer);
        if (self->encoded != NULL)
            g_hash_table_insert(self->encoded, (gpointer)node, g_steal_pointer(&fresh));
    }
    if (self->put->len > 0)
        g_string_append_c(self->put, ',');
    g_string_append(self->put, text);
    self->room += strlen(text) + 1;
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
static bool flush_delta(GArray *lines, Delta *delta, CoreNetwork *network)
{
    GBytes *bytes = delta_encode(delta, network);
    bool    fits = g_bytes_get_size(bytes) <= LINE_MAX_BYTES;

    core_netmap_take(lines, CORE_LINE_DELTA, 0, bytes);
    delta_next(delta);
    return fits;
}

bool core_delta_add(GArray *lines, CoreNetwork *network, const CoreNode *viewer, uint64_t ver,
                    GHashTable *encoded)
{
    Delta delta;
    bool  fits = true;

    delta_init(&delta, ver, encoded);
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
