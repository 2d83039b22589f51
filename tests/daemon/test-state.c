/* Tests of daemon/state.c: torn and changed files, generations, the lock, modes, removal. */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "tests/daemon/statefixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

static bool is_found(GPtrArray *found, const char *words)
{
    for (unsigned i = 0; i < found->len; i++)
        if (strstr(found->pdata[i], words) != NULL)
            return true;
    return false;
}

static void test_repair(StateFixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) again = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *remains = g_strconcat(f->path, ".new", NULL);
    struct stat      info;

    (void)data;
    statefixture_save(f, "one");
    statefixture_save(f, "two");
    meshd_state_repair(f->state, again);
    g_assert_cmpuint(again->len, ==, 0); /* nothing was wrong */
    g_assert_true(g_file_set_contents(f->path, "torn", -1, NULL));
    g_assert_true(g_file_set_contents(remains, "half", -1, NULL));
    g_assert_cmpint(g_chmod(f->prev, 0644), ==, 0);
    g_assert_cmpint(g_chmod(f->network, 0755), ==, 0);
    meshd_state_repair(f->state, found);
    g_assert_true(is_found(found, "map was damaged: the generation before it is back"));
    g_assert_true(is_found(found, "map.new, left by a save"));
    g_assert_true(is_found(found, "map.prev: mode was 0644"));
    g_assert_true(is_found(found, "mode was 0755, is 0700 now"));
    statefixture_assert_loads(f, "one");
    g_assert_false(g_file_test(remains, G_FILE_TEST_EXISTS));
    g_assert_cmpint(g_stat(f->network, &info), ==, 0);
    g_assert_cmpint(info.st_mode & 0777, ==, 0700);
    meshd_state_repair(f->state, again);
    g_assert_cmpuint(again->len, ==, 0);
}

static void test_repair_hopeless(StateFixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);

    (void)data;
    statefixture_save(f, "one");
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

static void test_damage(StateFixture *f, gconstpointer data)
{
    const DamageCase *c = data;
    g_autofree char  *temp = g_strconcat(f->path, ".new", NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    char *old = NULL;
    gsize len = 0;

    statefixture_save(f, "one");
    statefixture_save(f, "two");
    statefixture_assert_loads(f, "two");
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
    statefixture_assert_loads(f, c->want);
    statefixture_assert_troubles(f, c->damage == LEFT_TEMP ? 0 : 1); /* said, not hidden */
    statefixture_save(f, "three");                                   /* and it goes on from there */
    statefixture_assert_loads(f, "three");
    g_assert_true(g_file_set_contents(f->path, "junk", -1, NULL));
    statefixture_assert_loads(f,
                              c->want); /* what was damaged did not push the whole generation out */
}

/* Repair tells it and takes it off the list; the damaged file stays for who can read more from it.
 */
static void test_repair_forgets(StateFixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *aside = g_strconcat(f->path, ".damaged", NULL);
    g_autofree char *kept = NULL;

    (void)data;
    statefixture_save(f, "one");
    statefixture_save(f, "two");
    g_assert_true(g_file_set_contents(f->path, "junk", -1, NULL));
    statefixture_assert_loads(f, "one");
    statefixture_assert_troubles(f, 1);
    meshd_state_repair(f->state, found);
    statefixture_assert_troubles(f, 0);
    g_assert_true(is_found(found, aside));
    g_assert_true(g_file_get_contents(aside, &kept, NULL, NULL));
    g_assert_cmpstr(kept, ==, "junk");
    g_ptr_array_set_size(found, 0);
    meshd_state_repair(f->state, found);
    g_assert_cmpuint(found->len, ==, 0);
    g_assert_true(g_file_set_contents(f->path, "junk", -1, NULL));
    statefixture_assert_loads(f, "one");
    statefixture_save(f, "three");
    statefixture_assert_troubles(f, 1); /* until somebody was told */
    meshd_state_repair(f->state, found);
    g_assert_true(is_found(found, "it was written anew since"));
    statefixture_assert_troubles(f, 0);
}

/* What a join leaves that was cut off before it asked anybody is no network; half of one is. */
static void test_is_empty(StateFixture *f, gconstpointer data)
{
    g_autofree char *temp = g_strconcat(f->path, ".new", NULL);

    (void)data;
    g_assert_false(meshd_state_is_empty(f->state, &f->net)); /* not there at all */
    g_assert_cmpint(g_mkdir(f->network, 0700), ==, 0);
    g_assert_true(meshd_state_is_empty(f->state, &f->net));
    g_assert_true(g_file_set_contents(temp, "half", -1, NULL));
    g_assert_true(meshd_state_is_empty(f->state, &f->net));
    g_assert_true(g_file_set_contents(f->prev, "junk", -1, NULL));
    g_assert_false(meshd_state_is_empty(f->state, &f->net));
}

static void test_both_damaged(StateFixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = NULL;

    (void)data;
    statefixture_save(f, "one");
    statefixture_save(f, "two");
    g_assert_true(g_file_set_contents(f->path, "junk", -1, NULL));
    g_assert_true(g_file_set_contents(f->prev, "junk", -1, NULL));
    bytes = meshd_state_load(f->state, &f->net, "map", &error);
    g_assert_null(bytes);
    g_assert_error(error, MESH_ERROR, MESH_ERROR_STATE);
}

/* Only what never was is missing: a document of which a damaged generation is left is not. */
static void test_older_damaged(StateFixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    statefixture_save(f, "one");
    statefixture_save(f, "two");
    g_assert_cmpint(g_unlink(f->path), ==, 0);
    g_assert_true(g_file_set_contents(f->prev, "junk", -1, NULL));
    g_assert_null(meshd_state_load(f->state, &f->net, "map", &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_STATE);
}

static void test_nothing_there(StateFixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_null(meshd_state_load(f->state, &f->net, "map", &error));
    g_assert_no_error(error);
}

static void test_one_process(StateFixture *f, gconstpointer data)
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

static void test_modes(StateFixture *f, gconstpointer data)
{

    (void)data;
    statefixture_save(f, "one");
    statefixture_save(f, "two");
    g_assert_cmpuint(get_mode(f->path), ==, 0600);
    g_assert_cmpuint(get_mode(f->prev), ==, 0600);
    g_assert_cmpuint(get_mode(f->network), ==, 0700);
    g_assert_cmpuint(get_mode(f->dir), ==, 0700);
}

static void test_later(StateFixture *f, gconstpointer data)
{
    (void)data;
    statefixture_save(f, "one");
    for (int i = 0; i < 50; i++) {
        g_autofree char *text = g_strdup_printf("later %d", i);
        g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));

        meshd_state_save_later(f->state, &f->net, "map", bytes);
    }
    statefixture_restart(f); /* waits for the saver */
    statefixture_assert_loads(f, "later 49");
}

static void test_remove(StateFixture *f, gconstpointer data)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static("late", 4);
    g_autoptr(GArray) ids = NULL;

    (void)data;
    statefixture_save(f, "one");
    ids = meshd_state_list(f->state, NULL);
    g_assert_cmpuint(ids->len, ==, 1);
    g_assert_true(mesh_network_equal_id(&g_array_index(ids, MeshNetworkId, 0), &f->net));
    g_assert_true(meshd_state_remove(f->state, &f->net, NULL));
    meshd_state_save_later(f->state, &f->net, "map", bytes); /* must not bring it back */
    statefixture_restart(f);
    g_assert_false(g_file_test(f->network, G_FILE_TEST_EXISTS));
}

/* A process that is killed at any moment of a removal leaves the whole network, or nothing. */
static void test_remove_killed(StateFixture *f, gconstpointer data)
{
    g_autofree char *gone = g_strconcat(f->network, ".gone", NULL);
    g_autoptr(GArray) ids = NULL;

    (void)data;
    statefixture_save(f, "one");
    g_assert_cmpint(g_rename(f->network, gone), ==, 0); /* the first step, and no further */
    ids = meshd_state_list(f->state, NULL);
    g_assert_cmpuint(ids->len, ==, 0);
    g_assert_false(g_file_test(gone, G_FILE_TEST_EXISTS)); /* nor its keys */
    statefixture_save(f, "two");                           /* joined anew */
    g_assert_cmpint(g_mkdir(gone, 0700), ==, 0);
    g_assert_true(meshd_state_remove(f->state, &f->net, NULL));
    g_assert_false(g_file_test(f->network, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(gone, G_FILE_TEST_EXISTS));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mesh_log_init("test", MESH_LOG_ERROR);
    for (size_t i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_autofree char *path = g_strconcat("/state/damage/", damages[i].name, NULL);

        statefixture_add(path, &damages[i], test_damage);
    }
    statefixture_add("/state/both-damaged", NULL, test_both_damaged);
    statefixture_add("/state/older-damaged", NULL, test_older_damaged);
    statefixture_add("/state/remove-killed", NULL, test_remove_killed);
    statefixture_add("/state/nothing-there", NULL, test_nothing_there);
    statefixture_add("/state/one-process", NULL, test_one_process);
    statefixture_add("/state/repair", NULL, test_repair);
    statefixture_add("/state/repair-hopeless", NULL, test_repair_hopeless);
    statefixture_add("/state/repair-forgets", NULL, test_repair_forgets);
    statefixture_add("/state/is-empty", NULL, test_is_empty);
    statefixture_add("/state/modes", NULL, test_modes);
    statefixture_add("/state/later", NULL, test_later);
    statefixture_add("/state/remove", NULL, test_remove);
    return g_test_run();
}
