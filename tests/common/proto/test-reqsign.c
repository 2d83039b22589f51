/* Tests of common/proto/reqsign.c and reqwindow.c: the exact headers, what is refused, replays.
 * The known answer was made with openssl pkeyutl over the base of docs/PROTOCOL.md §5. */
#include "common/glib/error.h"
#include "common/proto/reqsign.h"
#include "tests/common/proto/objects.h"

#include <string.h>

#define FP    "_oEsEvOrTOasXbaaw1L5Bg"
#define BODY  "{\"e\":1}"
#define PATH  "/v1/networks/00112233445566ff/report"
#define DIG   "sha-256=:GObDX9hhgsgwH44j9Yz6Kqh7326NuoAtsWUEMHkGnq4=:"
#define NODE  "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
#define BEGIN "mesh=(\"@method\" \"@path\" \"@query\" \"content-digest\" \"mesh-server\");created="
#define NONCE "AQIDBAUGBwgAAAAAAAABAg"
#define INPUT BEGIN "1766000000;nonce=\"" NONCE "\";keyid=\"" NODE "\";alg=\"ed25519\""
#define SIG                                         \
    "mesh=:9G2F12qwWIQS9NX/PhCJxCLAzCV4ueerxo0IdY+" \
    "QpdM3ul4M3OAAN6pww+ZM4pkO8aTClfUjdJ9MdNhxdjnzBw==:"

static MeshReqsignRequest make_request(void)
{
    return (MeshReqsignRequest){ "POST", PATH, "wait=5", MESH_SPAN(BODY, strlen(BODY)), FP };
}

static void test_sign(void)
{
    MeshReqsignRequest request = make_request();
    uint8_t            seed[32];
    MeshSignSecret     secret;
    MeshReqsignParams  params = { .created = 1766000000,
                                  .nonce = { { 1, 2, 3, 4, 5, 6, 7, 8 }, 258 } };
    MeshReqsignHeaders headers;

    for (unsigned i = 0; i < sizeof(seed); i++)
        seed[i] = (uint8_t)i;
    mesh_sign_make_pair(seed, &secret, &params.node);
    mesh_reqsign_sign(&request, &params, &secret, &headers);
    g_assert_cmpstr(headers.content_digest, ==, DIG);
    g_assert_cmpstr(headers.mesh_server, ==, FP);
    g_assert_cmpstr(headers.signature_input, ==, INPUT);
    g_assert_cmpstr(headers.signature, ==, SIG);
}

static void test_fingerprint(void)
{
    FixturePair server = fixture_server();
    char        text[MESH_REQSIGN_FINGERPRINT_SIZE];

    g_assert_cmpstr(mesh_reqsign_fingerprint(&server.key, text), ==, FP);
}

static void test_verify(void)
{
    MeshReqsignRequest request = make_request();
    MeshReqsignInput   input = { DIG, FP, INPUT, SIG };
    MeshReqsignParams  params;
    g_autoptr(GError) error = NULL;

    mesh_reqsign_verify(&request, &input, &params, &error);
    g_assert_no_error(error);
    g_assert_cmpint(params.created, ==, 1766000000);
    g_assert_cmpuint(params.nonce.number, ==, 258);
    g_assert_cmpuint(params.nonce.start[7], ==, 8);
    g_assert_cmpuint(params.node.bytes[0], ==, 0x03);
}

/* One thing changed against the good request. */
typedef struct {
    const char      *name;
    const char      *method, *path, *query, *body;
    MeshReqsignInput input;
    bool             absent; /* the header whose text is "" is missing */
    int              code;
} BadCase;

#define BAD MESH_ERROR_BAD_SIGNATURE

static const BadCase bad[] = {
    { "method", .method = "GET", .code = BAD },
    { "path", .path = "/v1/networks/00112233445566ff/reporu", .code = BAD },
    { "query", .query = "wait=6", .code = BAD },
    { "no-query", .query = "", .code = BAD },
    { "body", .body = "{\"e\":2}", .code = BAD },
    { "other-server", .input = { .mesh_server = "AAAAAAAAAAAAAAAAAAAAAA" },
      .code = MESH_ERROR_WRONG_SERVER },
    { "no-server", .input = { .mesh_server = "" }, .absent = true, .code = BAD },
    { "no-digest", .input = { .content_digest = "" }, .absent = true, .code = BAD },
    { "no-input", .input = { .signature_input = "" }, .absent = true, .code = BAD },
    { "no-signature", .input = { .signature = "" }, .absent = true, .code = BAD },
    { "digest-other-algorithm", .input = { .content_digest = "sha-512=:AAAA:" }, .code = BAD },
    { "created", .code = BAD,
      .input = { .signature_input =
                     BEGIN "1766000001;nonce=\"" NONCE "\";keyid=\"" NODE "\";alg=\"ed25519\"" } },
    { "created-zeros", .code = BAD,
      .input = { .signature_input =
                     BEGIN "01766000000;nonce=\"" NONCE "\";keyid=\"" NODE "\";alg=\"ed25519\"" } },
    { "created-huge", .code = BAD,
      .input = { .signature_input = BEGIN "99999999999999999;nonce=\"" NONCE "\";keyid=\"" NODE
                                          "\";alg=\"ed25519\"" } },
    { "created-missing", .code = BAD,
      .input = { .signature_input =
                     BEGIN ";nonce=\"" NONCE "\";keyid=\"" NODE "\";alg=\"ed25519\"" } },
    { "nonce-short", .code = BAD,
      .input = { .signature_input =
                     BEGIN "1766000000;nonce=\"AQID\";keyid=\"" NODE "\";alg=\"ed25519\"" } },
    { "keyid-cut", .code = BAD,
      .input = { .signature_input = BEGIN "1766000000;nonce=\"" NONCE "\";keyid=\"A6EH" } },
    { "other-alg", .code = BAD,
      .input = { .signature_input = BEGIN "1766000000;nonce=\"" NONCE "\";keyid=\"" NODE
                                          "\";alg=\"hmac-sha256\"" } },
    { "more-parameters", .input = { .signature_input = INPUT ";tag=\"x\"" }, .code = BAD },
    { "other-label", .code = BAD,
      .input = { .signature_input = "sig1=(\"@method\");created=1766000000" } },
    { "fewer-components", .code = BAD,
      .input = { .signature_input = "mesh=(\"@method\" \"@path\");created=1766000000;nonce=\"" NONCE
                                    "\";keyid=\"" NODE "\";alg=\"ed25519\"" } },
    { "signature-empty", .input = { .signature = "mesh=::" }, .code = BAD },
    { "signature-bare", .input = { .signature = "AAAA" }, .code = BAD },
    { "signature-bit",
      .input = { .signature = "mesh=:8G2F12qwWIQS9NX/PhCJxCLAzCV4ueerxo0IdY+"
                              "QpdM3ul4M3OAAN6pww+ZM4pkO8aTClfUjdJ9MdNhxdjnzBw==:" },
      .code = BAD },
};

static const char *choose(const char *changed, const char *good, bool absent)
{
    if (changed == NULL)
        return good;
    return absent && changed[0] == '\0' ? NULL : changed;
}

static void test_bad(gconstpointer data)
{
    const BadCase     *c = data;
    MeshReqsignRequest request = make_request();
    MeshReqsignInput   input = {
          choose(c->input.content_digest, DIG, c->absent),
          choose(c->input.mesh_server, FP, c->absent),
          choose(c->input.signature_input, INPUT, c->absent),
          choose(c->input.signature, SIG, c->absent),
    };
    MeshReqsignParams params;
    g_autoptr(GError) error = NULL;

    request.method = choose(c->method, request.method, false);
    request.path = choose(c->path, request.path, false);
    request.query = choose(c->query, request.query, false);
    if (c->body != NULL)
        request.body = MESH_SPAN_TEXT(c->body);
    g_assert_false(mesh_reqsign_verify(&request, &input, &params, &error));
    g_assert_error(error, MESH_ERROR, c->code);
}

/* A body changed together with its digest: the signature holds the digest. */
static void test_digest_is_signed(void)
{
    MeshReqsignRequest request = make_request();
    FixturePair        node = fixture_node(1);
    MeshReqsignParams  params = { .created = 1, .node = node.key };
    MeshReqsignHeaders other, mine;
    MeshReqsignInput   input;
    g_autoptr(GError) error = NULL;

    mesh_reqsign_sign(&request, &params, &node.secret, &mine);
    request.body = MESH_SPAN("x", 1);
    mesh_reqsign_sign(&request, &params, &node.secret, &other);
    input = (MeshReqsignInput){ other.content_digest, mine.mesh_server, mine.signature_input,
                                mine.signature };
    g_assert_false(mesh_reqsign_verify(&request, &input, &params, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_SIGNATURE);
    input.signature = other.signature;
    g_clear_error(&error);
    g_assert_true(mesh_reqsign_verify(&request, &input, &params, &error));
}

static void test_clock(void)
{
    MeshReqsignParams params = { .created = 1000000 };

    g_assert_true(mesh_reqsign_check_clock(&params, 1000300, NULL));
    g_assert_true(mesh_reqsign_check_clock(&params, 999700, NULL));
    g_assert_false(mesh_reqsign_check_clock(&params, 1000301, NULL));
    g_assert_false(mesh_reqsign_check_clock(&params, 999699, NULL));
}

static void test_nonce(void)
{
    MeshNonce nonce = mesh_reqsign_make_nonce(), other = mesh_reqsign_make_nonce(), back;
    uint8_t   bytes[MESH_REQSIGN_NONCE_BYTES];

    g_assert_cmpuint(nonce.number, ==, 0);
    g_assert_true(memcmp(nonce.start, other.start, sizeof(nonce.start)) != 0);
    mesh_reqsign_next(&nonce);
    mesh_reqsign_pack_nonce(&nonce, bytes);
    g_assert_cmpuint(bytes[15], ==, 1);
    back = mesh_reqsign_unpack_nonce(bytes);
    g_assert_cmpuint(back.number, ==, 1);
    g_assert_cmpmem(back.start, 8, nonce.start, 8);
}

typedef struct {
    uint8_t  start;
    int64_t  created;
    uint64_t number;
    bool     fine;
} Step;

/* One after the other on one window. */
static const Step steps[] = {
    { 1, 100, 5, true },    { 1, 100, 5, false }, /* seen */
    { 1, 100, 4, true },    { 1, 99, 3, true },
    { 1, 100, 4, false },   { 1, 101, 200, true }, /* a jump */
    { 1, 101, 136, false },                        /* 64 behind: out of the window */
    { 1, 101, 137, true },  { 1, 101, 137, false },
    { 2, 101, 1, false },                           /* another start, not newer */
    { 2, 102, 1, true },    { 1, 101, 201, false }, /* the old start comes back */
    { 1, 102, 202, false }, { 2, 90, 2, true },     /* created may lag within a start */
    { 3, 102, 9, false },   { 3, 103, 0, true },
    { 3, 103, 0, false },
};

static void test_window(void)
{
    MeshReqsignWindow window = { { 0 } };

    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        MeshReqsignParams params = { .created = steps[i].created,
                                     .nonce = { { steps[i].start }, steps[i].number } };
        g_autoptr(GError) error = NULL;

        if (mesh_reqsign_accept(&window, &params, &error) != steps[i].fine)
            g_error("step %zu: %s", i, error != NULL ? error->message : "accepted");
        if (!steps[i].fine)
            g_assert_error(error, MESH_ERROR, MESH_ERROR_REPLAYED);
    }
    g_assert_cmpint(window.created, ==, 103);
}

/* Against a model without a bitmap: random numbers near the front. */
static void test_window_model(void)
{
    MeshReqsignWindow window = { { 0 } };
    bool              used[4096] = { false };
    uint64_t          highest = 0;

    for (int i = 0; i < 100000; i++) {
        uint64_t number = highest + 40;
        bool     want;

        number -= MIN(number, (uint64_t)g_test_rand_int_range(0, 140));
        if (number >= G_N_ELEMENTS(used))
            break;
        want = i == 0 || number > highest || (highest - number < 64 && !used[number]);
        MeshReqsignParams params = { .created = 1, .nonce = { { 1 }, number } };
        g_assert_cmpint(mesh_reqsign_accept(&window, &params, NULL), ==, want);
        used[number] |= want;
        highest = MAX(highest, number);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fixture_start();
    g_test_add_func("/reqsign/sign", test_sign);
    g_test_add_func("/reqsign/fingerprint", test_fingerprint);
    g_test_add_func("/reqsign/verify", test_verify);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strdup_printf("/reqsign/bad/%s", bad[i].name);
        g_test_add_data_func(path, &bad[i], test_bad);
    }
    g_test_add_func("/reqsign/digest-is-signed", test_digest_is_signed);
    g_test_add_func("/reqsign/clock", test_clock);
    g_test_add_func("/reqsign/nonce", test_nonce);
    g_test_add_func("/reqsign/window", test_window);
    g_test_add_func("/reqsign/window-model", test_window_model);
    return g_test_run();
}
