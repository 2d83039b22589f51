#include "daemon/bus/peers.h"

#include "common/glib/keyset.h"
#include "common/std/base64.h"
#include "common/std/endpoint.h"
#include "daemon/doctor.h"

#include <string.h>

enum {
    MAX_PAGE = 1000,
    MAX_SIGNAL = 256,
    MAX_ROUND = 4 * MAX_SIGNAL, /* of more news at once nobody is told each */
};

/* What was told last of one peer. A serial has one content: see "What a node checks" in
 * docs/PROTOCOL.md; so no dictionary is made to find out that nothing changed. */
typedef struct {
    MeshKey  node;
    uint64_t serial;
    guint    words; /* hash of the reason, the owner and when it was seen */
    PathKind kind;
    bool     online, has_ip4;
    unsigned round; /* of the last comparison that met it */
} Told;

struct BusPeers {
    GHashTable *told; /* &Told.node → owned Told */
    unsigned    round;
};

static const char *format_node(const MeshKey *node, char *out_text, size_t size)
{
    MeshSpan key = MESH_SPAN(node->bytes, MESH_KEY_BYTES);

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

static void add_counters(GVariantBuilder *dict, const MeshdPeerView *peer)
{
    const WirePeerInfo *wire = &peer->path.wire;

    g_variant_builder_add(dict, "{sv}", "rtt-us",
                          g_variant_new_uint64((guint64)MAX(peer->path.rtt_us, 0)));
    g_variant_builder_add(dict, "{sv}", "mtu", g_variant_new_uint32(peer->path.mtu));
    g_variant_builder_add(dict, "{sv}", "last-handshake",
                          g_variant_new_int64(wire->last_handshake_s));
    g_variant_builder_add(dict, "{sv}", "cipher",
                          g_variant_new_string(
                              wire->has_session ? wire_suite_get_cipher(wire->suite) : ""));
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
    bool is_relayed = peer->path.kind == PATH_RELAY || peer->path.kind == PATH_PEER_RELAY;

    g_variant_builder_init(&dict, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&dict, "{sv}", "name", g_variant_new_string(peer->member->name));
    g_variant_builder_add(&dict, "{sv}", "node",
                          g_variant_new_string(
                              format_node(&peer->member->node, node, sizeof node)));
    g_variant_builder_add(&dict, "{sv}", "addresses", make_addresses(peer));
    g_variant_builder_add(&dict, "{sv}", "online", g_variant_new_boolean(peer->online));
    g_variant_builder_add(&dict, "{sv}", "owner",
                          g_variant_new_string(peer->owner != NULL ? peer->owner : ""));
    g_variant_builder_add(&dict, "{sv}", "last-seen", g_variant_new_int64(peer->last_seen));
    g_variant_builder_add(&dict, "{sv}", "path",
                          g_variant_new_string(path_kind_name(peer->path.kind)));
    g_variant_builder_add(&dict, "{sv}", "reason", g_variant_new_string(reason));
    g_variant_builder_add(&dict, "{sv}", "reason-code", g_variant_new_string(peer->path.code));
    g_variant_builder_add(&dict, "{sv}", "relay",
                          g_variant_new_string(
                              is_relayed && peer->path.relay != NULL ? peer->path.relay : ""));
    g_variant_builder_add(&dict, "{sv}", "relay-tls",
                          g_variant_new_boolean(is_relayed && peer->path.relay_tls));
    g_variant_builder_add(&dict, "{sv}", "tags",
                          g_variant_new_strv((const char *const *)peer->member->tags, -1));
    if (detail != BUS_PEERS_SIGNAL)
        add_counters(&dict, peer);
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

    self->told = g_hash_table_new_full(mesh_keyset_hash, mesh_keyset_equal, NULL, g_free);
    return self;
}

void bus_peers_free(BusPeers *self)
{
    if (self == NULL)
        return;
    g_hash_table_unref(self->told);
    g_free(self);
}

/* Eight bytes less for each peer than keeping them apart. */
static guint hash_words(const MeshdPeerView *peer)
{
    guint hash = g_str_hash(peer->path.reason);

    hash = hash * 31 + (peer->owner != NULL ? g_str_hash(peer->owner) : 0);
    return hash * 31 + peer->last_seen;
}

static Told make_told(const BusPeers *self, const MeshdPeerView *peer)
{
    return (Told){ .node = peer->member->node,
                   .serial = peer->member->serial,
                   .words = hash_words(peer),
                   .kind = peer->path.kind,
                   .online = peer->online,
                   .has_ip4 = peer->has_ip4,
                   .round = self->round };
}

/* Notes that @peer is there, and as what. Returns whether that is news. */
static bool note_peer(BusPeers *self, const MeshdPeerView *peer)
{
    Told  now = make_told(self, peer);
    Told *told = g_hash_table_lookup(self->told, &now.node);
    bool  news = told == NULL || told->serial != now.serial || told->words != now.words ||
                told->kind != now.kind || told->online != now.online ||
                told->has_ip4 != now.has_ip4;

    if (told == NULL) {
        told = g_new0(Told, 1);
        told->node = now.node;
        g_hash_table_insert(self->told, &told->node, told);
    }
    *told = now;
    return news;
}

/* Those of @peers that are new or differ, borrowed. Owned array. */
static GPtrArray *find_changed(BusPeers *self, GPtrArray *peers)
{
    GPtrArray *changed = g_ptr_array_new();

    for (unsigned i = 0; i < peers->len; i++)
        if (note_peer(self, peers->pdata[i]))
            g_ptr_array_add(changed, peers->pdata[i]);
    return changed;
}

/* Owned array of owned node keys: those that this round has not met. */
static GPtrArray *find_removed(BusPeers *self)
{
    GPtrArray     *removed = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer       value;

    g_hash_table_iter_init(&iter, self->told);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Told *told = value;
        char        node[MESH_BASE64URL_SIZE(MESH_KEY_BYTES)];

        if (told->round == self->round)
            continue;
        g_ptr_array_add(removed, g_strdup(format_node(&told->node, node, sizeof node)));
        g_hash_table_iter_remove(&iter);
    }
    return removed;
}

/* Tells of both lists, unless that were too much. */
static bool tell(GPtrArray *changed, GPtrArray *removed, BusPeersEmit emit, void *user_data)
{
    unsigned at = 0, gone = 0;

    if (changed->len + removed->len > MAX_ROUND)
        return false;
    while (at < changed->len || gone < removed->len) {
        GVariantBuilder list;
        g_autoptr(GPtrArray) keys = g_ptr_array_new();

        g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
        for (int n = 0; n < MAX_SIGNAL && at < changed->len; n++)
            g_variant_builder_add_value(&list, make_peer(changed->pdata[at++], BUS_PEERS_SIGNAL));
        for (int n = 0; n < MAX_SIGNAL && gone < removed->len; n++)
            g_ptr_array_add(keys, removed->pdata[gone++]);
        g_ptr_array_add(keys, NULL);
        emit(g_variant_builder_end(&list), (const char *const *)keys->pdata, user_data);
    }
    return true;
}

bool bus_peers_compare(BusPeers *self, GPtrArray *peers, BusPeersEmit emit, void *user_data)
{
    g_autoptr(GPtrArray) changed = NULL;
    g_autoptr(GPtrArray) removed = NULL;

    self->round++;
    changed = find_changed(self, peers);
    removed = find_removed(self);
    return tell(changed, removed, emit, user_data);
}

bool bus_peers_compare_some(BusPeers *self, GPtrArray *peers, GPtrArray *gone, BusPeersEmit emit,
                            void *user_data)
{
    g_autoptr(GPtrArray) changed = find_changed(self, peers);
    g_autoptr(GPtrArray) removed = g_ptr_array_new_with_free_func(g_free);

    for (unsigned i = 0; i < gone->len; i++) {
        char node[MESH_BASE64URL_SIZE(MESH_KEY_BYTES)];

        if (g_hash_table_remove(self->told, gone->pdata[i]))
            g_ptr_array_add(removed, g_strdup(format_node(gone->pdata[i], node, sizeof node)));
    }
    return tell(changed, removed, emit, user_data);
}
