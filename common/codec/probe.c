#include "common/codec/probe.h"

#include "common/codec/seenat.h"
#include "common/std/writer.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

enum {
    VERSION = 1,
    NONCE_ZEROS = 4,
    NONCE_BYTES = NONCE_ZEROS + 8,
    TAG = crypto_aead_chacha20poly1305_ietf_ABYTES,
    MAX_PLAIN = MESH_PROBE_MAX_BYTES - MESH_PROBE_HEADER_BYTES - TAG,
    COUNTER_AT = 8,
    OVERHEAD = MESH_PROBE_HEADER_BYTES + TAG,
};

_Static_assert(crypto_aead_chacha20poly1305_ietf_NPUBBYTES == NONCE_BYTES, "RFC 8439 nonce");

static bool is_candidate(const MeshProbeCandidate *candidate)
{
    return candidate->kind <= MESH_PROBE_NAT64 && candidate->endpoint.addr.family != 0 &&
           candidate->endpoint.port != 0 && candidate->endpoint.scope == 0;
}

static int write_call(MeshWriter *w, const MeshProbe *probe)
{
    const MeshProbeNat *nat = &probe->nat;

    if (probe->n_candidates > MESH_PROBE_MAX_CANDIDATES ||
        nat->mapping > MESH_PROBE_BY_ADDRESS_AND_PORT ||
        nat->filtering > MESH_PROBE_BY_ADDRESS_AND_PORT)
        return -EINVAL;
    mesh_writer_u8(w, (uint8_t)nat->mapping);
    mesh_writer_u8(w, (uint8_t)nat->filtering);
    mesh_writer_u16be(w, (uint16_t)nat->step);
    mesh_writer_u16be(w, nat->block_first);
    mesh_writer_u16be(w, nat->block_last);
    mesh_writer_u8(w, (uint8_t)probe->n_candidates);
    for (size_t i = 0; i < probe->n_candidates; i++) {
        if (!is_candidate(&probe->candidates[i]))
            return -EINVAL;
        mesh_writer_u8(w, (uint8_t)probe->candidates[i].kind);
        mesh_seenat_write(w, &probe->candidates[i].endpoint);
    }
    return 0;
}

static int write_ping(MeshWriter *w, const MeshProbe *probe)
{
    if (probe->length < MESH_PROBE_PING_BYTES || probe->length > MESH_PROBE_MAX_BYTES)
        return -EINVAL;
    mesh_writer_zeros(w, 4 + (size_t)probe->length - MESH_PROBE_PING_BYTES);
    return 0;
}

static int write_plain(MeshWriter *w, const MeshProbe *probe)
{
    mesh_writer_u8(w, (uint8_t)probe->type);
    mesh_writer_u8(w, probe->flags);
    mesh_writer_u16be(w, probe->id);
    mesh_writer_u64be(w, probe->txid);
    switch (probe->type) {
    case MESH_PROBE_PING:
        return write_ping(w, probe);
    case MESH_PROBE_PONG:
        mesh_writer_zeros(w, 4);
        if (probe->length >= MESH_PROBE_PONG_BYTES && probe->observed.addr.family != 0)
            mesh_seenat_write(w, &probe->observed);
        return 0;
    case MESH_PROBE_CALL:
    case MESH_PROBE_CALL_ACK:
        return write_call(w, probe);
    case MESH_PROBE_SYNC:
        mesh_writer_zeros(w, 4);
        return 0;
    }
    return -EINVAL;
}

int mesh_probe_seal(MeshProbeKeys *keys, const MeshProbe *probe, uint8_t *out, size_t size,
                    size_t *out_len)
{
    uint8_t    plain[MAX_PLAIN], nonce[NONCE_BYTES] = { 0 };
    MeshWriter w = mesh_writer_make(plain, sizeof(plain)), head = mesh_writer_make(out, size);
    size_t     len;
    int        rc = write_plain(&w, probe);

    if (rc == 0)
        rc = mesh_writer_finish(&w, &len);
    if (rc < 0)
        return rc;
    if (size < len + OVERHEAD)
        return -ENOSPC;
    mesh_writer_u8(&head, MESH_PROBE_FIRST_BYTE);
    mesh_writer_u8(&head, VERSION);
    mesh_writer_u16be(&head, 0);
    mesh_writer_u32be(&head, keys->send_index);
    mesh_writer_u64be(&head, ++keys->sent);
    memcpy(nonce + NONCE_ZEROS, out + COUNTER_AT, sizeof(nonce) - NONCE_ZEROS);
    crypto_aead_chacha20poly1305_ietf_encrypt(out + MESH_PROBE_HEADER_BYTES, NULL, plain, len, out,
                                              MESH_PROBE_HEADER_BYTES, NULL, nonce,
                                              keys->send_key.bytes);
    *out_len = len + OVERHEAD;
    return 0;
}

static bool read_head(MeshReader *r, uint32_t *out_index, uint64_t *out_counter)
{
    uint8_t  first, version;
    uint16_t reserved;

    return mesh_bytes_left(r) >= OVERHEAD && mesh_bytes_left(r) <= MESH_PROBE_MAX_BYTES &&
           mesh_bytes_read_u8(r, &first) && first == MESH_PROBE_FIRST_BYTE &&
           mesh_bytes_read_u8(r, &version) && version == VERSION &&
           mesh_bytes_read_u16be(r, &reserved) && reserved == 0 &&
           mesh_bytes_read_u32be(r, out_index) && mesh_bytes_read_u64be(r, out_counter);
}

int mesh_probe_read_index(const uint8_t *bytes, size_t len, uint32_t *out_index)
{
    MeshReader r = mesh_bytes_make_reader(bytes, len);
    uint64_t   counter;

    return read_head(&r, out_index, &counter) ? 0 : -EPROTO;
}

static bool read_candidates(MeshReader *r, MeshProbe *probe)
{
    for (size_t i = 0; i < probe->n_candidates; i++) {
        MeshProbeCandidate *candidate = &probe->candidates[i];
        uint8_t             kind;

        if (!mesh_bytes_read_u8(r, &kind) || !mesh_seenat_read(r, &candidate->endpoint))
            return false;
        candidate->kind = (MeshProbeKind)kind;
        if (!is_candidate(candidate))
            return false;
    }
    return mesh_bytes_left(r) == 0;
}

static bool read_call(MeshReader *r, MeshProbe *probe)
{
    uint8_t  mapping, filtering, count;
    uint16_t step;

    if (!mesh_bytes_read_u8(r, &mapping) || !mesh_bytes_read_u8(r, &filtering) ||
        !mesh_bytes_read_u16be(r, &step) || !mesh_bytes_read_u16be(r, &probe->nat.block_first) ||
        !mesh_bytes_read_u16be(r, &probe->nat.block_last) || !mesh_bytes_read_u8(r, &count) ||
        mapping > MESH_PROBE_BY_ADDRESS_AND_PORT || filtering > MESH_PROBE_BY_ADDRESS_AND_PORT ||
        count > MESH_PROBE_MAX_CANDIDATES)
        return false;
    probe->nat.mapping = (MeshProbeDependence)mapping;
    probe->nat.filtering = (MeshProbeDependence)filtering;
    probe->nat.step = (int16_t)step;
    probe->n_candidates = count;
    return read_candidates(r, probe);
}

static bool read_plain(MeshReader *r, MeshProbe *probe)
{
    uint8_t type;

    if (!mesh_bytes_read_u8(r, &type) || !mesh_bytes_read_u8(r, &probe->flags) ||
        !mesh_bytes_read_u16be(r, &probe->id) || !mesh_bytes_read_u64be(r, &probe->txid))
        return false;
    probe->type = (MeshProbeType)type;
    switch (probe->type) {
    case MESH_PROBE_CALL:
    case MESH_PROBE_CALL_ACK:
        return read_call(r, probe);
    case MESH_PROBE_PING:
        return mesh_bytes_skip(r, 4); /* and padding */
    case MESH_PROBE_PONG:
        return mesh_bytes_skip(r, 4) &&
               (mesh_bytes_left(r) == 0 || mesh_seenat_read(r, &probe->observed));
    case MESH_PROBE_SYNC:
        return mesh_bytes_skip(r, 4);
    }
    return false;
}

int mesh_probe_open(MeshProbeKeys *keys, const uint8_t *bytes, size_t len, MeshProbe *out_probe)
{
    MeshReader         r = mesh_bytes_make_reader(bytes, len);
    MeshProbe          probe = { .length = (uint16_t)len };
    uint8_t            plain[MAX_PLAIN], nonce[NONCE_BYTES] = { 0 };
    unsigned long long n_plain;
    uint64_t           counter;
    uint32_t           index;

    if (!read_head(&r, &index, &counter) || index != keys->receive_index)
        return -EPROTO;
    memcpy(nonce + NONCE_ZEROS, bytes + COUNTER_AT, sizeof(nonce) - NONCE_ZEROS);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(
            plain, &n_plain, NULL, bytes + MESH_PROBE_HEADER_BYTES, len - MESH_PROBE_HEADER_BYTES,
            bytes, MESH_PROBE_HEADER_BYTES, nonce, keys->receive_key.bytes) != 0)
        return -EBADMSG;
    if (!mesh_probekey_accept(keys, counter))
        return -EALREADY;
    r = mesh_bytes_make_reader(plain, (size_t)n_plain);
    if (!read_plain(&r, &probe))
        return -EPROTO;
    *out_probe = probe;
    return 0;
}
