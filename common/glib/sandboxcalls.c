/* common/glib/sandboxcalls.c: the system calls that stay; see sandbox.h. */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/glib/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_FAMILY = 64 }; /* beyond every AF_ number; asking for more is deadly */

const char *const mesh_sandbox_basic_calls[] = {
    /* memory and threads; mmap, mprotect and clone have rules of their own */
    "brk", "madvise", "membarrier", "mlock", "mremap", "munlock", "munmap", "exit", "exit_group",
    "futex", "get_robust_list", "gettid", "rseq", "sched_getaffinity", "sched_getattr",
    "sched_getparam", "sched_getscheduler", "sched_setaffinity", "sched_setattr", "sched_yield",
    "set_robust_list", "prctl",
    /* signals; tgkill is abort()'s */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack", "tgkill",
    /* time and waiting */
    "clock_getres", "clock_gettime", "clock_nanosleep", "epoll_create1", "epoll_ctl", "epoll_pwait",
    "epoll_pwait2", "epoll_wait", "eventfd2", "gettimeofday", "nanosleep", "pipe2", "poll", "ppoll",
    "restart_syscall", "time", "timerfd_create", "timerfd_settime",
    /* who and where */
    "getegid", "geteuid", "getgid", "getpid", "getppid", "getrandom", "getrlimit", "getrusage",
    "getuid", "prlimit64", "setrlimit", "sysinfo", "umask", "uname",
    /* files: Landlock and their modes say which */
    "access", "chmod", "close", "dup", "dup3", "faccessat", "faccessat2", "fallocate", "fchmod",
    "fchmodat", "fcntl", "fdatasync", "flock", "fstat", "fstatfs", "fsync", "ftruncate", "getcwd",
    "getdents64", "link", "linkat", "lseek", "lstat", "mkdir", "mkdirat", "newfstatat", "open",
    "openat", "pread64", "pwrite64", "read", "readlink", "readlinkat", "readv", "rename",
    "renameat", "renameat2", "rmdir", "stat", "statfs", "statx", "unlink", "unlinkat", "write",
    "writev",
    /* sockets; socket has a rule of its own */
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen",
    "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
    "socketpair", NULL
};

static int allow(scmp_filter_ctx filter, const char *name)
{
    int number = seccomp_syscall_resolve_name(name);

    if (number == __NR_SCMP_ERROR) {
        mesh_log_debug("sandbox: libseccomp does not know %s", name);
        return 0;
    }
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
}

/* Pages may be written or run, not both; asked for together they are refused, as the system refuses
 * them under MemoryDenyWriteExecute=. */
static int add_memory(scmp_filter_ctx filter)
{
    const uint64_t both = PROT_WRITE | PROT_EXEC;
    const struct {
        int      call, action_is_allow;
        uint64_t mask, value;
    } rules[] = {
        { SCMP_SYS(mmap), 1, both, 0 },          { SCMP_SYS(mmap), 1, both, PROT_WRITE },
        { SCMP_SYS(mmap), 1, both, PROT_EXEC },  { SCMP_SYS(mmap), 0, both, both },
        { SCMP_SYS(mprotect), 1, PROT_EXEC, 0 }, { SCMP_SYS(mprotect), 0, PROT_EXEC, PROT_EXEC },
    };
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < G_N_ELEMENTS(rules); i++)
        rc = seccomp_rule_add(filter,
                              rules[i].action_is_allow ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM),
                              rules[i].call, 1,
                              SCMP_A2(SCMP_CMP_MASKED_EQ, rules[i].mask, rules[i].value));
    return rc;
}

static bool has_family(const int *families, int family)
{
    while (*families >= 0 && *families != family)
        families++;
    return *families == family;
}

/* Another family is refused, not deadly: libraries try what a host may have. */
static int add_sockets(scmp_filter_ctx filter, const int *families)
{
    int rc = 0;

    for (int family = 0; rc == 0 && family < MAX_FAMILY; family++)
        rc = seccomp_rule_add(filter,
                              has_family(families, family) ? SCMP_ACT_ALLOW
                                                           : SCMP_ACT_ERRNO(EAFNOSUPPORT),
                              SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, (uint64_t)family));
    return rc;
}

/* Threads, not processes. The flags of clone3() cannot be looked at, so that it does not exist
 * here, and the C library takes clone(). */
static int add_threads(scmp_filter_ctx filter, bool may_fork)
{
    int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

    if (rc == 0 && may_fork)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 0);
    else if (rc == 0)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    return rc;
}

static int add_ioctls(scmp_filter_ctx filter, const unsigned long *ioctls)
{
    int rc = 0;

    for (; rc == 0 && *ioctls != 0; ioctls++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                              SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, *ioctls));
    return rc;
}

/* Ends the process as the kernel would, but says first which call it was: only what is safe in a
 * signal handler. The call itself was not made. */
static void on_forbidden(int signal_number, siginfo_t *info, void *context)
{
    static const char before[] = ": error: sandbox: a system call that is not on the list, number ";
    static const char after[] = " (scmp_sys_resolver names it): ending\n";
    char              text[sizeof before + sizeof after + 64];
    size_t            at = strnlen(program_invocation_short_name, 16);
    unsigned          number = (unsigned)info->si_syscall, digits = 1;

    (void)context;
    memcpy(text, program_invocation_short_name, at);
    memcpy(text + at, before, sizeof before - 1);
    at += sizeof before - 1;
    for (unsigned rest = number; rest >= 10; rest /= 10)
        digits++;
    for (unsigned i = digits; i > 0; i--, number /= 10)
        text[at + i - 1] = (char)('0' + number % 10);
    at += digits;
    memcpy(text + at, after, sizeof after - 1);
    at += sizeof after - 1;
    (void)!write(STDERR_FILENO, text, at); /* perhaps nobody listens */
    (void)raise(signal_number); /* the handler is gone (SA_RESETHAND): deadly when this one ends */
}

static int tell_forbidden(void)
{
    struct sigaction action = { .sa_sigaction = on_forbidden,
                                .sa_flags = SA_SIGINFO | (int)SA_RESETHAND };

    return sigaction(SIGSYS, &action, NULL) == 0 ? 0 : -errno;
}

static int fill(scmp_filter_ctx filter, const MeshSandbox *sandbox)
{
    int rc = 0;

    for (const char *const *name = mesh_sandbox_basic_calls; rc == 0 && *name != NULL; name++)
        rc = allow(filter, *name);
    for (const char *const *name = sandbox->calls; rc == 0 && name != NULL && *name != NULL; name++)
        rc = allow(filter, *name);
    if (rc == 0)
        rc = add_memory(filter);
    if (rc == 0)
        rc = add_threads(filter, sandbox->may_fork);
    if (rc == 0)
        rc = add_sockets(filter, sandbox->families);
    if (rc == 0)
        rc = add_ioctls(filter, sandbox->ioctls);
    return rc;
}

bool mesh_sandbox_filter(const MeshSandbox *sandbox, GError **error)
{
    scmp_filter_ctx filter = seccomp_init(sandbox->log_only ? SCMP_ACT_LOG : SCMP_ACT_TRAP);
    int             rc = filter != NULL ? tell_forbidden() : -ENOMEM;

    /* Other ABIs of this processor (i386, x32) are killed by libseccomp's default. */
    if (rc == 0)
        rc = fill(filter, sandbox);
    if (rc == 0)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: packets pay for it */
    if (rc == 0)
        rc = seccomp_load(filter);
    if (filter != NULL)
        seccomp_release(filter);
    if (rc == 0)
        return true;
    mesh_error_set_errno(error, MESH_ERROR_HOST, rc, "sandbox: filter of system calls");
    return false;
}
