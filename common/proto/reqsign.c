/* common/proto/reqsign.c: see reqsign.h. Signing and verifying; nonces are in reqwindow.c. */
#include "common/proto/reqsign.h"

#include "common/glib/error.h"
#include "common/std/base64.h"
#include "common/std/hash.h"

#include <stdio.h>
#include <string.h>

#define COMPONENTS   "(\"@method\" \"@path\" \"@query\" \"content-digest\" \"mesh-server\")"
#define LABEL        "mesh="
#define DIGEST_BEGIN "sha-256=:"

enum {
    NONCE_TEXT = 22,
    KEYID_TEXT = 43,
    MAX_CREATED_DIGITS = 16, /* 2^53-1 */
};

char *mesh_reqsign_fingerprint(const MeshKey *server, char *out_text)
{
    uint8_t  hash[MESH_HASH_BYTES];
    MeshSpan part = MESH_SPAN(server->bytes, sizeof(server->bytes));

    mesh_hash_sha256(&part, 1, hash);
    if (mesh_base64url_encode(MESH_SPAN(hash, 16), out_text, MESH_REQSIGN_FINGERPRINT_SIZE) < 0)
        g_assert_not_reached(); /* 16 bytes are 22 characters */
    return out_text;
}

static void format_digest(MeshSpan body, char *out_text, size_t size)
{
    uint8_t hash[MESH_HASH_BYTES];
    char    text[MESH_BASE64_SIZE(MESH_HASH_BYTES)];

    mesh_hash_sha256(&body, 1, hash);
    if (mesh_base64_encode(MESH_SPAN(hash, sizeof(hash)), text, sizeof(text)) < 0)
        g_assert_not_reached();
    g_snprintf(out_text, (gulong)size, DIGEST_BEGIN "%s:", text);
}

/* Signature-Input without its label: the value of "@signature-params". */
static void format_params(const MeshReqsignParams *params, char *out_text, size_t size)
{
    uint8_t nonce[MESH_REQSIGN_NONCE_BYTES];
    char    nonce_text[NONCE_TEXT + 1], keyid[KEYID_TEXT + 1];

    mesh_reqsign_pack_nonce(&params->nonce, nonce);
    if (mesh_base64url_encode(MESH_SPAN(nonce, sizeof(nonce)), nonce_text, sizeof(nonce_text)) < 0)
        g_assert_not_reached();
    if (mesh_base64url_encode(MESH_SPAN(params->node.bytes, sizeof(params->node.bytes)), keyid,
                              sizeof(keyid)) < 0)
        g_assert_not_reached();
    g_snprintf(out_text, (gulong)size,
               COMPONENTS ";created=%" G_GINT64_FORMAT ";nonce=\"%s\";keyid=\"%s\";alg=\"ed25519\"",
               params->created, nonce_text, keyid);
}

/* RFC 9421 §2.5. Owned. */
static char *make_base(const MeshReqsignRequest *request, const char *digest, const char *params)
{
    return g_strdup_printf("\"@method\": %s\n"
                           "\"@path\": %s\n"
                           "\"@query\": ?%s\n"
                           "\"content-digest\": %s\n"
                           "\"mesh-server\": %s\n"
                           "\"@signature-params\": %s",
                           request->method, request->path,
                           request->query != NULL ? request->query : "", digest,
                           request->fingerprint, params);
}

void mesh_reqsign_sign(const MeshReqsignRequest *request, const MeshReqsignParams *params,
                       const MeshSignSecret *node_secret, MeshReqsignHeaders *out_headers)
{
    MeshReqsignHeaders h = { 0 };
    MeshSignature      signature;
    g_autofree char   *base = NULL;
    char               text[MESH_BASE64_SIZE(MESH_SIGN_BYTES)];

    format_digest(request->body, h.content_digest, sizeof(h.content_digest));
    g_strlcpy(h.mesh_server, request->fingerprint, sizeof(h.mesh_server));
    g_strlcpy(h.signature_input, LABEL, sizeof(h.signature_input));
    format_params(params, h.signature_input + strlen(LABEL),
                  sizeof(h.signature_input) - strlen(LABEL));
    base = make_base(request, h.content_digest, h.signature_input + strlen(LABEL));
    mesh_sign_sign_raw(node_secret, MESH_SPAN_TEXT(base), &signature);
    if (mesh_base64_encode(MESH_SPAN(signature.bytes, sizeof(signature.bytes)), text,
                           sizeof(text)) < 0)
        g_assert_not_reached();
    g_snprintf(h.signature, sizeof(h.signature), "mesh=:%s:", text);
    *out_headers = h;
}

static bool bad(GError **error, const char *what)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_SIGNATURE, "%s", what);
    return false;
}

/* Steps over @text, or returns NULL. */
static const char *step_over(const char *p, const char *text)
{
    return p != NULL && g_str_has_prefix(p, text) ? p + strlen(text) : NULL;
}

/* Takes @len characters of base64url of @size bytes, or returns NULL. */
static const char *take_b64u(const char *p, size_t len, uint8_t *out, size_t size)
{
    char text[64];

    if (p == NULL || strnlen(p, len) < len)
        return NULL;
    memcpy(text, p, len);
    text[len] = '\0';
    return mesh_base64url_decode(text, out, size, NULL) == 0 ? p + len : NULL;
}

static const char *take_created(const char *p, int64_t *out_created)
{
    int64_t value = 0;
    size_t  digits = 0;

    while (p != NULL && g_ascii_isdigit(p[digits]) && digits <= MAX_CREATED_DIGITS)
        value = value * 10 + g_ascii_digit_value(p[digits++]);
    if (p == NULL || digits == 0 || digits > MAX_CREATED_DIGITS || (p[0] == '0' && digits > 1))
        return NULL;
    *out_created = value;
    return p + digits;
}

/* The one form that there is: every character is fixed but three values. */
static bool parse_params(const char *text, MeshReqsignParams *out)
{
    uint8_t     nonce[MESH_REQSIGN_NONCE_BYTES];
    const char *p = step_over(text, LABEL COMPONENTS ";created=");

    p = take_created(p, &out->created);
    p = step_over(p, ";nonce=\"");
    p = take_b64u(p, NONCE_TEXT, nonce, sizeof(nonce));
    p = step_over(p, "\";keyid=\"");
    p = take_b64u(p, KEYID_TEXT, out->node.bytes, sizeof(out->node.bytes));
    p = step_over(p, "\";alg=\"ed25519\"");
    if (p == NULL || *p != '\0')
        return false;
    out->nonce = mesh_reqsign_unpack_nonce(nonce);
    return true;
}

static bool parse_signature(const char *text, MeshSignature *out)
{
    char        copy[MESH_BASE64_SIZE(MESH_SIGN_BYTES)];
    const char *p = step_over(text, "mesh=:");

    if (p == NULL || strlen(p) != sizeof(copy) || p[sizeof(copy) - 1] != ':')
        return false;
    memcpy(copy, p, sizeof(copy) - 1);
    copy[sizeof(copy) - 1] = '\0';
    return mesh_base64_decode(copy, out->bytes, sizeof(out->bytes), NULL) == 0;
}

static bool check_headers(const MeshReqsignRequest *request, const MeshReqsignInput *input,
                          GError **error)
{
    char digest[sizeof(((MeshReqsignHeaders *)NULL)->content_digest)];

    if (input->mesh_server == NULL)
        return bad(error, "header Mesh-Server is missing");
    if (input->content_digest == NULL)
        return bad(error, "header Content-Digest is missing");
    if (input->signature_input == NULL)
        return bad(error, "header Signature-Input is missing");
    if (input->signature == NULL)
        return bad(error, "header Signature is missing");
    if (strcmp(input->mesh_server, request->fingerprint) != 0) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_WRONG_SERVER,
                    "Mesh-Server: the request is for another server");
        return false;
    }
    format_digest(request->body, digest, sizeof(digest));
    if (strcmp(input->content_digest, digest) != 0)
        return bad(error, "Content-Digest: not of this body");
    return true;
}

bool mesh_reqsign_verify(const MeshReqsignRequest *request, const MeshReqsignInput *input,
                         MeshReqsignParams *out_params, GError **error)
{
    MeshReqsignParams params = { 0 };
    MeshSignature     signature;
    g_autofree char  *base = NULL;

    if (!check_headers(request, input, error))
        return false;
    if (!parse_params(input->signature_input, &params))
        return bad(error, "Signature-Input: not in the agreed form");
    if (!parse_signature(input->signature, &signature))
        return bad(error, "Signature: not in the agreed form");
    base = make_base(request, input->content_digest, input->signature_input + strlen(LABEL));
    if (mesh_sign_verify_raw(&params.node, MESH_SPAN_TEXT(base), &signature) < 0)
        return bad(error, "Signature: not by the key in keyid");
    *out_params = params;
    return true;
}
