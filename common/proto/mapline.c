/* common/proto/mapline.c: encodes the lines of mapline.h; decoding is in maplineread.c. */
#include "common/proto/mapline.h"

static const char *const type_names[] = {
    [MESH_MAPLINE_HELLO] = "hello",
    [MESH_MAPLINE_SNAP] = "snap",
    [MESH_MAPLINE_PEERS] = "peers",
    [MESH_MAPLINE_SNAP_END] = "snap-end",
    [MESH_MAPLINE_DELTA] = "delta",
    [MESH_MAPLINE_EP] = "ep",
    [MESH_MAPLINE_ON] = "on",
    [MESH_MAPLINE_OFF] = "off",
    [MESH_MAPLINE_RESTART] = "restart",
    [MESH_MAPLINE_REPLACED] = "replaced",
    [MESH_MAPLINE_RESYNC] = "resync",
    [MESH_MAPLINE_REVOKED] = "revoked",
    [MESH_MAPLINE_RELAYS] = "relays",
    [MESH_MAPLINE_CLONED] = "cloned",
    [MESH_MAPLINE_UNKNOWN] = "(unknown)",
};

const char *mesh_mapline_type_name(MeshMaplineType type)
{
    return type_names[type];
}

static void put_signed(MeshJsonOut *out, const char *name, const MeshSigned *object)
{
    if (object != NULL)
        mesh_signed_encode(object, out, name);
}

static void put_peer(MeshJsonOut *out, const char *name, const MeshPeer *peer)
{
    mesh_jsonout_open(out, name, '{');
    mesh_jsonout_int(out, "i", peer->index);
    put_signed(out, "m", peer->m);
    put_signed(out, "k", peer->k);
    put_signed(out, "e", peer->e);
    mesh_jsonout_bool(out, "on", peer->online);
    mesh_jsonout_text(out, "owner", peer->owner);
    if (!peer->online && peer->last_seen != 0)
        mesh_jsonout_int(out, "seen", peer->last_seen);
    mesh_jsonout_close(out, '}');
}

static void put_peers(MeshJsonOut *out, const char *name, const MeshMapline *line)
{
    mesh_jsonout_open(out, name, '[');
    for (size_t i = 0; i < line->n_peers; i++)
        put_peer(out, NULL, &line->peers[i]);
    mesh_jsonout_close(out, ']');
}

static void put_hello(MeshJsonOut *out, const MeshMapline *line)
{
    char text[MESH_IP_ADDR_TEXT_SIZE];

    mesh_jsonout_int(out, "time", line->time);
    mesh_jsonout_int(out, "hb", line->hb_s);
    put_signed(out, "tip", line->tip);
    if (line->observed.family != 0)
        mesh_jsonout_text(out, "observed", mesh_ip_format_addr(&line->observed, text));
    mesh_network_encode(&line->network, out, "network");
    if (line->relays != 0)
        mesh_jsonout_int(out, "relays", (int64_t)line->relays);
}

static void put_snap(MeshJsonOut *out, const MeshMapline *line)
{
    mesh_jsonout_int(out, "epoch", (int64_t)line->epoch);
    mesh_jsonout_int(out, "ver", (int64_t)line->ver);
    put_signed(out, "m", line->m);
    put_signed(out, "p", line->p);
    mesh_jsonout_int(out, "count", line->count);
}

static void put_delta(MeshJsonOut *out, const MeshMapline *line)
{
    mesh_jsonout_int(out, "from", (int64_t)line->from);
    mesh_jsonout_int(out, "to", (int64_t)line->to);
    put_peers(out, "put", line);
    mesh_jsonout_open(out, "gone", '[');
    for (size_t i = 0; i < line->n_gone; i++) {
        mesh_jsonout_open(out, NULL, '{');
        mesh_jsonout_int(out, "i", line->gone[i].index);
        mesh_jsonout_b64u(out, "node", line->gone[i].node.bytes, MESH_KEY_BYTES);
        mesh_jsonout_int(out, "serial", (int64_t)line->gone[i].serial);
        mesh_jsonout_close(out, '}');
    }
    mesh_jsonout_close(out, ']');
    put_signed(out, "m", line->m);
    put_signed(out, "p", line->p);
    if (line->has_network)
        mesh_network_encode(&line->network, out, "network");
    put_signed(out, "tip", line->tip);
}

static void put_numbers(MeshJsonOut *out, const char *name, const uint32_t *numbers, size_t n)
{
    mesh_jsonout_open(out, name, '[');
    for (size_t i = 0; i < n; i++)
        mesh_jsonout_int(out, NULL, numbers[i]);
    mesh_jsonout_close(out, ']');
}

static void put_presence(MeshJsonOut *out, const MeshMapline *line)
{
    put_numbers(out, "i", line->indexes, line->n_indexes);
    if (line->type == MESH_MAPLINE_OFF && line->seen != NULL)
        put_numbers(out, "seen", line->seen, line->n_indexes);
    if (line->all)
        mesh_jsonout_bool(out, "all", true);
    if (line->end)
        mesh_jsonout_bool(out, "end", true);
}

static void put_fields(MeshJsonOut *out, const MeshMapline *line)
{
    switch (line->type) {
    case MESH_MAPLINE_HELLO:
        put_hello(out, line);
        return;
    case MESH_MAPLINE_SNAP:
        put_snap(out, line);
        return;
    case MESH_MAPLINE_PEERS:
        put_peers(out, "peers", line);
        return;
    case MESH_MAPLINE_SNAP_END:
        mesh_jsonout_int(out, "ver", (int64_t)line->ver);
        put_signed(out, "set", line->set);
        return;
    case MESH_MAPLINE_DELTA:
        put_delta(out, line);
        return;
    case MESH_MAPLINE_EP:
        mesh_jsonout_int(out, "i", line->index);
        put_signed(out, "e", line->e);
        return;
    case MESH_MAPLINE_ON:
    case MESH_MAPLINE_OFF:
        put_presence(out, line);
        return;
    case MESH_MAPLINE_RESTART:
        mesh_jsonout_int(out, "retry_in_s", line->retry_in_s);
        mesh_jsonout_int(out, "spread_s", line->spread_s);
        return;
    case MESH_MAPLINE_REVOKED:
        mesh_jsonout_text(out, "why", line->expired ? "expired" : "removed");
        return;
    case MESH_MAPLINE_RELAYS:
        mesh_jsonout_int(out, "ver", (int64_t)line->relays);
        return;
    case MESH_MAPLINE_REPLACED:
    case MESH_MAPLINE_RESYNC:
    case MESH_MAPLINE_CLONED:
    case MESH_MAPLINE_UNKNOWN:
        return;
    }
}

char *mesh_mapline_encode(const MeshMapline *line, size_t *out_len)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "t", type_names[line->type]);
    put_fields(&out, line);
    mesh_jsonout_close(&out, '}');
    g_string_append_c(out.text, '\n');
    return mesh_jsonout_finish(&out, out_len);
}

char *mesh_mapline_encode_peer(const MeshPeer *peer)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    put_peer(&out, NULL, peer);
    return mesh_jsonout_finish(&out, NULL);
}
