/* Additions to documents of the state on a disk that loses power or refuses: what was on disk comes
 * back, in its order, behind the generation it belongs to; nothing else does. */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "daemon/statelog.h"
#include "tests/faults/cut.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

enum { GENERATIONS = 2, ADDITIONS = 2, BEGUN = 1, ACKED };

static const MeshNetworkId net = { { 1, 2, 3, 4, 5, 6, 7, 0xab } };

static MeshdState *open_state(const char *dir)
{
    g_autoptr(GError) error = NULL;
    MeshdState *state = meshd_state_open(dir, &error);

    g_assert_no_error(error);
    return state;
}

static GBytes *make_text(const char *word, int number)
{
    char *text = g_strdup_printf("%s %d", word, number);

    return g_bytes_new_take(text, strlen(text));
}

static void save(MeshdState *state, int generation)
{
    g_autoptr(GBytes) text = make_text("generation", generation);
    g_autoptr(GError) error = NULL;

    g_assert_true(meshd_state_save(state, &net, "map", text, &error));
    g_assert_no_error(error);
}

static bool add(MeshdState *state, int number)
{
    g_autoptr(GBytes) text = make_text("addition", number);

    return meshd_state_append_later(state, &net, "map", text);
}

/* Returns: 10 × generation + additions behind it; 0: there is none. Anything else fails the test.
 */
static int load(MeshdState *state)
{
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) base = meshd_state_load_log(state, &net, "map", records, &error);
    int generation = 1;

    g_assert_no_error(error);
    if (base == NULL)
        return 0;
    for (;; generation++) {
        g_autoptr(GBytes) want = make_text("generation", generation);

        g_assert_cmpint(generation, <=, GENERATIONS + 1);
        if (g_bytes_equal(base, want))
            break;
    }
    for (guint i = 0; i < records->len; i++) {
        g_autoptr(GBytes) want = make_text("addition", 10 * generation + (int)i + 1);

        g_assert_true(g_bytes_equal(records->pdata[i], want));
    }
    return 10 * generation + (int)records->len;
}

/* The newest is damaged afterwards: the one before has all that was added to it. */
static void damage(const char *dir, int want)
{
    g_autofree char *path = g_build_filename(dir, "networks", "01020304050607ab", "map", NULL);
    MeshdState      *state = open_state(dir);

    g_assert_true(g_file_set_contents(path, "torn", -1, NULL));
    g_assert_cmpint(load(state), ==, want);
    meshd_state_close(state);
}

static void go_on(MeshdState *state, int now, const char *dir)
{
    int before = now / 10 == 2 ? 10 + ADDITIONS : now + 1; /* of the first there is a copy */

    if (now == 0 || !add(state, now + 1)) {
        before = now;
        save(state, GENERATIONS + 1);
        now = 10 * (GENERATIONS + 1) - 1;
    }
    meshd_state_close(state);
    state = open_state(dir);
    g_assert_cmpint(load(state), ==, now + 1);
    meshd_state_close(state);
    if (before != 0)
        damage(dir, before);
}

static void check(const char *dir, size_t n, DiskRest rest)
{
    MeshdState *state = open_state(dir);
    int         now = load(state);

    g_assert_cmpint(now, >=, disk_get_note(ACKED, n));
    g_assert_cmpint(now, <=, disk_get_note(BEGUN, n));
    if (rest == DISK_REST_LOST || rest == DISK_REST_KEPT) /* nothing stands in the way then */
        meshd_state_close(state);
    else
        go_on(state, now, dir);
}

/* Closing a state waits for its saver. */
static void test_cut(void)
{
    g_autofree char *dir = cut_make_dir();
    MeshdState      *state;

    disk_record(dir);
    state = open_state(dir);
    for (int generation = 1; generation <= GENERATIONS; generation++) {
        disk_note(BEGUN, 10 * generation);
        save(state, generation);
        disk_note(ACKED, 10 * generation);
        for (int i = 1; i <= ADDITIONS; i++) {
            disk_note(BEGUN, 10 * generation + i);
            g_assert_true(add(state, 10 * generation + i));
            meshd_state_close(state);
            disk_note(ACKED, 10 * generation + i);
            state = open_state(dir);
            g_assert_cmpint(load(state), ==, 10 * generation + i);
        }
    }
    meshd_state_close(state);
    cut_everywhere(disk_stop(), check);
    cut_remove_tree(dir);
}

static bool is_refused(MeshdState *state)
{
    g_auto(GStrv) troubles = meshd_state_list_troubles(state, &net, NULL);

    return troubles[0] != NULL;
}

/* Bytes of the journal; opening it would be a step of the disk that is refused. */
static goffset get_size(const char *path)
{
    g_autofree char *log = g_strconcat(path, ".log", NULL);
    GStatBuf         info;

    return g_stat(log, &info) == 0 ? info.st_size : 0;
}

/* What the disk refuses stays in memory, is said, and is written when it can be. */
static bool refuse(int code, unsigned nth)
{
    g_autofree char *dir = cut_make_dir();
    g_autofree char *path = g_build_filename(dir, "networks", "01020304050607ab", "map", NULL);
    MeshdState      *state = open_state(dir);
    bool             refused;
    goffset          size;

    save(state, 1);
    g_assert_true(add(state, 11));
    while (get_size(path) == 0)
        g_thread_yield();
    g_assert_cmpint(load(state), ==, 11); /* waits for the saver */
    size = get_size(path);
    disk_fail(dir, nth, code, true);
    g_assert_true(add(state, 12));
    while (get_size(path) <= size && !is_refused(state))
        g_thread_yield();
    g_assert_true(add(state, 13)); /* behind one that waits */
    refused = disk_heal();
    g_assert_cmpint(load(state), ==, 13);
    meshd_state_close(state); /* tries for the last time */
    state = open_state(dir);
    g_assert_cmpint(load(state), ==, 13);
    meshd_state_close(state);
    cut_remove_tree(dir);
    return refused;
}

static void test_refused(gconstpointer code)
{
    unsigned nth = 1;

    while (refuse(GPOINTER_TO_INT(code), nth))
        nth++;
    g_assert_cmpuint(nth, >, 2);
}

/* What the disk refuses to read is not taken for nothing, nor written over. */
static bool refuse_read(int code, unsigned nth)
{
    g_autofree char *dir = cut_make_dir();
    MeshdState      *state = open_state(dir);
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) base = NULL;
    bool refused;
    int  n = 12;

    save(state, 1);
    g_assert_true(add(state, 11) && add(state, 12));
    meshd_state_close(state);
    state = open_state(dir);
    disk_fail_reads(dir, nth, code);
    base = meshd_state_load_log(state, &net, "map", records, &error);
    refused = disk_heal();
    g_assert_true((base == NULL) == (error != NULL));
    g_assert_true(error != NULL || records->len == 2);
    if (error != NULL) {
        g_assert_error(error, MESH_ERROR, MESH_ERROR_UNREAD);
        g_assert_nonnull(strstr(error->message, dir));
        g_assert_true(is_refused(state)); /* said */
    }
    n += add(state, 13);
    meshd_state_close(state);
    state = open_state(dir);
    g_assert_cmpint(load(state), ==, n);
    meshd_state_close(state);
    cut_remove_tree(dir);
    return refused;
}

static void test_unread(void)
{
    unsigned nth = 1;

    while (refuse_read(EIO, nth))
        nth++;
    g_assert_cmpuint(nth, >, 3); /* of the document and of its journal */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mesh_log_init("test", MESH_LOG_ERROR);
    g_test_add_func("/faults/journal/power-cut", test_cut);
    g_test_add_data_func("/faults/journal/refused/no-space", GINT_TO_POINTER(ENOSPC), test_refused);
    g_test_add_data_func("/faults/journal/refused/input-output", GINT_TO_POINTER(EIO),
                         test_refused);
    g_test_add_func("/faults/journal/unread", test_unread);
    return g_test_run();
}
