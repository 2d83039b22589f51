#include "daemon/bus/peers.h"

#include "common/std/base64.h"
#include "common/std/endpoint.h"

#include <string.h>

enum { MAX_PAGE = 1000, MAX_SIGNAL = 256 };

struct BusPeers {
    GHashTable *told; /* node key text → a{sv} as told */
};

static const char *format_node(const MeshdPeerView *peer, char *out_text, size_t size)
{
    MeshSpan key = MESH_SPAN(peer->member->node.bytes, MESH_KEY_BYTES);

    if (mesh_base64url_encode(key, out_text, size) < 0)
        out_text[0] = '\0'; /* cannot be: the buffer is made for it */
    return out_text;
}

static GVariant *make_addresses(const MeshdPeerView *peer)
{
    GVariantBuilder list;
    char            text[MESH_IP_ADDR_TEXT_SIZE];

    g_variant_builder_init(&list, G_VARIANT_TYPE("as"));
    if (peer->has_ip4)
        g_variant_builder_add(&list, "s", mesh_ip_format_addr(&peer->member->ip4, text));
    g_variant_builder_add(&list, "s", mesh_ip_format_addr(&peer->member->ip6, text));
    return g_variant_builder_end(&list);
}

static GVariant *make_candidates(const MeshdPeerView *peer)
{
    GVariantBuilder list;
    char            text[MESH_ENDPOINT_TEXT_SIZE];

    g_variant_builder_init(&list, G_VARIANT_TYPE("as"));
    for (size_t i = 0; i < peer->path.n_candidates; i++) {
        const MeshRecordEndpoint *c = &peer->path.candidates[i];
        g_autofree char *row = g_strdup_printf("%s %s", mesh_endpoint_format(&c->endpoint, text),
                                               mesh_record_kind_name(c->kind));

        g_variant_builder_add(&list, "s", row);
    }
    return g_variant_builder_end(&list);
}

static void add_counters(GVariantBuilder *dict, const WirePeerInfo *wire)
{
    g_variant_builder_add(dict, "{sv}", "last-handshake",
                          g_variant_new_int64(wire->last_handshake_s));
    g_variant_builder_add(dict, "{sv}", "rx-bytes", g_variant_new_uint64(wire->rx_bytes));
    g_variant_builder_add(dict, "{sv}", "tx-bytes", g_variant_new_uint64(wire->tx_bytes));
}

static void add_endpoints(GVariantBuilder *dict, const MeshdPeerView *peer)
{
    const MeshEndpoint *endpoint = &peer->path.wire.endpoint;
    char                text[MESH_ENDPOINT_TEXT_SIZE], key[MESH_KEY_TEXT_SIZE];
    const char         *shown = "";

    if (endpoint->addr.family != 0)
        shown = mesh_endpoint_format(endpoint, text);
    g_variant_builder_add(dict, "{sv}", "endpoint", g_variant_new_string(shown));
    g_variant_builder_add(dict, "{sv}", "candidates", make_candidates(peer));
    g_variant_builder_add(dict, "{sv}", "wg",
                          g_variant_new_string(mesh_key_format(&peer->wg, key)));
}

static GVariant *make_peer(const MeshdPeerView *peer, BusPeersDetail detail)
{
    GVariantBuilder dict;
    char            node[MESH_BASE64URL_SIZE(MESH_KEY_BYTES)];
    const char     *reason = peer->path.reason;

    g_variant_builder_init(&dict, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&dict, "{sv}", "name", g_variant_new_string(peer->member->name));
    g_variant_builder_add(&dict, "{sv}", "node",
                          g_variant_new_string(format_node(peer, node, sizeof node)));
    g_variant_builder_add(&dict, "{sv}", "addresses", make_addresses(peer));
    g_variant_builder_add(&dict, "{sv}", "online", g_variant_new_boolean(peer->online));
    g_variant_builder_add(&dict, "{sv}", "path",
                          g_variant_new_string(path_kind_name(peer->path.kind)));
    g_variant_builder_add(&dict, "{sv}", "reason", g_variant_new_string(reason));
    g_variant_builder_add(&dict, "{sv}", "tags",
                          g_variant_new_strv((const char *const *)peer->member->tags, -1));
    if (detail != BUS_PEERS_SIGNAL)
        add_counters(&dict, &peer->path.wire);
    if (detail == BUS_PEERS_INSPECT)
        add_endpoints(&dict, peer);
    return g_variant_builder_end(&dict);
}

GVariant *bus_peers_make_page(GPtrArray *peers, const char *after, unsigned limit,
                              BusPeersDetail detail)
{
    GVariantBuilder list;
    unsigned        n = 0;

    if (limit == 0 || limit > MAX_PAGE)
        limit = MAX_PAGE;
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned i = 0; i < peers->len && n < limit; i++) {
        const MeshdPeerView *peer = peers->pdata[i];

        if (strcmp(peer->member->name, after) <= 0 && after[0] != '\0')
            continue;
        g_variant_builder_add_value(&list, make_peer(peer, detail));
        n++;
    }
    return g_variant_builder_end(&list);
}

BusPeers *bus_peers_new(void)
{
    BusPeers *self = g_new0(BusPeers, 1);

    self->told =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref);
    return self;
}

void bus_peers_free(BusPeers *self)
{
    if (self == NULL)
        return;
    g_hash_table_unref(self->told);
    g_free(self);
}

/* Owned array of a{sv} that are new or differ; @present gets every node key. */
static GPtrArray *find_changed(BusPeers *self, GPtrArray *peers, GHashTable *present)
{
    GPtrArray *changed = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);

    for (unsigned i = 0; i < peers->len; i++) {
        char      node[MESH_BASE64URL_SIZE(MESH_KEY_BYTES)];
        GVariant *now = g_variant_ref_sink(make_peer(peers->pdata[i], BUS_PEERS_SIGNAL));
        GVariant *before;

        format_node(peers->pdata[i], node, sizeof node);
        before = g_hash_table_lookup(self->told, node);
        if (before == NULL || !g_variant_equal(before, now)) {
            g_ptr_array_add(changed, g_variant_ref(now));
            g_hash_table_replace(self->told, g_strdup(node), g_variant_ref(now));
        }
        g_hash_table_add(present, g_strdup(node));
        g_variant_unref(now);
    }
    return changed;
}

/* Owned array of owned node keys. */
static GPtrArray *find_removed(BusPeers *self, GHashTable *present)
{
    GPtrArray     *removed = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer       node;

    g_hash_table_iter_init(&iter, self->told);
    while (g_hash_table_iter_next(&iter, &node, NULL)) {
        if (g_hash_table_contains(present, node))
            continue;
        g_ptr_array_add(removed, g_strdup(node));
        g_hash_table_iter_remove(&iter);
    }
    return removed;
}

void bus_peers_compare(BusPeers *self, GPtrArray *peers, BusPeersEmit emit, void *user_data)
{
    g_autoptr(GHashTable) present = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) changed = find_changed(self, peers, present);
    g_autoptr(GPtrArray) removed = find_removed(self, present);
    unsigned at = 0, gone = 0;

    while (at < changed->len || gone < removed->len) {
        GVariantBuilder list;
        g_autoptr(GPtrArray) keys = g_ptr_array_new();

        g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
        for (int n = 0; n < MAX_SIGNAL && at < changed->len; n++)
            g_variant_builder_add_value(&list, changed->pdata[at++]);
        for (int n = 0; n < MAX_SIGNAL && gone < removed->len; n++)
            g_ptr_array_add(keys, removed->pdata[gone++]);
        g_ptr_array_add(keys, NULL);
        emit(g_variant_builder_end(&list), (const char *const *)keys->pdata, user_data);
    }
}
