/* Tests of common/glib/disk.c. That names are flushed at all is shown by tests/faults. */
#include "common/glib/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int refusal; /* errno of fsync(); 0: as the kernel says */

/* In the place of the C library's. */
int fsync(int fd)
{
    if (refusal == 0)
        return (int)syscall(SYS_fsync, fd);
    errno = refusal;
    return -1;
}

/* A full disk may show in the last step only, and is told as in the others. */
static void test_flush_refused(void)
{
    static const struct {
        int           errnum;
        MeshErrorCode want;
    } cases[] = { { ENOSPC, MESH_ERROR_DISK_FULL },
                  { EDQUOT, MESH_ERROR_DISK_FULL },
                  { EIO, MESH_ERROR_STATE } };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        refusal = cases[i].errnum;
        g_assert_false(mesh_disk_flush_dir("/tmp", MESH_ERROR_STATE, &error));
        refusal = 0;
        g_assert_error(error, MESH_ERROR, (int)cases[i].want);
        g_assert_nonnull(strstr(error->message, "/tmp"));
    }
}

static void test_flush(void)
{
    g_autofree char *dir = g_dir_make_tmp("mesh-disk-XXXXXX", NULL);
    g_autofree char *missing = g_build_filename(dir, "missing", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(mesh_disk_flush_dir(dir, MESH_ERROR_STATE, &error));
    g_assert_no_error(error);
    g_assert_false(mesh_disk_flush_dir(missing, MESH_ERROR_HOST, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_HOST);
    g_assert_nonnull(strstr(error->message, missing));
    rmdir(dir);
}

/* More than a pipe takes at once, so that writes are short. */
static void test_write_all(void)
{
    enum { BYTES = 300000 };
    g_autofree char *sent = g_malloc(BYTES);
    g_autofree char *got = g_malloc0(BYTES);
    int              ends[2];
    pid_t            child;
    ssize_t          n;
    size_t           at = 0;

    for (size_t i = 0; i < BYTES; i++)
        sent[i] = (char)(i * 7 + i / 256);
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    child = fork();
    g_assert_cmpint(child, >=, 0);
    if (child == 0)
        _exit(mesh_disk_write_all(ends[1], sent, BYTES) ? 0 : 1);
    close(ends[1]);
    while (at < BYTES && (n = read(ends[0], got + at, BYTES - at)) > 0)
        at += (size_t)n;
    close(ends[0]);
    g_assert_cmpmem(got, at, sent, BYTES);
}

static void test_write_refused(void)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_false(mesh_disk_write_all(fd, "x", 1));
    g_assert_cmpint(errno, ==, ENOSPC);
    close(fd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/disk/flush-dir", test_flush);
    g_test_add_func("/disk/flush-refused", test_flush_refused);
    g_test_add_func("/disk/write-all", test_write_all);
    g_test_add_func("/disk/write-refused", test_write_refused);
    return g_test_run();
}
