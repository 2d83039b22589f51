#include "server/sandbox.h"

#include "common/glib/error.h"
#include "common/glib/sandbox.h"
#include "server/statedir.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Certificates and names of hosts, the number of processors, ourselves. */
static const char *const readable[] = {
    "/etc",      "/usr",        "/lib",         "/lib64", "/proc", "/sys/devices/system/cpu",
    "/dev/null", "/dev/random", "/dev/urandom", NULL,
};

/* SQLite gives what it makes as root to the database's owner. */
static const char *const calls[] = { "fchown", NULL };

static const int families[] = { AF_UNIX, AF_INET, AF_INET6, -1 };

static const unsigned long ioctls[] = { FIONREAD, TCGETS, 0 };

/* Only root can do this for its service user; for anybody else the socket will tell. */
static void make_socket_dir(const char *dir, uid_t owner, gid_t group)
{
    struct stat info;

    if (g_mkdir_with_parents(dir, 0700) == 0 && geteuid() == 0 && stat(dir, &info) == 0 &&
        info.st_uid == 0 && owner != 0)
        (void)!chown(dir, owner, group);
}

/* From root to the owner of the state directory; what may be bound is kept over the change. */
static bool become_owner(const ServerConfig *config, const char *socket_dir, GError **error)
{
    struct stat info;

    if (stat(config->state_dir, &info) < 0) {
        mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "%s (mesh-server setup makes it)",
                             config->state_dir);
        return false;
    }
    if (socket_dir != NULL)
        make_socket_dir(socket_dir, info.st_uid, info.st_gid);
    if (geteuid() != 0)
        return true;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
        !server_statedir_prepare(config->state_dir, error))
        return false;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0; /* a change of user sets it anew */
}

bool server_sandbox_enter(const ServerConfig *config, GError **error)
{
    g_autofree char *socket_dir =
        config->alone ? NULL : g_path_get_dirname(config->admin_socket); /* NULL: nobody asks */
    const char *const writable[] = { config->state_dir, socket_dir, NULL };
    const MeshSandbox sandbox = {
        .capabilities = MESH_SANDBOX_CAP(CAP_NET_BIND_SERVICE),
        .writable = writable,
        .readable = readable,
        .calls = calls,
        .families = families,
        .ioctls = ioctls,
        .log_only = config->log_level == MESH_LOG_DEBUG,
    };

    return become_owner(config, socket_dir, error) && mesh_sandbox_enter(&sandbox, error);
}
