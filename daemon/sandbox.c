#include "daemon/sandbox.h"

#include "common/glib/sandbox.h"

#include <linux/capability.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Interfaces, addresses, routes; and the resolver's port on our own addresses, where a unit gives
 * it. */
#define CAPABILITIES (MESH_SANDBOX_CAP(CAP_NET_ADMIN) | MESH_SANDBOX_CAP(CAP_NET_BIND_SERVICE))

/* What the C library's look-ups of names read, certificates, the number of processors, ourselves.
 */
static const char *const readable[] = {
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/proc",
    "/sys/devices/system/cpu",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/run/NetworkManager",
    "/run/dbus",
    "/run/nscd",
    "/run/resolvconf",
    "/run/systemd",
    NULL,
};

static const char *const devices[] = { "/dev/net/tun", NULL };

/* Watching resolv.conf, and putting it back as it was where we may. */
static const char *const calls[] = {
    "fchown", "inotify_add_watch", "inotify_init1", "inotify_rm_watch", "symlink", "utimensat",
    NULL,
};

static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, -1 };

static const unsigned long ioctls[] = {
    FIONREAD,       SIOCGIFFLAGS,    SIOCGIFINDEX,    SIOCGIFMTU,
    SIOCGIFNAME,    SIOCSIFMTU,      TCGETS,          TUNGETIFF,
    TUNGETFEATURES, TUNGETVNETHDRSZ, TUNSETIFF,       TUNSETOFFLOAD,
    TUNSETQUEUE,    TUNSETSNDBUF,    TUNSETVNETHDRSZ, 0,
};

bool meshd_sandbox_enter(const char *state_dir, const char *runtime_dir, bool log_only,
                         GError **error)
{
    /* resolv.conf is replaced there, the last resort for names: where a unit gives the right to */
    const char       *etc = access("/etc", W_OK) == 0 ? "/etc" : NULL;
    const char *const writable[] = { state_dir, runtime_dir, etc, NULL };
    const MeshSandbox sandbox = {
        .capabilities = CAPABILITIES,
        .writable = writable,
        .readable = readable,
        .devices = devices,
        .calls = calls,
        .families = families,
        .ioctls = ioctls,
        .log_only = log_only,
    };

    return mesh_sandbox_enter(&sandbox, error);
}
