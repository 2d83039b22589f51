/* Tests of daemon/state.c: torn and changed files, generations, the lock, modes, removal. */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "daemon/state.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    char         *dir;
    MeshdState   *state;
    MeshNetworkId net;
    char         *path, *prev; /* of the document "map" */
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    f->dir = g_dir_make_tmp("mesh-state-XXXXXX", NULL);
    f->net = (MeshNetworkId){ { 1, 2, 3, 4, 5, 6, 7, 0xab } };
    f->path = g_build_filename(f->dir, "networks", "01020304050607ab", "map", NULL);
    f->prev = g_strconcat(f->path, ".prev", NULL);
    f->state = meshd_state_open(f->dir, &error);
    g_assert_no_error(error);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", f->dir);

    (void)data;
    meshd_state_close(f->state);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    g_free(f->dir);
    g_free(f->path);
    g_free(f->prev);
}

static void save(Fixture *f, const char *text)
{
    g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
    g_autoptr(GError) error = NULL;

    g_assert_true(meshd_state_save(f->state, &f->net, "map", bytes, &error));
    g_assert_no_error(error);
}

static void assert_loads(Fixture *f, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = meshd_state_load(f->state, &f->net, "map", &error);

    g_assert_no_error(error);
    g_assert_nonnull(bytes);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), text, strlen(text));
}

static void assert_troubles(Fixture *f, unsigned want)
{
    g_auto(GStrv) troubles = meshd_state_list_troubles(f->state, &f->net, NULL);

    g_assert_cmpuint(g_strv_length(troubles), ==, want);
    g_assert_true(want == 0 || strstr(troubles[0], f->path) != NULL);
}

static bool is_found(GPtrArray *found, const char *words)
{
    for (unsigned i = 0; i < found->len; i++)
        if (strstr(found->pdata[i], words) != NULL)
            return true;
    return false;
}

static void test_repair(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) again = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *dir = g_path_get_dirname(f->path);
    g_autofree char *remains = g_strconcat(f->path, ".new", NULL);
    struct stat      info;

    (void)data;
    save(f, "one");
    save(f, "two");
    meshd_state_repair(f->state, again);
    g_assert_cmpuint(again->len, ==, 0); /* nothing was wrong */
    g_assert_true(g_file_set_contents(f->path, "torn", -1, NULL));
    g_assert_true(g_file_set_contents(remains, "half", -1, NULL));
    g_assert_cmpint(g_chmod(f->prev, 0644), ==, 0);
    g_assert_cmpint(g_chmod(dir, 0755), ==, 0);
    meshd_state_repair(f->state, found);
    g_assert_true(is_found(found, "map was damaged: the generation before it is back"));
    g_assert_true(is_found(found, "map.new, left by a save"));
    g_assert_true(is_found(found, "map.prev: mode was 0644"));
    g_assert_true(is_found(found, "mode was 0755, is 0700 now"));
    assert_loads(f, "one");
    g_assert_false(g_file_test(remains, G_FILE_TEST_EXISTS));
    g_assert_cmpint(g_stat(dir, &info), ==, 0);
    g_assert_cmpint(info.st_mode & 0777, ==, 0700);
    meshd_state_repair(f->state, again);
    g_assert_cmpuint(again->len, ==, 0);
}

static void test_repair_hopeless(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);

    (void)data;
    save(f, "one");
    g_assert_true(g_file_set_contents(f->path, "torn", -1, NULL));
    meshd_state_repair(f->state, found);
    g_assert_true(is_found(found, "there is no generation before it"));
    g_assert_true(g_file_test(f->path, G_FILE_TEST_EXISTS)); /* for who can read more from it */
}

/* What each row does to the newest file, after generations "one" and "two" were saved. */
typedef struct {
    const char *name;
    enum { CUT, EMPTY, FLIP_BODY, FLIP_HEADER, GROW, DELETE, LEFT_TEMP } damage;
    const char *want;
} DamageCase;

static const DamageCase damages[] = {
    { "torn", CUT, "one" },
    { "empty", EMPTY, "one" },
    { "changed-body", FLIP_BODY, "one" },
    { "changed-header", FLIP_HEADER, "one" },
    { "longer", GROW, "one" },
    { "missing", DELETE, "one" },
    { "half-written-successor", LEFT_TEMP, "two" },
};

static void damage_text(GString *text, const DamageCase *c)
{
    switch (c->damage) {
    case CUT:
        g_string_truncate(text, text->len - 1);
        break;
    case EMPTY:
        g_string_truncate(text, 0);
        break;
    case FLIP_BODY:
        text->str[text->len - 1] ^= 1;
        break;
    case FLIP_HEADER:
        text->str[2] ^= 1;
        break;
    case GROW:
        g_string_append_c(text, 'x');
        break;
    default:
        break;
    }
}

static void test_damage(Fixture *f, gconstpointer data)
{
    const DamageCase *c = data;
    g_autofree char  *temp = g_strconcat(f->path, ".new", NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    char *old = NULL;
    gsize len = 0;

    save(f, "one");
    save(f, "two");
    assert_loads(f, "two");
    g_assert_true(g_file_get_contents(f->path, &old, &len, NULL));
    g_string_append_len(text, old, (gssize)len);
    g_free(old);
    damage_text(text, c);
    if (c->damage == DELETE)
        g_assert_cmpint(g_unlink(f->path), ==, 0);
    else if (c->damage == LEFT_TEMP)
        g_assert_true(g_file_set_contents(temp, "mesh-sta", -1, NULL));
    else
        g_assert_true(g_file_set_contents(f->path, text->str, (gssize)text->len, NULL));
    assert_loads(f, c->want);
    assert_troubles(f, c->damage == LEFT_TEMP ? 0 : 1); /* said, not hidden */
    save(f, "three");                                   /* and it goes on from there */
    assert_loads(f, "three");
    g_assert_true(g_file_set_contents(f->path, "junk", -1, NULL));
    assert_loads(f, c->want); /* what was damaged did not push the whole generation out */
}

/* Repair tells it and takes it off the list; the damaged file stays for who can read more from it.
 */
static void test_repair_forgets(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *aside = g_strconcat(f->path, ".damaged", NULL);
    g_autofree char *kept = NULL;

    (void)data;
    save(f, "one");
    save(f, "two");
    g_assert_true(g_file_set_contents(f->path, "junk", -1, NULL));
    assert_loads(f, "one");
    assert_troubles(f, 1);
    meshd_state_repair(f->state, found);
    assert_troubles(f, 0);
    g_assert_true(is_found(found, aside));
    g_assert_true(g_file_get_contents(aside, &kept, NULL, NULL));
    g_assert_cmpstr(kept, ==, "junk");
    g_ptr_array_set_size(found, 0);
    meshd_state_repair(f->state, found);
    g_assert_cmpuint(found->len, ==, 0);
    g_assert_true(g_file_set_contents(f->path, "junk", -1, NULL));
    assert_loads(f, "one");
    save(f, "three");
    assert_troubles(f, 1); /* until somebody was told */
    meshd_state_repair(f->state, found);
    g_assert_true(is_found(found, "it was written anew since"));
    assert_troubles(f, 0);
}

/* What a join leaves that was cut off before it asked anybody is no network; half of one is. */
static void test_is_empty(Fixture *f, gconstpointer data)
{
    g_autofree char *dir = g_path_get_dirname(f->path);
    g_autofree char *temp = g_strconcat(f->path, ".new", NULL);

    (void)data;
    g_assert_false(meshd_state_is_empty(f->state, &f->net)); /* not there at all */
    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    g_assert_true(meshd_state_is_empty(f->state, &f->net));
    g_assert_true(g_file_set_contents(temp, "half", -1, NULL));
    g_assert_true(meshd_state_is_empty(f->state, &f->net));
    g_assert_true(g_file_set_contents(f->prev, "junk", -1, NULL));
    g_assert_false(meshd_state_is_empty(f->state, &f->net));
}

static void test_both_damaged(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = NULL;

    (void)data;
    save(f, "one");
    save(f, "two");
    g_assert_true(g_file_set_contents(f->path, "junk", -1, NULL));
    g_assert_true(g_file_set_contents(f->prev, "junk", -1, NULL));
    bytes = meshd_state_load(f->state, &f->net, "map", &error);
    g_assert_null(bytes);
    g_assert_error(error, MESH_ERROR, MESH_ERROR_STATE);
}

/* Only what never was is missing: a document of which a damaged generation is left is not. */
static void test_older_damaged(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    save(f, "one");
    save(f, "two");
    g_assert_cmpint(g_unlink(f->path), ==, 0);
    g_assert_true(g_file_set_contents(f->prev, "junk", -1, NULL));
    g_assert_null(meshd_state_load(f->state, &f->net, "map", &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_STATE);
}

static void test_nothing_there(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_null(meshd_state_load(f->state, &f->net, "map", &error));
    g_assert_no_error(error);
}

static void test_one_process(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_null(meshd_state_open(f->dir, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_STATE);
    g_assert_nonnull(strstr(error->message, "in use"));
}

static unsigned get_mode(const char *path)
{
    struct stat info;

    g_assert_cmpint(stat(path, &info), ==, 0);
    return info.st_mode & 07777;
}

static void test_modes(Fixture *f, gconstpointer data)
{
    g_autofree char *dir = g_path_get_dirname(f->path);

    (void)data;
    save(f, "one");
    save(f, "two");
    g_assert_cmpuint(get_mode(f->path), ==, 0600);
    g_assert_cmpuint(get_mode(f->prev), ==, 0600);
    g_assert_cmpuint(get_mode(dir), ==, 0700);
    g_assert_cmpuint(get_mode(f->dir), ==, 0700);
}

static void test_later(Fixture *f, gconstpointer data)
{
    (void)data;
    save(f, "one");
    for (int i = 0; i < 50; i++) {
        g_autofree char *text = g_strdup_printf("later %d", i);
        g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));

        meshd_state_save_later(f->state, &f->net, "map", bytes);
    }
    meshd_state_close(f->state); /* waits for the saver */
    f->state = meshd_state_open(f->dir, NULL);
    assert_loads(f, "later 49");
}

static void test_remove(Fixture *f, gconstpointer data)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static("late", 4);
    g_autofree char *dir = g_path_get_dirname(f->path);
    g_autoptr(GArray) ids = NULL;

    (void)data;
    save(f, "one");
    ids = meshd_state_list(f->state, NULL);
    g_assert_cmpuint(ids->len, ==, 1);
    g_assert_true(mesh_network_equal_id(&g_array_index(ids, MeshNetworkId, 0), &f->net));
    g_assert_true(meshd_state_remove(f->state, &f->net, NULL));
    meshd_state_save_later(f->state, &f->net, "map", bytes); /* must not bring it back */
    meshd_state_close(f->state);
    g_assert_false(g_file_test(dir, G_FILE_TEST_EXISTS));
    f->state = meshd_state_open(f->dir, NULL);
}

/* A process that is killed at any moment of a removal leaves the whole network, or nothing. */
static void test_remove_killed(Fixture *f, gconstpointer data)
{
    g_autofree char *dir = g_path_get_dirname(f->path);
    g_autofree char *gone = g_strconcat(dir, ".gone", NULL);
    g_autoptr(GArray) ids = NULL;

    (void)data;
    save(f, "one");
    g_assert_cmpint(g_rename(dir, gone), ==, 0); /* the first step, and no further */
    ids = meshd_state_list(f->state, NULL);
    g_assert_cmpuint(ids->len, ==, 0);
    g_assert_false(g_file_test(gone, G_FILE_TEST_EXISTS)); /* nor its keys */
    save(f, "two");                                        /* joined anew */
    g_assert_cmpint(g_mkdir(gone, 0700), ==, 0);
    g_assert_true(meshd_state_remove(f->state, &f->net, NULL));
    g_assert_false(g_file_test(dir, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(gone, G_FILE_TEST_EXISTS));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mesh_log_init("test", MESH_LOG_ERROR);
    for (size_t i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_autofree char *path = g_strconcat("/state/damage/", damages[i].name, NULL);

        g_test_add(path, Fixture, &damages[i], set_up, test_damage, tear_down);
    }
    g_test_add("/state/both-damaged", Fixture, NULL, set_up, test_both_damaged, tear_down);
    g_test_add("/state/older-damaged", Fixture, NULL, set_up, test_older_damaged, tear_down);
    g_test_add("/state/remove-killed", Fixture, NULL, set_up, test_remove_killed, tear_down);
    g_test_add("/state/nothing-there", Fixture, NULL, set_up, test_nothing_there, tear_down);
    g_test_add("/state/one-process", Fixture, NULL, set_up, test_one_process, tear_down);
    g_test_add("/state/repair", Fixture, NULL, set_up, test_repair, tear_down);
    g_test_add("/state/repair-hopeless", Fixture, NULL, set_up, test_repair_hopeless, tear_down);
    g_test_add("/state/repair-forgets", Fixture, NULL, set_up, test_repair_forgets, tear_down);
    g_test_add("/state/is-empty", Fixture, NULL, set_up, test_is_empty, tear_down);
    g_test_add("/state/modes", Fixture, NULL, set_up, test_modes, tear_down);
    g_test_add("/state/later", Fixture, NULL, set_up, test_later, tear_down);
    g_test_add("/state/remove", Fixture, NULL, set_up, test_remove, tear_down);
    return g_test_run();
}
