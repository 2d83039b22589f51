#include "common/codec/seenat.h"

#include <string.h>
#include <sys/socket.h>

static const uint8_t v4_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
static const uint8_t no_addr[16];

void mesh_seenat_write(MeshWriter *w, const MeshEndpoint *endpoint)
{
    mesh_writer_u16be(w, endpoint->addr.family != 0 ? endpoint->port : 0);
    if (endpoint->addr.family == AF_INET) {
        mesh_writer_bytes(w, v4_mapped, sizeof(v4_mapped));
        mesh_writer_bytes(w, endpoint->addr.bytes, 4);
    } else {
        mesh_writer_bytes(w, endpoint->addr.family == AF_INET6 ? endpoint->addr.bytes : no_addr,
                          sizeof(no_addr));
    }
}

bool mesh_seenat_read(MeshReader *r, MeshEndpoint *out_endpoint)
{
    MeshEndpoint endpoint = { .port = 0 };
    uint8_t      bytes[16];

    if (mesh_bytes_left(r) < MESH_SEENAT_BYTES || !mesh_bytes_read_u16be(r, &endpoint.port) ||
        !mesh_bytes_read_copy(r, bytes, sizeof(bytes)))
        return false;
    if (memcmp(bytes, v4_mapped, sizeof(v4_mapped)) == 0)
        endpoint.addr = mesh_ip_make_addr(AF_INET, bytes + sizeof(v4_mapped));
    else if (memcmp(bytes, no_addr, sizeof(no_addr)) != 0)
        endpoint.addr = mesh_ip_make_addr(AF_INET6, bytes);
    else
        endpoint.port = 0;
    *out_endpoint = endpoint;
    return true;
}
