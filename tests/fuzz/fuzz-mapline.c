/* tests/fuzz/fuzz-mapline.c: lines of the map stream, and a map that takes them in: what is decoded
 * is encoded the same way for ever; a line that is refused leaves the map as it was; what a map
 * becomes on disk comes back as that map. */
#include "common/proto/mapline.h"
#include "common/proto/netmap.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

#define MAX_LINES 32

static void check_line(const MeshMapline *line)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshMapline) again = NULL;
    g_autofree char *text = NULL, *second = NULL;
    size_t           len, len2;

    if (line->type == MESH_MAPLINE_UNKNOWN)
        return;
    text = mesh_mapline_encode(line, &len);
    assert(len > 0 && text[len - 1] == '\n' && memchr(text, '\n', len - 1) == NULL);
    again = mesh_mapline_decode(text, len - 1, &error);
    assert(again != NULL && again->type == line->type);
    second = mesh_mapline_encode(again, &len2);
    assert(len2 == len && memcmp(text, second, len) == 0);
}

/* A blank before it, and the line is read by the tables of its fields, not by the scanner for our
 * own form: that must make no difference. */
static void check_reader(const char *text, const MeshMapline *line)
{
    g_autofree char *loose = g_strconcat(" ", text, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshMapline) other = mesh_mapline_decode(loose, strlen(loose), &error);
    g_autofree char *one = NULL, *two = NULL;
    size_t           len1, len2;

    if (strlen(loose) > MESH_MAPLINE_MAX_BYTES)
        return;
    assert((line == NULL) == (other == NULL));
    if (line == NULL || line->type == MESH_MAPLINE_UNKNOWN)
        return;
    one = mesh_mapline_encode(line, &len1);
    two = mesh_mapline_encode(other, &len2);
    assert(len1 == len2 && memcmp(one, two, len1) == 0);
}

/* The peers stand in the order of their index, each once, each found by it. */
static void check_map(const MeshNetmap *map)
{
    const MeshNetmapHead *head = mesh_netmap_get_head(map);
    size_t                count = mesh_netmap_count(map);

    for (size_t i = 0; i < count; i++) {
        const MeshPeer *peer = mesh_netmap_get_peer(map, i);

        assert(peer->m != NULL && peer->k != NULL);
        assert(i == 0 || mesh_netmap_get_peer(map, i - 1)->index < peer->index);
        assert(mesh_netmap_find_peer(map, peer->index) == peer);
    }
    assert(head->epoch != 0 || count == 0);
}

static void apply(MeshNetmap *map, const MeshMapline *line)
{
    g_autoptr(GError) error = NULL;
    size_t           before_len, after_len;
    g_autofree char *before = mesh_netmap_encode(map, &before_len), *after = NULL;
    MeshNetmapChange change = MESH_NETMAP_NOTHING;
    bool             ok = mesh_netmap_apply(map, line, &change, &error);

    fuzz_outcome(ok, &error);
    check_map(map);
    if (ok && change != MESH_NETMAP_NOTHING && change != MESH_NETMAP_GAP)
        return;
    if (line->type == MESH_MAPLINE_HELLO) /* brings the network's description */
        return;
    after = mesh_netmap_encode(map, &after_len);
    assert(after_len == before_len && memcmp(before, after, after_len) == 0);
}

static void check_cache(const MeshNetmap *map)
{
    g_autoptr(GError) error = NULL;
    size_t           len, len2;
    g_autofree char *text = mesh_netmap_encode(map, &len), *second = NULL;
    g_autoptr(MeshNetmap) again = mesh_netmap_decode(text, len, &error);

    assert(again != NULL);
    assert(mesh_netmap_count(again) == mesh_netmap_count(map));
    second = mesh_netmap_encode(again, &len2);
    assert(len2 == len && memcmp(text, second, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    g_autoptr(MeshNetmap) map = mesh_netmap_new();
    MeshNonce nonce = { .number = 1 };
    FuzzInput in = fuzz_make_input(data, len);

    mesh_netmap_begin(map, &nonce);
    for (unsigned n = 0; in.left > 0 && n < MAX_LINES; n++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(MeshMapline) line = NULL;
        char *text = fuzz_take_text(&in, '\n');

        if (text[0] != '\0') {
            line = mesh_mapline_decode(text, strlen(text), &error);
            check_reader(text, line);
            if (fuzz_outcome(line != NULL, &error)) {
                check_line(line);
                apply(map, line);
            }
        }
        free(text);
    }
    check_cache(map);
    return 0;
}
