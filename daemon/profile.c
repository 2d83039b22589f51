#include "daemon/profile.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/glib/jsonout.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/document.h"

#include <stddef.h>
#include <string.h>

#define PROFILE_FORMAT    1
#define PROFILE_MAX_BYTES 16384u

static const char *const stages[] = {
    [MESHD_PROFILE_JOINING] = "joining", [MESHD_PROFILE_PENDING] = "pending",
    [MESHD_PROFILE_MEMBER] = "member",   [MESHD_PROFILE_REMOVED] = "removed",
    [MESHD_PROFILE_EXPIRED] = "expired",
};

/* The document as the table below reads it; texts are borrowed from the JSON object. */
typedef struct {
    uint64_t    format, made, k_seq, server_port, port, peer_relay;
    const char *net, *host, *stage, *wish, *network, *ifname;
    MeshKey     server;
    uint8_t     seed[MESH_SIGN_SEED_BYTES], wg_private[MESH_KEY_BYTES];
    uint8_t     join[MESH_JOINLINK_SECRET_BYTES];
    bool has_join, webpki, ifname_fixed, port_fixed, wants_ip4, has_ip4, up, dns, portmap, hard_nat,
        lan, floors, aes, k_aes;
    const char *engine;
    JsonArray  *statics;
} Document;

#define FIELD(name_, type_, required_, member_, min_, max_)              \
    {                                                                    \
        .name = name_, .type = MESH_JSON_##type_, .required = required_, \
        .offset = offsetof(Document, member_), .min = min_, .max = max_  \
    }

static const MeshJsonField fields[] = {
    FIELD("format", INT, true, format, PROFILE_FORMAT, PROFILE_FORMAT),
    FIELD("net", TEXT, true, net, 16, 16),
    FIELD("host", TEXT, true, host, 1, MESH_JOINLINK_HOST_SIZE - 1),
    FIELD("server-port", INT, true, server_port, 1, 65535),
    FIELD("server", KEY, true, server, 0, 0),
    FIELD("webpki", BOOL, true, webpki, 0, 0),
    FIELD("stage", TEXT, true, stage, 1, 16),
    FIELD("made", INT, true, made, 0, 0),
    FIELD("node-seed", BYTES, true, seed, 0, MESH_SIGN_SEED_BYTES),
    FIELD("wg-private", BYTES, true, wg_private, 0, MESH_KEY_BYTES),
    { .name = "join-secret",
      .type = MESH_JSON_BYTES,
      .offset = offsetof(Document, join),
      .seen = offsetof(Document, has_join),
      .max = MESH_JOINLINK_SECRET_BYTES },
    FIELD("k-seq", INT, true, k_seq, 1, 0),
    FIELD("wish", TEXT, true, wish, 0, MESH_NETWORK_NAME_SIZE - 1),
    FIELD("network", TEXT, true, network, 0, MESH_NETWORK_NAME_SIZE - 1),
    FIELD("interface", TEXT, true, ifname, 1, MESHD_PROFILE_IFNAME_SIZE - 1),
    FIELD("interface-fixed", BOOL, true, ifname_fixed, 0, 0),
    FIELD("port", INT, true, port, 0, 65535),
    FIELD("port-fixed", BOOL, true, port_fixed, 0, 0),
    FIELD("endpoints", ARRAY, true, statics, 0, MESHD_PROFILE_MAX_STATICS),
    FIELD("wants-ip4", BOOL, true, wants_ip4, 0, 0),
    FIELD("has-ip4", BOOL, true, has_ip4, 0, 0),
    FIELD("up", BOOL, true, up, 0, 0),
    FIELD("dns", BOOL, false, dns, 0, 0),
    FIELD("portmap", BOOL, false, portmap, 0, 0),
    FIELD("hard-nat", BOOL, false, hard_nat, 0, 0),
    FIELD("peer-relay", INT, false, peer_relay, 0, 65535),
    FIELD("lan", BOOL, false, lan, 0, 0),
    FIELD("floors", BOOL, false, floors, 0, 0),
    FIELD("aes", BOOL, false, aes, 0, 0),
    FIELD("k-aes", BOOL, false, k_aes, 0, 0),
    FIELD("engine", TEXT, false, engine, 0, MESHD_PROFILE_ENGINE_SIZE - 1),
};

static void set_keys(MeshdProfile *self, const uint8_t *seed, const MeshKey *wg_private)
{
    self->secret = mesh_key_alloc(sizeof *self->secret);
    self->wg_private = mesh_key_alloc(sizeof *self->wg_private);
    if (self->secret == NULL || self->wg_private == NULL)
        g_error("out of memory for keys");
    mesh_sign_make_pair(seed, self->secret, &self->node);
    *self->wg_private = *wg_private;
    mesh_key_make_public(wg_private, &self->wg);
}

MeshdProfile *meshd_profile_new(const MeshJoinlink *link)
{
    MeshdProfile *self = g_new0(MeshdProfile, 1);
    uint8_t       seed[MESH_SIGN_SEED_BYTES];
    MeshKey       wg_private;

    self->server = *link;
    self->made_s = mesh_clock_wall_s();
    self->k_seq = 1;
    self->wants_ip4 = self->has_ip4 = self->up = self->dns = self->portmap = true;
    self->hard_nat = self->lan = self->aes = true;
    mesh_key_random(seed, sizeof seed);
    mesh_key_make_private(&wg_private);
    set_keys(self, seed, &wg_private);
    mesh_key_wipe(seed, sizeof seed);
    mesh_key_wipe(&wg_private, sizeof wg_private);
    return self;
}

MeshdProfile *meshd_profile_new_damaged(const MeshNetworkId *net)
{
    MeshdProfile *self = g_new0(MeshdProfile, 1);

    self->server.network = *net;
    self->stage = MESHD_PROFILE_DAMAGED;
    return self;
}

void meshd_profile_free(MeshdProfile *self)
{
    if (self == NULL)
        return;
    mesh_joinlink_wipe(&self->server);
    mesh_key_free(self->secret);
    mesh_key_free(self->wg_private);
    g_free(self);
}

MeshRecordK meshd_profile_make_k(const MeshdProfile *self)
{
    MeshRecordK k = mesh_record_make_k(&self->node, &self->wg, self->k_seq);

    if (self->k_aes)
        mesh_record_add_suite(&k, MESH_RECORD_SUITE_AES);
    return k;
}

static void encode_wishes(const MeshdProfile *self, MeshJsonOut *out)
{
    char endpoint[MESH_ENDPOINT_TEXT_SIZE];

    mesh_jsonout_text(out, "wish", self->wish);
    mesh_jsonout_text(out, "network", self->network);
    mesh_jsonout_text(out, "interface", self->ifname);
    mesh_jsonout_bool(out, "interface-fixed", self->ifname_fixed);
    mesh_jsonout_int(out, "port", self->port);
    mesh_jsonout_bool(out, "port-fixed", self->port_fixed);
    mesh_jsonout_open(out, "endpoints", '[');
    for (size_t i = 0; i < self->n_statics; i++)
        mesh_jsonout_text(out, NULL, mesh_endpoint_format(&self->statics[i], endpoint));
    mesh_jsonout_close(out, ']');
    mesh_jsonout_bool(out, "wants-ip4", self->wants_ip4);
    mesh_jsonout_bool(out, "has-ip4", self->has_ip4);
    mesh_jsonout_bool(out, "up", self->up);
    mesh_jsonout_bool(out, "dns", self->dns);
    mesh_jsonout_bool(out, "portmap", self->portmap);
    mesh_jsonout_bool(out, "hard-nat", self->hard_nat);
    mesh_jsonout_int(out, "peer-relay", self->peer_relay);
    mesh_jsonout_bool(out, "lan", self->lan);
    mesh_jsonout_bool(out, "floors", self->floors);
    mesh_jsonout_bool(out, "aes", self->aes);
    mesh_jsonout_text(out, "engine", self->engine);
}

GBytes *meshd_profile_encode(const MeshdProfile *self)
{
    MeshJsonOut out;
    char        net[MESH_NETWORK_ID_TEXT_SIZE];
    size_t      len = 0;
    char       *text;

    g_assert(self->stage < G_N_ELEMENTS(stages));
    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_int(&out, "format", PROFILE_FORMAT);
    mesh_jsonout_text(&out, "net", mesh_network_format_id(&self->server.network, net));
    mesh_jsonout_text(&out, "host", self->server.host);
    mesh_jsonout_int(&out, "server-port", self->server.port);
    mesh_jsonout_b64u(&out, "server", self->server.server.bytes, MESH_KEY_BYTES);
    mesh_jsonout_bool(&out, "webpki", self->server.webpki);
    mesh_jsonout_text(&out, "stage", stages[self->stage]);
    mesh_jsonout_int(&out, "made", self->made_s);
    /* the seed is the first half of what libsodium signs with */
    mesh_jsonout_b64u(&out, "node-seed", self->secret->bytes, MESH_SIGN_SEED_BYTES);
    mesh_jsonout_b64u(&out, "wg-private", self->wg_private->bytes, MESH_KEY_BYTES);
    if (self->server.has_secret)
        mesh_jsonout_b64u(&out, "join-secret", self->server.secret, MESH_JOINLINK_SECRET_BYTES);
    mesh_jsonout_int(&out, "k-seq", (int64_t)self->k_seq);
    mesh_jsonout_bool(&out, "k-aes", self->k_aes);
    encode_wishes(self, &out);
    mesh_jsonout_close(&out, '}');
    text = mesh_jsonout_finish(&out, &len);
    return meshd_document_wrap_secret(text, len);
}

static bool read_statics(MeshdProfile *self, JsonArray *statics, GError **error)
{
    for (unsigned i = 0; i < json_array_get_length(statics); i++) {
        const char *text = mesh_json_get_text(statics, i, "endpoints", error);

        if (text == NULL)
            return false;
        if (mesh_endpoint_parse(text, &self->statics[i]) < 0) {
            g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "endpoints[%u]: not an endpoint",
                        i);
            return false;
        }
        self->n_statics = i + 1;
    }
    return true;
}

static bool read_stage(MeshdProfile *self, const char *text, GError **error)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(stages); i++) {
        if (strcmp(stages[i], text) == 0) {
            self->stage = (MeshdProfileStage)i;
            return true;
        }
    }
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "stage: unknown");
    return false;
}

static void take_document(MeshdProfile *self, const Document *doc)
{
    MeshKey wg_private;

    g_strlcpy(self->server.host, doc->host, sizeof self->server.host);
    self->server.port = (uint16_t)doc->server_port;
    self->server.server = doc->server;
    self->server.webpki = doc->webpki;
    self->server.has_secret = doc->has_join;
    memcpy(self->server.secret, doc->join, sizeof self->server.secret);
    self->made_s = (int64_t)doc->made;
    self->k_seq = doc->k_seq;
    g_strlcpy(self->wish, doc->wish, sizeof self->wish);
    g_strlcpy(self->network, doc->network, sizeof self->network);
    g_strlcpy(self->ifname, doc->ifname, sizeof self->ifname);
    self->ifname_fixed = doc->ifname_fixed;
    self->port = (uint16_t)doc->port;
    self->port_fixed = doc->port_fixed;
    self->wants_ip4 = doc->wants_ip4;
    self->has_ip4 = doc->has_ip4;
    self->up = doc->up;
    self->dns = doc->dns;
    self->portmap = doc->portmap;
    self->hard_nat = doc->hard_nat;
    self->peer_relay = (uint16_t)doc->peer_relay;
    self->lan = doc->lan;
    self->floors = doc->floors;
    self->aes = doc->aes;
    self->k_aes = doc->k_aes;
    g_strlcpy(self->engine, doc->engine != NULL ? doc->engine : "", sizeof self->engine);
    memcpy(wg_private.bytes, doc->wg_private, sizeof wg_private.bytes);
    set_keys(self, doc->seed, &wg_private);
    mesh_key_wipe(&wg_private, sizeof wg_private);
}

MeshdProfile *meshd_profile_decode(GBytes *bytes, GError **error)
{
    gsize       len = 0;
    const char *text = g_bytes_get_data(bytes, &len);
    g_autoptr(JsonObject) object = mesh_json_parse(text, len, PROFILE_MAX_BYTES, error);
    g_autoptr(MeshdProfile) self = g_new0(MeshdProfile, 1);
    Document doc = {
        .dns = true, .portmap = true, .hard_nat = true, .lan = true, .aes = true
    }; /* older documents lack them */
    bool read;

    read = object != NULL && mesh_json_read(object, fields, G_N_ELEMENTS(fields), &doc, "", error);
    if (read && !mesh_network_parse_id(doc.net, &self->server.network)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "net: not a network id");
        read = false;
    }
    read = read && read_stage(self, doc.stage, error) && read_statics(self, doc.statics, error);
    if (read)
        take_document(self, &doc);
    mesh_key_wipe(&doc, sizeof doc);
    if (read)
        return g_steal_pointer(&self);
    g_prefix_error(error, "stored profile: ");
    return NULL;
}
