/* server/admin/rest-relays.c: /relays. Admin thread. */
#include "common/glib/error.h"
#include "common/glib/json.h"
#include "server/admin/rest.h"

typedef struct {
    const char *name, *host, *state, *network;
    JsonArray  *addrs;
    uint64_t    udp, alt, tls;
    MeshKey     rk, sk;
    bool        has_udp, has_alt, has_tls, has_rk, has_sk;
} Body;

#define PORT(name_)                                                             \
    {                                                                           \
        .name = #name_, .type = MESH_JSON_INT, .offset = offsetof(Body, name_), \
        .seen = offsetof(Body, has_##name_), .max = UINT16_MAX                  \
    }
#define KEY(name_)                                                              \
    {                                                                           \
        .name = #name_, .type = MESH_JSON_KEY, .offset = offsetof(Body, name_), \
        .seen = offsetof(Body, has_##name_)                                     \
    }

static const MeshJsonField fields[] = {
    { .name = "name", .type = MESH_JSON_LABEL, .offset = offsetof(Body, name) },
    { .name = "host",
      .type = MESH_JSON_TEXT,
      .offset = offsetof(Body, host),
      .max = MESH_RELAYMAP_HOST_SIZE - 1 },
    { .name = "addrs",
      .type = MESH_JSON_ARRAY,
      .offset = offsetof(Body, addrs),
      .max = MESH_RELAYMAP_MAX_ADDRS },
    { .name = "state", .type = MESH_JSON_TEXT, .offset = offsetof(Body, state), .max = 16 },
    { .name = "network", .type = MESH_JSON_TEXT, .offset = offsetof(Body, network), .max = 63 },
    PORT(udp),
    PORT(alt),
    PORT(tls),
    KEY(rk),
    KEY(sk),
};

static bool bad(const char *text, GError **error)
{
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_BAD_REQUEST, text);
    return false;
}

static bool take_addrs(JsonArray *array, CoreRelayPatch *patch, GError **error)
{
    patch->has |= CORE_RELAY_ADDRS;
    patch->entry.n_addrs = json_array_get_length(array);
    for (unsigned i = 0; i < patch->entry.n_addrs; i++) {
        const char *text = mesh_json_get_text(array, i, "addrs", error);

        if (text == NULL)
            return false;
        if (mesh_ip_parse_addr(text, &patch->entry.addrs[i]) < 0)
            return bad("addrs: not an address", error);
    }
    return true;
}

static void take_numbers(const Body *body, CoreRelayPatch *patch)
{
    patch->has |= (body->has_udp ? CORE_RELAY_UDP : 0u) | (body->has_alt ? CORE_RELAY_ALT : 0u) |
                  (body->has_tls ? CORE_RELAY_TLS : 0u) | (body->has_rk ? CORE_RELAY_RK : 0u) |
                  (body->has_sk ? CORE_RELAY_SK : 0u);
    patch->entry.udp = (uint16_t)body->udp;
    patch->entry.alt = (uint16_t)body->alt;
    patch->entry.tls = (uint16_t)body->tls;
    patch->entry.rk = body->rk;
    patch->entry.sk = body->sk;
}

static bool take_texts(const Body *body, CoreRelayPatch *patch, GError **error)
{
    if (body->name != NULL) {
        patch->has |= CORE_RELAY_NAME;
        g_strlcpy(patch->entry.name, body->name, sizeof patch->entry.name);
    }
    if (body->host != NULL) {
        patch->has |= CORE_RELAY_HOST;
        g_strlcpy(patch->entry.host, body->host, sizeof patch->entry.host);
    }
    if (body->state != NULL) {
        patch->has |= CORE_RELAY_STATE;
        if (!mesh_relaymap_parse_state(body->state, &patch->entry.state))
            return bad("state: none of ok, avoid, drain", error);
    }
    return true;
}

static bool read_relay(JsonObject *object, CoreManage *out, GError **error)
{
    Body body = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &body, "", error) ||
        !take_texts(&body, &out->patch, error) ||
        (body.addrs != NULL && !take_addrs(body.addrs, &out->patch, error)))
        return false;
    take_numbers(&body, &out->patch);
    out->network = body.network;
    return true;
}

static bool read_changes(JsonObject *object, CoreManage *out, GError **error)
{
    return read_relay(object, out, error) &&
           (out->network == NULL ||
            bad("network: a relay stays with its network: remove it, and add it anew", error));
}

static bool read_new(JsonObject *object, CoreManage *out, GError **error)
{
    if (!read_relay(object, out, error))
        return false;
    if ((out->patch.has & CORE_RELAY_NAME) == 0)
        return bad("name: missing", error);
    if ((out->patch.has & CORE_RELAY_RK) == 0 || (out->patch.has & CORE_RELAY_SK) == 0)
        return bad("rk, sk: the relay's keys are missing", error);
    return true;
}

static void write_relay(MeshJsonOut *out, const char *name, const void *value)
{
    const CoreRelayInfo  *info = value;
    const MeshRelayEntry *entry = &info->entry;
    char                  text[MESH_IP_ADDR_TEXT_SIZE];

    mesh_jsonout_open(out, name, '{');
    mesh_jsonout_int(out, "id", entry->id);
    mesh_jsonout_text(out, "name", entry->name);
    mesh_jsonout_text(out, "state", mesh_relaymap_state_name(entry->state));
    mesh_jsonout_text(out, "network", info->network);
    mesh_jsonout_text(out, "host", entry->host);
    mesh_jsonout_open(out, "addrs", '[');
    for (size_t i = 0; i < entry->n_addrs; i++)
        mesh_jsonout_text(out, NULL, mesh_ip_format_addr(&entry->addrs[i], text));
    mesh_jsonout_close(out, ']');
    mesh_jsonout_int(out, "udp", entry->udp);
    mesh_jsonout_int(out, "alt", entry->alt);
    mesh_jsonout_int(out, "tls", entry->tls);
    mesh_jsonout_b64u(out, "rk", entry->rk.bytes, sizeof entry->rk.bytes);
    mesh_jsonout_b64u(out, "sk", entry->sk.bytes, sizeof entry->sk.bytes);
    mesh_jsonout_bool(out, "own", info->own);
    mesh_jsonout_int(out, "created", info->created);
    mesh_jsonout_close(out, '}');
}

const AdminRoute admin_rest_relays[] = {
    { "GET", "relays", CORE_RELAY_LIST, NULL, write_relay, "relays" },
    { "POST", "relays", CORE_RELAY_ADD, read_new, write_relay, NULL },
    { "GET", "relays/RELAY", CORE_RELAY_SHOW, NULL, write_relay, NULL },
    { "PATCH", "relays/RELAY", CORE_RELAY_SET, read_changes, write_relay, NULL },
    { "DELETE", "relays/RELAY", CORE_RELAY_REMOVE, NULL, NULL, NULL },
    { 0 },
};
