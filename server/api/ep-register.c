/* POST /v1/networks/N/register[?wait=S]: a node joins, or asks again. */
#include "server/api/exchange.h"

enum {
    MAX_BODY_BYTES = 16384,
    MAX_WAIT_S = 55,
};

static void handle(ApiExchange *exchange)
{
    g_autoptr(GBytes) body = NULL;
    unsigned wait_s = 0;

    if (!api_exchange_get_number(exchange, "wait", 0, MAX_WAIT_S, &wait_s))
        return;
    body = api_exchange_steal_body(exchange);
    core_register(exchange->api->core, &exchange->caller, body, wait_s,
                  api_exchange_make_return(exchange));
}

extern const ApiRoute api_ep_register;
const ApiRoute        api_ep_register = {
           .method = "POST",
           .name = "register",
           .in_network = true,
           .max_body_bytes = MAX_BODY_BYTES,
           .handle = handle,
};
