/* server/core/networks.h: networks: rules, loading, and what a committed change does to memory. */
#pragma once

#include "server/core/control.h"

enum { CORE_NETWORKS_MAX = 10000 };

/* Storage thread, in the transaction: a new network named @name (a label), with @ip4 (a prefix,
 * "none", NULL: random). Opens @change. */
bool core_networks_create(CoreChange *change, const CoreManage *request, GError **error);

/* Storage thread, @change is open. A new name renews the policy, which holds the DNS suffix. */
bool core_networks_set(CoreChange *change, const CoreManage *request, GError **error);
bool core_networks_delete(CoreChange *change, GError **error);

/* Start: reads everything; blocks. */
bool core_networks_load(Core *core, GError **error);

/* Control thread: brings memory up to a committed change and tells everyone whom it concerns. */
void core_networks_apply(Core *core, CoreChange *change);
