/* common/proto/netmapcache.c: a MeshNetmap as JSON on disk and back, see netmap.h. */
#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/proto/maplinescan.h"
#include "common/proto/netmapnews.h"
#include "common/proto/netmapstore.h"

#include <string.h>

#define MAX_HEAD_BYTES        65536
#define MAX_CHANGE_HEAD_BYTES (MAX_HEAD_BYTES + 12 * MESH_NETMAP_MAX_PEERS)

void mesh_netmapcache_put_head(const MeshNetmap *self, MeshJsonOut *out)
{
    if (self->head.has_network)
        mesh_network_encode(&self->head.network, out, "network");
    if (self->head.m != NULL)
        mesh_signed_encode(self->head.m, out, "m");
    if (self->head.p != NULL)
        mesh_signed_encode(self->head.p, out, "p");
}

void mesh_netmapcache_put_peer(const MeshPeer *peer, MeshJsonOut *out)
{
    MeshPeer         stored = *peer; /* borrowed */
    g_autofree char *text = NULL;

    stored.online = false;
    stored.last_seen = 0;
    text = mesh_mapline_encode_peer(&stored);
    g_string_append(out->text, text);
    g_string_append_c(out->text, '\n');
}

/* One line for all that is not peers, then one for each peer: ten thousand are read without ever
 * having the whole as a tree in memory. */
char *mesh_netmap_encode(const MeshNetmap *self, size_t *out_len)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_int(&out, "format", 2);
    mesh_jsonout_int(&out, "epoch", (int64_t)self->head.epoch);
    mesh_jsonout_int(&out, "ver", (int64_t)self->head.ver);
    mesh_netmapcache_put_head(self, &out);
    mesh_jsonout_int(&out, "count", self->peers->len);
    mesh_jsonout_close(&out, '}');
    g_string_append_c(out.text, '\n');
    for (guint i = 0; i < self->peers->len; i++)
        mesh_netmapcache_put_peer(&g_array_index(self->peers, MeshPeer, i), &out);
    return mesh_jsonout_finish(&out, out_len);
}

typedef struct {
    uint64_t    format, epoch, ver, count;
    JsonObject *network, *m, *p;
    JsonArray  *gone; /* of a change alone */
} Raw;

static const MeshJsonField fields[] = {
    { "format", MESH_JSON_INT, true, offsetof(Raw, format), .min = 2, .max = 2 },
    { "epoch", MESH_JSON_INT, true, offsetof(Raw, epoch) },
    { "ver", MESH_JSON_INT, true, offsetof(Raw, ver) },
    { "network", MESH_JSON_OBJECT, false, offsetof(Raw, network) },
    { "m", MESH_JSON_OBJECT, false, offsetof(Raw, m) },
    { "p", MESH_JSON_OBJECT, false, offsetof(Raw, p) },
    { "gone", MESH_JSON_ARRAY, false, offsetof(Raw, gone), .max = MESH_NETMAP_MAX_PEERS },
    { "count", MESH_JSON_INT, true, offsetof(Raw, count), .max = MESH_NETMAP_MAX_PEERS },
};

/* The next line without its newline, which it must have. NULL: there is none. */
static const char *take_line(MeshSpan *text, size_t *out_len)
{
    const char *line = text->data;
    const char *end = text->len > 0 ? memchr(line, '\n', text->len) : NULL;

    if (end == NULL)
        return NULL;
    *out_len = (size_t)(end - line);
    *text = MESH_SPAN(end + 1, text->len - *out_len - 1);
    return line;
}

static bool fail(GError **error, uint64_t at, const char *why)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "peer %" G_GUINT64_FORMAT ": %s", at, why);
    return false;
}

static bool read_peer(uint64_t at, MeshSpan *text, MeshPeer *out_peer, GError **error)
{
    size_t      len = 0;
    const char *line = take_line(text, &len);
    g_autoptr(JsonObject) object = NULL;
    MeshPeer peer;
    char     path[32];

    if (line == NULL)
        return fail(error, at, "the text ends before it");
    if (!mesh_maplinescan_peer(line, len, &peer)) {
        object = mesh_json_parse(line, len, MESH_MAPLINE_MAX_BYTES, error);
        g_snprintf(path, sizeof(path), "peers[%" G_GUINT64_FORMAT "]", at);
        if (object == NULL || !mesh_mapline_decode_peer(object, path, &peer, error))
            return false;
    }
    peer.online = false; /* whatever the file says: presence is news of this connection */
    peer.last_seen = 0;
    *out_peer = peer;
    return true;
}

static bool append_peer(MeshNetmap *self, uint64_t at, MeshSpan *text, GError **error)
{
    MeshPeer peer;

    if (!read_peer(at, text, &peer, error))
        return false;
    g_array_append_val(self->peers, peer);
    if (at > 0 && g_array_index(self->peers, MeshPeer, at - 1).index >= peer.index)
        return fail(error, at, "not in the order of the indexes");
    return true;
}

static bool read_head(MeshNetmap *self, const Raw *raw, GError **error)
{
    if (raw->network != NULL) {
        if (!mesh_network_decode(raw->network, "network", &self->head.network, error))
            return false;
        self->head.has_network = true;
    }
    if (raw->m != NULL) {
        mesh_signed_unref(self->head.m);
        self->head.m = mesh_signed_decode(raw->m, MESH_SIGNED_MAX_BODY, "m", error);
        if (self->head.m == NULL)
            return false;
    }
    if (raw->p != NULL) {
        mesh_signed_unref(self->head.p);
        self->head.p = mesh_signed_decode(raw->p, MESH_SIGNED_MAX_POLICY, "p", error);
        if (self->head.p == NULL)
            return false;
    }
    self->head.epoch = raw->epoch;
    self->head.ver = raw->ver;
    return true;
}

MeshNetmap *mesh_netmap_decode(const char *text, size_t len, GError **error)
{
    MeshSpan    rest = MESH_SPAN(text, len);
    size_t      head_len = 0;
    const char *head = take_line(&rest, &head_len);
    g_autoptr(JsonObject) object = NULL;
    g_autoptr(MeshNetmap) self = mesh_netmap_new();
    Raw raw = { 0 };

    object = mesh_json_parse(text, head != NULL ? head_len : len, MAX_HEAD_BYTES, error);
    if (object == NULL || !mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, "", error) ||
        !read_head(self, &raw, error))
        return NULL;
    for (uint64_t i = 0; i < raw.count; i++)
        if (!append_peer(self, i, &rest, error))
            return NULL;
    mesh_netmap_forget_news(self);
    if (head != NULL && rest.len == 0)
        return g_steal_pointer(&self);
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "map: it goes on behind its last peer");
    return NULL;
}

static bool read_gone(MeshNetmap *self, JsonArray *gone, GError **error)
{
    for (guint i = 0; gone != NULL && i < json_array_get_length(gone); i++) {
        JsonNode *node = json_array_get_element(gone, i);
        gint64    index = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_int(node) : -1;

        if (index < 0 || index > UINT32_MAX) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "gone[%u]: not an index", i);
            return false;
        }
        mesh_netmapstore_remove(self, (uint32_t)index);
    }
    return true;
}

bool mesh_netmapcache_read_change(MeshNetmap *self, const char *text, size_t len, GError **error)
{
    MeshSpan    rest = MESH_SPAN(text, len);
    size_t      head_len = 0;
    const char *head = take_line(&rest, &head_len);
    g_autoptr(JsonObject) object =
        mesh_json_parse(text, head != NULL ? head_len : len, MAX_CHANGE_HEAD_BYTES, error);
    Raw raw = { 0 };

    if (object == NULL || !mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, "", error) ||
        !read_head(self, &raw, error) || !read_gone(self, raw.gone, error))
        return false;
    for (uint64_t i = 0; i < raw.count; i++) {
        MeshPeer peer;

        if (!read_peer(i, &rest, &peer, error))
            return false;
        mesh_netmapstore_put(self, &peer);
        mesh_mapline_clear_peer(&peer);
    }
    if (self->peers->len > MESH_NETMAP_MAX_PEERS || rest.len != 0) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "map: too many peers, or no end");
        return false;
    }
    mesh_netmap_forget_news(self);
    return true;
}
