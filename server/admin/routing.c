/* server/admin/routing.c: which route a request is. Pure; any thread. */
#include "server/admin/routing.h"

#include "common/glib/error.h"

#include <string.h>

static const AdminRoute rest_status[] = {
    { "GET", "status", CORE_STATUS, NULL, NULL, NULL }, /* admin.c adds what the core knows not */
    { 0 },
};

static const AdminRoute *const tables[] = {
    rest_status,      admin_rest_networks, admin_rest_keys,
    admin_rest_nodes, admin_rest_users,    admin_rest_relays
};

void admin_routing_clear(AdminNames *names)
{
    g_clear_pointer(&names->network, g_free);
    g_clear_pointer(&names->key, g_free);
    g_clear_pointer(&names->node, g_free);
    g_clear_pointer(&names->user, g_free);
    g_clear_pointer(&names->relay, g_free);
}

/* Where a part of a pattern puts its name; NULL: it is a word. */
static char **place(const char *part, AdminNames *names)
{
    if (strcmp(part, "NETWORK") == 0)
        return &names->network;
    if (strcmp(part, "KEY") == 0)
        return &names->key;
    if (strcmp(part, "USER") == 0)
        return &names->user;
    if (strcmp(part, "RELAY") == 0)
        return &names->relay;
    return strcmp(part, "NODE") == 0 ? &names->node : NULL;
}

static bool match(const char *pattern, char **parts, AdminNames *out_names)
{
    g_auto(GStrv) want = g_strsplit(pattern, "/", -1);
    AdminNames names = { 0 };

    if (g_strv_length(want) != g_strv_length(parts))
        return false;
    for (size_t i = 0; want[i] != NULL; i++) {
        char **name = place(want[i], &names);

        if (name == NULL ? strcmp(want[i], parts[i]) != 0 : parts[i][0] == '\0') {
            admin_routing_clear(&names);
            return false;
        }
        if (name != NULL)
            *name = g_strdup(parts[i]);
    }
    *out_names = names;
    return true;
}

const AdminRoute *admin_routing_find(const char *method, const char *path, AdminNames *out_names,
                                     GError **error)
{
    g_auto(GStrv) parts = NULL;
    bool known = false;

    *out_names = (AdminNames){ 0 };
    if (g_str_has_prefix(path, ADMIN_PREFIX))
        parts = g_strsplit(path + strlen(ADMIN_PREFIX), "/", 8);
    for (size_t t = 0; parts != NULL && t < G_N_ELEMENTS(tables); t++)
        for (const AdminRoute *route = tables[t]; route->method != NULL; route++) {
            if (!match(route->path, parts, out_names))
                continue;
            if (strcmp(route->method, method) == 0)
                return route;
            admin_routing_clear(out_names);
            known = true;
        }
    if (known)
        g_set_error(error, MESH_ERROR, MESH_ERROR_METHOD, "%s does not take %s", path, method);
    else
        g_set_error(error, MESH_ERROR, MESH_ERROR_NOT_FOUND, "%s: no such resource", path);
    return NULL;
}
