/* tests/fuzz/fuzz-filter.c: inner packets, as a peer or a program behind the TUN makes them. */
#include "daemon/wire/allowedips.h"
#include "daemon/wire/filter.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static WireFilter *filter;
static WireFlows  *flows;

/* TCP to port 80 and all ICMP pass; the rest only as answers. */
static void set_up(void)
{
    const WireFilterRow rows[] = {
        { .accept = true, .protocol = 6, .port_first = 80, .port_last = 80 },
        { .accept = true, .protocol = 1, .port_last = 65535 },
        { .accept = false, .protocol = 58, .port_last = 65535 },
    };

    assert(sodium_init() >= 0);
    assert(wire_filter_new(rows, MESH_N_ELEMENTS(rows), false, &filter) == 0);
    assert(wire_flows_new(&flows) == 0);
}

/* What a flow is said to be lies in the packet. */
static void check_flow(const WireFlow *flow, const uint8_t *packet, size_t len)
{
    WireFlow back = wire_flow_reverse(flow);

    back = wire_flow_reverse(&back);
    assert(back.source_port == flow->source_port);
    assert(flow->source.family == flow->destination.family);
    assert(flow->source.family == (packet[0] >> 4 == 4 ? AF_INET : AF_INET6));
    assert(!flow->is_error || flow->quote_at <= len);
    if (flow->part == WIRE_FLOW_LATER_FRAGMENT)
        assert(!flow->has_ports && !flow->is_error);
}

void fuzz_one(const uint8_t *data, size_t len)
{
    uint8_t *packet = malloc(len == 0 ? 1 : len); /* its own end, so that reading over it is seen */
    WireFlow flow;
    bool     whole;

    if (filter == NULL)
        set_up();
    assert(packet != NULL);
    if (len > 0)
        memcpy(packet, data, len);
    whole = wire_flow_parse(packet, len, false, &flow) == 0;
    if (whole) {
        check_flow(&flow, packet, len);
        assert(wire_flow_parse(packet, len, true, &flow) == 0); /* a quote may only be less */
    }
    if (wire_filter_passes(filter, flows, packet, len, 1000))
        assert(whole);
    free(packet);
}
