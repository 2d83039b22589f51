/* common/proto/maplinescan.c: the lines of a large map in the form that their encoder writes, see
 * scan.h: "peers" and "ep". */
#include "common/proto/maplinescan.h"

#include "common/proto/scan.h"

/* What need not be there. */
static bool scan_about(MeshScan *scan, MeshPeer *out)
{
    char     owner[MESH_MAPLINE_OWNER_MAX + 1];
    uint64_t seen = 0;

    if (mesh_scan_word(scan, ",\"owner\":\"")) {
        if (!mesh_scan_text(scan, owner, sizeof(owner)) || owner[0] == '\0')
            return false;
        out->owner = g_ref_string_new_intern(owner);
    }
    if (out->online || !mesh_scan_word(scan, ",\"seen\":"))
        return true;
    if (!mesh_scan_int(scan, &seen) || seen > UINT32_MAX)
        return false;
    out->last_seen = (uint32_t)seen;
    return true;
}

static bool scan_peer(MeshScan *scan, MeshPeer *out)
{
    MeshPeer peer = { 0 };
    uint64_t index = 0;
    bool     ok = mesh_scan_word(scan, "{\"i\":") && mesh_scan_int(scan, &index) &&
              index <= UINT32_MAX && mesh_scan_word(scan, ",\"m\":");

    if (ok)
        peer.m = mesh_scan_signed(scan, MESH_SIGNED_MAX_BODY);
    if (peer.m != NULL && mesh_scan_word(scan, ",\"k\":"))
        peer.k = mesh_scan_signed(scan, MESH_SIGNED_MAX_BODY);
    ok = peer.k != NULL;
    if (ok && mesh_scan_word(scan, ",\"e\":")) {
        peer.e = mesh_scan_signed(scan, MESH_SIGNED_MAX_BODY);
        ok = peer.e != NULL;
    }
    ok = ok && mesh_scan_word(scan, ",\"on\":") && mesh_scan_bool(scan, &peer.online) &&
         scan_about(scan, &peer) && mesh_scan_word(scan, "}");
    if (!ok) {
        mesh_mapline_clear_peer(&peer);
        return false;
    }
    peer.index = (uint32_t)index;
    *out = peer;
    return true;
}

bool mesh_maplinescan_peer(const char *text, size_t len, MeshPeer *out)
{
    MeshScan scan = { text, text + len };

    if (!scan_peer(&scan, out))
        return false;
    if (mesh_scan_is_at_end(&scan))
        return true;
    mesh_mapline_clear_peer(out);
    return false;
}

static bool scan_peers(MeshScan *scan, GArray *peers)
{
    MeshPeer peer;

    do {
        if (!scan_peer(scan, &peer))
            return false;
        g_array_append_val(peers, peer);
    } while (mesh_scan_word(scan, ","));
    return mesh_scan_word(scan, "]}") && mesh_scan_is_at_end(scan);
}

static MeshMapline *read_peers(MeshScan *scan)
{
    g_autoptr(GArray) peers = g_array_new(FALSE, FALSE, sizeof(MeshPeer));
    MeshMapline *line;
    gsize        n = 0;

    if (!scan_peers(scan, peers)) {
        for (guint i = 0; i < peers->len; i++)
            mesh_mapline_clear_peer(&g_array_index(peers, MeshPeer, i));
        return NULL;
    }
    line = g_new0(MeshMapline, 1);
    line->type = MESH_MAPLINE_PEERS;
    line->peers = g_array_steal(peers, &n);
    line->n_peers = n;
    return line;
}

static MeshMapline *read_ep(MeshScan *scan)
{
    uint64_t     index = 0;
    MeshSigned  *e = NULL;
    MeshMapline *line;

    if (mesh_scan_int(scan, &index) && index <= UINT32_MAX && mesh_scan_word(scan, ",\"e\":"))
        e = mesh_scan_signed(scan, MESH_SIGNED_MAX_BODY);
    if (e == NULL || !mesh_scan_word(scan, "}") || !mesh_scan_is_at_end(scan)) {
        mesh_signed_unref(e);
        return NULL;
    }
    line = g_new0(MeshMapline, 1);
    line->type = MESH_MAPLINE_EP;
    line->index = (uint32_t)index;
    line->e = e;
    return line;
}

MeshMapline *mesh_maplinescan_line(const char *text, size_t len)
{
    MeshScan scan = { text, text + len };

    if (len > MESH_MAPLINE_MAX_BYTES)
        return NULL;
    if (mesh_scan_word(&scan, "{\"t\":\"peers\",\"peers\":["))
        return read_peers(&scan);
    return mesh_scan_word(&scan, "{\"t\":\"ep\",\"i\":") ? read_ep(&scan) : NULL;
}
