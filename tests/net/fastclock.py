"""Time that passes when a test says so. A library before a program's clocks and waits adds an offset to all
of them; the test moves it on, step by step, each time that everybody sleeps: an hour without much to do is over
in a minute, and nothing that a program waits for on the network comes late by its clock.

   clock = FastClock(lab)
   node.up(**clock.env()); clock.follow(node.processes["meshd"].pid)
   clock.pass_s(3600)

Sockets' timers in the kernel and programs that do not run with it keep the true time."""
import ctypes
import mmap
import os
import struct
import subprocess
import time

WAKE = 40  # a real-time signal that nobody else uses: waits begin anew

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000LL
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static volatile int64_t *offset_ns;

static void on_wake(int number) { (void)number; }

__attribute__((constructor)) static void begin(void)
{
    struct sigaction wake = { .sa_handler = on_wake, .sa_flags = SA_RESTART };
    int fd = open(getenv("FAST_CLOCK"), O_RDONLY | O_CLOEXEC);

    offset_ns = mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (offset_ns == MAP_FAILED)
        abort();
    sigaction(%d, &wake, NULL);
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    static int (*real)(clockid_t, struct timespec *);
    int64_t ns;
    int     rc;

    if (!real)
        real = REAL(clock_gettime);
    rc = real(clock, out);
    if (rc == 0 && offset_ns != NULL && clock != CLOCK_PROCESS_CPUTIME_ID && clock != CLOCK_THREAD_CPUTIME_ID) {
        ns = out->tv_sec * NS + out->tv_nsec + *offset_ns;
        out->tv_sec = ns / NS;
        out->tv_nsec = ns %% NS;
    }
    return rc;
}

int gettimeofday(struct timeval *out, void *zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

/* Nobody sleeps through WAKE. */
int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    static int (*real)(int, const sigset_t *, sigset_t *);
    sigset_t but;

    if (!real)
        real = REAL(pthread_sigmask);
    if (set) {
        but = *set;
        if (how != SIG_UNBLOCK)
            sigdelset(&but, %d);
    }
    return real(how, set ? &but : NULL, old);
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int left_ms(int64_t end_ms)
{
    int64_t left = end_ms - now_ms();

    return left < 0 ? 0 : (int)left;
}

/* A wait that WAKE ends begins again with what is left of it by then. */
#define WAIT(call)                                          \
    int64_t end_ms = now_ms() + timeout;                    \
    int     n;                                              \
                                                            \
    do {                                                    \
        int left = timeout < 0 ? -1 : left_ms(end_ms);      \
                                                            \
        n = call;                                           \
    } while (n < 0 && errno == EINTR);                      \
    return n;

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    static int (*real)(struct pollfd *, nfds_t, int);

    if (!real)
        real = REAL(poll);
    WAIT(real(fds, count, left))
}

int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size)
{
    (void)size;
    return poll(fds, count, timeout);
}

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout)
{
    static int (*real)(int, struct epoll_event *, int, int);

    if (!real)
        real = REAL(epoll_wait);
    WAIT(real(fd, events, most, left))
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until)
{
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    int64_t ns = until->tv_sec * NS + until->tv_nsec - *offset_ns;
    struct timespec end = { ns / NS, ns %% NS };

    if (!real)
        real = (__typeof__(real))dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    return real(cond, lock, &end);
}
""" % (WAKE, WAKE)


class FastClock:
    """One time for all who run with it."""

    def __init__(self, lab):
        folder = lab.dir / "fastclock"
        folder.mkdir()
        folder.chmod(0o755)
        lab.dir.chmod(0o755)
        self.library, self.file = folder / "fastclock.so", folder / "offset"
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", self.library, "-x", "c", "-", "-ldl"],
                       input=SHIM, text=True, check=True, timeout=60)
        self.file.write_bytes(bytes(8))
        self.library.chmod(0o755)
        self.file.chmod(0o644)
        self.pids, self.waking, self.passed_s = [], [], 0.0
        self.libc = ctypes.CDLL(None)
        with open(self.file, "r+b") as shared:
            self.page = mmap.mmap(shared.fileno(), 8)

    def env(self):
        return {"LD_PRELOAD": str(self.library), "FAST_CLOCK": str(self.file)}

    def follow(self, pid, ours=True):
        """Time passes only while it sleeps. Not ours: it keeps the true time."""
        self.pids.append(pid)
        if ours:
            self.waking.append(pid)

    @staticmethod
    def _threads(pids):
        for pid in pids:
            for thread in os.listdir(f"/proc/{pid}/task"):
                yield pid, thread

    def _awake(self):
        """Who neither sleeps nor is stopped: "name (pid) state"; None: nobody."""
        for pid, thread in self._threads(self.pids):
            try:
                with open(f"/proc/{pid}/task/{thread}/stat", encoding="utf-8") as file:
                    stat = file.read()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended
            if stat.rpartition(")")[2].split()[0] not in ("S", "I", "T"):
                return stat[:60]
        return None

    def settle(self, limit_s=60):
        """Waits until everybody sleeps, twice in a row: nothing is on its way."""
        calm, end = 0, time.monotonic() + limit_s
        while calm < 2:
            awake = self._awake()
            calm = 0 if awake else calm + 1
            if awake and time.monotonic() > end:
                raise TimeoutError(f"it never sleeps: {awake}")
            time.sleep(0.0005)

    def pass_s(self, seconds, step_s=0.5):
        """So much time passes for all."""
        end_s = self.passed_s + seconds
        while self.passed_s < end_s - 1e-6:
            self.settle()
            self.passed_s = min(self.passed_s + step_s, end_s)
            self.page[:8] = struct.pack("=q", int(self.passed_s * 1e9))
            for pid, thread in self._threads(self.waking):
                self.libc.syscall(234, pid, int(thread), WAKE)  # tgkill
        self.settle()
