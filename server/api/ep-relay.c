/* GET /v1/relay with "Upgrade: mesh-relay/1": the connection becomes a session at the relay. The
 * request is signed by the node that the token names; the nonce is not kept: who can repeat the
 * request can read all that the session carries, which is sealed from end to end. */
#include "server/api/exchange.h"

#include <string.h>

#define PROTOCOL "mesh-relay/1"

static bool open_stream(ApiExchange *exchange, const MeshKey *node, const char *token,
                        void **out_stream, GError **error)
{
    const ApiUpgrade       *upgrade = &exchange->api->config.upgrade;
    const ApiUpgradeRequest request = { .conn = exchange->conn, .node = node, .token = token };

    return upgrade->open(upgrade->data, &request, out_stream, error);
}

/* Whom the request names: the core's server, or another that is trusted. */
static const CoreIdentity *find_identity(const ApiExchange *exchange)
{
    const ApiConfig *config = &exchange->api->config;
    const char      *named = http_message_get_field(exchange->head, "mesh-server");

    for (unsigned i = 0; named != NULL && i < config->upgrade.n_others; i++)
        if (strcmp(config->upgrade.others[i].fingerprint, named) == 0)
            return &config->upgrade.others[i];
    return config->core != NULL ? core_get_identity(config->core) : &config->upgrade.others[0];
}

static void handle(ApiExchange *exchange)
{
    const ApiUpgrade   *upgrade = &exchange->api->config.upgrade;
    const CoreIdentity *identity = find_identity(exchange);
    const char         *wanted = http_message_get_field(exchange->head, "upgrade");
    const char         *token = http_message_get_field(exchange->head, "mesh-token");
    MeshReqsignParams   params;
    void               *stream = NULL;
    g_autoptr(GError) error = NULL;

    if (upgrade->open == NULL) {
        api_exchange_fail(exchange, MESH_ERROR_NOT_FOUND, "there is no relay here", NULL);
    } else if (wanted == NULL || g_ascii_strcasecmp(wanted, PROTOCOL) != 0) {
        api_exchange_fail(exchange, MESH_ERROR_BAD_REQUEST, "Upgrade: not " PROTOCOL, NULL);
    } else if (token == NULL) {
        api_exchange_fail(exchange, MESH_ERROR_BAD_REQUEST, "Mesh-Token: missing", NULL);
    } else if (!api_auth_verify(exchange->head, MESH_SPAN(NULL, 0), identity, &params, &error)) {
        const MeshSessionHints hints = api_auth_make_hints(error, identity);

        api_exchange_fail(exchange, mesh_error_describe(error)->code, error->message, &hints);
    } else if (!open_stream(exchange, &params.node, token, &stream, &error)) {
        api_exchange_fail_error(exchange, error);
    } else {
        api_exchange_upgrade(exchange, PROTOCOL, stream);
    }
}

extern const ApiRoute api_ep_relay;
const ApiRoute        api_ep_relay = {
           .method = "GET",
           .name = "relay",
           .alone = true,
           .handle = handle,
};
