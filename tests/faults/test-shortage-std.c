/* common/std and server/http when each allocation, descriptor or read fails once: an error and
 * nothing else, and the same again succeeds. */
#include "common/std/key.h"
#include "common/std/ring.h"
#include "common/std/sign.h"
#include "common/std/thread.h"
#include "server/http/message.h"
#include "tests/faults/shortage.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static void idle(void *user_data)
{
    *(bool *)user_data = true;
}

static void use_std(void)
{
    static const uint8_t seed[MESH_SIGN_SEED_BYTES] = { 1 };
    MeshSignInput        input = { .type = "test", .message = MESH_SPAN("text", 4) };
    MeshSignSecret       secret;
    MeshSignature        signature = { 0 };
    MeshKey              public_key;
    MeshThread          *thread = NULL;
    MeshRing            *ring = NULL;
    bool                 ran = false;
    void                *guarded;
    int                  made, started, signed_rc, verified;

    mesh_sign_make_pair(seed, &secret, &public_key);
    shortage_begin();
    made = mesh_ring_new(8, 100, &ring);
    started = mesh_thread_start("idle", idle, &ran, &thread);
    signed_rc = mesh_sign_sign(&secret, &input, &signature);
    verified = mesh_sign_verify(&public_key, &input, &signature);
    guarded = mesh_key_alloc(64);
    shortage_end();
    mesh_thread_join(thread);
    g_assert_true((made == 0) == (ring != NULL) && (started == 0) == (thread != NULL));
    g_assert_true(ran == (started == 0));
    g_assert_true(signed_rc == 0 || signed_rc == -ENOMEM);
    g_assert_cmpint(verified, ==, signed_rc == 0 && verified != -ENOMEM ? 0 : verified);
    g_assert_true(verified == 0 || verified == -ENOMEM || signed_rc == -ENOMEM);
    g_assert_true(shortage_happened() ==
                  (made < 0 || started < 0 || signed_rc < 0 || verified < 0 || guarded == NULL));
    mesh_ring_free(ring);
    mesh_key_free(guarded);
}

/* A bell that cannot be read rings again: no entry is lost over it. */
static void use_ring(void)
{
    MeshRing *ring;
    int       value = 0;

    g_assert_cmpint(mesh_ring_new(sizeof(int), 4, &ring), ==, 0);
    g_assert_true(mesh_ring_push(ring, &(int){ 7 }));
    shortage_begin();
    mesh_ring_hush(ring);
    shortage_end();
    g_assert_true(mesh_ring_pop(ring, &value));
    g_assert_cmpint(value, ==, 7);
    mesh_ring_free(ring);
}

static void use_http(void)
{
    static const char request[] = "POST /v1/report?a=b HTTP/1.1\r\nHost: mesh.example\r\n"
                                  "Content-Length: 6000\r\n\r\n";
    uint8_t           chunk[1500] = { 'x' };
    HttpHead         *head = NULL;
    HttpBody          body = { 0 };
    HttpWhy           why = NULL;
    int               rc, taken = 0;

    shortage_begin();
    rc = http_message_parse_head((const uint8_t *)request, sizeof(request) - 1, &head, &why);
    if (rc == 0)
        rc = http_stream_init_body(&body, head->body_bytes, 8192);
    for (int i = 0; rc == 0 && i < 4 && taken >= 0; i++)
        taken = http_stream_feed_body(&body, chunk, sizeof(chunk));
    shortage_end();
    g_assert_true(shortage_happened() == (rc == -ENOMEM || taken == -ENOMEM));
    if (rc < 0) {
        g_assert_null(head);
        g_assert_nonnull(why);
        g_assert_cmpint(http_message_status_of(rc), ==, 503);
    } else if (taken >= 0) {
        g_assert_true(body.complete);
        g_assert_cmpuint(body.len, ==, 6000);
    }
    http_stream_done_body(&body);
    http_message_free_head(head);
}

static const ShortageRow rows[] = {
    { "std/memory", { SHORTAGE_MEMORY, ENOMEM, false }, use_std, 6 },
    { "std/memory-for-good", { SHORTAGE_MEMORY, ENOMEM, true }, use_std, 6 },
    { "std/descriptors", { SHORTAGE_DESCRIPTORS, EMFILE, false }, use_std, 2 },
    { "ring/interrupted", { SHORTAGE_READS, EINTR, false }, use_ring, 1 },
    { "ring/error", { SHORTAGE_READS, EIO, true }, use_ring, 1 },
    { "http/memory", { SHORTAGE_MEMORY, ENOMEM, false }, use_http, 3 },
    { "http/memory-for-good", { SHORTAGE_MEMORY, ENOMEM, true }, use_http, 3 },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    shortage_add_rows(rows, G_N_ELEMENTS(rows));
    return g_test_run();
}
