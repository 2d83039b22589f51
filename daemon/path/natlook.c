#include "daemon/path/natlook.h"

#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "daemon/wire/ways.h"

#include <string.h>
#include <sys/socket.h>

void path_natlook_ask(PathNatlook *self, WirePlane *plane, PathRelays *relays)
{
    MeshStunMessage request = { .type = MESH_STUN_REQUEST };
    uint8_t         bytes[MESH_STUN_REQUEST_BYTES];
    PathRelayLook   look;
    WireWay         to = { .link = 0 };
    size_t          len;

    self->seen = (MeshEndpoint){ .port = 0 };
    if (!path_relays_look(relays, NULL, false, &look) || look.alt.port == 0 ||
        look.seen.addr.family != AF_INET)
        return;
    mesh_key_random(self->txid, sizeof self->txid);
    memcpy(request.txid, self->txid, sizeof request.txid);
    to.endpoint = look.alt;
    if (mesh_stun_encode_request(&request, sizeof bytes, bytes, sizeof bytes, &len) == 0 &&
        wire_ways_send(plane, &to, 0, (MeshSpan){ bytes, len }) == 0)
        self->seen = look.seen;
}

bool path_natlook_take(PathNatlook *self, const WireEvent *event, MeshProbeNat *out_nat)
{
    MeshSpan        bytes = { event->data, event->n_data };
    MeshStunMessage answer;

    if (self->seen.addr.family == 0 || !mesh_stun_is(bytes) ||
        mesh_stun_decode(bytes, &answer) < 0 || answer.type != MESH_STUN_SUCCESS ||
        memcmp(answer.txid, self->txid, sizeof answer.txid) != 0 ||
        answer.mapped.addr.family != AF_INET)
        return false;
    *out_nat = (MeshProbeNat){ .mapping = mesh_endpoint_equal(&answer.mapped, &self->seen)
                                              ? MESH_PROBE_INDEPENDENT
                                              : MESH_PROBE_BY_ADDRESS_AND_PORT };
    self->seen = (MeshEndpoint){ .port = 0 };
    return true;
}
