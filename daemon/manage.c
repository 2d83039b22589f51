#include "daemon/manage.h"

#include "common/glib/log.h"
#include "daemon/inside.h"

static void tell(MeshdEngine *self)
{
    self->host->changed(self, false, self->host->user_data);
}

/* Sessions go on. What the host refuses is tried again with the whole network: better than one
 * without addresses. */
static void hand_over(MeshdEngine *self, bool managed)
{
    LockVerified *map = meshd_parts_get_map(self->parts);
    g_autoptr(GError) error = NULL;

    mesh_log_info("network %s: its addresses are %s", self->profile->network,
                  managed ? "NetworkManager's to set" : "ours to set again");
    self->profile->managed = managed;
    if (map == NULL ||
        meshd_parts_apply(self->parts, map, meshd_parts_has_ip(self->parts, AF_INET), &error))
        return;
    mesh_log_error("network %s: %s", self->profile->network, error->message);
    meshd_engine_stop_parts(self);
    meshd_engine_use_map(self, control_client_get_map(self->client), MESH_NETMAP_PRESENCE);
}

void meshd_manage_start(MeshdEngine *self, MeshdEngineDone done, void *user_data)
{
    if (!meshd_manage_is_on(self)) {
        self->lent = self->client == NULL;
        hand_over(self, true);
    }
    tell(self);
    meshd_engine_up(self, done, user_data);
}

void meshd_manage_end(MeshdEngine *self)
{
    if (!meshd_manage_is_on(self))
        return;
    if (self->lent) {
        meshd_engine_down(self);
        return;
    }
    hand_over(self, false);
    meshd_engine_mend(self); /* it may take its addresses away after we set the same */
    tell(self);
}

bool meshd_manage_is_on(const MeshdEngine *self)
{
    return self->profile->managed;
}

/* ---- what it has to know ---- */

static char **list_routes(MeshdEngine *self)
{
    LockVerified           *map = meshd_parts_get_map(self->parts);
    const LockVerifiedHead *head = map != NULL ? lock_verified_get_head(map) : NULL;
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    char text[MESH_IP_PREFIX_TEXT_SIZE];

    if (meshd_parts_has_ip(self->parts, AF_INET) && head->self->ip4.family != 0)
        g_ptr_array_add(list, g_strdup(mesh_ip_format_prefix(&head->network.ip4, text)));
    if (meshd_parts_has_ip(self->parts, AF_INET6))
        g_ptr_array_add(list, g_strdup(mesh_ip_format_prefix(&head->network.ip6, text)));
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&list), false);
}

static char **list_servers(MeshdEngine *self)
{
    size_t          n = 0;
    const MeshAddr *servers = meshd_names_get_servers(self->names, &n);
    char          **list = g_new0(char *, n + 1);
    char            text[MESH_IP_ADDR_TEXT_SIZE];

    for (size_t i = 0; i < n; i++)
        list[i] = g_strdup(mesh_ip_format_addr(&servers[i], text));
    return list;
}

static char **list_domains(MeshdEngine *self)
{
    const char *suffix = meshd_names_get_suffix(self->names);
    char      **list = g_new0(char *, 2);

    if (suffix[0] != '\0')
        list[0] = g_strdup(suffix);
    return list;
}

/* Of the server as we reach it; else as it is written; else what all that leaves this host goes by:
 * with a map from the disk a network is up before its server answers. */
static char *make_gateway(MeshdEngine *self)
{
    MeshAddr addr = { 0 }, literal;
    char     text[MESH_IP_ADDR_TEXT_SIZE];

    if (self->client != NULL)
        (void)control_client_get_state(self->client, &addr);
    if (addr.family == 0 && mesh_ip_parse_addr(self->profile->server.host, &literal) == 0)
        addr = literal;
    if (addr.family == 0)
        addr = self->gateway;
    return g_strdup(addr.family != 0 ? mesh_ip_format_addr(&addr, text) : "");
}

void meshd_manage_fill(MeshdEngine *self, MeshdView *view)
{
    bool up = meshd_parts_get_map(self->parts) != NULL;

    view->management = meshd_manage_is_on(self) ? "NetworkManager" : "meshd";
    view->routes = list_routes(self);
    view->dns_servers = list_servers(self);
    view->dns_domains = list_domains(self);
    view->gateway = up ? make_gateway(self) : g_strdup("");
}
