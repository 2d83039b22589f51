/* common/proto/netmapcache.c: a MeshNetmap as JSON on disk and back, see netmap.h. */
#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/proto/netmap.h"
#include "common/proto/netmapstore.h"

#include <string.h>

#define MAX_BYTES (UINT64_C(256) * 1024 * 1024) /* 65 536 peers of 4 KiB */

char *mesh_netmap_encode(const MeshNetmap *self, size_t *out_len)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_int(&out, "format", 1);
    mesh_jsonout_int(&out, "epoch", (int64_t)self->head.epoch);
    mesh_jsonout_int(&out, "ver", (int64_t)self->head.ver);
    if (self->head.has_network)
        mesh_network_encode(&self->head.network, &out, "network");
    if (self->head.m != NULL)
        mesh_signed_encode(self->head.m, &out, "m");
    if (self->head.p != NULL)
        mesh_signed_encode(self->head.p, &out, "p");
    mesh_jsonout_open(&out, "peers", '[');
    for (guint i = 0; i < self->peers->len; i++) {
        MeshPeer         peer = g_array_index(self->peers, MeshPeer, i); /* borrowed */
        g_autofree char *text = NULL;

        peer.online = false;
        text = mesh_mapline_encode_peer(&peer);
        mesh_jsonout_raw(&out, NULL, text);
    }
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_close(&out, '}');
    return mesh_jsonout_finish(&out, out_len);
}

typedef struct {
    uint64_t    format, epoch, ver;
    JsonObject *network, *m, *p;
    JsonArray  *peers;
} Raw;

static const MeshJsonField fields[] = {
    { "format", MESH_JSON_INT, true, offsetof(Raw, format), .min = 1, .max = 1 },
    { "epoch", MESH_JSON_INT, true, offsetof(Raw, epoch) },
    { "ver", MESH_JSON_INT, true, offsetof(Raw, ver) },
    { "network", MESH_JSON_OBJECT, false, offsetof(Raw, network) },
    { "m", MESH_JSON_OBJECT, false, offsetof(Raw, m) },
    { "p", MESH_JSON_OBJECT, false, offsetof(Raw, p) },
    { "peers", MESH_JSON_ARRAY, true, offsetof(Raw, peers), .max = MESH_NETMAP_MAX_PEERS },
};

static bool read_head(MeshNetmap *self, const Raw *raw, GError **error)
{
    if (raw->network != NULL) {
        if (!mesh_network_decode(raw->network, "network", &self->head.network, error))
            return false;
        self->head.has_network = true;
    }
    if (raw->m != NULL) {
        self->head.m = mesh_signed_decode(raw->m, MESH_SIGNED_MAX_BODY, "m", error);
        if (self->head.m == NULL)
            return false;
    }
    if (raw->p != NULL) {
        self->head.p = mesh_signed_decode(raw->p, MESH_SIGNED_MAX_POLICY, "p", error);
        if (self->head.p == NULL)
            return false;
    }
    self->head.epoch = raw->epoch;
    self->head.ver = raw->ver;
    return true;
}

static bool read_peers(MeshNetmap *self, JsonArray *array, GError **error)
{
    for (unsigned i = 0; i < json_array_get_length(array); i++) {
        JsonObject *object = mesh_json_get_object(array, i, "peers", error);
        MeshPeer    peer;
        char        path[32];

        g_snprintf(path, sizeof(path), "peers[%u]", i);
        if (object == NULL || !mesh_mapline_decode_peer(object, path, &peer, error))
            return false;
        peer.online = false; /* whatever the file says: presence is news of this connection */
        g_array_append_val(self->peers, peer);
        if (i > 0 && g_array_index(self->peers, MeshPeer, i - 1).index >= peer.index) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "%s.i: not in order", path);
            return false;
        }
    }
    return true;
}

MeshNetmap *mesh_netmap_decode(const char *text, size_t len, GError **error)
{
    g_autoptr(JsonObject) object = mesh_json_parse(text, len, MAX_BYTES, error);
    g_autoptr(MeshNetmap) self = mesh_netmap_new();
    Raw raw = { 0 };

    if (object == NULL || !mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, "", error) ||
        !read_head(self, &raw, error) || !read_peers(self, raw.peers, error))
        return NULL;
    return g_steal_pointer(&self);
}
