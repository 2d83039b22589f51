/* GET /v1/networks/N/relays: the relay map and a token. */
#include "server/api/exchange.h"

static void handle(ApiExchange *exchange)
{
    core_ask(exchange->api->core, CORE_ASK_RELAYS, &exchange->caller,
             api_exchange_make_return(exchange));
}

extern const ApiRoute api_ep_relays;
const ApiRoute        api_ep_relays = {
           .method = "GET",
           .name = "relays",
           .in_network = true,
           .handle = handle,
};
