/* POST /v1/networks/N/report: a node's newest endpoints. */
#include "server/api/exchange.h"

static void handle(ApiExchange *exchange)
{
    g_autoptr(GBytes) body = api_exchange_steal_body(exchange);

    core_report(exchange->api->core, &exchange->caller, body, api_exchange_make_return(exchange));
}

extern const ApiRoute api_ep_report;
const ApiRoute        api_ep_report = {
           .method = "POST",
           .name = "report",
           .in_network = true,
           .max_body_bytes = MESH_SESSION_REPORT_MAX_BYTES,
           .handle = handle,
};
