/* common/glib/sandbox.c: capabilities, no_new_privs, Landlock; seccomp is in sandboxcalls.c. */
#include "common/glib/sandbox.h"

#include "common/glib/error.h"
#include "common/glib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than Debian 12's headers; the kernel tells which it knows. */
#define ACCESS_TRUNCATE  (UINT64_C(1) << 14) /* from ABI 3 */
#define ACCESS_IOCTL_DEV (UINT64_C(1) << 15) /* from ABI 5 */

#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_WRITE                                                                              \
    (ACCESS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | ACCESS_TRUNCATE)
#define ACCESS_DEVICE \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_IOCTL_DEV)
/* What applies to a file; the rest is for directories, and refused on files. */
#define ACCESS_OF_FILE                                                                \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE | \
     ACCESS_IOCTL_DEV)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RUNTIME_NEEDS_MORE true
#elif defined(__has_feature)
#define RUNTIME_NEEDS_MORE                                                  \
    (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
     __has_feature(memory_sanitizer))
#else
#define RUNTIME_NEEDS_MORE false
#endif

static bool fail(GError **error, const char *what)
{
    mesh_error_set_errno(error, MESH_ERROR_HOST, errno, "sandbox: %s", what);
    return false;
}

/* ---- capabilities ---- */

typedef struct {
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct   data[_LINUX_CAPABILITY_U32S_3];
} Capabilities;

static bool read_capabilities(Capabilities *out_caps, GError **error)
{
    *out_caps = (Capabilities){ .header = { .version = _LINUX_CAPABILITY_VERSION_3 } };
    return syscall(SYS_capget, &out_caps->header, out_caps->data) == 0 ||
           fail(error, "cannot read capabilities");
}

/* Where we may not (a systemd unit has done it already), nothing can be regained by an execve()
 * that the filter of system calls forbids. */
static void drop_bounding(uint64_t keep)
{
    for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if ((keep & MESH_SANDBOX_CAP(cap)) == 0)
            (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static bool drop_capabilities(uint64_t keep, GError **error)
{
    Capabilities caps;
    bool         changed = false;

    if (!read_capabilities(&caps, error))
        return false;
    drop_bounding(keep);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* old kernels have none */
    for (size_t i = 0; i < G_N_ELEMENTS(caps.data); i++) {
        uint32_t word = (uint32_t)(keep >> (32 * i)) & caps.data[i].permitted;

        changed = changed || caps.data[i].permitted != word || caps.data[i].effective != word;
        caps.data[i] = (struct __user_cap_data_struct){ .permitted = word, .effective = word };
    }
    /* A unit may forbid capset() itself; it is not needed there. */
    if (changed && syscall(SYS_capset, &caps.header, caps.data) < 0)
        return fail(error, "cannot drop capabilities");
    return true;
}

/* ---- Landlock ---- */

static uint64_t list_known_rights(long abi)
{
    uint64_t rights = (UINT64_C(1) << 13) - 1; /* ABI 1 */

    rights &= ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE; /* no execve() anyway */
    if (abi >= 2)
        rights |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        rights |= ACCESS_TRUNCATE;
    if (abi >= 5)
        rights |= ACCESS_IOCTL_DEV;
    return rights;
}

/* Returns: 0; -errno of what failed; -ENOENT when there is no such path. */
static int allow_path(int ruleset, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = rights };
    struct stat                       info;
    int                               fd = open(path, O_PATH | O_CLOEXEC);
    int                               rc = 0;

    if (fd < 0)
        return -errno;
    rule.parent_fd = fd;
    if (fstat(fd, &info) == 0 && !S_ISDIR(info.st_mode))
        rule.allowed_access &= ACCESS_OF_FILE;
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

static bool allow_paths(int ruleset, const char *const *paths, uint64_t rights, GError **error)
{
    for (; paths != NULL && *paths != NULL; paths++) {
        bool needed = (rights & LANDLOCK_ACCESS_FS_MAKE_REG) != 0;
        int  rc = allow_path(ruleset, *paths, rights);

        if (rc == 0 || (!needed && (rc == -ENOENT || rc == -ENOTDIR || rc == -EACCES)))
            continue;
        mesh_error_set_errno(error, MESH_ERROR_HOST, rc, "sandbox: Landlock rule for %s", *paths);
        return false;
    }
    return true;
}

static bool restrict_files(const MeshSandbox *sandbox, long abi, GError **error)
{
    struct landlock_ruleset_attr attr = { .handled_access_fs = list_known_rights(abi) };
    uint64_t                     known = attr.handled_access_fs;
    bool                         done = false;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);

    if (ruleset < 0)
        return fail(error, "cannot make a Landlock ruleset");
    if (allow_paths(ruleset, sandbox->writable, ACCESS_WRITE & known, error) &&
        allow_paths(ruleset, sandbox->readable, ACCESS_READ & known, error) &&
        allow_paths(ruleset, sandbox->devices, ACCESS_DEVICE & known, error)) {
        done = syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
        if (!done)
            (void)fail(error, "Landlock");
    }
    close(ruleset);
    return done;
}

/* ENOSYS and EOPNOTSUPP: built without, or switched off at boot. Any other refusal, EPERM above
 * all, is a unit that forbids us our own sandbox. */
static bool close_files(const MeshSandbox *sandbox, GError **error)
{
    long abi =
        syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);

    if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) {
        mesh_log_notice("sandbox: this kernel has no Landlock: files are guarded by their modes");
        return true;
    }
    if (abi < 0)
        return fail(error, "Landlock is forbidden (systemd: SystemCallFilter=)");
    return restrict_files(sandbox, abi, error);
}

bool mesh_sandbox_enter(const MeshSandbox *sandbox, GError **error)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fail(error, "cannot give up new privileges");
    if (!drop_capabilities(sandbox->capabilities, error))
        return false;
    if (RUNTIME_NEEDS_MORE) {
        mesh_log_notice("sandbox: a sanitizer's runtime needs more: files and calls stay open");
        return true;
    }
    return close_files(sandbox, error) && mesh_sandbox_filter(sandbox, error);
}

bool mesh_sandbox_narrow(const MeshSandbox *sandbox, uint64_t max_bytes, GError **error)
{
    const struct rlimit limit = { .rlim_cur = max_bytes, .rlim_max = max_bytes };

    if (RUNTIME_NEEDS_MORE)
        return true;
    if (setrlimit(RLIMIT_DATA, &limit) < 0)
        return fail(error, "cannot bound memory");
    return mesh_sandbox_filter(sandbox, error);
}
