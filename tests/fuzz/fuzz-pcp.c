/* tests/fuzz/fuzz-pcp.c: what a router answers, PCP or NAT-PMP. What is accepted is of a kind that
 * its reader knows, with what that kind promises. */
#include "common/codec/pcp.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

/* The first seconds of the input, each as an epoch of the same router. */
static void try_epochs(const uint8_t *data, size_t len)
{
    MeshPcpEpoch epoch = { 0 };
    int64_t      now_ms = 0;

    for (size_t i = 0; i + 8 <= len && i < 64; i += 8) {
        uint32_t value, step;

        memcpy(&value, data + i, sizeof value);
        memcpy(&step, data + i + 4, sizeof step);
        now_ms += step;
        (void)mesh_pcp_epoch_accept(&epoch, value, now_ms);
        assert(epoch.known && epoch.epoch_s == value && epoch.at_ms == now_ms);
        assert(mesh_pcp_epoch_accept(&epoch, value, now_ms)); /* the same again */
    }
}

/* What is granted can be asked for again. */
static void try_again(const MeshPcpMap *map)
{
    MeshPcpMap wish = *map;
    uint8_t    out[MESH_PCP_MAP_BYTES];
    size_t     len = 0;

    wish.client = wish.external.addr;
    assert(mesh_pcp_encode_map(&wish, out, sizeof out, &len) == (map->port == 0 ? -EINVAL : 0));
    assert(map->port == 0 || len == MESH_PCP_MAP_BYTES);
    assert(mesh_pcp_encode_natpmp_map(&wish, out, MESH_NATPMP_MAP_BYTES, &len) ==
           (map->port == 0 ? -EINVAL : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t      *bytes = malloc(len == 0 ? 1 : len); /* its own end: reading over it is seen */
    MeshPcpAnswer answer;

    assert(bytes != NULL);
    if (len > 0)
        memcpy(bytes, data, len);
    if (mesh_pcp_decode(MESH_SPAN(bytes, len), &answer) == 0) {
        uint16_t family = answer.map.external.addr.family;

        assert(len <= MESH_PCP_MAX_BYTES && (answer.version == 0 || answer.version == 2));
        assert((bytes[1] & 0x80) != 0 && (answer.kind == MESH_PCP_REFUSED) == (answer.result != 0));
        assert(family == 0 || family == AF_INET || family == AF_INET6);
        if (answer.kind == MESH_NATPMP_ADDRESS)
            assert(family == AF_INET);
        if (answer.kind == MESH_PCP_MAP) {
            assert(answer.version == 2 && len >= MESH_PCP_MAP_BYTES && family != 0);
            try_again(&answer.map);
        }
    }
    try_epochs(bytes, len);
    free(bytes);
    return 0;
}
