/* Tests of daemon/path/stunask.c: what counts as the answer to a question. */
#include "common/std/endpoint.h"
#include "daemon/path/stunask.h"

#include <glib.h>
#include <string.h>

typedef struct {
    const char *name;
    bool        other_txid, refused, echo, cut, altered;
    bool        want, want_echo;
} AskCase;

static const AskCase cases[] = {
    { .name = "answered", .want = true },
    { .name = "an-answer-to-another", .other_txid = true },
    { .name = "refused", .refused = true },
    { .name = "the-question-itself", .echo = true, .want_echo = true },
    { .name = "the-question-of-another", .echo = true, .other_txid = true },
    { .name = "cut-off", .cut = true },
    { .name = "no-stun", .altered = true },
};

static size_t make_answer(const AskCase *c, const PathStunAsk *ask, uint8_t *out, size_t size)
{
    MeshStunMessage answer = { .type = MESH_STUN_SUCCESS };
    PathStunAsk     other = path_stunask_make(0);
    size_t          len;

    if (c->echo)
        return path_stunask_write(c->other_txid ? &other : ask, out).len;
    memcpy(answer.txid, c->other_txid ? other.txid : ask->txid, sizeof answer.txid);
    if (c->refused)
        answer.error = 400;
    else
        g_assert_cmpint(mesh_endpoint_parse("192.0.2.7:4711", &answer.mapped), ==, 0);
    g_assert_cmpint(mesh_stun_encode_answer(&answer, out, size, &len), ==, 0);
    return len;
}

static void test_ask(gconstpointer data)
{
    const AskCase *c = data;
    PathStunAsk    ask = path_stunask_make(MESH_STUN_CHANGE_PORT);
    uint8_t        bytes[MESH_STUN_MAX_BYTES];
    size_t         len = make_answer(c, &ask, bytes, sizeof bytes);
    MeshEndpoint   mapped = { .port = 0 }, want;

    if (c->altered)
        bytes[4] ^= 1; /* of the magic cookie */
    for (size_t cut = c->cut ? 1 : 0; cut <= (c->cut ? len : 0); cut++) {
        MeshSpan got = { bytes, len - cut };

        g_assert_cmpint(path_stunask_read(&ask, got, &mapped), ==, c->want);
        g_assert_cmpint(path_stunask_is_echo(&ask, got), ==, c->want_echo);
    }
    g_assert_cmpint(mesh_endpoint_parse("192.0.2.7:4711", &want), ==, 0);
    g_assert_cmpint(mesh_endpoint_equal(&mapped, &want), ==, c->want);
}

/* No answer of ours to it is longer than the question. */
static void test_padded(void)
{
    PathStunAsk     ask = path_stunask_make(0), other = path_stunask_make(MESH_STUN_CHANGE_PORT);
    uint8_t         first[MESH_STUN_REQUEST_BYTES], second[MESH_STUN_REQUEST_BYTES];
    uint8_t         bytes[MESH_STUN_MAX_BYTES];
    MeshStunMessage answer = { .type = MESH_STUN_SUCCESS }, request;
    size_t          len;

    g_assert_cmpuint(path_stunask_write(&ask, first).len, ==, MESH_STUN_REQUEST_BYTES);
    g_assert_cmpuint(path_stunask_write(&other, second).len, ==, MESH_STUN_REQUEST_BYTES);
    g_assert_cmpint(memcmp(first, second, sizeof first), !=, 0);
    g_assert_cmpint(mesh_stun_decode((MeshSpan){ second, sizeof second }, &request), ==, 0);
    g_assert_cmpuint(request.change, ==, MESH_STUN_CHANGE_PORT);
    g_assert_cmpint(mesh_endpoint_parse("[2001:db8::1]:1", &answer.mapped), ==, 0);
    g_assert_cmpint(mesh_stun_encode_answer(&answer, bytes, sizeof bytes, &len), ==, 0);
    g_assert_cmpuint(len, <=, MESH_STUN_REQUEST_BYTES);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/stunask/", cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_ask);
    }
    g_test_add_func("/stunask/padded", test_padded);
    return g_test_run();
}
