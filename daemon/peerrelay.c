#include "daemon/peerrelay.h"

#include "common/glib/log.h"
#include "common/proto/token.h"
#include "daemon/inside.h"
#include "server/relay/relay.h"

#include <string.h>

enum { SESSIONS = 256 };

struct MeshdPeerRelay {
    MeshNetworkId net;    /* this and the next: fixed */
    MeshKey       server; /* Ed25519; it signs tokens */
    uint16_t      port;
    uint8_t       server_id[MESH_RELAYBIND_SERVER_ID_BYTES];
    Relay        *relay; /* NULL: failed */
    char          why[RELAY_WHY_SIZE];
    LockVerified *map;     /* that @members are of; owned */
    GMutex        lock;    /* of members: the relay's signing thread reads them */
    GHashTable   *members; /* index → owned MeshKey of the node */
};

/* A token counts for as long as its node is one of the network. Any thread. */
static bool is_member(MeshdPeerRelay *self, const MeshToken *token)
{
    const MeshKey *node;
    bool           known;

    g_mutex_lock(&self->lock);
    node = g_hash_table_lookup(self->members, GUINT_TO_POINTER(token->index));
    known = node != NULL && mesh_key_equal(node, &token->node);
    g_mutex_unlock(&self->lock);
    return known;
}

/* On the relay's signing thread. */
static MeshRelayStatus open_token(const MeshRelayBind *bind, void *user_data, RelayGrant *out_grant)
{
    MeshdPeerRelay *self = user_data;
    MeshToken       token;

    if (memcmp(bind->server_id, self->server_id, sizeof self->server_id) != 0 ||
        memcmp(bind->network_id, self->net.bytes, sizeof self->net.bytes) != 0)
        return MESH_RELAYBIND_NOT_SERVED;
    if (!mesh_token_open_bind(bind, &self->server, &token))
        return MESH_RELAYBIND_TOKEN_WRONG;
    if (!is_member(self, &token))
        return MESH_RELAYBIND_REVOKED;
    *out_grant = (RelayGrant){ .node = { .index = token.index, .node = token.node },
                               .exp_s = token.exp,
                               .bps = token.bps,
                               .burst = token.burst };
    memcpy(out_grant->node.network, self->net.bytes, sizeof self->net.bytes);
    return MESH_RELAYBIND_OK;
}

static void start(MeshdPeerRelay *self)
{
    RelayConfig config = {
        .udp = self->port, .sessions = SESSIONS, .open_token = open_token, .user_data = self
    };

    mesh_key_make_private(&config.rk_secret);
    if (relay_start(&config, &self->relay, self->why) < 0)
        mesh_log_warning("the relay for other nodes: %s", self->why);
    mesh_key_wipe(&config.rk_secret, sizeof config.rk_secret);
}

static MeshdPeerRelay *make(const MeshdProfile *profile)
{
    MeshdPeerRelay *self = g_new0(MeshdPeerRelay, 1);

    self->net = profile->server.network;
    self->server = profile->server.server;
    self->port = profile->peer_relay;
    mesh_relaybind_name_server(&self->server, self->server_id);
    g_mutex_init(&self->lock);
    self->members = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return self;
}

/* Those of @some that are not in @others: to each of them happens @what. */
static void treat(MeshdPeerRelay *self, GHashTable *some, GHashTable *others,
                  void (*what)(Relay *relay, const RelayNode *node))
{
    GHashTableIter iter;
    gpointer       index, key;

    g_hash_table_iter_init(&iter, some);
    while (g_hash_table_iter_next(&iter, &index, &key)) {
        const MeshKey *same = g_hash_table_lookup(others, index);
        RelayNode      who = { .index = GPOINTER_TO_UINT(index), .node = *(const MeshKey *)key };

        if (same != NULL && mesh_key_equal(same, &who.node))
            continue;
        memcpy(who.network, self->net.bytes, sizeof who.network);
        what(self->relay, &who);
    }
}

/* While some wait to be verified, who is missing is perhaps one of those. */
static void keep_missing(const MeshdPeerRelay *self, GHashTable *members)
{
    GHashTableIter iter;
    gpointer       index, key;

    g_hash_table_iter_init(&iter, self->members);
    while (g_hash_table_iter_next(&iter, &index, &key))
        if (!g_hash_table_contains(members, index))
            g_hash_table_insert(members, index, g_memdup2(key, sizeof(MeshKey)));
}

static void set_members(MeshdPeerRelay *self, LockVerified *map)
{
    GHashTable *members, *before;

    if (map == self->map)
        return; /* our own record changes more often than the map */
    lock_verified_unref(self->map);
    self->map = lock_verified_ref(map);
    members = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    for (size_t i = 0; i < lock_verified_count(map); i++) {
        const LockPeer *peer = lock_verified_get_peer(map, i);

        g_hash_table_insert(members, GUINT_TO_POINTER(peer->index),
                            g_memdup2(&peer->member->node, sizeof peer->member->node));
    }
    if (lock_verified_get_head(map)->n_waiting > 0)
        keep_missing(self, members);
    g_mutex_lock(&self->lock);
    before = self->members;
    self->members = members;
    g_mutex_unlock(&self->lock);
    if (self->relay != NULL) { /* who left has no session any more, who came back may have one */
        treat(self, before, self->members, relay_revoke);
        treat(self, self->members, before, relay_allow);
    }
    g_hash_table_unref(before);
}

void meshd_peerrelay_follow(MeshdEngine *self)
{
    LockVerified *map = meshd_parts_get_map(self->parts);
    bool          fresh;

    if (self->relaying != NULL && self->relaying->port != self->profile->peer_relay)
        meshd_peerrelay_stop(self);
    if (map == NULL || self->profile->peer_relay == 0)
        return;
    fresh = self->relaying == NULL;
    if (fresh)
        self->relaying = make(self->profile);
    set_members(self->relaying, map);
    if (fresh)
        start(self->relaying);
}

void meshd_peerrelay_stop(MeshdEngine *self)
{
    MeshdPeerRelay *relay = g_steal_pointer(&self->relaying);

    if (relay == NULL)
        return;
    relay_stop(relay->relay);
    g_hash_table_unref(relay->members);
    lock_verified_unref(relay->map);
    g_mutex_clear(&relay->lock);
    g_free(relay);
}

MeshRecordRelay meshd_peerrelay_get(const MeshdEngine *self)
{
    if (self->relaying == NULL || self->relaying->relay == NULL)
        return (MeshRecordRelay){ .port = 0 };
    return (MeshRecordRelay){ .port = self->relaying->port,
                              .key = *relay_get_key(self->relaying->relay) };
}

const char *meshd_peerrelay_get_state(const MeshdEngine *self, const char **out_why)
{
    *out_why = self->relaying != NULL ? self->relaying->why : "";
    if (self->relaying == NULL)
        return "off";
    return self->relaying->relay != NULL ? "on" : "failed";
}
