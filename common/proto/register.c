/* common/proto/register.c: see register.h. */
#include "common/proto/register.h"

#include "common/glib/error.h"
#include "common/glib/json.h"

#include <string.h>

enum {
    MAX_RETRY_S = 86400,
};

static MeshSignInput make_join_input(const MeshRegister *self, const MeshNetworkId *net)
{
    size_t      len;
    const char *body = mesh_signed_get_body(self->k, &len);

    return (MeshSignInput){
        .type = "join",
        .network_id = MESH_SPAN(net->bytes, sizeof(net->bytes)),
        .message = MESH_SPAN(body, len),
    };
}

void mesh_register_sign_join(MeshRegister *self, const MeshNetworkId *net,
                             const MeshSignSecret *join_secret, const MeshKey *join_public)
{
    MeshSignInput input = make_join_input(self, net);

    if (mesh_sign_sign(join_secret, &input, &self->join_sig) < 0)
        g_error("out of memory"); /* the type is right */
    self->join_key = *join_public;
    self->has_join = true;
}

bool mesh_register_verify_join(const MeshRegister *self, const MeshNetworkId *net, GError **error)
{
    MeshSignInput input = make_join_input(self, net);

    if (self->has_join && mesh_sign_verify(&self->join_key, &input, &self->join_sig) == 0)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_SIGNATURE,
                "join.sig: not by the join key over this K");
    return false;
}

char *mesh_register_encode(const MeshRegister *self, size_t *out_len)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_int(&out, "proto", self->proto);
    mesh_signed_encode(self->k, &out, "k");
    mesh_jsonout_text(&out, "name", self->name);
    mesh_jsonout_text(&out, "os", self->os);
    mesh_jsonout_text(&out, "version", self->version);
    mesh_jsonout_bool(&out, "ip4", self->ip4);
    if (self->has_join) {
        mesh_jsonout_open(&out, "join", '{');
        mesh_jsonout_b64u(&out, "key", self->join_key.bytes, sizeof(self->join_key.bytes));
        mesh_jsonout_b64u(&out, "sig", self->join_sig.bytes, sizeof(self->join_sig.bytes));
        mesh_jsonout_close(&out, '}');
    }
    mesh_jsonout_close(&out, '}');
    return mesh_jsonout_finish(&out, out_len);
}

typedef struct {
    uint64_t    proto;
    JsonObject *k, *join;
    const char *name, *os, *version;
    bool        ip4;
} Raw;

static const MeshJsonField fields[] = {
    { "proto", MESH_JSON_INT, true, offsetof(Raw, proto), .max = UINT32_MAX },
    { "k", MESH_JSON_OBJECT, true, offsetof(Raw, k) },
    { "name", MESH_JSON_TEXT, true, offsetof(Raw, name), .max = MESH_REGISTER_WISH_SIZE - 1 },
    { "os", MESH_JSON_TEXT, true, offsetof(Raw, os), .max = MESH_REGISTER_FACT_SIZE - 1 },
    { "version", MESH_JSON_TEXT, true, offsetof(Raw, version), .max = MESH_REGISTER_FACT_SIZE - 1 },
    { "ip4", MESH_JSON_BOOL, false, offsetof(Raw, ip4) },
    { "join", MESH_JSON_OBJECT, false, offsetof(Raw, join) },
};

static const MeshJsonField join_fields[] = {
    { "key", MESH_JSON_KEY, true, offsetof(MeshRegister, join_key) },
    { "sig", MESH_JSON_BYTES, true, offsetof(MeshRegister, join_sig), .max = MESH_SIGN_BYTES },
};

bool mesh_register_decode(const char *text, size_t len, MeshRegister *out, GError **error)
{
    g_autoptr(JsonObject) object = mesh_json_parse(text, len, MESH_REGISTER_MAX_BYTES, error);
    Raw          raw = { .ip4 = true };
    MeshRegister self = { 0 };

    if (object == NULL || !mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, "", error))
        return false;
    if (raw.join != NULL &&
        !mesh_json_read(raw.join, join_fields, G_N_ELEMENTS(join_fields), &self, "join", error))
        return false;
    self.has_join = raw.join != NULL;
    self.proto = (unsigned)raw.proto;
    self.ip4 = raw.ip4;
    g_strlcpy(self.name, raw.name, sizeof(self.name));
    g_strlcpy(self.os, raw.os, sizeof(self.os));
    g_strlcpy(self.version, raw.version, sizeof(self.version));
    self.k = mesh_signed_decode(raw.k, MESH_SIGNED_MAX_BODY, "k", error);
    if (self.k == NULL)
        return false;
    *out = self;
    return true;
}

void mesh_register_clear(MeshRegister *self)
{
    g_clear_pointer(&self->k, mesh_signed_unref);
}

char *mesh_register_encode_answer(const MeshRegisterAnswer *answer, size_t *out_len)
{
    MeshJsonOut out;
    char        text[MESH_IP_ADDR_TEXT_SIZE];

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "state", answer->active ? "active" : "pending");
    if (answer->active) {
        mesh_signed_encode(answer->m, &out, "m");
        mesh_network_encode(&answer->network, &out, "network");
        if (answer->observed.family != 0)
            mesh_jsonout_text(&out, "observed", mesh_ip_format_addr(&answer->observed, text));
    } else {
        mesh_jsonout_int(&out, "retry_in_s", answer->retry_in_s);
    }
    mesh_jsonout_close(&out, '}');
    return mesh_jsonout_finish(&out, out_len);
}

typedef struct {
    const char *state;
    uint64_t    retry_in;
    JsonObject *m, *network;
    MeshAddr    observed;
} RawAnswer;

static const MeshJsonField answer_fields[] = {
    { "state", MESH_JSON_TEXT, true, offsetof(RawAnswer, state) },
    { "retry_in_s", MESH_JSON_INT, false, offsetof(RawAnswer, retry_in), .max = MAX_RETRY_S },
    { "m", MESH_JSON_OBJECT, false, offsetof(RawAnswer, m) },
    { "network", MESH_JSON_OBJECT, false, offsetof(RawAnswer, network) },
    { "observed", MESH_JSON_ADDR, false, offsetof(RawAnswer, observed) },
};

static bool bad(GError **error, const char *what)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON, "%s", what);
    return false;
}

bool mesh_register_decode_answer(const char *text, size_t len, MeshRegisterAnswer *out,
                                 GError **error)
{
    g_autoptr(JsonObject) object = mesh_json_parse(text, len, MESH_REGISTER_MAX_BYTES, error);
    RawAnswer          raw = { 0 };
    MeshRegisterAnswer answer = { 0 };

    if (object == NULL ||
        !mesh_json_read(object, answer_fields, G_N_ELEMENTS(answer_fields), &raw, "", error))
        return false;
    answer.active = strcmp(raw.state, "active") == 0;
    if (!answer.active && strcmp(raw.state, "pending") != 0)
        return bad(error, "state: neither active nor pending");
    answer.retry_in_s = (unsigned)raw.retry_in;
    answer.observed = raw.observed;
    if (answer.active) {
        if (raw.m == NULL || raw.network == NULL)
            return bad(error, raw.m == NULL ? "m: missing" : "network: missing");
        if (!mesh_network_decode(raw.network, "network", &answer.network, error))
            return false;
        answer.m = mesh_signed_decode(raw.m, MESH_SIGNED_MAX_BODY, "m", error);
        if (answer.m == NULL)
            return false;
    }
    *out = answer;
    return true;
}

void mesh_register_clear_answer(MeshRegisterAnswer *answer)
{
    g_clear_pointer(&answer->m, mesh_signed_unref);
}
