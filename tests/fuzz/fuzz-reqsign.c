/* tests/fuzz/fuzz-reqsign.c: signed requests: the four headers of a rightly signed request are
 * accepted, and no other text of them is; nobody else's headers are.
 *
 * Input: path LF query LF body LF, then edits: which header, place, byte. After the edits the rest,
 * split at LF, is taken as headers of its own. */
#include "common/proto/reqsign.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

static MeshSignSecret secret;
static MeshKey        node, server;
static char           fingerprint[MESH_REQSIGN_FINGERPRINT_SIZE];

static void start(void)
{
    static bool ready;
    uint8_t     seed[MESH_SIGN_SEED_BYTES] = { 7 };

    if (ready || mesh_key_init() < 0)
        return;
    mesh_sign_make_pair(seed, &secret, &node);
    seed[0]++;
    mesh_sign_make_pair(seed, NULL, &server);
    mesh_reqsign_fingerprint(&server, fingerprint);
    ready = true;
}

static MeshReqsignInput make_input(const MeshReqsignHeaders *headers)
{
    return (MeshReqsignInput){ headers->content_digest, headers->mesh_server,
                               headers->signature_input, headers->signature };
}

/* One byte of one header is another; returns false when it is the same, or past the text's end. */
static bool edit(MeshReqsignHeaders *headers, FuzzInput *in)
{
    char   *texts[] = { headers->content_digest, headers->mesh_server, headers->signature_input,
                        headers->signature };
    char   *text = texts[fuzz_take_u8(in) % 4];
    uint8_t place = fuzz_take_u8(in);
    char    byte = (char)fuzz_take_u8(in);

    if (place >= strlen(text) || text[place] == byte)
        return false;
    text[place] = byte;
    return true;
}

static void check_signed(const MeshReqsignRequest *request, FuzzInput *in)
{
    MeshReqsignParams  params = { .created = 1790000000, .node = node }, got = { 0 };
    MeshReqsignHeaders headers, edited;
    MeshReqsignInput   input;
    MeshReqsignRequest other = *request;
    g_autoptr(GError) error = NULL;

    params.nonce.number = in->left;
    mesh_reqsign_sign(request, &params, &secret, &headers);
    input = make_input(&headers);
    assert(mesh_reqsign_verify(request, &input, &got, &error));
    assert(got.created == params.created && got.nonce.number == params.nonce.number &&
           mesh_key_equal(&got.node, &node));
    edited = headers;
    if (edit(&edited, in)) {
        input = make_input(&edited);
        fuzz_outcome(mesh_reqsign_verify(request, &input, &got, &error), &error);
        assert(!mesh_reqsign_verify(request, &input, &got, NULL));
    }
    input = make_input(&headers);
    other.method = "GET";
    assert(!mesh_reqsign_verify(&other, &input, &got, NULL));
    other.method = request->method;
    other.body = MESH_SPAN("", 0);
    if (request->body.len > 0)
        assert(!mesh_reqsign_verify(&other, &input, &got, NULL));
}

/* Headers that nobody here signed: never accepted, whatever they say. */
static void check_forged(const MeshReqsignRequest *request, FuzzInput *in)
{
    MeshReqsignHeaders honest;
    MeshReqsignParams  params = { .created = 1790000000, .node = node }, got = { 0 };
    char              *input_text = fuzz_take_text(in, '\n'), *signature = fuzz_take_text(in, '\n');
    MeshReqsignInput   input;
    g_autoptr(GError) error = NULL;

    mesh_reqsign_sign(request, &params, &secret, &honest);
    input = (MeshReqsignInput){ honest.content_digest, fingerprint, input_text, signature };
    if (fuzz_outcome(mesh_reqsign_verify(request, &input, &got, &error), &error))
        assert(strcmp(input_text, honest.signature_input) == 0 &&
               strcmp(signature, honest.signature) == 0);
    input.signature = NULL;
    assert(!mesh_reqsign_verify(request, &input, &got, NULL));
    free(input_text);
    free(signature);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput in = fuzz_make_input(data, len);
    char     *path = fuzz_take_text(&in, '\n'), *query = fuzz_take_text(&in, '\n');
    char     *body = fuzz_take_text(&in, '\n');

    start();
    MeshReqsignRequest request = { "POST", path, query, MESH_SPAN_TEXT(body), fingerprint };

    check_signed(&request, &in);
    check_forged(&request, &in);
    free(path);
    free(query);
    free(body);
    return 0;
}
