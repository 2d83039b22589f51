/* common/proto/maplineread.c: decodes the lines of mapline.h. */
#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/proto/mapline.h"
#include "common/proto/maplinescan.h"

#include <string.h>

enum {
    MAX_PEERS = 65536, /* more cannot be in a network; a line's bytes bound them much earlier */
    MAX_WAIT_S = 86400,
};

void mesh_mapline_clear_peer(MeshPeer *peer)
{
    g_clear_pointer(&peer->m, mesh_signed_unref);
    g_clear_pointer(&peer->k, mesh_signed_unref);
    g_clear_pointer(&peer->e, mesh_signed_unref);
    g_clear_pointer(&peer->owner, g_ref_string_release);
}

void mesh_mapline_free(MeshMapline *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->n_peers; i++)
        mesh_mapline_clear_peer(&self->peers[i]);
    g_free(self->peers);
    g_free(self->gone);
    g_free(self->indexes);
    g_free(self->seen);
    mesh_signed_unref(self->tip);
    mesh_signed_unref(self->m);
    mesh_signed_unref(self->p);
    mesh_signed_unref(self->e);
    mesh_signed_unref(self->set);
    g_free(self);
}

/* Everything that any line has; each reader takes its own fields from it. */
typedef struct {
    uint64_t    time, hb, epoch, ver, count, from, to, index, retry_in, spread, relays, last_seen;
    bool        on, all, end;
    MeshAddr    observed;
    MeshKey     node;
    uint64_t    serial;
    const char *why, *owner;
    JsonObject *tip, *network, *m, *p, *k, *e, *set;
    JsonArray  *peers, *gone, *indexes, *seen;
} Raw;

#define FIELD(name_, type_, required_, member_)                          \
    {                                                                    \
        .name = name_, .type = MESH_JSON_##type_, .required = required_, \
        .offset = offsetof(Raw, member_)                                 \
    }
#define INT(name_, required_, member_, max_)                         \
    {                                                                \
        .name = name_, .type = MESH_JSON_INT, .required = required_, \
        .offset = offsetof(Raw, member_), .max = max_                \
    }

static const MeshJsonField peer_fields[] = {
    INT("i", true, index, UINT32_MAX),
    FIELD("m", OBJECT, true, m),
    FIELD("k", OBJECT, true, k),
    FIELD("e", OBJECT, false, e),
    FIELD("on", BOOL, true, on),
    FIELD("owner", TEXT, false, owner),
    INT("seen", false, last_seen, UINT32_MAX),
};

/* A name goes to people's screens and terminals: nothing that moves or turns what stands there. */
static bool is_shown_as_it_is(gunichar c)
{
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
        return false;
    default:
        return true;
    }
}

/* @name: UTF-8, as all JSON that was parsed. Sets @peer's owner. */
static bool take_owner(const char *name, const char *path, MeshPeer *peer, GError **error)
{
    bool ok = strlen(name) <= MESH_MAPLINE_OWNER_MAX;

    for (const char *at = name; ok && *at != '\0'; at = g_utf8_next_char(at))
        ok = is_shown_as_it_is(g_utf8_get_char(at));
    if (!ok) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON,
                    "%s.owner: not a name of at most %d bytes without control characters", path,
                    MESH_MAPLINE_OWNER_MAX);
        return false;
    }
    if (name[0] != '\0')
        peer->owner = g_ref_string_new_intern(name);
    return true;
}

/* Decodes @object (NULL: absent) into @slot. */
static bool take_signed(JsonObject *object, const char *path, const char *name, MeshSigned **slot,
                        GError **error)
{
    g_autofree char *full = NULL;
    size_t           max = strcmp(name, "p") == 0 ? MESH_SIGNED_MAX_POLICY : MESH_SIGNED_MAX_BODY;

    if (object == NULL)
        return true;
    full = g_strdup_printf("%s.%s", path, name);
    *slot = mesh_signed_decode(object, max, full, error);
    return *slot != NULL;
}

bool mesh_mapline_decode_peer(JsonObject *object, const char *path, MeshPeer *out_peer,
                              GError **error)
{
    MeshPeer peer = { 0 };
    Raw      raw = { 0 };

    if (!mesh_json_read(object, peer_fields, G_N_ELEMENTS(peer_fields), &raw, path, error))
        return false;
    if (!take_signed(raw.m, path, "m", &peer.m, error) ||
        !take_signed(raw.k, path, "k", &peer.k, error) ||
        !take_signed(raw.e, path, "e", &peer.e, error) ||
        (raw.owner != NULL && !take_owner(raw.owner, path, &peer, error))) {
        mesh_mapline_clear_peer(&peer);
        return false;
    }
    peer.index = (uint32_t)raw.index;
    peer.online = raw.on;
    peer.last_seen = raw.on ? 0 : (uint32_t)raw.last_seen;
    *out_peer = peer;
    return true;
}

static bool take_peers(JsonArray *array, const char *path, MeshMapline *line, GError **error)
{
    unsigned count = array != NULL ? json_array_get_length(array) : 0;

    line->peers = g_new0(MeshPeer, count);
    for (unsigned i = 0; i < count; i++) {
        JsonObject *object = mesh_json_get_object(array, i, path, error);
        char        where[64];

        g_snprintf(where, sizeof(where), "%s[%u]", path, i);
        if (object == NULL || !mesh_mapline_decode_peer(object, where, &line->peers[i], error))
            return false;
        line->n_peers++;
    }
    return true;
}

static bool take_network(JsonObject *object, const char *path, MeshMapline *line, GError **error)
{
    line->has_network = object != NULL;
    return object == NULL || mesh_network_decode(object, path, &line->network, error);
}

static bool read_hello(JsonObject *object, MeshMapline *line, GError **error)
{
    static const MeshJsonField fields[] = {
        INT("time", true, time, 0),
        INT("hb", true, hb, 900),
        FIELD("tip", OBJECT, true, tip),
        FIELD("observed", ADDR, false, observed),
        FIELD("network", OBJECT, true, network),
        INT("relays", false, relays, 0),
    };
    Raw raw = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, "hello", error) ||
        !take_signed(raw.tip, "hello", "tip", &line->tip, error) ||
        !take_network(raw.network, "hello.network", line, error))
        return false;
    line->time = (int64_t)raw.time;
    line->hb_s = (unsigned)raw.hb;
    line->observed = raw.observed;
    line->relays = raw.relays;
    return true;
}

static bool read_snap(JsonObject *object, MeshMapline *line, GError **error)
{
    static const MeshJsonField fields[] = {
        { "epoch", MESH_JSON_INT, true, offsetof(Raw, epoch), .min = 1 },
        INT("ver", true, ver, 0),
        FIELD("m", OBJECT, true, m),
        FIELD("p", OBJECT, true, p),
        INT("count", true, count, MAX_PEERS),
    };
    Raw raw = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, "snap", error) ||
        !take_signed(raw.m, "snap", "m", &line->m, error) ||
        !take_signed(raw.p, "snap", "p", &line->p, error))
        return false;
    line->epoch = raw.epoch;
    line->ver = raw.ver;
    line->count = (unsigned)raw.count;
    return true;
}

static bool read_peers(JsonObject *object, MeshMapline *line, GError **error)
{
    static const MeshJsonField fields[] = { FIELD("peers", ARRAY, true, peers) };
    Raw                        raw = { 0 };

    return mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, "peers", error) &&
           take_peers(raw.peers, "peers", line, error);
}

static bool read_snap_end(JsonObject *object, MeshMapline *line, GError **error)
{
    static const MeshJsonField fields[] = {
        INT("ver", true, ver, 0),
        FIELD("set", OBJECT, false, set),
    };
    Raw raw = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, "snap-end", error))
        return false;
    line->ver = raw.ver;
    return take_signed(raw.set, "snap-end", "set", &line->set, error);
}

static bool take_gone(JsonArray *array, MeshMapline *line, GError **error)
{
    static const MeshJsonField fields[] = {
        INT("i", true, index, UINT32_MAX),
        FIELD("node", KEY, true, node),
        INT("serial", true, serial, 0),
    };
    unsigned count = array != NULL ? json_array_get_length(array) : 0;

    line->gone = g_new0(MeshGone, count);
    line->n_gone = count;
    for (unsigned i = 0; i < count; i++) {
        JsonObject *object = mesh_json_get_object(array, i, "delta.gone", error);
        Raw         raw = { 0 };
        char        path[32];

        g_snprintf(path, sizeof(path), "delta.gone[%u]", i);
        if (object == NULL ||
            !mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, path, error))
            return false;
        line->gone[i] = (MeshGone){ (uint32_t)raw.index, raw.node, raw.serial };
    }
    return true;
}

static bool read_delta(JsonObject *object, MeshMapline *line, GError **error)
{
    static const MeshJsonField fields[] = {
        INT("from", true, from, 0),        INT("to", true, to, 0),
        FIELD("put", ARRAY, false, peers), FIELD("gone", ARRAY, false, gone),
        FIELD("m", OBJECT, false, m),      FIELD("p", OBJECT, false, p),
        FIELD("tip", OBJECT, false, tip),  FIELD("network", OBJECT, false, network),
    };
    Raw raw = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, "delta", error) ||
        !take_peers(raw.peers, "delta.put", line, error) || !take_gone(raw.gone, line, error) ||
        !take_signed(raw.m, "delta", "m", &line->m, error) ||
        !take_signed(raw.p, "delta", "p", &line->p, error) ||
        !take_signed(raw.tip, "delta", "tip", &line->tip, error) ||
        !take_network(raw.network, "delta.network", line, error))
        return false;
    line->from = raw.from;
    line->to = raw.to;
    if (line->from < line->to)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "delta.to: not above from");
    return false;
}

static bool read_ep(JsonObject *object, MeshMapline *line, GError **error)
{
    static const MeshJsonField fields[] = {
        INT("i", true, index, UINT32_MAX),
        FIELD("e", OBJECT, true, e),
    };
    Raw raw = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, "ep", error))
        return false;
    line->index = (uint32_t)raw.index;
    return take_signed(raw.e, "ep", "e", &line->e, error);
}

/* Owned, also of an empty array; NULL: one of them is none of 32 bits. */
static uint32_t *take_numbers(JsonArray *array, const char *path, const char *name, GError **error)
{
    unsigned             n = json_array_get_length(array);
    g_autofree uint32_t *numbers = g_new0(uint32_t, n + 1);

    for (unsigned i = 0; i < n; i++) {
        JsonNode *node = json_array_get_element(array, i);
        bool whole = JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64;
        int64_t value = whole ? json_node_get_int(node) : -1;

        if (value < 0 || value > UINT32_MAX) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON,
                        "%s.%s[%u]: not a number of 32 bits", path, name, i);
            return NULL;
        }
        numbers[i] = (uint32_t)value;
    }
    return g_steal_pointer(&numbers);
}

static bool read_presence(JsonObject *object, MeshMapline *line, GError **error)
{
    static const MeshJsonField fields[] = {
        FIELD("i", ARRAY, true, indexes),
        FIELD("seen", ARRAY, false, seen),
        FIELD("all", BOOL, false, all),
        FIELD("end", BOOL, false, end),
    };
    const char *name = mesh_mapline_type_name(line->type);
    Raw         raw = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, name, error))
        return false;
    line->all = raw.all;
    line->end = raw.end;
    line->n_indexes = json_array_get_length(raw.indexes);
    line->indexes = take_numbers(raw.indexes, name, "i", error);
    if (line->indexes == NULL)
        return false;
    if (line->type != MESH_MAPLINE_OFF || raw.seen == NULL)
        return true;
    if (json_array_get_length(raw.seen) != line->n_indexes) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "%s.seen: not as many as in i", name);
        return false;
    }
    line->seen = take_numbers(raw.seen, name, "seen", error);
    return line->seen != NULL;
}

static bool read_restart(JsonObject *object, MeshMapline *line, GError **error)
{
    static const MeshJsonField fields[] = {
        INT("retry_in_s", true, retry_in, MAX_WAIT_S),
        INT("spread_s", true, spread, MAX_WAIT_S),
    };
    Raw raw = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, "restart", error))
        return false;
    line->retry_in_s = (unsigned)raw.retry_in;
    line->spread_s = (unsigned)raw.spread;
    return true;
}

static bool read_revoked(JsonObject *object, MeshMapline *line, GError **error)
{
    static const MeshJsonField fields[] = { FIELD("why", TEXT, true, why) };
    Raw                        raw = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, "revoked", error))
        return false;
    line->expired = strcmp(raw.why, "expired") == 0;
    if (line->expired || strcmp(raw.why, "removed") == 0)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "revoked.why: neither removed nor expired");
    return false;
}

static bool read_relays(JsonObject *object, MeshMapline *line, GError **error)
{
    static const MeshJsonField fields[] = { INT("ver", true, ver, 0) };
    Raw                        raw = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, "relays", error))
        return false;
    line->relays = raw.ver;
    return true;
}

static bool read_nothing(JsonObject *object, MeshMapline *line, GError **error)
{
    (void)object;
    (void)line;
    (void)error;
    return true;
}

typedef bool (*ReadLine)(JsonObject *object, MeshMapline *line, GError **error);

static const ReadLine readers[] = {
    [MESH_MAPLINE_HELLO] = read_hello,     [MESH_MAPLINE_SNAP] = read_snap,
    [MESH_MAPLINE_PEERS] = read_peers,     [MESH_MAPLINE_SNAP_END] = read_snap_end,
    [MESH_MAPLINE_DELTA] = read_delta,     [MESH_MAPLINE_EP] = read_ep,
    [MESH_MAPLINE_ON] = read_presence,     [MESH_MAPLINE_OFF] = read_presence,
    [MESH_MAPLINE_RESTART] = read_restart, [MESH_MAPLINE_REPLACED] = read_nothing,
    [MESH_MAPLINE_RESYNC] = read_nothing,  [MESH_MAPLINE_REVOKED] = read_revoked,
    [MESH_MAPLINE_RELAYS] = read_relays,   [MESH_MAPLINE_CLONED] = read_nothing,
    [MESH_MAPLINE_UNKNOWN] = read_nothing,
};

static MeshMaplineType find_type(const char *name)
{
    int type = 0;

    while (type < MESH_MAPLINE_UNKNOWN &&
           strcmp(mesh_mapline_type_name((MeshMaplineType)type), name) != 0)
        type++;
    return (MeshMaplineType)type;
}

MeshMapline *mesh_mapline_decode(const char *text, size_t len, GError **error)
{
    static const MeshJsonField fields[] = { { "t", MESH_JSON_TEXT, true, 0 } };
    g_autoptr(JsonObject) object = NULL;
    g_autoptr(MeshMapline) line = mesh_maplinescan_line(text, len);
    const char *name = NULL;

    if (line != NULL)
        return g_steal_pointer(&line);
    line = g_new0(MeshMapline, 1);
    object = mesh_json_parse(text, len, MESH_MAPLINE_MAX_BYTES, error);
    if (object == NULL || !mesh_json_read(object, fields, 1, &name, "", error))
        return NULL;
    line->type = find_type(name);
    if (!readers[line->type](object, line, error))
        return NULL;
    return g_steal_pointer(&line);
}
