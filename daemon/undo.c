#include "daemon/undo.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "daemon/dns/hostdns.h"
#include "daemon/net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <unistd.h>

/* Returns: the lock of the state directory; -1 and no @error: there is no such directory. */
static int take_lock(const char *state_dir, GError **error)
{
    g_autofree char *path = g_build_filename(state_dir, "lock", NULL);
    int              fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
        mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "cannot open %s", path);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    g_set_error(error, MESH_ERROR, MESH_ERROR_BUSY, "a meshd runs on %s: stop it instead",
                state_dir);
    close(fd);
    return -1;
}

static void on_net_changed(void *user_data)
{
    (void)user_data;
}

bool meshd_undo(const char *state_dir, const char *runtime_dir, GError **error)
{
    g_autofree char *ledger = g_build_filename(runtime_dir, "interfaces", NULL);
    g_autofree char *record = g_build_filename(state_dir, "resolv.conf", NULL);
    g_autofree char *wish = g_build_filename(runtime_dir, "resolv.conf", NULL);
    g_autoptr(GError) lock_error = NULL;
    int  lock = take_lock(state_dir, &lock_error);
    Net *net;
    bool cleaned;

    if (lock_error != NULL) {
        g_propagate_error(error, g_steal_pointer(&lock_error));
        return false;
    }
    (void)g_unlink(wish); /* mesh-resolvconf.service does the rest */
    cleaned = dns_hostdns_clean(record, error);
    net = net_start(ledger, on_net_changed, NULL,
                    cleaned ? error : NULL); /* this removes what was left */
    net_stop(net);
    if (net != NULL)
        (void)g_unlink(ledger); /* empty now, and gone with the runtime directory anyway */
    if (lock >= 0)
        close(lock);
    return net != NULL && cleaned;
}
