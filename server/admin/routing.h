/* server/admin/routing.h: which route a request is. Pure; any thread. */
#pragma once

#include "server/admin/rest.h"

#define ADMIN_PREFIX "/admin/v1/"

/* What stands in a path. Owned. */
typedef struct {
    char *network, *key, *node, *user, *relay; /* NULL: not in this path */
} AdminNames;

void admin_routing_clear(AdminNames *names);

/* The row of @method and @path (decoded, with the prefix) and its names. NULL and @error:
 * MESH_ERROR_NOT_FOUND; MESH_ERROR_METHOD: the path takes other methods. */
const AdminRoute *admin_routing_find(const char *method, const char *path, AdminNames *out_names,
                                     GError **error);
