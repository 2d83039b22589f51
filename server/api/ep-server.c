/* GET /v1/server: who we are. The one request that nobody signs. */
#include "common/std/clock.h"
#include "server/api/exchange.h"

static void handle(ApiExchange *exchange)
{
    MeshServerInfo info = {
        .name = "mesh-server",
        .version = MESH_VERSION,
        .proto_min = 1,
        .proto_max = 1,
        .key = core_get_identity(exchange->api->core)->key,
        .time = mesh_clock_wall_s(),
    };
    size_t len = 0;
    char  *text = mesh_session_encode_server(&info, &len);
    g_autoptr(GBytes) body = g_bytes_new_take(text, len);

    api_exchange_respond(exchange, 200, body);
}

extern const ApiRoute api_ep_server;
const ApiRoute        api_ep_server = { .method = "GET", .name = "server", .handle = handle };
