#include "daemon/path/stunask.h"

#include "common/std/bytes.h"
#include "common/std/key.h"

#include <glib.h>
#include <string.h>

PathStunAsk path_stunask_make(uint8_t change)
{
    PathStunAsk self = { .change = change };

    mesh_key_random(self.txid, sizeof self.txid);
    return self;
}

MeshSpan path_stunask_write(const PathStunAsk *self, uint8_t out[MESH_STUN_REQUEST_BYTES])
{
    MeshStunMessage request = { .type = MESH_STUN_REQUEST,
                                .change = self->change,
                                .response_port = self->response_port };
    size_t          len = 0;
    int             rc;

    memcpy(request.txid, self->txid, sizeof request.txid);
    rc = mesh_stun_encode_request(&request, MESH_STUN_REQUEST_BYTES, out, MESH_STUN_REQUEST_BYTES,
                                  &len);
    g_assert(rc == 0); /* it fits: both sizes are fixed */
    return (MeshSpan){ out, len };
}

static bool is_of(const PathStunAsk *self, MeshSpan bytes, MeshStunMessage *out_message)
{
    MeshReader r = mesh_bytes_make_reader(bytes.data, bytes.len);
    uint8_t    txid[MESH_STUN_TXID_BYTES];

    /* Of many questions one is answered: whose it is, is looked at first. */
    return mesh_bytes_skip(&r, MESH_STUN_HEAD_BYTES - sizeof txid) &&
           mesh_bytes_read_copy(&r, txid, sizeof txid) &&
           memcmp(txid, self->txid, sizeof txid) == 0 && mesh_stun_is(bytes) &&
           mesh_stun_decode(bytes, out_message) == 0;
}

bool path_stunask_read(const PathStunAsk *self, MeshSpan bytes, MeshEndpoint *out_mapped)
{
    MeshStunMessage answer;

    if (!is_of(self, bytes, &answer) || answer.type != MESH_STUN_SUCCESS ||
        answer.mapped.addr.family == 0)
        return false;
    *out_mapped = answer.mapped;
    return true;
}

bool path_stunask_is_echo(const PathStunAsk *self, MeshSpan bytes)
{
    MeshStunMessage request;

    return is_of(self, bytes, &request) && request.type == MESH_STUN_REQUEST;
}
