/* GET /v1/relay with "Upgrade: mesh-relay/1", or "websocket" for proxies that know only that: the
 * connection becomes a session at the relay. The request is signed by the node that the token
 * names; the nonce is not kept: who can repeat the request can read all that the session carries,
 * which is sealed from end to end. */
#include "server/api/exchange.h"

#include "common/codec/websocket.h"

#include <string.h>

#define PROTOCOL "mesh-relay/1"

static bool open_stream(ApiExchange *exchange, const ApiUpgradeRequest *request, void **out_stream,
                        GError **error)
{
    const ApiUpgrade *upgrade = &exchange->api->config.upgrade;

    return upgrade->open(upgrade->data, request, out_stream, error);
}

static bool has_protocol(const HttpHead *head)
{
    const char *value = http_message_get_field(head, "sec-websocket-protocol");
    g_auto(GStrv) words = value != NULL ? g_strsplit_set(value, ", ", -1) : NULL;

    return words != NULL && g_strv_contains((const char *const *)words, MESH_WEBSOCKET_PROTOCOL);
}

/* The value of Upgrade to answer with, and what else that form needs. NULL: what is wanted is none
 * of ours. Owned. */
static char *choose_protocol(const HttpHead *head, bool *out_websocket)
{
    const char *wanted = http_message_get_field(head, "upgrade");
    const char *key = http_message_get_field(head, "sec-websocket-key");
    const char *version = http_message_get_field(head, "sec-websocket-version");
    char        accept[MESH_WEBSOCKET_ACCEPT_BYTES];

    *out_websocket = wanted != NULL && g_ascii_strcasecmp(wanted, "websocket") == 0;
    if (wanted != NULL && g_ascii_strcasecmp(wanted, PROTOCOL) == 0)
        return g_strdup(PROTOCOL);
    if (!*out_websocket || version == NULL || strcmp(version, "13") != 0 || key == NULL ||
        !has_protocol(head) || mesh_websocket_accept(key, strlen(key), accept) < 0)
        return NULL;
    return g_strdup_printf("websocket\r\nSec-WebSocket-Accept: %s\r\n"
                           "Sec-WebSocket-Protocol: " MESH_WEBSOCKET_PROTOCOL,
                           accept);
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
    MeshReqsignParams   params;
    ApiUpgradeRequest   request = { .conn = exchange->conn,
                                    .node = &params.node,
                                    .token = http_message_get_field(exchange->head, "mesh-token") };
    g_autofree char    *protocol = choose_protocol(exchange->head, &request.websocket);
    void               *stream = NULL;
    g_autoptr(GError) error = NULL;

    if (upgrade->open == NULL) {
        api_exchange_fail(exchange, MESH_ERROR_NOT_FOUND, "there is no relay here", NULL);
    } else if (protocol == NULL) {
        api_exchange_fail(exchange, MESH_ERROR_BAD_REQUEST,
                          "Upgrade: neither " PROTOCOL " nor a WebSocket of version 13 with "
                          "Sec-WebSocket-Protocol: " MESH_WEBSOCKET_PROTOCOL,
                          NULL);
    } else if (request.token == NULL) {
        api_exchange_fail(exchange, MESH_ERROR_BAD_REQUEST, "Mesh-Token: missing", NULL);
    } else if (!api_auth_verify(exchange->head, MESH_SPAN(NULL, 0), identity, &params, &error)) {
        const MeshSessionHints hints = api_auth_make_hints(error, identity);

        api_exchange_fail(exchange, mesh_error_describe(error)->code, error->message, &hints);
    } else if (!open_stream(exchange, &request, &stream, &error)) {
        api_exchange_fail_error(exchange, error);
    } else {
        api_exchange_upgrade(exchange, protocol, stream);
    }
}

extern const ApiRoute api_ep_relay;
const ApiRoute        api_ep_relay = {
           .method = "GET",
           .name = "relay",
           .alone = true,
           .handle = handle,
};
