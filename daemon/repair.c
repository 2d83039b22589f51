#include "daemon/repair.h"

#include "common/glib/log.h"
#include "common/std/ip.h"
#include "daemon/view.h"

#include <stdbool.h>
#include <string.h>

static bool has_addr(const GArray *addrs, const char *ifname, const char *text)
{
    char found[MESH_IP_ADDR_TEXT_SIZE];

    for (unsigned i = 0; i < addrs->len; i++) {
        const NetAddr *addr = &g_array_index(addrs, NetAddr, i);

        if (strcmp(addr->ifname, ifname) == 0 &&
            strcmp(mesh_ip_format_addr(&addr->addr, found), text) == 0)
            return true;
    }
    return false;
}

/* Owned text: what this host lacks of a network that is up; NULL: nothing. */
static char *find_lack(const MeshdEngineHost *host, const MeshdView *view)
{
    g_autoptr(GArray) addrs = NULL;

    if (!net_exists(host->net, view->ifname))
        return g_strdup_printf("interface %s is not there", view->ifname);
    addrs = net_list_addrs(host->net, NULL);
    if (strcmp(view->management, "meshd") != 0)
        return NULL; /* addresses are not ours to put back */
    for (char **addr = view->addresses; addrs != NULL && *addr != NULL; addr++)
        if (!has_addr(addrs, view->ifname, *addr))
            return g_strdup_printf("interface %s lacks address %s", view->ifname, *addr);
    return NULL;
}

static void on_up(MeshdEngine *engine, const GError *error, void *user_data)
{
    (void)user_data;
    if (error != NULL)
        mesh_log_warning("network %s: %s", meshd_engine_get_profile(engine)->network,
                         error->message);
}

static void repair_network(const MeshdEngineHost *host, MeshdEngine *engine, GPtrArray *found)
{
    g_autoptr(MeshdView) view = meshd_view_make(engine);
    g_autofree char *lack = NULL;

    if (meshd_engine_get_profile(engine)->stage == MESHD_PROFILE_JOINING)
        return; /* its join is under way */
    if (meshd_engine_get_profile(engine)->stage == MESHD_PROFILE_DAMAGED)
        return; /* its documents were looked at; who owns the networks loads it again */
    if (strcmp(view->state, "error") == 0) {
        g_ptr_array_add(found, g_strdup_printf("network %s: %s: brought up again", view->name,
                                               view->error));
        meshd_engine_up(engine, on_up, NULL);
        return;
    }
    if (strcmp(view->state, "up") != 0)
        return;
    lack = find_lack(host, view);
    if (lack != NULL)
        g_ptr_array_add(found, g_strdup_printf("network %s: %s: put back", view->name, lack));
    meshd_engine_mend(engine); /* looks at routes too; what is right is left alone */
}

static void repair_interfaces(const MeshdEngineHost *host, GPtrArray *engines, GPtrArray *found)
{
    g_autoptr(GPtrArray) own = g_ptr_array_new();
    g_auto(GStrv) removed = NULL;

    for (unsigned i = 0; i < engines->len; i++)
        g_ptr_array_add(own, meshd_engine_get_profile(engines->pdata[i])->ifname);
    g_ptr_array_add(own, NULL);
    removed = net_remove_strays(host->net, (const char *const *)own->pdata);
    for (char **name = removed; *name != NULL; name++)
        g_ptr_array_add(found, g_strdup_printf("interface %s of no network is gone", *name));
}

void meshd_repair(const MeshdEngineHost *host, GPtrArray *engines, GPtrArray *found)
{
    meshd_state_repair(host->state, found);
    repair_interfaces(host, engines, found);
    for (unsigned i = 0; i < engines->len; i++)
        repair_network(host, engines->pdata[i], found);
}
