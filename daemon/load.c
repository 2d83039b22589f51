/* daemon/load.c: see load.h. Who was in a network is told what became of it. */
#include "daemon/load.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/proto/netmap.h"
#include "common/std/clock.h"
#include "daemon/inside-networks.h"
#include "daemon/inside.h"
#include "daemon/saved.h"

enum { AGAIN_S = 10 }; /* as often as what cannot be saved is */

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
static void add_damaged(MeshdNetworks *self, const MeshNetworkId *id, const GError *why)
{
    const bool       unread = g_error_matches(why, MESH_ERROR, MESH_ERROR_UNREAD);
    MeshdProfile    *profile = meshd_profile_new_damaged(id);
    char             text[MESH_NETWORK_ID_TEXT_SIZE];
    const char      *name;
    g_autofree char *shown = NULL;
    MeshdEngine     *engine;

    find_name(self->state, id, profile);
    name = profile->network[0] != '\0' ? profile->network : mesh_network_format_id(id, text);
    shown = g_strdup_printf("its keys cannot be read: %s. Nothing was deleted: put a copy of the "
                            "file back and run \"mesh up %s\", or give this membership up with "
                            "\"mesh leave --force %s\" and join again%s",
                            why != NULL ? why->message : "there is no profile any more", name, name,
                            unread ? ". To read it is tried again and again" : "");
    mesh_log_error("network %s: %s", name, shown);
    engine = meshd_networks_add(self, profile);
    engine->unread = unread;
    meshd_engine_set_state(engine, MESHD_ENGINE_ERROR, shown, "state-damaged");
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
        add_damaged(self, id, error);
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

/* ---- what the disk could not read is tried again ---- */

/* That it still cannot be read was said the first time. */
static void on_started(MeshdEngine *engine, const GError *error, void *user_data)
{
    (void)user_data;
    if (error != NULL && !g_error_matches(error, MESH_ERROR, MESH_ERROR_CANCELLED) &&
        !g_error_matches(error, MESH_ERROR, MESH_ERROR_UNREAD))
        mesh_log_warning("network %s: %s", meshd_engine_get_profile(engine)->network,
                         error->message);
}

static void read_again(MeshdNetworks *self, MeshdEngine *engine)
{
    if (meshd_load_is_damaged(engine) && (engine = meshd_load_again(self, engine, NULL)) == NULL)
        return;
    engine->unread = false;
    if (!meshd_engine_get_profile(engine)->up)
        return;
    if (engine->client != NULL)
        meshd_saved_start(engine, true);
    else
        meshd_engine_up(engine, on_started, NULL);
}

static gboolean on_again(gpointer user_data)
{
    MeshdNetworks *self = user_data;

    self->again = 0;
    for (unsigned i = self->engines->len; i-- > 0;) { /* the last first: one that loads moves */
        MeshdEngine *engine = self->engines->pdata[i];

        if (engine->unread)
            read_again(self, engine);
    }
    meshd_load_watch(self);
    return G_SOURCE_REMOVE;
}

void meshd_load_watch(MeshdNetworks *self)
{
    for (unsigned i = 0; i < self->engines->len && self->again == 0; i++)
        if (((MeshdEngine *)self->engines->pdata[i])->unread)
            self->again = g_timeout_add_seconds(AGAIN_S, on_again, self);
}
