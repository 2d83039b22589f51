#include "daemon/net/monitor.h"

#include "common/glib/error.h"

#include <glib-unix.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#define GATHER_MS 200u /* one change of a network is a burst of messages */

struct NetMonitor {
    struct nl_sock *sock;
    guint           watch, timer; /* sources of the main loop; 0: none */
    NetChangedFunc  changed;
    void           *user_data; /* of @changed, the caller's */
};

static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                              RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE };

static gboolean on_gathered(gpointer user_data)
{
    NetMonitor *self = user_data;

    self->timer = 0;
    self->changed(self->user_data);
    return G_SOURCE_REMOVE;
}

static int on_message(struct nl_msg *message, void *user_data)
{
    NetMonitor *self = user_data;

    (void)message;
    if (self->timer == 0)
        self->timer = g_timeout_add(GATHER_MS, on_gathered, self);
    return NL_OK;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    NetMonitor *self = user_data;

    (void)fd;
    (void)condition;
    if (nl_recvmsgs_default(self->sock) < 0) /* an overrun of the buffer: news was lost, so look */
        on_message(NULL, self);
    return G_SOURCE_CONTINUE;
}

static int open_socket(NetMonitor *self)
{
    int rc;

    self->sock = nl_socket_alloc();
    if (self->sock == NULL)
        return -NLE_NOMEM;
    nl_socket_disable_seq_check(self->sock);
    rc = nl_socket_modify_cb(self->sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, self);
    if (rc == 0)
        rc = nl_connect(self->sock, NETLINK_ROUTE);
    for (size_t i = 0; rc == 0 && i < G_N_ELEMENTS(groups); i++)
        rc = nl_socket_add_membership(self->sock, groups[i]);
    if (rc == 0)
        rc = nl_socket_set_nonblocking(self->sock);
    return rc;
}

NetMonitor *net_monitor_start(NetChangedFunc changed, void *user_data, GError **error)
{
    NetMonitor *self = g_new0(NetMonitor, 1);
    int         rc;

    self->changed = changed;
    self->user_data = user_data;
    rc = open_socket(self);
    if (rc < 0) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "cannot listen to network changes: %s",
                    nl_geterror(rc));
        net_monitor_stop(self);
        return NULL;
    }
    self->watch = g_unix_fd_add(nl_socket_get_fd(self->sock), G_IO_IN, on_readable, self);
    return self;
}

void net_monitor_stop(NetMonitor *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->watch, g_source_remove);
    g_clear_handle_id(&self->timer, g_source_remove);
    nl_socket_free(self->sock);
    g_free(self);
}
