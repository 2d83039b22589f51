/* common/proto/network.c: see network.h. */
#include "common/proto/network.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/std/base64.h"

#include <string.h>
#include <sys/socket.h>

enum {
    MAX_LABEL = MESH_NETWORK_NAME_SIZE - 1,
    SITE_BITS = 48, /* of a network's IPv6 prefix */
};

bool mesh_network_parse_id(const char *text, MeshNetworkId *out_id)
{
    MeshNetworkId id;

    if (text == NULL || strlen(text) != MESH_NETWORK_ID_TEXT_SIZE - 1 ||
        strspn(text, "0123456789abcdef") != MESH_NETWORK_ID_TEXT_SIZE - 1)
        return false;
    if (mesh_hex_decode(text, id.bytes, sizeof(id.bytes), NULL) < 0)
        return false;
    *out_id = id;
    return true;
}

char *mesh_network_format_id(const MeshNetworkId *id, char out_text[MESH_NETWORK_ID_TEXT_SIZE])
{
    if (mesh_hex_encode(MESH_SPAN(id->bytes, sizeof(id->bytes)), out_text,
                        MESH_NETWORK_ID_TEXT_SIZE) < 0)
        g_assert_not_reached(); /* the size is right by its name */
    return out_text;
}

bool mesh_network_equal_id(const MeshNetworkId *a, const MeshNetworkId *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool mesh_network_is_label(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > MAX_LABEL || text[0] == '-' || text[len - 1] == '-')
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

void mesh_network_fold_label(const char *wish, char *out_label)
{
    char   text[MESH_NETWORK_NAME_SIZE] = "";
    size_t len = 0;

    for (const char *p = wish; *p != '\0' && len < MAX_LABEL; p = g_utf8_next_char(p)) {
        char c = g_ascii_tolower(*p);

        if (!g_ascii_isalnum(c))
            c = '-';
        if (c != '-' || len > 0)
            text[len++] = c;
    }
    while (len > 0 && text[len - 1] == '-')
        len--;
    text[len] = '\0';
    g_strlcpy(out_label, len > 0 ? text : "node", MESH_NETWORK_NAME_SIZE);
}

/* What the object says, before it is a MeshNetwork. */
typedef struct {
    const char *id, *name;
    MeshPrefix  ip4, ip6;
    MeshKey     server, lan;
} Raw;

static const MeshJsonField fields[] = {
    { "id", MESH_JSON_TEXT, true, offsetof(Raw, id) },
    { "name", MESH_JSON_LABEL, true, offsetof(Raw, name) },
    { "ip4", MESH_JSON_PREFIX, false, offsetof(Raw, ip4), .max = AF_INET },
    { "ip6", MESH_JSON_PREFIX, true, offsetof(Raw, ip6), .max = AF_INET6 },
    { "server", MESH_JSON_KEY, true, offsetof(Raw, server) },
    { "lan", MESH_JSON_KEY, false, offsetof(Raw, lan) },
};

bool mesh_network_decode(JsonObject *object, const char *path, MeshNetwork *out_network,
                         GError **error)
{
    Raw         raw = { 0 };
    MeshNetwork network = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, path, error))
        return false;
    if (!mesh_network_parse_id(raw.id, &network.id)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON,
                    "%s.id: not a network id (16 hexadecimal digits)", path);
        return false;
    }
    if (raw.ip6.bits != SITE_BITS) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "%s.ip6: not a /48", path);
        return false;
    }
    g_strlcpy(network.name, raw.name, sizeof(network.name));
    network.ip4 = raw.ip4;
    network.ip6 = raw.ip6;
    network.server = raw.server;
    network.lan = raw.lan;
    *out_network = network;
    return true;
}

void mesh_network_encode(const MeshNetwork *network, MeshJsonOut *out, const char *name)
{
    char id[MESH_NETWORK_ID_TEXT_SIZE], prefix[MESH_IP_PREFIX_TEXT_SIZE];

    mesh_jsonout_open(out, name, '{');
    mesh_jsonout_text(out, "id", mesh_network_format_id(&network->id, id));
    mesh_jsonout_text(out, "name", network->name);
    if (network->ip4.addr.family != 0)
        mesh_jsonout_text(out, "ip4", mesh_ip_format_prefix(&network->ip4, prefix));
    mesh_jsonout_text(out, "ip6", mesh_ip_format_prefix(&network->ip6, prefix));
    mesh_jsonout_b64u(out, "server", network->server.bytes, sizeof(network->server.bytes));
    if (!mesh_key_is_zero(&network->lan))
        mesh_jsonout_b64u(out, "lan", network->lan.bytes, sizeof(network->lan.bytes));
    mesh_jsonout_close(out, '}');
}

bool mesh_network_equal(const MeshNetwork *a, const MeshNetwork *b)
{
    return mesh_network_equal_id(&a->id, &b->id) && strcmp(a->name, b->name) == 0 &&
           mesh_ip_equal_prefix(&a->ip4, &b->ip4) && mesh_ip_equal_prefix(&a->ip6, &b->ip6) &&
           mesh_key_equal(&a->server, &b->server) && mesh_key_equal(&a->lan, &b->lan);
}
