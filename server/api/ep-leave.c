/* POST /v1/networks/N/leave: a node removes itself. */
#include "server/api/exchange.h"

enum {
    MAX_BODY_BYTES = 1024,
};

static void handle(ApiExchange *exchange)
{
    core_ask(exchange->api->core, CORE_ASK_LEAVE, &exchange->caller,
             api_exchange_make_return(exchange));
}

extern const ApiRoute api_ep_leave;
const ApiRoute        api_ep_leave = {
           .method = "POST",
           .name = "leave",
           .in_network = true,
           .max_body_bytes = MAX_BODY_BYTES,
           .handle = handle,
};
