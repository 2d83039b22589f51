/* tests/fuzz/fuzz-netmap.c: the map's cache on disk: damaged or written by somebody else it is
 * refused, or it is a map that is written back the same. */
#include "common/proto/netmap.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshNetmap) map = mesh_netmap_decode((const char *)data, len, &error);
    g_autoptr(MeshNetmap) again = NULL, copy = NULL;
    g_autofree char *first = NULL, *second = NULL, *third = NULL;
    size_t           len1, len2, len3;

    if (!fuzz_outcome(map != NULL, &error))
        return 0;
    for (size_t i = 0; i < mesh_netmap_count(map); i++) {
        const MeshPeer *peer = mesh_netmap_get_peer(map, i);

        assert(peer->m != NULL && peer->k != NULL && !peer->online);
        assert(i == 0 || mesh_netmap_get_peer(map, i - 1)->index < peer->index);
    }
    assert(mesh_netmap_get_head(map)->tip == NULL); /* nothing from disk is fresh */
    first = mesh_netmap_encode(map, &len1);
    again = mesh_netmap_decode(first, len1, &error);
    assert(again != NULL);
    second = mesh_netmap_encode(again, &len2);
    assert(len1 == len2 && memcmp(first, second, len1) == 0);
    copy = mesh_netmap_copy(map);
    third = mesh_netmap_encode(copy, &len3);
    assert(len1 == len3 && memcmp(first, third, len1) == 0);
    return 0;
}
