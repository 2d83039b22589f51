#include "common/codec/probekey.h"

#include "common/std/hash.h"
#include "common/std/writer.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

enum { WINDOW = 64, NET_BYTES = 8, MATERIAL_BYTES = 17 + NET_BYTES + 2 * MESH_KEY_BYTES };

/* What one direction is derived from: net ‖ pk of the sender ‖ pk of the receiver. */
typedef struct {
    const uint8_t *shared, *net;
    const MeshKey *sender, *receiver;
} Direction;

/* BLAKE2s-256(shared, label ‖ the direction). */
static void derive(const Direction *self, const char *label, uint8_t out[MESH_HASH_BYTES])
{
    uint8_t    material[MATERIAL_BYTES];
    MeshWriter w = mesh_writer_make(material, sizeof(material));

    mesh_writer_bytes(&w, label, strlen(label));
    mesh_writer_bytes(&w, self->net, NET_BYTES);
    mesh_writer_bytes(&w, self->sender->bytes, MESH_KEY_BYTES);
    mesh_writer_bytes(&w, self->receiver->bytes, MESH_KEY_BYTES);
    mesh_hash_blake2s_keyed((MeshSpan){ self->shared, MESH_KEY_BYTES },
                            (MeshSpan){ material, mesh_writer_length(&w) }, out, MESH_HASH_BYTES);
}

static void derive_direction(const Direction *self, MeshKey *out_key, uint32_t *out_index)
{
    uint8_t hash[MESH_HASH_BYTES];

    derive(self, "mesh1-probe", out_key->bytes);
    derive(self, "mesh1-probe-index", hash);
    *out_index =
        (uint32_t)hash[0] << 24 | (uint32_t)hash[1] << 16 | (uint32_t)hash[2] << 8 | hash[3];
}

/* With one key at both ends both directions are one: whoever echoes us would pass for a peer. */
static bool agree(const MeshKey *own_private, const MeshKey *own_public, const MeshKey *peer_public,
                  uint8_t out_shared[crypto_scalarmult_BYTES])
{
    return !mesh_key_equal(own_public, peer_public) &&
           crypto_scalarmult(out_shared, own_private->bytes, peer_public->bytes) == 0;
}

int mesh_probekey_derive(const MeshKey *own_private, const MeshKey *own_public,
                         const MeshKey *peer_public, const uint8_t net[8], MeshProbeKeys *out_keys)
{
    uint8_t       shared[crypto_scalarmult_BYTES];
    MeshProbeKeys keys = { .sent = 0 };

    if (!agree(own_private, own_public, peer_public, shared))
        return -EINVAL;
    derive_direction(&(Direction){ shared, net, own_public, peer_public }, &keys.send_key,
                     &keys.send_index);
    derive_direction(&(Direction){ shared, net, peer_public, own_public }, &keys.receive_key,
                     &keys.receive_index);
    *out_keys = keys;
    mesh_key_wipe(shared, sizeof(shared));
    mesh_probekey_wipe(&keys);
    return 0;
}

int mesh_probekey_derive_psk(const MeshKey *own_private, const MeshKey *own_public,
                             const MeshKey *peer_public, const uint8_t net[8], MeshKey *out_psk)
{
    bool    own_first = memcmp(own_public->bytes, peer_public->bytes, MESH_KEY_BYTES) < 0;
    uint8_t shared[crypto_scalarmult_BYTES];

    if (!agree(own_private, own_public, peer_public, shared))
        return -EINVAL;
    derive(&(Direction){ shared, net, own_first ? own_public : peer_public,
                         own_first ? peer_public : own_public },
           "mesh1-direct-tcp", out_psk->bytes);
    mesh_key_wipe(shared, sizeof(shared));
    return 0;
}

bool mesh_probekey_accept(MeshProbeKeys *keys, uint64_t counter)
{
    uint64_t behind;

    if (counter == 0)
        return false;
    if (counter > keys->newest) {
        behind = counter - keys->newest;
        keys->seen = (behind < WINDOW ? keys->seen << behind : 0) | 1;
        keys->newest = counter;
        return true;
    }
    behind = keys->newest - counter;
    if (behind >= WINDOW || (keys->seen >> behind & 1) != 0)
        return false;
    keys->seen |= UINT64_C(1) << behind;
    return true;
}

void mesh_probekey_wipe(MeshProbeKeys *keys)
{
    mesh_key_wipe(keys, sizeof(*keys));
}
