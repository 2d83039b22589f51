#include "daemon/saved.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/proto/netmapnews.h"
#include "common/std/clock.h"
#include "daemon/inside.h"
#include "daemon/lock/gatelog.h"
#include "daemon/statelog.h"

enum { FRESH_MS = 1800000 };

/* Thread: the saver's. */
static GBytes *make_map(gpointer map)
{
    size_t len = 0;
    char  *text = mesh_netmap_encode(map, &len);

    return g_bytes_new_take(text, len);
}

static void free_map(gpointer map)
{
    mesh_netmap_free(map);
}

static void note_saved(MeshdEngine *self, const MeshNetmap *map)
{
    self->saved_epoch = mesh_netmap_get_head(map)->epoch;
    self->saved_ver = mesh_netmap_get_head(map)->ver;
    self->saved_ms = mesh_clock_boot_ms();
}

/* Only endpoints and presence change without a new version: they may be half an hour old there. */
static bool is_saved(const MeshdEngine *self, const MeshNetmap *map)
{
    const MeshNetmapHead *head = mesh_netmap_get_head(map);

    return self->saved_ms != 0 && head->epoch == self->saved_epoch &&
           head->ver == self->saved_ver && mesh_clock_boot_ms() - self->saved_ms < FRESH_MS;
}

/* The text of ten thousand peers takes its time: the copy shares all objects. */
void meshd_saved_put_map(MeshdEngine *self, const MeshNetmap *map)
{
    const MeshNetworkId *net = &self->profile->server.network;
    MeshdStateMaker      maker = { .make = make_map, .free_data = free_map };
    size_t               len = 0;
    char                *text;
    g_autoptr(GBytes) news = NULL;

    if (is_saved(self, map))
        return;
    note_saved(self, map);
    text = mesh_netmap_encode_news(map, &len);
    news = text != NULL ? g_bytes_new_take(text, len) : NULL;
    mesh_netmap_forget_news(map);
    if (news != NULL && meshd_state_append_later(self->host->state, net, "map", news))
        return;
    maker.data = mesh_netmap_copy(map);
    meshd_state_make_later(self->host->state, net, "map", &maker);
}

/* False: they are to be saved whole. */
static bool append_floors(MeshdEngine *self)
{
    size_t len = 0;
    char  *text;
    g_autoptr(GBytes) raised = NULL;

    if (!self->profile->floors)
        return false;
    text = lock_gate_encode_raised(self->gate, &len);
    raised = g_bytes_new_take(text, len);
    return meshd_state_append_later(self->host->state, &self->profile->server.network, "floors",
                                    raised);
}

void meshd_saved_put_floors(MeshdEngine *self)
{
    const MeshNetworkId *net = &self->profile->server.network;
    size_t               len = 0;
    char                *text;
    g_autoptr(GBytes) bytes = NULL;

    if (!lock_gate_floors_changed(self->gate) || append_floors(self))
        return;
    text = lock_gate_encode_floors(self->gate, &len);
    bytes = g_bytes_new_take(text, len);
    if (self->profile->floors || !meshd_state_save(self->host->state, net, "floors", bytes, NULL)) {
        meshd_state_save_later(self->host->state, net, "floors", bytes);
        return;
    }
    self->profile->floors = true; /* once they are there, and not before */
    meshd_engine_save_profile(self);
}

/* The floors of earlier runs; a network that had some does not go on without them. */
bool meshd_saved_load_floors(MeshdEngine *self, GError **error)
{
    g_autoptr(GPtrArray) raised = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GError) load_error = NULL;
    const char *text;
    gsize       len = 0;

    if (self->floors_loaded)
        return true;
    bytes = meshd_state_load_log(self->host->state, &self->profile->server.network, "floors",
                                 raised, &load_error);
    if (g_error_matches(load_error, MESH_ERROR, MESH_ERROR_UNREAD)) {
        g_propagate_prefixed_error(error, g_steal_pointer(&load_error),
                                   "this network stays down until it can be read, which is tried "
                                   "again and again: ");
        return false;
    }
    if (load_error != NULL || (bytes == NULL && self->profile->floors)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE,
                    "%s. Without it an older map could pass for the newest, so this network stays "
                    "down: put the file back from a copy, or leave the network and join again",
                    load_error != NULL ? load_error->message
                                       : "what was seen before (floors) is gone from the disk");
        return false;
    }
    self->profile->floors = bytes != NULL;
    text = bytes != NULL ? g_bytes_get_data(bytes, &len) : NULL;
    if (text != NULL && !lock_gate_load_raised(self->gate, text, len, raised, error))
        return false;
    self->floors_loaded = true;
    return true;
}

static MeshNetmap *load_map(MeshdEngine *self)
{
    g_autoptr(GPtrArray) news = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = NULL;
    MeshNetmap *map = NULL;
    gsize       len = 0;
    const char *text;

    bytes = meshd_state_load_log(self->host->state, &self->profile->server.network, "map", news,
                                 &error);
    if (g_error_matches(error, MESH_ERROR, MESH_ERROR_UNREAD))
        self->unread = true; /* which is said already */
    if (bytes != NULL) {
        text = g_bytes_get_data(bytes, &len);
        map = mesh_netmap_decode(text, len, &error);
    }
    for (guint i = 0; map != NULL && i < news->len; i++) {
        text = g_bytes_get_data(news->pdata[i], &len);
        if (!mesh_netmap_take_news(map, text, len, &error))
            g_clear_pointer(&map, mesh_netmap_free);
    }
    if (error != NULL && !self->unread)
        mesh_log_warning("network %s: the stored map is of no use: %s", self->profile->network,
                         error->message);
    if (map != NULL)
        note_saved(self, map);
    return map;
}

void meshd_saved_start(MeshdEngine *self, bool again)
{
    g_autoptr(MeshNetmap) map = NULL;

    if (again && (self->left != NULL || meshd_parts_get_map(self->parts) != NULL))
        return; /* a leave is under way by this conversation, or the server had a map meanwhile */
    map = load_map(self);
    if (again && map == NULL)
        return;
    if (again)
        meshd_membership_disconnect(self); /* it asks for the whole map */
    meshd_membership_connect(self);
    control_client_start(self->client, map);
    if (map != NULL)
        meshd_engine_use_map(self, map, MESH_NETMAP_PRESENCE);
}
