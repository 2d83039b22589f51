/* tests/fuzz/fuzz-map.c: what a server may send on the map stream, line by line into a map; and the
 * map's cache on disk. */
#include "common/proto/netmap.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

/* What the map saves it must read again, and save the same. */
static void check_cache(const MeshNetmap *map)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshNetmap) again = NULL;
    g_autofree char *text = NULL, *text2 = NULL;
    size_t           len, len2;

    text = mesh_netmap_encode(map, &len);
    again = mesh_netmap_decode(text, len, &error);
    assert(again != NULL && error == NULL);
    assert(mesh_netmap_count(again) == mesh_netmap_count(map));
    text2 = mesh_netmap_encode(again, &len2);
    assert(len == len2 && memcmp(text, text2, len) == 0);
}

static void apply(MeshNetmap *map, const char *line, size_t len)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshMapline) parsed = mesh_mapline_decode(line, len, &error);
    MeshNetmapChange change;

    assert((parsed == NULL) == (error != NULL));
    if (parsed != NULL && !mesh_netmap_apply(map, parsed, &change, &error))
        assert(error != NULL);
}

void fuzz_one(const uint8_t *data, size_t len)
{
    const char *at = (const char *)data, *end = at + len;
    g_autoptr(MeshNetmap) map = mesh_netmap_new(), loaded = NULL;
    g_autoptr(GError) error = NULL;

    mesh_netmap_begin(map, &(MeshNonce){ 0 });
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));

        if (stop == NULL)
            stop = end;
        if (stop > at)
            apply(map, at, (size_t)(stop - at));
        at = stop < end ? stop + 1 : end;
    }
    check_cache(map);
    loaded = mesh_netmap_decode((const char *)data, len, &error);
    assert((loaded == NULL) == (error != NULL));
    if (loaded != NULL)
        check_cache(loaded);
}
