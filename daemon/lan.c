#include "daemon/lan.h"

#include "common/glib/log.h"
#include "daemon/inside.h"
#include "daemon/path/lan.h"

enum { APPLY_MS = 20 }; /* several that answer at once are taken into force at once */

struct MeshdLan {
    PathLan    *path;    /* NULL: nothing runs */
    MeshSigned *k, *e;   /* ours, as they were signed last; NULL: not yet */
    guint       apply;   /* timer: what was learned comes into force; 0: none */
    bool        durable; /* a K is among it */
};

MeshdLan *meshd_lan_new(void)
{
    return g_new0(MeshdLan, 1);
}

static void stop(MeshdLan *lan)
{
    path_lan_free(g_steal_pointer(&lan->path));
    g_clear_handle_id(&lan->apply, g_source_remove);
    lan->durable = false;
}

void meshd_lan_free(MeshdLan *lan)
{
    if (lan == NULL)
        return;
    stop(lan);
    mesh_signed_unref(lan->k);
    mesh_signed_unref(lan->e);
    g_free(lan);
}

/* ---- what others announce ---- */

static gboolean on_apply(gpointer user_data)
{
    MeshdEngine     *self = user_data;
    MeshNetmapChange change = self->lan->durable ? MESH_NETMAP_CHANGED : MESH_NETMAP_PRESENCE;

    self->lan->apply = 0;
    self->lan->durable = false;
    if (self->client != NULL)
        meshd_engine_use_map(self, control_client_get_map(self->client), change);
    return G_SOURCE_REMOVE;
}

static MeshSigned *make_object(const MeshLanhelloRecord *record)
{
    return mesh_signed_new((const char *)record->body.data, record->body.len,
                           record->signature.bytes, NULL);
}

/* E as verified; false: it is not the peer's, or not newer than what we go by. */
static bool check_e(const MeshdEngine *self, const LockPeer *peer, MeshSigned *e)
{
    const MeshNetworkId *net = &self->profile->server.network;
    MeshRecordE          record;

    return mesh_record_open_e(e, net, &peer->member->node, &record, NULL) &&
           record.seq > peer->e_seq && record.exp > lock_gate_now(self->gate);
}

/* A K with a number above the one in force. The other one, or an older, is not worth a word: it is
 * what the peer had when it announced. */
static bool check_k(const MeshdEngine *self, const LockPeer *peer, MeshSigned *k)
{
    const MeshNetworkId *net = &self->profile->server.network;
    MeshRecordK          record;

    return mesh_record_open_k(k, net, &peer->member->node, &record, NULL) &&
           record.seq > peer->k_seq;
}

/* Only of nodes whose membership the server signed and we hold. Here the records are verified
 * before they replace any; the gate judges them again, with all its rules. */
static bool on_heard(const MeshLanhello *hello, void *user_data)
{
    MeshdEngine    *self = user_data;
    LockVerified   *map = meshd_parts_get_map(self->parts);
    const LockPeer *peer = map != NULL ? lock_verified_find_node(map, &hello->node) : NULL;
    const MeshPeer *known;
    g_autoptr(MeshSigned) k = make_object(&hello->k);
    g_autoptr(MeshSigned) e = make_object(&hello->e);
    bool new_k;

    if (peer == NULL || self->client == NULL || k == NULL || e == NULL)
        return false;
    known = mesh_netmap_find_peer(control_client_get_map(self->client), peer->index);
    if (known == NULL || mesh_signed_equal(known->e, e) || !check_e(self, peer, e))
        return false;
    new_k = !mesh_signed_equal(known->k, k) && check_k(self, peer, k);
    if (!control_client_learn(self->client, peer->index, new_k ? k : NULL, e))
        return false;
    mesh_log_info("network %s: %s is on a link of this host", self->profile->network,
                  peer->member->name);
    self->lan->durable |= new_k;
    if (self->lan->apply == 0)
        self->lan->apply = g_timeout_add(APPLY_MS, on_apply, self);
    return true;
}

/* ---- what we announce ---- */

static MeshSigned *sign_k(const MeshdProfile *profile)
{
    MeshRecordK k = meshd_profile_make_k(profile);
    g_autoptr(GError) error = NULL;
    MeshSigned *object = mesh_record_sign_k(&k, &profile->server.network, profile->secret, &error);

    if (object == NULL)
        mesh_log_error("network %s: %s", profile->network, error->message);
    return object;
}

static void start(MeshdEngine *self)
{
    PathLanOptions options = { .net = self->profile->server.network,
                               .heard = on_heard,
                               .user_data = self };

    self->lan->path = path_lan_new(&options);
}

/* Another host that has our keys speaks for this node now. */
static bool is_wanted(const MeshdEngine *self)
{
    return self->profile->lan && !self->displaced && meshd_parts_get_map(self->parts) != NULL;
}

void meshd_lan_follow(MeshdEngine *self)
{
    PathLanWish wish = { .node = self->profile->node,
                         .links = (const unsigned *)(void *)self->links->data,
                         .n_links = self->links->len };

    if (!is_wanted(self)) {
        stop(self->lan);
        return;
    }
    if (self->lan->path == NULL)
        start(self);
    if (self->lan->k == NULL)
        self->lan->k = sign_k(self->profile);
    wish.lan = lock_verified_get_head(meshd_parts_get_map(self->parts))->network.lan;
    wish.k = self->lan->k;
    wish.e = self->lan->e;
    path_lan_set(self->lan->path, &wish);
    mesh_key_wipe(&wish.lan, sizeof wish.lan);
}

void meshd_lan_told(MeshdEngine *self, MeshSigned *e)
{
    mesh_signed_ref(e);
    mesh_signed_unref(self->lan->e);
    self->lan->e = e;
    meshd_lan_follow(self);
}

void meshd_lan_forget_k(MeshdEngine *self)
{
    g_clear_pointer(&self->lan->k, mesh_signed_unref);
}

void meshd_lan_renew(MeshdEngine *self)
{
    if (self->lan->path != NULL)
        path_lan_renew(self->lan->path);
}

void meshd_lan_stop(MeshdEngine *self)
{
    stop(self->lan);
}

const char *meshd_lan_get_state(const MeshdEngine *self)
{
    if (self->lan->path == NULL)
        return "off";
    return path_lan_count(self->lan->path) > 0 ? "on" : "none";
}
