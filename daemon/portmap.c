#include "daemon/portmap.h"

#include "common/std/hash.h"
#include "daemon/inside.h"

#include <string.h>

/* The router keeps a mapping for whoever knows its nonce: ours is the same after a restart, and
 * nobody else's. */
static void make_nonce(const MeshdProfile *profile, uint8_t out[MESH_PCP_NONCE_BYTES])
{
    mesh_hash_blake2s_keyed(MESH_SPAN(profile->wg_private->bytes, MESH_KEY_BYTES),
                            MESH_SPAN_TEXT("mesh1-portmap-nonce"), out, MESH_PCP_NONCE_BYTES);
}

static void on_changed(void *user_data)
{
    MeshdEngine *self = user_data;

    meshd_membership_report(self);
    self->host->changed(self, false, self->host->user_data);
}

static void make(MeshdEngine *self)
{
    PathPortmapOptions options = { .upnp = self->host->upnp,
                                   .changed = on_changed,
                                   .user_data = self };

    make_nonce(self->profile, options.nonce);
    self->portmap = path_portmap_new(&options);
}

void meshd_portmap_follow(MeshdEngine *self)
{
    WirePlane    *plane = meshd_parts_get_plane(self->parts);
    LockVerified *map = meshd_parts_get_map(self->parts);
    WirePlaneInfo info;
    g_autoptr(GArray) foreign = NULL;
    PathPortmapWish wish = { .on = self->profile->portmap, .gateway = self->gateway };

    if (plane == NULL || map == NULL)
        return;
    if (self->portmap == NULL)
        make(self);
    foreign = g_array_copy(self->foreign);
    g_array_append_val(foreign, lock_verified_get_head(map)->network.ip4);
    wire_plane_get_info(plane, &info);
    wish.port = info.listen_port;
    wish.foreign = (const MeshPrefix *)(void *)foreign->data;
    wish.n_foreign = foreign->len;
    path_portmap_set(self->portmap, &wish);
}

void meshd_portmap_ask_again(MeshdEngine *self)
{
    if (self->portmap != NULL)
        path_portmap_ask_again(self->portmap);
}

void meshd_portmap_stop(MeshdEngine *self)
{
    path_portmap_free(g_steal_pointer(&self->portmap));
}

const char *meshd_portmap_get_state(const MeshdEngine *self, const char **out_why)
{
    *out_why = "";
    return self->portmap != NULL ? path_portmap_get_state(self->portmap, out_why) : "off";
}

MeshEndpoint meshd_portmap_get(const MeshdEngine *self)
{
    return self->portmap != NULL ? path_portmap_get(self->portmap) : (MeshEndpoint){ 0 };
}
