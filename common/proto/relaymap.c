/* common/proto/relaymap.c: see relaymap.h. */
#include "common/proto/relaymap.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/proto/signedparts.h"

#include <string.h>

#define MAX_ANSWER_BYTES 32768

static const char *const state_names[] = {
    [MESH_RELAYMAP_OK] = "ok",
    [MESH_RELAYMAP_AVOID] = "avoid",
    [MESH_RELAYMAP_DRAIN] = "drain",
};

const char *mesh_relaymap_state_name(MeshRelayState state)
{
    return state_names[state];
}

bool mesh_relaymap_parse_state(const char *text, MeshRelayState *out_state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(state_names); i++) {
        if (strcmp(text, state_names[i]) != 0)
            continue;
        *out_state = (MeshRelayState)i;
        return true;
    }
    return false;
}

/* Labels of letters, digits, '-' and '_' with single dots between. */
static bool is_host(const char *text)
{
    size_t label = 0;

    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '.' && label == 0)
            return false;
        if (*at != '.' && !g_ascii_isalnum(*at) && *at != '-' && *at != '_')
            return false;
        label = *at == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return label > 0;
}

bool mesh_relaymap_check(const MeshRelayEntry *entry, GError **error)
{
    const char *what = NULL;

    if (entry->id == 0)
        what = "id: from 1 to 65535";
    else if (!mesh_network_is_label(entry->name))
        what = "name: not a name";
    else if (entry->host[0] != '\0' && !is_host(entry->host))
        what = "host: not a DNS name";
    else if (entry->n_addrs > MESH_RELAYMAP_MAX_ADDRS)
        what = "addrs: more than 4";
    else if (entry->udp == 0 && entry->tls == 0)
        what = "udp, tls: neither";
    else if (entry->alt != 0 && (entry->udp == 0 || entry->alt == entry->udp))
        what = "alt: without udp, or the same port";
    else if (mesh_key_is_zero(&entry->rk))
        what = "rk: the key is all zero";
    else if (mesh_key_is_zero(&entry->sk))
        what = "sk: the key is all zero";
    if (what != NULL)
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT, "relay %u: %s", entry->id,
                    what);
    return what == NULL;
}

void mesh_relaymap_encode_entry(const MeshRelayEntry *entry, MeshJsonOut *out, const char *name)
{
    char text[MESH_IP_ADDR_TEXT_SIZE];

    mesh_jsonout_open(out, name, '{');
    mesh_jsonout_int(out, "id", entry->id);
    mesh_jsonout_text(out, "name", entry->name);
    mesh_jsonout_text(out, "host", entry->host);
    mesh_jsonout_open(out, "addrs", '[');
    for (size_t i = 0; i < entry->n_addrs; i++)
        mesh_jsonout_text(out, NULL, mesh_ip_format_addr(&entry->addrs[i], text));
    mesh_jsonout_close(out, ']');
    mesh_jsonout_int(out, "udp", entry->udp);
    mesh_jsonout_int(out, "alt", entry->alt);
    mesh_jsonout_int(out, "tls", entry->tls);
    mesh_jsonout_b64u(out, "rk", entry->rk.bytes, sizeof(entry->rk.bytes));
    mesh_jsonout_b64u(out, "sk", entry->sk.bytes, sizeof(entry->sk.bytes));
    mesh_jsonout_text(out, "state", mesh_relaymap_state_name(entry->state));
    mesh_jsonout_close(out, '}');
}

MeshSigned *mesh_relaymap_sign(const MeshRelayMap *map, const MeshNetworkId *net,
                               const MeshSignSecret *server, GError **error)
{
    MeshJsonOut out;

    for (size_t i = 0; i < map->n_relays; i++)
        if (!mesh_relaymap_check(&map->relays[i], error))
            return NULL;
    mesh_signed_begin(MESH_SIGNED_R, net, &out);
    mesh_jsonout_int(&out, "ver", (int64_t)map->ver);
    mesh_jsonout_open(&out, "relays", '[');
    for (size_t i = 0; i < map->n_relays; i++)
        mesh_relaymap_encode_entry(&map->relays[i], &out, NULL);
    mesh_jsonout_close(&out, ']');
    return mesh_signed_finish(MESH_SIGNED_R, net, &out, server, error);
}

typedef struct {
    uint64_t    id, udp, alt, tls;
    const char *name, *host, *state;
    JsonArray  *addrs;
    MeshKey     rk, sk;
} RawEntry;

static const MeshJsonField entry_fields[] = {
    { "id", MESH_JSON_INT, true, offsetof(RawEntry, id), .min = 1, .max = UINT16_MAX },
    { "name", MESH_JSON_LABEL, true, offsetof(RawEntry, name) },
    { "host", MESH_JSON_TEXT, true, offsetof(RawEntry, host), .max = MESH_RELAYMAP_HOST_SIZE - 1 },
    { "addrs", MESH_JSON_ARRAY, true, offsetof(RawEntry, addrs), .max = MESH_RELAYMAP_MAX_ADDRS },
    { "udp", MESH_JSON_INT, true, offsetof(RawEntry, udp), .max = UINT16_MAX },
    { "alt", MESH_JSON_INT, true, offsetof(RawEntry, alt), .max = UINT16_MAX },
    { "tls", MESH_JSON_INT, true, offsetof(RawEntry, tls), .max = UINT16_MAX },
    { "rk", MESH_JSON_KEY, true, offsetof(RawEntry, rk) },
    { "sk", MESH_JSON_KEY, true, offsetof(RawEntry, sk) },
    { "state", MESH_JSON_TEXT, true, offsetof(RawEntry, state), .max = 32 },
};

static bool refuse(const char *path, const char *what, GError **error)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "%s: %s", path, what);
    return false;
}

static bool read_addrs(JsonArray *array, const char *path, MeshRelayEntry *out, GError **error)
{
    out->n_addrs = json_array_get_length(array);
    for (unsigned i = 0; i < out->n_addrs; i++) {
        const char *text = mesh_json_get_text(array, i, path, error);

        if (text == NULL)
            return false;
        if (mesh_ip_parse_addr(text, &out->addrs[i]) < 0)
            return refuse(path, "addrs: not addresses", error);
    }
    return true;
}

bool mesh_relaymap_decode_entry(JsonObject *object, const char *path, MeshRelayEntry *out_entry,
                                GError **error)
{
    RawEntry       raw = { 0 };
    MeshRelayEntry entry = { 0 };
    g_autoptr(GError) why = NULL;

    if (!mesh_json_read(object, entry_fields, G_N_ELEMENTS(entry_fields), &raw, path, error) ||
        !read_addrs(raw.addrs, path, &entry, error))
        return false;
    if (!mesh_relaymap_parse_state(raw.state, &entry.state))
        return refuse(path, "state: none of ok, avoid, drain", error);
    entry.id = (uint16_t)raw.id;
    entry.udp = (uint16_t)raw.udp;
    entry.alt = (uint16_t)raw.alt;
    entry.tls = (uint16_t)raw.tls;
    entry.rk = raw.rk;
    entry.sk = raw.sk;
    g_strlcpy(entry.name, raw.name, sizeof(entry.name));
    g_strlcpy(entry.host, raw.host, sizeof(entry.host));
    if (!mesh_relaymap_check(&entry, &why))
        return refuse(path, why->message, error);
    *out_entry = entry;
    return true;
}

static bool has_id(const MeshRelayMap *map, size_t before, uint16_t id)
{
    for (size_t i = 0; i < before; i++)
        if (map->relays[i].id == id)
            return true;
    return false;
}

static bool read_relays(JsonArray *array, MeshRelayMap *out, GError **error)
{
    out->n_relays = json_array_get_length(array);
    for (unsigned i = 0; i < out->n_relays; i++) {
        JsonObject *object = mesh_json_get_object(array, i, "R.relays", error);
        char        path[32];

        g_snprintf(path, sizeof(path), "R.relays[%u]", i);
        if (object == NULL || !mesh_relaymap_decode_entry(object, path, &out->relays[i], error))
            return false;
        if (has_id(out, i, out->relays[i].id))
            return refuse(path, "id: twice", error);
    }
    return true;
}

typedef struct {
    uint64_t   ver;
    JsonArray *relays;
} Raw;

static const MeshJsonField fields[] = {
    { "ver", MESH_JSON_INT, true, offsetof(Raw, ver) },
    { "relays", MESH_JSON_ARRAY, true, offsetof(Raw, relays), .max = MESH_RELAYMAP_MAX_RELAYS },
};

bool mesh_relaymap_open(MeshSigned *object, const MeshNetworkId *net, const MeshKey *server,
                        MeshRelayMap *out_map, GError **error)
{
    g_autoptr(JsonObject) body = mesh_signed_open(object, MESH_SIGNED_R, net, server, error);
    g_autofree MeshRelayMap *map = g_new0(MeshRelayMap, 1);
    Raw                      raw = { 0 };

    if (body == NULL || !mesh_json_read(body, fields, G_N_ELEMENTS(fields), &raw, "R", error) ||
        !read_relays(raw.relays, map, error))
        return false;
    map->ver = raw.ver;
    *out_map = *map;
    return true;
}

char *mesh_relaymap_encode_answer(const MeshRelayAnswer *answer, size_t *out_len)
{
    char        text[MESH_IP_ADDR_TEXT_SIZE];
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_signed_encode(answer->r, &out, "r");
    mesh_signed_encode(answer->t, &out, "t");
    if (answer->observed.family != 0)
        mesh_jsonout_text(&out, "observed", mesh_ip_format_addr(&answer->observed, text));
    mesh_jsonout_close(&out, '}');
    return mesh_jsonout_finish(&out, out_len);
}

typedef struct {
    JsonObject *r, *t;
    MeshAddr    observed;
} RawAnswer;

static const MeshJsonField answer_fields[] = {
    { "r", MESH_JSON_OBJECT, true, offsetof(RawAnswer, r) },
    { "t", MESH_JSON_OBJECT, true, offsetof(RawAnswer, t) },
    { "observed", MESH_JSON_ADDR, false, offsetof(RawAnswer, observed) },
};

bool mesh_relaymap_decode_answer(const char *text, size_t len, MeshRelayAnswer *out, GError **error)
{
    g_autoptr(JsonObject) object = mesh_json_parse(text, len, MAX_ANSWER_BYTES, error);
    g_autoptr(MeshSigned) r = NULL, t = NULL;
    RawAnswer raw = { 0 };

    if (object == NULL ||
        !mesh_json_read(object, answer_fields, G_N_ELEMENTS(answer_fields), &raw, "relays", error))
        return false;
    r = mesh_signed_decode(raw.r, MESH_SIGNED_MAX_RELAYS, "relays.r", error);
    t = r != NULL ? mesh_signed_decode(raw.t, MESH_SIGNED_MAX_TOKEN, "relays.t", error) : NULL;
    if (t == NULL)
        return false;
    out->r = g_steal_pointer(&r);
    out->t = g_steal_pointer(&t);
    out->observed = raw.observed;
    return true;
}

void mesh_relaymap_clear_answer(MeshRelayAnswer *answer)
{
    g_clear_pointer(&answer->r, mesh_signed_unref);
    g_clear_pointer(&answer->t, mesh_signed_unref);
}
