/* daemon/clash.h: whether a network's prefix may be used on this host. Pure; any thread. */
#pragma once

#include "common/proto/network.h"
#include "daemon/net/net.h"

#include <glib.h>

/** MeshdClashPrefix: a prefix of another network of this host. */
typedef struct {
    MeshPrefix prefix;
    char       name[MESH_NETWORK_NAME_SIZE]; /* of the network */
} MeshdClashPrefix;

/** meshd_clash_find: what shares addresses with @prefix: one of @others (MeshdClashPrefix), or a
 * route of @routes (NetRoute) that is not over an interface in @own (NULL-terminated). Pure.
 * Returns: owned text for people, NULL: nothing. */
char *meshd_clash_find(const MeshPrefix *prefix, const GArray *others, const GArray *routes,
                       const char *const *own);
