/* daemon/load.c: see load.h. Who was in a network is told what became of it. */
#include "daemon/load.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/proto/netmap.h"
#include "common/std/clock.h"
#include "daemon/inside-networks.h"
#include "daemon/inside.h"

/* Owned; NULL without @error: there is none. */
static MeshdProfile *load_profile(MeshdState *state, const MeshNetworkId *id, GError **error)
{
    g_autoptr(GBytes) bytes = meshd_state_load(state, id, "profile", error);

    return bytes != NULL ? meshd_profile_decode(bytes, error) : NULL;
}

/* What people call it stands in the map, if that can be read. */
static void find_name(MeshdState *state, const MeshNetworkId *id, MeshdProfile *profile)
{
    g_autoptr(GBytes) bytes = meshd_state_load(state, id, "map", NULL);
    g_autoptr(MeshNetmap) map = NULL;
    const MeshNetmapHead *head;
    gsize                 len = 0;
    const char           *text;

    if (bytes == NULL)
        return;
    text = g_bytes_get_data(bytes, &len);
    map = mesh_netmap_decode(text, len, NULL);
    head = map != NULL ? mesh_netmap_get_head(map) : NULL;
    if (head != NULL && head->has_network)
        g_strlcpy(profile->network, head->network.name, sizeof profile->network);
}

/* A network that can only be looked at, loaded again, or given up. */
static void add_damaged(MeshdNetworks *self, const MeshNetworkId *id, const char *why)
{
    MeshdProfile    *profile = meshd_profile_new_damaged(id);
    char             text[MESH_NETWORK_ID_TEXT_SIZE];
    const char      *name;
    g_autofree char *shown = NULL;

    find_name(self->state, id, profile);
    name = profile->network[0] != '\0' ? profile->network : mesh_network_format_id(id, text);
    shown = g_strdup_printf("its keys cannot be read: %s. Nothing was deleted: put a copy of the "
                            "file back and run \"mesh up %s\", or give this membership up with "
                            "\"mesh leave --force %s\" and join again",
                            why, name, name);
    mesh_log_error("network %s: %s", name, shown);
    meshd_engine_set_state(meshd_networks_add(self, profile), MESHD_ENGINE_ERROR, shown,
                           "state-damaged");
}

static void load_network(MeshdNetworks *self, const MeshNetworkId *id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshdProfile) profile = load_profile(self->state, id, &error);

    if (profile == NULL && error == NULL && meshd_state_is_empty(self->state, id)) {
        (void)meshd_state_remove(self->state, id, NULL);
        return;
    }
    if (profile == NULL) {
        add_damaged(self, id, error != NULL ? error->message : "there is no profile any more");
        return;
    }
    if (profile->stage != MESHD_PROFILE_JOINING) {
        meshd_networks_add(self, g_steal_pointer(&profile));
        return;
    }
    if (mesh_clock_wall_s() - profile->made_s > MESHD_JOIN_KEEP_S)
        (void)meshd_state_remove(self->state, id, NULL);
}

bool meshd_load_all(MeshdNetworks *self, GError **error)
{
    g_autoptr(GArray) ids = meshd_state_list(self->state, error);

    for (unsigned i = 0; ids != NULL && i < ids->len; i++)
        load_network(self, &g_array_index(ids, MeshNetworkId, i));
    return ids != NULL;
}

bool meshd_load_is_damaged(MeshdEngine *engine)
{
    return meshd_engine_get_profile(engine)->stage == MESHD_PROFILE_DAMAGED;
}

bool meshd_load_check(MeshdEngine *engine, GError **error)
{
    if (!meshd_load_is_damaged(engine))
        return true;
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_STATE, engine->error);
    return false;
}

MeshdEngine *meshd_load_again(MeshdNetworks *self, MeshdEngine *damaged, GError **error)
{
    MeshNetworkId id = meshd_engine_get_profile(damaged)->server.network;
    g_autoptr(MeshdProfile) profile = load_profile(self->state, &id, NULL);
    MeshdEngine *engine;

    if (profile == NULL) {
        (void)meshd_load_check(damaged, error);
        return NULL;
    }
    meshd_networks_drop(self, damaged, true);
    engine = meshd_networks_add(self, g_steal_pointer(&profile));
    mesh_log_notice("network %s: its keys can be read again",
                    meshd_engine_get_profile(engine)->network);
    if (self->events.added != NULL)
        self->events.added(engine, self->user_data);
    return engine;
}
