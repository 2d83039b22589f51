/* The sandbox is entered in a child, which then tries what it must not; how the child ends tells.
 */
#include "common/glib/error.h"
#include "common/glib/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

enum { REFUSED_TO_START = 99 };

static char *inside, *outside; /* directories; only the first is writable in the sandbox */

/* Each returns 0 when it worked, else an errno; some never return. */
static int try_exec(void)
{
    execl("/bin/true", "true", NULL);
    return errno;
}

static int try_fork(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}

static int try_ptrace(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? errno : 0;
}

static int try_bpf(void)
{
    return syscall(SYS_bpf, 0, NULL, 0) < 0 ? errno : 0;
}

static int try_mount(void)
{
    return mount("none", inside, "tmpfs", 0, NULL) < 0 ? errno : 0;
}

static int try_packet_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
}

static int try_inet_socket(void)
{
    return socket(AF_INET, SOCK_DGRAM, 0) < 0 ? errno : 0;
}

static int try_unlisted_ioctl(void)
{
    int size[4];

    return ioctl(0, TIOCGWINSZ, size) < 0 ? errno : 0;
}

static int try_code_page(void)
{
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? errno : 0;
}

static int try_turn_into_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return 0;
    return mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0 ? errno : 0;
}

static int write_file(const char *dir)
{
    g_autofree char *path = g_build_filename(dir, "new", NULL);
    g_autofree char *other = g_build_filename(dir, "newer", NULL);
    int              fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno;
    close(fd);
    return rename(path, other) < 0 || unlink(other) < 0 ? errno : 0;
}

static int try_write_inside(void)
{
    return write_file(inside);
}

static int try_write_outside(void)
{
    return write_file(outside);
}

static int try_read_outside(void)
{
    g_autofree char *path = g_build_filename(outside, "file", NULL);

    return open(path, O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
}

static void *run_thread(void *data)
{
    *(bool *)data = true;
    return data;
}

static int try_thread(void)
{
    bool      ran = false;
    pthread_t thread;

    if (pthread_create(&thread, NULL, run_thread, &ran) != 0 || pthread_join(thread, NULL) != 0)
        return ECHILD;
    return ran && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : ENOTRECOVERABLE;
}

/* None was to be kept, so not even root has one. */
static int try_capabilities(void)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/self/status", &text, NULL, NULL))
        return EIO;
    return strstr(text, "CapEff:\t0000000000000000") != NULL &&
                   strstr(text, "CapPrm:\t0000000000000000") != NULL
               ? 0
               : EPERM;
}

enum { SAID_SIZE = 512 };

typedef struct {
    const char *name;
    int (*attempt)(void);
    int  errnum; /* how it ends; 0: it works */
    int  deadly; /* killed by SIGSYS instead, for this system call */
    bool needs_landlock;
} Case;

static const Case cases[] = {
    { "threads-work-and-inherit", try_thread },
    { "no-capability", try_capabilities },
    { "listed-family", try_inet_socket },
    { "write-where-allowed", try_write_inside },
    { "execve", try_exec, .deadly = SYS_execve },
    { "process", try_fork, .deadly = SYS_clone },
    { "ptrace", try_ptrace, .deadly = SYS_ptrace },
    { "bpf", try_bpf, .deadly = SYS_bpf },
    { "mount", try_mount, .deadly = SYS_mount },
    { "unlisted-ioctl", try_unlisted_ioctl, .deadly = SYS_ioctl },
    { "packet-socket", try_packet_socket, .errnum = EAFNOSUPPORT },
    { "page-of-writable-code", try_code_page, .errnum = EPERM },
    { "page-turned-into-code", try_turn_into_code, .errnum = EPERM },
    { "write-elsewhere", try_write_outside, .errnum = EACCES, .needs_landlock = true },
    { "read-elsewhere", try_read_outside, .errnum = EACCES, .needs_landlock = true },
};

/* @out_said: its standard error, at most; NUL-terminated. */
static int run_child(const Case *c, const char *writable_dir, char out_said[SAID_SIZE])
{
    const char *const   writable[] = { writable_dir, NULL };
    const char *const   readable[] = { "/usr", "/proc", "/no/such/place", NULL };
    const int           families[] = { AF_UNIX, AF_INET, -1 };
    const unsigned long ioctls[] = { FIONREAD, 0 };
    const MeshSandbox   sandbox = {
          .writable = writable, .readable = readable, .families = families, .ioctls = ioctls
    };
    int     ended = 0, ends[2];
    ssize_t len;
    pid_t   pid;

    g_assert_cmpint(pipe(ends), ==, 0);
    pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0 && dup2(ends[1], STDERR_FILENO) >= 0)
        _exit(mesh_sandbox_enter(&sandbox, NULL) ? c->attempt() : REFUSED_TO_START);
    close(ends[1]);
    g_assert_cmpint(waitpid(pid, &ended, 0), ==, pid);
    len = read(ends[0], out_said, SAID_SIZE - 1);
    g_assert_cmpint(len, >=, 0);
    out_said[len] = '\0';
    close(ends[0]);
    return ended;
}

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION) >
           0;
}

static void test_case(gconstpointer data)
{
    const Case      *c = data;
    g_autofree char *want = g_strdup_printf("not on the list, number %d ", c->deadly);
    char             said[SAID_SIZE];
    int              ended;

    if (SANITIZED || (c->needs_landlock && !has_landlock())) {
        g_test_skip(SANITIZED ? "a sanitizer's runtime needs more" : "no Landlock here");
        return;
    }
    ended = run_child(c, inside, said);
    if (c->deadly != 0) {
        g_assert_true(WIFSIGNALED(ended));
        g_assert_cmpint(WTERMSIG(ended), ==, SIGSYS);
        g_assert_nonnull(strstr(said, want));
    } else {
        g_assert_true(WIFEXITED(ended));
        g_assert_cmpint(WEXITSTATUS(ended), ==, c->errnum);
    }
}

/* A directory that we must write to and that is not there: better not to start. */
static void test_missing_directory(void)
{
    char said[SAID_SIZE];
    int  ended;

    if (SANITIZED || !has_landlock()) {
        g_test_skip("no Landlock here");
        return;
    }
    ended = run_child(&cases[0], "/no/such/place", said);
    g_assert_true(WIFEXITED(ended));
    g_assert_cmpint(WEXITSTATUS(ended), ==, REFUSED_TO_START);
}

int main(int argc, char **argv)
{
    g_autofree char *file = NULL;
    int              status;

    g_test_init(&argc, &argv, NULL);
    inside = g_dir_make_tmp("mesh-sandbox-XXXXXX", NULL);
    outside = g_dir_make_tmp("mesh-sandbox-XXXXXX", NULL);
    g_assert_true(inside != NULL && outside != NULL);
    file = g_build_filename(outside, "file", NULL);
    g_assert_true(g_file_set_contents(file, "secret", -1, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/sandbox/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/sandbox/missing-directory", test_missing_directory);
    status = g_test_run();
    (void)g_unlink(file);
    (void)g_rmdir(outside);
    (void)g_rmdir(inside);
    g_free(inside);
    g_free(outside);
    return status;
}
