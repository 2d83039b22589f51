/* The server key's file. */
#include "common/glib/error.h"
#include "server/core/signer.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    char *dir, *path;
} Fixture;

static void set_up(Fixture *f, gconstpointer unused)
{
    (void)unused;
    f->dir = g_dir_make_tmp("mesh-signer-XXXXXX", NULL);
    f->path = g_build_filename(f->dir, "server.key", NULL);
}

static void tear_down(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_unlink(f->path);
    g_rmdir(f->dir);
    g_free(f->path);
    g_free(f->dir);
}

static void assert_refused(const char *path, bool create)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(core_signer_load(path, create, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_STATE);
    g_assert_nonnull(strstr(error->message, path));
}

static void test_round_trip(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    CoreSigner *made, *read;
    struct stat st;

    (void)unused;
    assert_refused(f->path, false); /* not there yet */
    made = core_signer_load(f->path, true, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_stat(f->path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 0777, ==, 0600);
    read = core_signer_load(f->path, false, &error);
    g_assert_no_error(error);
    g_assert_true(mesh_key_equal(core_signer_get_public(made), core_signer_get_public(read)));
    assert_refused(f->path, true); /* never replaced */
    core_signer_free(made);
    core_signer_free(read);
}

static void test_bad_files(Fixture *f, gconstpointer unused)
{
    static const char *const texts[] = { "", "short\n",
                                         "****************************************###\n",
                                         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nmore" };

    (void)unused;
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_true(
            g_file_set_contents_full(f->path, texts[i], -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
        assert_refused(f->path, false);
    }
    g_assert_true(
        g_file_set_contents(f->path, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", -1, NULL));
    g_assert_cmpint(g_chmod(f->path, 0644), ==, 0);
    assert_refused(f->path, false); /* others may read it */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_test_add("/signer/round-trip", Fixture, NULL, set_up, test_round_trip, tear_down);
    g_test_add("/signer/bad-files", Fixture, NULL, set_up, test_bad_files, tear_down);
    return g_test_run();
}
