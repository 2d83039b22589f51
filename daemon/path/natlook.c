#include "daemon/path/natlook.h"

#include "daemon/wire/ways.h"

#include <sys/socket.h>

void path_natlook_ask(PathNatlook *self, WirePlane *plane, PathRelays *relays)
{
    uint8_t       bytes[MESH_STUN_REQUEST_BYTES];
    PathRelayLook look;
    WireWay       to = { .link = 0 };

    self->seen = (MeshEndpoint){ .port = 0 };
    if (!path_relays_look(relays, NULL, false, &look) || look.alt.port == 0 ||
        look.seen.addr.family != AF_INET)
        return;
    self->ask = path_stunask_make(0);
    to.endpoint = look.alt;
    if (wire_ways_send(plane, &to, 0, path_stunask_write(&self->ask, bytes)) == 0)
        self->seen = look.seen;
}

bool path_natlook_take(PathNatlook *self, const WireEvent *event, MeshProbeNat *out_nat)
{
    MeshSpan     bytes = { event->data, event->n_data };
    MeshEndpoint mapped;

    if (self->seen.addr.family == 0 || !path_stunask_read(&self->ask, bytes, &mapped) ||
        mapped.addr.family != AF_INET)
        return false;
    *out_nat = (MeshProbeNat){ .mapping = mapped.port == self->seen.port
                                              ? MESH_PROBE_INDEPENDENT
                                              : MESH_PROBE_BY_ADDRESS_AND_PORT };
    self->seen = (MeshEndpoint){ .port = 0 };
    return true;
}
