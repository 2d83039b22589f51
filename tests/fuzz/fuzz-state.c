/* tests/fuzz/fuzz-state.c: documents on disk after a crash, a full disk or a bad sector: what is
 * loaded is the newest generation, the one before it, or nothing; never a mixture.
 *
 * Input: what happens to each of the two files (nothing, gone, cut, a byte changed, replaced),
 * where and how; the rest replaces. */
#include "daemon/state.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

#include <glib/gstdio.h>
#include <stdio.h>

#define FIRST  "{\"generation\":1}"
#define SECOND "{\"generation\":2,\"longer\":true}"
#define NAME   "profile"

static const MeshNetworkId net = { { 1 } };
static MeshdState         *state;
static char               *dir, *paths[2]; /* newest, the one before */
static char               *good[2];
static gsize               good_len[2];

static void end(void)
{
    g_autofree char *networks = g_build_filename(dir, "networks", NULL);
    g_autofree char *lock = g_build_filename(dir, "lock", NULL);

    (void)meshd_state_remove(state, &net, NULL);
    meshd_state_close(state);
    (void)g_remove(lock);
    (void)g_remove(networks);
    (void)g_remove(dir);
}

static void start(void)
{
    char id[MESH_NETWORK_ID_TEXT_SIZE];
    g_autoptr(GBytes) first = g_bytes_new_static(FIRST, strlen(FIRST));
    g_autoptr(GBytes) second = g_bytes_new_static(SECOND, strlen(SECOND));

    dir = g_dir_make_tmp("mesh-fuzz-XXXXXX", NULL);
    state = meshd_state_open(dir, NULL);
    assert(state != NULL);
    assert(meshd_state_save(state, &net, NAME, first, NULL));
    assert(meshd_state_save(state, &net, NAME, second, NULL));
    paths[0] = g_build_filename(dir, "networks", mesh_network_format_id(&net, id), NAME, NULL);
    paths[1] = g_strconcat(paths[0], ".prev", NULL);
    for (int i = 0; i < 2; i++)
        assert(g_file_get_contents(paths[i], &good[i], &good_len[i], NULL));
    atexit(end);
}

/* Nothing durable or atomic about it. */
static void write_file(const char *path, const char *text, size_t len)
{
    FILE *file = fopen(path, "wb");

    if (file == NULL || fwrite(text, 1, len, file) != len || fclose(file) != 0)
        abort();
}

/* Writes file @i as it is after something happened to it. Returns: true: it is as it was. */
static bool damage(int i, FuzzInput *in)
{
    uint8_t          kind = fuzz_take_u8(in) % 5, byte;
    size_t           at = fuzz_take_u16(in), len = good_len[i];
    g_autofree char *text = g_memdup2(good[i], good_len[i]);
    bool             same;

    if (kind == 1) {
        (void)g_remove(paths[i]);
        return false;
    }
    if (kind == 2)
        len = at % (good_len[i] + 1);
    byte = fuzz_take_u8(in);
    if (kind == 3)
        text[at % good_len[i]] ^= (char)byte;
    if (kind == 4) {
        len = in->left / 2;
        g_free(text);
        text = g_malloc(len + 1);
        fuzz_take_bytes(in, text, len);
    }
    same = len == good_len[i] && memcmp(text, good[i], len) == 0;
    write_file(paths[i], text, len);
    return same;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const contents[] = { SECOND, FIRST };
    FuzzInput                in = fuzz_make_input(data, len);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = NULL;
    bool intact[2];
    int  want;

    if (state == NULL)
        start();
    intact[0] = damage(0, &in);
    intact[1] = damage(1, &in);
    want = intact[0] ? 0 : intact[1] ? 1 : -1;
    bytes = meshd_state_load(state, &net, NAME, &error);
    if (want < 0) {
        assert(bytes == NULL);
        if (error != NULL)
            fuzz_refused(&error);
        return 0;
    }
    assert(bytes != NULL && error == NULL);
    assert(g_bytes_get_size(bytes) == strlen(contents[want]));
    assert(memcmp(g_bytes_get_data(bytes, NULL), contents[want], strlen(contents[want])) == 0);
    return 0;
}
