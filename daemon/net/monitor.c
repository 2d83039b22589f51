#include "daemon/net/monitor.h"

#include "common/glib/error.h"
#include "common/std/clock.h"
#include "daemon/net/pref64.h"

#include <glib-unix.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#define GATHER_MS 200u /* one change of a network is a burst of messages */

struct NetMonitor {
    struct nl_sock *sock;
    guint           watch, timer; /* sources of the main loop; 0: none */
    NetPref64       prefixes;
    guint           ended; /* timer: when the first of them ends; 0: none */
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

static void gather(NetMonitor *self)
{
    if (self->timer == 0)
        self->timer = g_timeout_add(GATHER_MS, on_gathered, self);
}

static void follow_prefixes(NetMonitor *self);

static gboolean on_ended(gpointer user_data)
{
    NetMonitor  *self = user_data;
    NetPref64Row none = { .ifindex = 0 };

    self->ended = 0;
    if (net_pref64_note(&self->prefixes, &none, mesh_clock_boot_ms()))
        gather(self);
    follow_prefixes(self);
    return G_SOURCE_REMOVE;
}

static void follow_prefixes(NetMonitor *self)
{
    int64_t next_ms = net_pref64_next_ms(&self->prefixes);

    g_clear_handle_id(&self->ended, g_source_remove);
    if (next_ms != INT64_MAX)
        self->ended = g_timeout_add((guint)CLAMP(next_ms - mesh_clock_boot_ms(), 1, G_MAXINT),
                                    on_ended, self);
}

/* Other options of routers are not ours to act on, and come with each announcement. */
static void take_option(NetMonitor *self, struct nl_msg *message)
{
    struct nlmsghdr *head = nlmsg_hdr(message);
    MeshSpan         payload = { nlmsg_data(head), (size_t)MAX(nlmsg_datalen(head), 0) };
    int64_t          now_ms = mesh_clock_boot_ms();
    NetPref64Row     row;

    if (nlmsg_get_src(message)->nl_pid != 0 || net_pref64_read(payload, now_ms, &row) < 0)
        return;
    if (net_pref64_note(&self->prefixes, &row, now_ms))
        gather(self);
    follow_prefixes(self);
}

static int on_message(struct nl_msg *message, void *user_data)
{
    NetMonitor *self = user_data;

    if (nlmsg_hdr(message)->nlmsg_type == RTM_NEWNDUSEROPT)
        take_option(self, message);
    else
        gather(self);
    return NL_OK;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    NetMonitor *self = user_data;

    (void)fd;
    (void)condition;
    if (nl_recvmsgs_default(self->sock) < 0) /* an overrun of the buffer: news was lost, so look */
        gather(self);
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
    if (rc == 0) /* a kernel without it has no IPv6 */
        (void)nl_socket_add_membership(self->sock, RTNLGRP_ND_USEROPT);
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

MeshPrefix net_monitor_find64(const NetMonitor *self, const MeshAddr *router, unsigned ifindex)
{
    return net_pref64_find(&self->prefixes, router, ifindex, mesh_clock_boot_ms());
}

void net_monitor_prefer64(NetMonitor *self, const MeshAddr *router, unsigned ifindex)
{
    net_pref64_prefer(&self->prefixes, router, ifindex);
}

void net_monitor_stop(NetMonitor *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->watch, g_source_remove);
    g_clear_handle_id(&self->timer, g_source_remove);
    g_clear_handle_id(&self->ended, g_source_remove);
    nl_socket_free(self->sock);
    g_free(self);
}
