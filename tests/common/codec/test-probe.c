/* tests/common/codec/test-probe.c: probes sealed by one node are what the other opens, once. */
#include "common/codec/probe.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static const uint8_t net[8] = "network";

typedef struct {
    MeshProbeKeys one, two;
    uint8_t       bytes[MESH_PROBE_MAX_BYTES];
    size_t        len;
} Pair;

static void set_up(Pair *pair)
{
    MeshKey secret[2], open[2];

    memset(pair, 0, sizeof *pair);
    for (int i = 0; i < 2; i++) {
        mesh_key_make_private(&secret[i]);
        mesh_key_make_public(&secret[i], &open[i]);
    }
    g_assert_true(mesh_probekey_derive(&secret[0], &open[0], &open[1], net, &pair->one) == 0 &&
                  mesh_probekey_derive(&secret[1], &open[1], &open[0], net, &pair->two) == 0);
}

static int post(Pair *pair, const MeshProbe *probe)
{
    return mesh_probe_seal(&pair->one, probe, pair->bytes, sizeof pair->bytes, &pair->len);
}

static MeshProbe make_call(void)
{
    MeshProbe probe = { .type = MESH_PROBE_CALL, .id = 7, .txid = 0x0102030405060708 };

    probe.nat =
        (MeshProbeNat){ MESH_PROBE_BY_ADDRESS_AND_PORT, MESH_PROBE_BY_ADDRESS, -3, 1024, 2047 };
    probe.n_candidates = MESH_PROBE_MAX_CANDIDATES;
    for (size_t i = 0; i < probe.n_candidates; i++) {
        probe.candidates[i].kind = (MeshProbeKind)(i % 5);
        probe.candidates[i].endpoint =
            mesh_endpoint_make4(0xC0000200 + (uint32_t)i, (uint16_t)(1 + i));
    }
    g_assert_true(mesh_endpoint_parse("[2001:db8::9]:9", &probe.candidates[3].endpoint) == 0);
    return probe;
}

static void check_call(const MeshProbe *got, const MeshProbe *want)
{
    g_assert_cmpint(got->nat.mapping, ==, want->nat.mapping);
    g_assert_cmpint(got->nat.filtering, ==, want->nat.filtering);
    g_assert_cmpint(got->nat.step, ==, want->nat.step);
    g_assert_cmpuint(got->nat.block_first, ==, want->nat.block_first);
    g_assert_cmpuint(got->nat.block_last, ==, want->nat.block_last);
    g_assert_cmpuint(got->n_candidates, ==, want->n_candidates);
    for (size_t i = 0; i < want->n_candidates; i++) {
        g_assert_cmpint(got->candidates[i].kind, ==, want->candidates[i].kind);
        g_assert_true(
            mesh_endpoint_equal(&got->candidates[i].endpoint, &want->candidates[i].endpoint));
    }
}

static void test_all(void)
{
    MeshProbe call = make_call(), got;
    MeshProbe probes[] = {
        { .type = MESH_PROBE_PING, .flags = 3, .id = 9, .txid = 1, .length = 48 },
        { .type = MESH_PROBE_PING, .txid = UINT64_MAX, .length = 1500 },
        { .type = MESH_PROBE_PONG,
          .txid = 2,
          .length = 66,
          .observed = mesh_endpoint_make4(0x01020304, 5) },
        { .type = MESH_PROBE_SYNC, .id = 65535, .txid = 3 },
        call,
    };
    Pair pair;

    set_up(&pair);
    for (size_t i = 0; i < G_N_ELEMENTS(probes); i++) {
        uint32_t index = 0;

        g_assert_cmpint(post(&pair, &probes[i]), ==, 0);
        g_assert_cmpint(mesh_probe_read_index(pair.bytes, pair.len, &index), ==, 0);
        g_assert_cmpuint(index, ==, pair.two.receive_index);
        g_assert_cmpint(mesh_probe_open(&pair.two, pair.bytes, pair.len, &got), ==, 0);
        g_assert_cmpint(got.type, ==, probes[i].type);
        g_assert_cmpuint(got.flags, ==, probes[i].flags);
        g_assert_cmpuint(got.id, ==, probes[i].id);
        g_assert_cmpuint(got.txid, ==, probes[i].txid);
        g_assert_true(mesh_endpoint_equal(&got.observed, &probes[i].observed));
        check_call(&got, &probes[i]);
        if (got.type == MESH_PROBE_PING)
            g_assert_cmpuint(got.length, ==, probes[i].length);
        g_assert_cmpint(mesh_probe_open(&pair.two, pair.bytes, pair.len, &got), ==, -EALREADY);
    }
    g_assert_cmpuint(pair.one.sent, ==, G_N_ELEMENTS(probes));
}

/* No answer is longer than its question, whatever the question's length. */
static void test_no_amplification(void)
{
    Pair pair;

    set_up(&pair);
    for (uint16_t length = MESH_PROBE_PING_BYTES; length < 100; length++) {
        MeshProbe pong = { .type = MESH_PROBE_PONG,
                           .length = length,
                           .observed = mesh_endpoint_make4(0x01020304, 5) };

        g_assert_cmpint(post(&pair, &pong), ==, 0);
        g_assert_cmpuint(pair.len, <=, length);
    }
    g_assert_cmpuint(pair.len, ==, MESH_PROBE_PONG_BYTES);
}

static void test_forged(void)
{
    MeshProbe call = make_call(), got = { .txid = 77 };
    Pair      pair;

    set_up(&pair);
    g_assert_cmpint(post(&pair, &call), ==, 0);
    for (size_t i = 0; i < pair.len; i++) {
        int rc;

        pair.bytes[i] ^= 0x20;
        rc = mesh_probe_open(&pair.two, pair.bytes, pair.len, &got);
        g_assert_true(rc == -EBADMSG || rc == -EPROTO);
        pair.bytes[i] ^= 0x20;
    }
    for (size_t len = 0; len < pair.len; len++)
        g_assert_cmpint(mesh_probe_open(&pair.two, pair.bytes, len, &got), <, 0);
    g_assert_cmpuint(got.txid, ==, 77);
    g_assert_cmpuint(pair.two.newest, ==, 0);
    g_assert_cmpint(mesh_probe_open(&pair.one, pair.bytes, pair.len, &got), ==, -EPROTO);
    g_assert_cmpint(mesh_probe_open(&pair.two, pair.bytes, pair.len, &got), ==, 0);
}

static void test_limits(void)
{
    MeshProbe bad[] = {
        { .type = MESH_PROBE_PING, .length = 47 },
        { .type = MESH_PROBE_PING, .length = 1501 },
        { .type = (MeshProbeType)9 },
        { .type = MESH_PROBE_CALL, .n_candidates = 1 },
        { .type = MESH_PROBE_CALL, .nat = { .mapping = (MeshProbeDependence)4 } },
    };
    MeshProbe fine = make_call();
    uint8_t   small[100];
    size_t    len = 0;
    Pair      pair;

    set_up(&pair);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_cmpint(post(&pair, &bad[i]), ==, -EINVAL);
    g_assert_cmpint(mesh_probe_seal(&pair.one, &fine, small, sizeof small, &len), ==, -ENOSPC);
    g_assert_cmpuint(pair.one.sent, ==, 0); /* no counter was spent */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(mesh_key_init() == 0 && mesh_hash_init() == 0);
    g_test_add_func("/probe/all", test_all);
    g_test_add_func("/probe/no-amplification", test_no_amplification);
    g_test_add_func("/probe/forged", test_forged);
    g_test_add_func("/probe/limits", test_limits);
    return g_test_run();
}
