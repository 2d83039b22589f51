#include "daemon/portmap.h"

#include "common/std/hash.h"
#include "daemon/inside.h"

#include <string.h>
#include <sys/socket.h>

typedef struct {
    bool        tcp, six;
    const char *label; /* of the nonce */
} Kind;

static const Kind kinds[MESHD_PORTMAPS] = {
    [MESHD_PORTMAP_UDP4] = { false, false, "mesh1-portmap-nonce" },
    [MESHD_PORTMAP_TCP4] = { true, false, "mesh1-portmap-nonce-tcp" },
    [MESHD_PORTMAP_UDP6] = { false, true, "mesh1-portmap-nonce-6" },
    [MESHD_PORTMAP_TCP6] = { true, true, "mesh1-portmap-nonce-tcp-6" },
};

/* The router keeps a mapping for whoever knows its nonce: ours is the same after a restart, and
 * nobody else's. */
static void make_nonce(const MeshdProfile *profile, const char *label,
                       uint8_t out[MESH_PCP_NONCE_BYTES])
{
    mesh_hash_blake2s_keyed(MESH_SPAN(profile->wg_private->bytes, MESH_KEY_BYTES),
                            MESH_SPAN(label, strlen(label)), out, MESH_PCP_NONCE_BYTES);
}

static void on_changed(void *user_data)
{
    MeshdEngine *self = user_data;

    meshd_membership_report(self);
    self->host->changed(self, false, self->host->user_data);
}

static PathPortmap *make(MeshdEngine *self, const Kind *kind)
{
    PathPortmapOptions options = { .tcp = kind->tcp,
                                   .six = kind->six,
                                   .upnp = self->host->upnp,
                                   .changed = on_changed,
                                   .user_data = self };

    make_nonce(self->profile, kind->label, options.nonce);
    return path_portmap_new(&options);
}

/* The first address that all of the internet may know; family 0: none. */
static MeshAddr find_global(const MeshdEngine *self, int family)
{
    for (guint i = 0; i < self->addrs->len; i++) {
        const MeshAddr *addr = &g_array_index(self->addrs, MeshAddr, i);

        if (addr->family == family && mesh_ip_class(addr) == MESH_IP_GLOBAL)
            return *addr;
    }
    return (MeshAddr){ 0 };
}

/* Who has a public IPv4 address is asked by TCP there. */
static bool is_wanted(const MeshdEngine *self, const Kind *kind)
{
    PathSelf about = { 0 };

    if (!self->profile->portmap || (kind->six && find_global(self, AF_INET6).family == 0))
        return false;
    if (!kind->tcp)
        return true;
    path_get_self(meshd_parts_get_path(self->parts), &about);
    return about.wants_tcp && (kind->six || find_global(self, AF_INET).family == 0);
}

static bool is_let_in(const MeshdEngine *self)
{
    return meshd_portmap_get(self, MESHD_PORTMAP_TCP4).port != 0 ||
           meshd_portmap_get(self, MESHD_PORTMAP_TCP6).port != 0;
}

void meshd_portmap_follow(MeshdEngine *self)
{
    WirePlane    *plane = meshd_parts_get_plane(self->parts);
    LockVerified *map = meshd_parts_get_map(self->parts);
    WirePlaneInfo info;
    g_autoptr(GArray) foreign = NULL;

    if (plane == NULL || map == NULL || meshd_parts_get_path(self->parts) == NULL)
        return;
    foreign = g_array_copy(self->foreign);
    g_array_append_val(foreign, lock_verified_get_head(map)->network.ip4);
    g_array_append_val(foreign, lock_verified_get_head(map)->network.ip6);
    wire_plane_get_info(plane, &info);
    for (size_t i = 0; i < MESHD_PORTMAPS; i++) {
        const Kind     *kind = &kinds[i];
        PathPortmapWish wish = { .on = is_wanted(self, kind),
                                 .port = info.listen_port,
                                 .gateway = kind->six ? self->gateway6.addr : self->gateway,
                                 .scope = kind->six ? self->gateway6.scope : 0,
                                 .foreign = (const MeshPrefix *)(void *)foreign->data,
                                 .n_foreign = foreign->len };

        if (kind->six)
            wish.client = find_global(self, AF_INET6);
        if (self->portmaps[i] == NULL)
            self->portmaps[i] = make(self, kind);
        path_portmap_set(self->portmaps[i], &wish);
    }
    meshd_parts_let_tcp_in(self->parts, is_let_in(self));
}

void meshd_portmap_ask_again(MeshdEngine *self)
{
    for (size_t i = 0; i < MESHD_PORTMAPS; i++)
        if (self->portmaps[i] != NULL)
            path_portmap_ask_again(self->portmaps[i]);
}

void meshd_portmap_stop(MeshdEngine *self)
{
    for (size_t i = 0; i < MESHD_PORTMAPS; i++)
        path_portmap_free(g_steal_pointer(&self->portmaps[i]));
    meshd_parts_let_tcp_in(self->parts, false);
}

const char *meshd_portmap_get_state(const MeshdEngine *self, MeshdPortmapKind kind,
                                    const char **out_why)
{
    *out_why = "";
    return self->portmaps[kind] != NULL ? path_portmap_get_state(self->portmaps[kind], out_why)
                                        : "off";
}

MeshEndpoint meshd_portmap_get(const MeshdEngine *self, MeshdPortmapKind kind)
{
    return self->portmaps[kind] != NULL ? path_portmap_get(self->portmaps[kind])
                                        : (MeshEndpoint){ 0 };
}
