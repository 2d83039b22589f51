/* common/glib/disk.c: see disk.h. */
#include "common/glib/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool mesh_disk_write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

MeshErrorCode mesh_disk_get_code(MeshErrorCode code, int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT ? MESH_ERROR_DISK_FULL : code;
}

bool mesh_disk_flush_dir(const char *dir, MeshErrorCode code, GError **error)
{
    int  fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool flushed = fd >= 0 && fsync(fd) == 0;

    if (!flushed)
        mesh_error_set_errno(error, mesh_disk_get_code(code, errno), errno,
                             "cannot flush directory %s", dir);
    if (fd >= 0)
        close(fd);
    return flushed;
}
