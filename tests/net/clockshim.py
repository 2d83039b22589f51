"""A library that stands before a program's clocks: they jump when a test says so. The wall clock is off by the
file's first number of seconds, boot time by the second; who waits for the clock to be set is told."""
import pathlib
import struct
import subprocess

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static volatile long *jumps; /* wall, boot */
static int bell = -1, timer = -1;

__attribute__((constructor)) static void begin(void)
{
    const char *dir = getenv("CLOCK_DIR");
    char path[256];
    int fd;

    strcat(strcpy(path, dir), "/jumps");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    jumps = mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    strcat(strcpy(path, dir), "/bell");
    bell = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (jumps == MAP_FAILED || bell < 0)
        abort();
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    static int (*real)(clockid_t, struct timespec *);
    int rc;

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    rc = real(clock, out);
    if (rc == 0 && jumps != NULL && clock == CLOCK_REALTIME)
        out->tv_sec += jumps[0];
    if (rc == 0 && jumps != NULL && clock == CLOCK_BOOTTIME)
        out->tv_sec += jumps[1];
    return rc;
}

int timerfd_create(int clock, int flags)
{
    int (*real)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "timerfd_create");

    if (clock != CLOCK_REALTIME)
        return real(clock, flags);
    return timer = bell;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
    int (*real)(int, int, const struct itimerspec *, struct itimerspec *) =
        (int (*)(int, int, const struct itimerspec *, struct itimerspec *))dlsym(RTLD_NEXT, "timerfd_settime");

    return fd >= 0 && fd == timer ? 0 : real(fd, flags, new, old);
}

ssize_t read(int fd, void *out, size_t len)
{
    static ssize_t (*real)(int, void *, size_t);
    ssize_t n;

    if (!real)
        real = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    n = real(fd, out, len);
    if (fd < 0 || fd != timer || n <= 0)
        return n;
    errno = ECANCELED; /* as the kernel says it */
    return -1;
}
"""


class Clocks:
    """Of one program: start it with .env(), then .jump()."""

    def __init__(self, host):
        self.host, self.dir = host, pathlib.Path(f"/var/lib/clocks-{host.name}")
        folder = host.lab.dir / f"clocks-{host.name}"
        folder.mkdir()
        folder.chmod(0o755)
        host.lab.dir.chmod(0o755)
        self.dir = folder
        subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "clocks.so", "-x", "c", "-", "-ldl"],
                       input=SHIM, text=True, check=True, timeout=60)
        (folder / "jumps").write_bytes(bytes(16))
        subprocess.run(["mkfifo", "-m", "666", folder / "bell"], check=True)
        for name, mode in (("clocks.so", 0o755), ("jumps", 0o644), ("bell", 0o666)):
            (folder / name).chmod(mode)

    def env(self):
        return {"LD_PRELOAD": str(self.dir / "clocks.so"), "CLOCK_DIR": str(self.dir)}

    def jump(self, wall_s=0, boot_s=0):
        """Both count from the true time. The kernel tells of the wall clock, and of a resume."""
        with open(self.dir / "jumps", "r+b") as out:
            out.write(struct.pack("qq", wall_s, boot_s))
        with open(self.dir / "bell", "r+b", buffering=0) as out:
            out.write(b"x")
