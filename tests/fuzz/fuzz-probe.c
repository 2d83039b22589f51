/* tests/fuzz/fuzz-probe.c: a datagram that begins with 0xD5, as it comes and as the content of one
 * that is authentic. What is taken says the same when it is sealed and opened again. */
#include "common/codec/probe.h"
#include "common/std/endpoint.h"
#include "common/std/hash.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum { NONCE = 12, MAX_PLAIN = 1468 };

static MeshProbeKeys make_keys(void)
{
    MeshProbeKeys keys = { .send_index = 0x01020304, .receive_index = 0x01020304 };

    memset(keys.send_key.bytes, 7, sizeof(keys.send_key));
    keys.receive_key = keys.send_key;
    return keys;
}

static void check_again(const MeshProbe *probe)
{
    MeshProbeKeys keys = make_keys();
    MeshProbe     again;
    uint8_t       bytes[MESH_PROBE_MAX_BYTES];
    size_t        len = 0;
    int           rc = mesh_probe_seal(&keys, probe, bytes, sizeof(bytes), &len);

    assert(rc == 0);
    rc = mesh_probe_open(&keys, bytes, len, &again);
    assert(rc == 0);
    assert(again.type == probe->type && again.flags == probe->flags && again.id == probe->id &&
           again.txid == probe->txid && again.n_candidates == probe->n_candidates &&
           again.nat.step == probe->nat.step);
    for (size_t i = 0; i < probe->n_candidates; i++)
        assert(mesh_endpoint_equal(&again.candidates[i].endpoint, &probe->candidates[i].endpoint));
}

static void open_content(const uint8_t *data, size_t size)
{
    static const uint8_t head[MESH_PROBE_HEADER_BYTES] = { 0xD5, 1, 0, 0, 1, 2, 3, 4,
                                                           0,    0, 0, 0, 0, 0, 0, 1 };
    MeshProbeKeys        keys = make_keys();
    MeshProbe            probe;
    uint8_t              bytes[MESH_PROBE_MAX_BYTES], nonce[NONCE] = { 0 };
    unsigned long long   n_sealed;

    if (size > MAX_PLAIN)
        return;
    memcpy(bytes, head, sizeof(head));
    nonce[NONCE - 1] = 1;
    crypto_aead_chacha20poly1305_ietf_encrypt(bytes + sizeof(head), &n_sealed, data, size, head,
                                              sizeof(head), NULL, nonce, keys.receive_key.bytes);
    if (mesh_probe_open(&keys, bytes, sizeof(head) + (size_t)n_sealed, &probe) == 0)
        check_again(&probe);
    assert(keys.newest == 1); /* it was authentic, whatever it said */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MeshProbeKeys keys = make_keys();
    MeshProbe     probe;
    uint32_t      index;
    int           rc = mesh_key_init() | mesh_hash_init();

    assert(rc == 0);
    rc = mesh_probe_open(&keys, data, size, &probe);
    assert(rc < 0 || mesh_probe_read_index(data, size, &index) == 0);
    open_content(data, size);
    return 0;
}
