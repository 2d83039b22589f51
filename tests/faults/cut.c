/* tests/faults/cut.c: see cut.h. */
#include "tests/faults/cut.h"

#include <glib/gstdio.h>

char *cut_make_dir(void)
{
    char *dir = g_dir_make_tmp("mesh-disk-XXXXXX", NULL);

    g_assert_nonnull(dir);
    return dir;
}

void cut_remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *inner = g_build_filename(path, name, NULL);

        cut_remove_tree(inner);
    }
    g_assert_cmpint(g_remove(path), ==, 0);
}

void cut_everywhere(size_t steps, CutCheck check)
{
    unsigned images = 0;

    for (size_t n = 0; n <= steps; n++)
        for (size_t names = disk_first_unsafe(n); names <= n; names++) {
            if (names < n && !disk_is_name(names))
                continue; /* the same as the next */
            for (DiskRest rest = 0; rest < DISK_REST_N; rest++, images++) {
                g_autofree char *dir = cut_make_dir();

                disk_replay(n, names, rest, dir);
                check(dir, n, rest);
                cut_remove_tree(dir);
            }
        }
    g_test_message("%zu steps, %u disks", steps, images);
    g_assert_cmpuint(images, >, 5 * steps);
}
