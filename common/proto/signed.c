/* common/proto/signed.c: see signed.h. */
#include "common/proto/signed.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/proto/signedparts.h"
#include "common/std/base64.h"

#include <string.h>

struct MeshSigned {
    gatomicrefcount refs;
    MeshSignature   signature;
    size_t          body_len; /* bytes; a NUL follows that is not counted */
    char            body[];
};

static const char *const type_names[] = {
    [MESH_SIGNED_K] = "K", [MESH_SIGNED_E] = "E",     [MESH_SIGNED_M] = "M",
    [MESH_SIGNED_P] = "P", [MESH_SIGNED_TIP] = "tip", [MESH_SIGNED_R] = "R",
    [MESH_SIGNED_T] = "T", [MESH_SIGNED_SET] = "set",
};

const char *mesh_signed_type_name(MeshSignedType type)
{
    return type_names[type];
}

static size_t max_body(MeshSignedType type)
{
    switch (type) {
    case MESH_SIGNED_P:
        return MESH_SIGNED_MAX_POLICY;
    case MESH_SIGNED_R:
        return MESH_SIGNED_MAX_RELAYS;
    case MESH_SIGNED_T:
        return MESH_SIGNED_MAX_TOKEN;
    default:
        return MESH_SIGNED_MAX_BODY;
    }
}

static MeshSigned *alloc_signed(const char *body, size_t body_len, const MeshSignature *signature)
{
    MeshSigned *self = g_malloc(sizeof(*self) + body_len + 1);

    g_atomic_ref_count_init(&self->refs);
    self->signature = *signature;
    self->body_len = body_len;
    memcpy(self->body, body, body_len);
    self->body[body_len] = '\0';
    return self;
}

static MeshSignInput make_input(MeshSignedType type, const MeshNetworkId *net, MeshSpan body)
{
    return (MeshSignInput){
        .type = type_names[type],
        .network_id = MESH_SPAN(net->bytes, sizeof(net->bytes)),
        .message = body,
    };
}

MeshSigned *mesh_signed_make(MeshSignedType type, const MeshNetworkId *net, const char *body,
                             const MeshSignSecret *secret, GError **error)
{
    size_t        len = strlen(body);
    MeshSignInput input = make_input(type, net, MESH_SPAN(body, len));
    MeshSignature signature;
    int           rc;

    if (len > max_body(type)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_LIMIT, "%s: %zu bytes, at most %zu allowed",
                    type_names[type], len, max_body(type));
        return NULL;
    }
    rc = mesh_sign_sign(secret, &input, &signature);
    if (rc < 0) {
        mesh_error_set_errno(error, MESH_ERROR_FAILED, rc, "signing %s", type_names[type]);
        return NULL;
    }
    return alloc_signed(body, len, &signature);
}

void mesh_signed_begin(MeshSignedType type, const MeshNetworkId *net, MeshJsonOut *out)
{
    char id[MESH_NETWORK_ID_TEXT_SIZE];

    mesh_jsonout_init(out);
    mesh_jsonout_open(out, NULL, '{');
    mesh_jsonout_text(out, "t", mesh_signed_type_name(type));
    mesh_jsonout_text(out, "net", mesh_network_format_id(net, id));
}

MeshSigned *mesh_signed_finish(MeshSignedType type, const MeshNetworkId *net, MeshJsonOut *out,
                               const MeshSignSecret *secret, GError **error)
{
    g_autofree char *body = NULL;

    mesh_jsonout_close(out, '}');
    body = mesh_jsonout_finish(out, NULL);
    return mesh_signed_make(type, net, body, secret, error);
}

MeshSigned *mesh_signed_new(const char *body, size_t body_len,
                            const uint8_t signature[MESH_SIGN_BYTES], GError **error)
{
    MeshSignature copy;

    if (body_len > MESH_SIGNED_MAX_POLICY) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_LIMIT, "signed object: %zu bytes are too many",
                    body_len);
        return NULL;
    }
    memcpy(copy.bytes, signature, sizeof(copy.bytes));
    return alloc_signed(body, body_len, &copy);
}

MeshSigned *mesh_signed_ref(MeshSigned *self)
{
    if (self != NULL)
        g_atomic_ref_count_inc(&self->refs);
    return self;
}

void mesh_signed_unref(MeshSigned *self)
{
    if (self != NULL && g_atomic_ref_count_dec(&self->refs))
        g_free(self);
}

typedef struct {
    const char *type, *net;
} What;

/* "t" and "net" of a verified body. */
static bool check_what(JsonObject *body, MeshSignedType type, const MeshNetworkId *net,
                       GError **error)
{
    static const MeshJsonField fields[] = {
        { "t", MESH_JSON_TEXT, true, offsetof(What, type) },
        { "net", MESH_JSON_TEXT, true, offsetof(What, net) },
    };
    What raw = { 0 };
    char wanted[MESH_NETWORK_ID_TEXT_SIZE];

    if (!mesh_json_read(body, fields, G_N_ELEMENTS(fields), &raw, type_names[type], error))
        return false;
    if (strcmp(raw.type, type_names[type]) != 0) {
        g_autofree char *shown = g_strescape(raw.type, NULL); /* ASCII: can be cut anywhere */

        g_set_error(error, MESH_ERROR, MESH_ERROR_UNVERIFIED, "%s.t: it is a \"%.16s\"",
                    type_names[type], shown);
        return false;
    }
    if (strcmp(raw.net, mesh_network_format_id(net, wanted)) != 0) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_UNVERIFIED, "%s.net: it is of another network",
                    type_names[type]);
        return false;
    }
    return true;
}

JsonObject *mesh_signed_reopen(const MeshSigned *self, MeshSignedType type,
                               const MeshNetworkId *net, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(JsonObject) body = mesh_json_parse(self->body, self->body_len, max_body(type), &why);

    if (body == NULL) {
        g_propagate_prefixed_error(error, g_steal_pointer(&why), "%s: ", type_names[type]);
        return NULL;
    }
    if (!check_what(body, type, net, error))
        return NULL;
    return g_steal_pointer(&body);
}

bool mesh_signed_verify(const MeshSigned *self, MeshSignedType type, const MeshNetworkId *net,
                        const MeshKey *signer, GError **error)
{
    MeshSignInput input = make_input(type, net, MESH_SPAN(self->body, self->body_len));

    if (mesh_sign_verify(signer, &input, &self->signature) == 0)
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_UNVERIFIED, "%s: the signature is wrong",
                type_names[type]);
    return false;
}

JsonObject *mesh_signed_open(MeshSigned *self, MeshSignedType type, const MeshNetworkId *net,
                             const MeshKey *signer, GError **error)
{
    if (!mesh_signed_verify(self, type, net, signer, error))
        return NULL;
    return mesh_signed_reopen(self, type, net, error);
}

typedef struct {
    const char   *body;
    MeshSignature signature;
} Raw;

MeshSigned *mesh_signed_decode(JsonObject *object, size_t max, const char *path, GError **error)
{
    const MeshJsonField fields[] = {
        { "b", MESH_JSON_TEXT, true, offsetof(Raw, body), .min = 2, .max = max },
        { "s", MESH_JSON_BYTES, true, offsetof(Raw, signature), .max = MESH_SIGN_BYTES },
    };
    Raw raw = { 0 };

    if (!mesh_json_read(object, fields, G_N_ELEMENTS(fields), &raw, path, error))
        return NULL;
    return alloc_signed(raw.body, strlen(raw.body), &raw.signature);
}

void mesh_signed_encode(const MeshSigned *self, MeshJsonOut *out, const char *name)
{
    mesh_jsonout_open(out, name, '{');
    mesh_jsonout_text_len(out, "b", self->body, self->body_len);
    mesh_jsonout_b64u(out, "s", self->signature.bytes, sizeof(self->signature.bytes));
    mesh_jsonout_close(out, '}');
}

const char *mesh_signed_get_body(const MeshSigned *self, size_t *out_len)
{
    if (out_len != NULL)
        *out_len = self->body_len;
    return self->body;
}

const MeshSignature *mesh_signed_get_signature(const MeshSigned *self)
{
    return &self->signature;
}

bool mesh_signed_equal(const MeshSigned *a, const MeshSigned *b)
{
    if (a == b)
        return true;
    if (a == NULL || b == NULL || a->body_len != b->body_len)
        return false;
    return memcmp(a->body, b->body, a->body_len) == 0 &&
           memcmp(a->signature.bytes, b->signature.bytes, sizeof(a->signature.bytes)) == 0;
}
