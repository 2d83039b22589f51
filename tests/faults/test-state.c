/* daemon/state.c on a disk that loses power after any step, or refuses any step: what is there
 * afterwards is the old generation or the new one, whole, and never none. */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "daemon/state.h"
#include "tests/faults/cut.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

enum { BEGUN = 1, ACKED = 2 }; /* kinds of notes */
enum { GENERATIONS = 4, BODY_BYTES = 3000 };

static const MeshNetworkId net = { { 1, 2, 3, 4, 5, 6, 7, 0xab } };

/* A document that tells its generation at both ends. */
static GBytes *make_body(int generation)
{
    char *body = g_malloc(BODY_BYTES);

    memset(body, 'a' + generation, BODY_BYTES);
    return g_bytes_new_take(body, BODY_BYTES);
}

static bool save(MeshdState *state, const char *name, int generation, GError **error)
{
    g_autoptr(GBytes) body = make_body(generation);

    return meshd_state_save(state, &net, name, body, error);
}

/* The generation in the document's place. */
static int read_generation(GBytes *body)
{
    return *(const char *)g_bytes_get_data(body, NULL) - 'a';
}

/* Returns: the generation; 0: there is none. Damage fails the test. */
static int load(MeshdState *state, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) body = meshd_state_load(state, &net, name, &error);
    g_autoptr(GBytes) want = NULL;
    int generation;

    g_assert_no_error(error);
    if (body == NULL)
        return 0;
    generation = read_generation(body);
    want = make_body(generation);
    g_assert_true(g_bytes_equal(body, want));
    return generation;
}

static MeshdState *open_state(const char *dir)
{
    g_autoptr(GError) error = NULL;
    MeshdState *state = meshd_state_open(dir, &error);

    g_assert_no_error(error);
    return state;
}

/* ---- the power goes ---- */

static void check_saves(const char *dir, size_t n, DiskRest rest)
{
    MeshdState *state = open_state(dir);
    int         now = load(state, "profile");

    (void)rest;
    g_assert_cmpint(now, >=, disk_get_note(ACKED, n));
    g_assert_cmpint(now, <=, disk_get_note(BEGUN, n));
    g_assert_true(save(state, "profile", GENERATIONS + 1, NULL)); /* and it goes on from there */
    g_assert_cmpint(load(state, "profile"), ==, GENERATIONS + 1);
    meshd_state_close(state);
}

static void check_over_damage(const char *dir, size_t n, DiskRest rest)
{
    MeshdState *state = open_state(dir);

    (void)rest;
    g_assert_cmpint(load(state, "profile"), >=, disk_get_note(ACKED, n));
    g_assert_true(save(state, "profile", GENERATIONS + 1, NULL));
    g_assert_cmpint(load(state, "profile"), ==, GENERATIONS + 1);
    meshd_state_close(state);
}

static void test_cut_saves(void)
{
    g_autofree char *dir = cut_make_dir();
    MeshdState      *state;

    disk_record(dir);
    state = open_state(dir);
    for (int generation = 1; generation <= GENERATIONS; generation++) {
        disk_note(BEGUN, generation);
        g_assert_true(save(state, "profile", generation, NULL));
        disk_note(ACKED, generation);
    }
    meshd_state_close(state);
    cut_everywhere(disk_stop(), check_saves);
    cut_remove_tree(dir);
}

/* The newest generation was damaged before, by what we do not know. */
static void test_cut_over_damage(void)
{
    g_autofree char *dir = cut_make_dir();
    g_autofree char *path = g_build_filename(dir, "networks", "01020304050607ab", "profile", NULL);
    MeshdState      *state;

    disk_record(dir);
    state = open_state(dir);
    g_assert_true(save(state, "profile", 1, NULL));
    disk_note(ACKED, 1);
    g_assert_true(save(state, "profile", 2, NULL));
    g_assert_true(
        g_file_set_contents_full(path, "junk", -1, G_FILE_SET_CONTENTS_DURABLE, 0600, NULL));
    g_assert_cmpint(load(state, "profile"), ==, 1);
    disk_note(BEGUN, GENERATIONS);
    for (int generation = 3; generation <= GENERATIONS; generation++) {
        g_assert_true(save(state, "profile", generation, NULL));
        disk_note(ACKED, generation);
    }
    meshd_state_close(state);
    cut_everywhere(disk_stop(), check_over_damage);
    cut_remove_tree(dir);
}

/* A network is there as a whole, or not at all and with no trace. */
static void assert_whole_or_gone(MeshdState *state, size_t n)
{
    g_autoptr(GArray) ids = meshd_state_list(state, NULL);

    g_assert_nonnull(ids);
    if (disk_get_note(BEGUN, n) == 0)
        return; /* not yet saved */
    g_assert_cmpuint(ids->len, >=, (guint)(disk_get_note(BEGUN, n) == 1));
    g_assert_cmpuint(ids->len, <=, (guint)(disk_get_note(ACKED, n) == 0));
    g_assert_cmpint(load(state, "profile"), ==, ids->len > 0 ? 2 : 0);
    g_assert_cmpint(load(state, "floors"), ==, ids->len > 0 ? 1 : 0);
}

static void check_removal(const char *dir, size_t n, DiskRest rest)
{
    MeshdState *state = open_state(dir);

    (void)rest;
    assert_whole_or_gone(state, n);
    meshd_state_close(state);
}

static void test_cut_removal(void)
{
    g_autofree char *dir = cut_make_dir();
    MeshdState      *state;

    disk_record(dir);
    state = open_state(dir);
    g_assert_true(save(state, "profile", 1, NULL));
    g_assert_true(save(state, "floors", 1, NULL));
    g_assert_true(save(state, "profile", 2, NULL));
    disk_note(BEGUN, 1);
    disk_note(BEGUN, 2);
    g_assert_true(meshd_state_remove(state, &net, NULL));
    disk_note(ACKED, 1);
    meshd_state_close(state);
    cut_everywhere(disk_stop(), check_removal);
    cut_remove_tree(dir);
}

/* ---- a step is refused ---- */

typedef struct {
    const char *name;
    int         error; /* 0: a write that ends halfway, then a full disk */
    bool        sticky;
} RefusalCase;

static const RefusalCase refusals[] = {
    { "full-for-a-moment", ENOSPC, false }, { "full", ENOSPC, true },
    { "short-write-then-full", 0, true },   { "input-output", EIO, false },
    { "read-only", EROFS, true },           { "quota", EDQUOT, true },
};

static bool is_full(const RefusalCase *c)
{
    return c->error == 0 || c->error == ENOSPC || c->error == EDQUOT;
}

/* Returns: whether a step was refused: false ends the walk over them. */
static bool refuse_save(const RefusalCase *c, unsigned nth)
{
    g_autofree char *dir = cut_make_dir();
    g_autoptr(GError) error = NULL;
    MeshdState *state = open_state(dir);
    bool        saved, refused;

    g_assert_true(save(state, "profile", 1, NULL));
    disk_fail(dir, nth, c->error, c->sticky);
    saved = save(state, "profile", 2, &error);
    refused = disk_heal();
    g_assert_true(saved == (error == NULL));
    g_assert_true(saved || refused);
    if (!saved) {
        /* A folder that cannot be flushed is STATE, whatever the disk says. */
        g_assert_true(g_error_matches(error, MESH_ERROR, MESH_ERROR_STATE) ||
                      (is_full(c) && g_error_matches(error, MESH_ERROR, MESH_ERROR_DISK_FULL)));
        g_assert_nonnull(strstr(error->message, dir)); /* names what and where */
    }
    g_assert_cmpint(load(state, "profile"), >=, saved ? 2 : 1);
    meshd_state_close(state);
    state = open_state(dir); /* as a new process would */
    g_assert_cmpint(load(state, "profile"), >=, saved ? 2 : 1);
    g_assert_true(save(state, "profile", 3, NULL));
    g_assert_cmpint(load(state, "profile"), ==, 3);
    meshd_state_close(state);
    cut_remove_tree(dir);
    return refused;
}

static bool refuse_removal(const RefusalCase *c, unsigned nth)
{
    g_autofree char *dir = cut_make_dir();
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ids = NULL;
    MeshdState *state = open_state(dir);
    bool        removed, refused;

    g_assert_true(save(state, "profile", 1, NULL));
    g_assert_true(save(state, "floors", 1, NULL));
    disk_fail(dir, nth, c->error, c->sticky);
    removed = meshd_state_remove(state, &net, &error);
    refused = disk_heal();
    g_assert_true(removed == (error == NULL));
    ids = meshd_state_list(state, NULL);
    g_assert_nonnull(ids);
    g_assert_true(!removed || ids->len == 0);
    g_assert_cmpint(load(state, "profile"), ==, ids->len > 0 ? 1 : 0);
    g_assert_cmpint(load(state, "floors"), ==, ids->len > 0 ? 1 : 0);
    g_assert_true(meshd_state_remove(state, &net, NULL)); /* asked again */
    g_clear_pointer(&ids, g_array_unref);
    ids = meshd_state_list(state, NULL);
    g_assert_cmpuint(ids->len, ==, 0);
    meshd_state_close(state);
    cut_remove_tree(dir);
    return refused;
}

/* The saver is done with it, well or not. Looks at the name alone: to read is a step, too. */
static bool is_settled(MeshdState *state, const char *path, ino_t before)
{
    g_auto(GStrv) troubles = meshd_state_list_troubles(state, &net, NULL);
    struct stat info;

    return troubles[0] != NULL || (lstat(path, &info) == 0 && info.st_ino != before);
}

/* In the background: what the disk refuses stays in memory, is said, and is written when it can be.
 */
static bool refuse_later(const RefusalCase *c, unsigned nth)
{
    g_autofree char *dir = cut_make_dir();
    g_autofree char *path = g_build_filename(dir, "networks", "01020304050607ab", "map", NULL);
    g_autoptr(GBytes) body = make_body(2);
    MeshdState *state = open_state(dir);
    struct stat before;
    bool        refused;

    g_assert_true(save(state, "map", 1, NULL));
    g_assert_cmpint(lstat(path, &before), ==, 0);
    disk_fail(dir, nth, c->error, true);
    meshd_state_save_later(state, &net, "map", body);
    while (!is_settled(state, path, before.st_ino))
        g_thread_yield();
    refused = disk_heal();
    g_assert_cmpint(load(state, "map"), ==, 2);
    meshd_state_close(state); /* tries for the last time */
    state = open_state(dir);
    g_assert_cmpint(load(state, "map"), ==, 2);
    meshd_state_close(state);
    cut_remove_tree(dir);
    return refused;
}

/* The first start of all: no state, no directory. */
static bool refuse_open(const RefusalCase *c, unsigned nth)
{
    g_autofree char *dir = cut_make_dir();
    g_autoptr(GError) error = NULL;
    MeshdState *state;
    bool        refused;

    disk_fail(dir, nth, c->error, c->sticky);
    state = meshd_state_open(dir, &error);
    refused = disk_heal();
    g_assert_true((state == NULL) == (error != NULL));
    g_assert_true(state != NULL || refused);
    meshd_state_close(state);
    state = open_state(dir);
    g_assert_true(save(state, "profile", 1, NULL));
    meshd_state_close(state);
    cut_remove_tree(dir);
    return refused;
}

static void test_refusals(gconstpointer data)
{
    const RefusalCase *c = data;
    unsigned           at_save = 1, at_removal = 1, at_open = 1, at_later = 1;

    while (refuse_save(c, at_save))
        at_save++;
    while (refuse_removal(c, at_removal))
        at_removal++;
    while (refuse_later(c, at_later))
        at_later++;
    while (refuse_open(c, at_open))
        at_open++;
    g_test_message("refused: %u steps of a save, %u of a removal, %u of a first start", at_save - 1,
                   at_removal - 1, at_open - 1);
    g_assert_cmpuint(at_save, >, 7);
    g_assert_cmpuint(at_removal, >, 4);
    g_assert_cmpuint(at_open, >, 2);
    g_assert_cmpuint(at_later, >, 5);
}

static void assert_troubles(MeshdState *state, unsigned want)
{
    g_auto(GStrv) troubles = meshd_state_list_troubles(state, &net, NULL);

    g_assert_cmpuint(g_strv_length(troubles), ==, want);
}

/* What cannot be read is an error that is said, never "there is none" (a node that believed this
 * would make itself a new identity) nor the generation before, and gone once it can be read.
 * Returns: whether a read was refused. */
static bool refuse_load(int code, unsigned nth)
{
    g_autofree char *dir = cut_make_dir();
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) body = NULL;
    MeshdState *state = open_state(dir);
    bool        refused;

    g_assert_true(save(state, "profile", 1, NULL));
    g_assert_true(save(state, "profile", 2, NULL));
    meshd_state_close(state);
    state = open_state(dir);
    disk_fail_reads(dir, nth, code);
    body = meshd_state_load(state, &net, "profile", &error);
    refused = disk_heal();
    g_assert_true((body == NULL) == (error != NULL));
    g_assert_true(body != NULL || refused);
    g_assert_true(body == NULL || read_generation(body) == 2);
    assert_troubles(state, error != NULL);
    if (error != NULL) {
        g_assert_error(error, MESH_ERROR, MESH_ERROR_UNREAD);
        g_assert_nonnull(strstr(error->message, dir)); /* names what and where */
    }
    g_assert_cmpint(load(state, "profile"), ==, 2);
    assert_troubles(state, 0);
    g_assert_true(save(state, "profile", 3, NULL));
    meshd_state_close(state);
    state = open_state(dir);
    g_assert_cmpint(load(state, "profile"), ==, 3);
    meshd_state_close(state);
    cut_remove_tree(dir);
    return refused;
}

/* Over one that could not be read nothing is put that is older: not by a repair either. */
static void test_repair_unread(void)
{
    g_autofree char *dir = cut_make_dir();
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    MeshdState *state = open_state(dir);

    g_assert_true(save(state, "profile", 1, NULL));
    g_assert_true(save(state, "profile", 2, NULL));
    for (unsigned nth = 1; nth <= 8; nth++) {
        disk_fail_reads(dir, nth, EIO);
        meshd_state_repair(state, found);
        (void)disk_heal();
        g_assert_cmpint(load(state, "profile"), ==, 2);
    }
    g_assert_cmpuint(found->len, >, 0); /* and it says so */
    meshd_state_close(state);
    cut_remove_tree(dir);
}

static void test_reads(gconstpointer data)
{
    unsigned nth = 1;

    while (refuse_load(GPOINTER_TO_INT(data), nth))
        nth++;
    g_test_message("refused: each of %u reads", nth - 1);
    g_assert_cmpuint(nth, >, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mesh_log_init("test", MESH_LOG_ERROR);
    g_test_add_func("/faults/state/power-cut-while-saving", test_cut_saves);
    g_test_add_func("/faults/state/power-cut-over-damage", test_cut_over_damage);
    g_test_add_func("/faults/state/power-cut-while-removing", test_cut_removal);
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *path = g_strconcat("/faults/state/refused/", refusals[i].name, NULL);

        g_test_add_data_func(path, &refusals[i], test_refusals);
    }
    g_test_add_data_func("/faults/state/reads/input-output", GINT_TO_POINTER(EIO), test_reads);
    g_test_add_data_func("/faults/state/reads/too-many-files", GINT_TO_POINTER(EMFILE), test_reads);
    g_test_add_func("/faults/state/reads/repair", test_repair_unread);
    return g_test_run();
}
