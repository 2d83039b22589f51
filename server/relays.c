#include "server/relays.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/proto/token.h"
#include "common/std/base64.h"
#include "common/std/hash.h"
#include "server/keyfile.h"
#include "server/relay/stream.h"

#include <pthread.h>
#include <string.h>

enum { MAX_SERVERS = SERVER_MAX_TRUST + 1 };

typedef struct {
    MeshKey key;
    uint8_t id[MESH_RELAYBIND_SERVER_ID_BYTES];
} Server;

struct ServerRelays {
    Relay          *relay; /* NULL: off */
    pthread_mutex_t lock;  /* of servers: the signing thread reads them */
    Server          servers[MAX_SERVERS];
    unsigned        n_servers;
    CoreIdentity    trusted[SERVER_MAX_TRUST]; /* fixed from the start on */
    unsigned        n_trusted;
};

/* --- tokens ------------------------------------------------------------------------------------
 */

/* Which server's token it says it is. Returns: its index; -1: none of ours. */
static int find_server(ServerRelays *self, const uint8_t *id, MeshKey *out_key)
{
    int found = -1;

    (void)pthread_mutex_lock(&self->lock);
    for (unsigned i = 0; i < self->n_servers; i++)
        if (memcmp(self->servers[i].id, id, sizeof(self->servers[i].id)) == 0) {
            found = (int)i;
            *out_key = self->servers[i].key;
        }
    (void)pthread_mutex_unlock(&self->lock);
    return found;
}

static MeshRelayStatus open_token(const MeshRelayBind *bind, void *user_data, RelayGrant *out_grant)
{
    MeshToken token;
    MeshKey   key;
    int       server = find_server(user_data, bind->server_id, &key);

    if (server < 0)
        return MESH_RELAYBIND_NOT_SERVED;
    if (!mesh_token_open_bind(bind, &key, &token))
        return MESH_RELAYBIND_TOKEN_WRONG;
    *out_grant = (RelayGrant){
        .node = { .server = (uint16_t)server, .index = token.index, .node = token.node },
        .exp_s = token.exp,
        .bps = token.bps,
        .burst = token.burst,
    };
    memcpy(out_grant->node.network, bind->network_id, sizeof(bind->network_id));
    return MESH_RELAYBIND_OK;
}

/* --- over TLS ----------------------------------------------------------------------------------
 */

/* "FP.N.BODY.SIG" as a BIND would say it; @body owns the token's bytes. */
static bool read_token(const char *text, MeshRelayBind *out_bind, uint8_t *body, size_t body_size)
{
    g_auto(GStrv) parts = g_strsplit(text, ".", 5);
    MeshNetworkId net;
    size_t        len = 0;

    if (g_strv_length(parts) != 4 ||
        mesh_base64url_decode(parts[0], out_bind->server_id, sizeof(out_bind->server_id), NULL) <
            0 ||
        !mesh_network_parse_id(parts[1], &net) ||
        mesh_base64url_decode(parts[2], body, body_size, &len) < 0 || len == 0 ||
        mesh_base64url_decode(parts[3], out_bind->token_signature.bytes, MESH_SIGN_BYTES, NULL) < 0)
        return false;
    memcpy(out_bind->network_id, net.bytes, sizeof(out_bind->network_id));
    out_bind->token = MESH_SPAN(body, len);
    return true;
}

static bool refuse(MeshRelayStatus status, GError **error)
{
    static const struct {
        MeshErrorCode code;
        const char   *text;
    } why[] = {
        [MESH_RELAYBIND_TOKEN_WRONG] = { MESH_ERROR_BAD_REQUEST, "Mesh-Token: wrong" },
        [MESH_RELAYBIND_TOKEN_EXPIRED] = { MESH_ERROR_BAD_REQUEST, "Mesh-Token: it has ended" },
        [MESH_RELAYBIND_BUSY] = { MESH_ERROR_BUSY, "the relay is full" },
        [MESH_RELAYBIND_REVOKED] = { MESH_ERROR_REMOVED, "this node was removed" },
        [MESH_RELAYBIND_NOT_SERVED] = { MESH_ERROR_BAD_REQUEST,
                                        "Mesh-Token: its server is not served here" },
    };

    g_set_error_literal(error, MESH_ERROR, (int)why[status].code, why[status].text);
    return false;
}

static bool open_stream(void *data, const ApiUpgradeRequest *request, void **out_stream,
                        GError **error)
{
    ServerRelays   *self = data;
    MeshRelayBind   bind = { .version = MESH_RELAYBIND_VERSION };
    uint8_t         body[MESH_RELAYBIND_MAX_TOKEN_BYTES];
    RelayGrant      grant;
    RelayStream    *stream = NULL;
    MeshRelayStatus status = MESH_RELAYBIND_TOKEN_WRONG;

    if (read_token(request->token, &bind, body, sizeof(body)))
        status = open_token(&bind, self, &grant);
    if (status == MESH_RELAYBIND_OK && !mesh_key_equal(&grant.node.node, request->node))
        status = MESH_RELAYBIND_TOKEN_WRONG;
    if (status == MESH_RELAYBIND_OK)
        status = relay_stream_open(self->relay, request->conn, &grant, request->websocket, &stream);
    if (status != MESH_RELAYBIND_OK)
        return refuse(status, error);
    *out_stream = stream;
    return true;
}

static void start_stream(void *stream)
{
    relay_stream_start(stream);
}

static void give_input(void *stream, const uint8_t *data, size_t len)
{
    relay_stream_input(stream, data, len);
}

static void close_stream(void *stream)
{
    relay_stream_close(stream);
}

ApiUpgrade server_relays_make_upgrade(ServerRelays *self)
{
    if (self->relay == NULL)
        return (ApiUpgrade){ .open = NULL };
    return (ApiUpgrade){ .open = open_stream,
                         .start = start_stream,
                         .input = give_input,
                         .close = close_stream,
                         .data = self,
                         .others = self->trusted,
                         .n_others = self->n_trusted };
}

/* --- for the core ------------------------------------------------------------------------------
 */

static void end_node(void *data, const MeshNetworkId *net, uint32_t index, const MeshKey *node)
{
    ServerRelays *self = data;
    RelayNode     who = { .server = 0, .index = index, .node = *node };

    memcpy(who.network, net->bytes, sizeof(who.network));
    relay_revoke(self->relay, &who);
}

static void count(void *data, CoreRelayCounts *out_counts)
{
    ServerRelays *self = data;
    RelayStats    stats;

    relay_get_stats(self->relay, &stats);
    *out_counts = (CoreRelayCounts){
        .on = true,
        .sessions = stats.sessions,
        .packets = stats.packets,
        .bytes = stats.bytes,
        .dropped = stats.dropped_forged + stats.dropped_unknown + stats.dropped_rate +
                   stats.dropped_queue + stats.dropped_socket,
    };
}

static void describe(const ServerConfig *config, ServerRelays *self, CoreRelays *out)
{
    out->bps = (uint64_t)config->relay_rate * 1000000;
    out->burst = (uint64_t)config->relay_burst * 1000;
    if (self->relay == NULL)
        return;
    out->own = (MeshRelayEntry){
        .id = CORE_RELAY_OWN_ID,
        .name = "server",
        .udp = config->relay_udp,
        .alt = (uint16_t)config->relay_alt,
        .tls = config->public_port,
        .rk = *relay_get_key(self->relay),
    };
    if (config->relay_host != NULL)
        g_strlcpy(out->own.host, config->relay_host, sizeof(out->own.host));
    out->ended = end_node;
    out->count = count;
    out->data = self;
}

static Relay *start_relay(const ServerConfig *config, ServerRelays *self, char *out_why,
                          GError **error)
{
    RelayConfig relay = {
        .udp = config->relay_udp,
        .alt = (uint16_t)config->relay_alt,
        .sessions = config->relay_sessions,
        .open_token = open_token,
        .user_data = self,
    };
    Relay *started = NULL;

    if (server_keyfile_prepare(config->state_dir, SERVER_KEYFILE_RELAY, &relay.rk_secret, error) &&
        relay_start(&relay, &started, out_why) < 0)
        started = NULL;
    mesh_key_wipe(&relay.rk_secret, sizeof(relay.rk_secret));
    return started;
}

static void serve(ServerRelays *self, const MeshKey *server)
{
    Server *place;

    (void)pthread_mutex_lock(&self->lock);
    if (self->n_servers < MAX_SERVERS) {
        place = &self->servers[self->n_servers++];
        place->key = *server;
        mesh_relaybind_name_server(server, place->id);
    }
    (void)pthread_mutex_unlock(&self->lock);
}

static void trust(const ServerConfig *config, ServerRelays *self)
{
    for (unsigned i = 0; i < config->n_relay_trust; i++) {
        CoreIdentity *identity = &self->trusted[self->n_trusted++];

        identity->key = config->relay_trust[i];
        mesh_reqsign_fingerprint(&identity->key, identity->fingerprint);
    }
}

ServerRelays *server_relays_start(const ServerConfig *config, CoreRelays *out_core, GError **error)
{
    ServerRelays *self = g_new0(ServerRelays, 1);
    char          why[RELAY_WHY_SIZE] = "";
    GError       *cause = NULL;

    (void)pthread_mutex_init(&self->lock, NULL);
    trust(config, self);
    if (config->relay)
        self->relay = start_relay(config, self, why, &cause);
    if (cause != NULL) {
        g_propagate_error(error, cause);
        server_relays_stop(self);
        return NULL;
    }
    if (config->relay && self->relay == NULL)
        mesh_log_warning("%s: [relay]: %s: there is no relay here, nodes without a direct way do "
                         "not reach each other",
                         config->path, why);
    describe(config, self, out_core);
    return self;
}

ServerRelays *server_relays_start_alone(const ServerConfig *config, GError **error)
{
    ServerRelays *self = g_new0(ServerRelays, 1);
    char          why[RELAY_WHY_SIZE] = "";
    GError       *cause = NULL;

    (void)pthread_mutex_init(&self->lock, NULL);
    trust(config, self);
    self->relay = start_relay(config, self, why, &cause);
    for (unsigned i = 0; i < self->n_trusted; i++)
        serve(self, &self->trusted[i].key);
    if (self->relay != NULL)
        return self;
    if (cause != NULL)
        g_propagate_error(error, cause);
    else
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "%s: [relay]: %s", config->path, why);
    server_relays_stop(self);
    return NULL;
}

void server_relays_serve(ServerRelays *self, const MeshKey *server)
{
    serve(self, server); /* the first: end_node() means it */
    for (unsigned i = 0; i < self->n_trusted; i++)
        if (!mesh_key_equal(&self->trusted[i].key, server))
            serve(self, &self->trusted[i].key);
}

void server_relays_drain(ServerRelays *self, unsigned wait_ms)
{
    if (self->relay != NULL)
        relay_drain(self->relay, wait_ms);
}

void server_relays_stop(ServerRelays *self)
{
    if (self == NULL)
        return;
    relay_stop(self->relay);
    (void)pthread_mutex_destroy(&self->lock);
    g_free(self);
}
