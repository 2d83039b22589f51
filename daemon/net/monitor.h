/* daemon/net/monitor.h: tells when links, addresses or routes of the host change; inside daemon/net
 * only. Thread: main loop. */
#pragma once

#include "daemon/net/net.h"

typedef struct NetMonitor NetMonitor;

NetMonitor *net_monitor_start(NetChangedFunc changed, void *user_data, GError **error);

/** net_monitor_find64: the NAT64 prefix that @router announced on the interface; bits 0: none. */
MeshPrefix net_monitor_find64(const NetMonitor *self, const MeshAddr *router, unsigned ifindex);

/** net_monitor_prefer64: the host's IPv6 goes through @router: others' announcements cannot
 * displace its own, and only its own are told. */
void net_monitor_prefer64(NetMonitor *self, const MeshAddr *router, unsigned ifindex);
void net_monitor_stop(NetMonitor *self); /* NULL is fine */
