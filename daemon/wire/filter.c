/* daemon/wire/filter.c: policy rows, first match decides; see filter.h. */
#include "daemon/wire/filter.h"

#include "daemon/wire/flows.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct WireFilter {
    _Atomic uint32_t references;

    bool          accept_rest;
    bool          accept_all; /* no row can refuse: nothing needs to be read or remembered */
    size_t        n_rows;
    WireFilterRow rows[];
};

int wire_filter_new(const WireFilterRow *rows, size_t n_rows, bool accept_rest,
                    WireFilter **out_filter)
{
    WireFilter *self = calloc(1, sizeof *self + n_rows * sizeof *rows);

    if (self == NULL)
        return -ENOMEM;
    atomic_init(&self->references, 1);
    self->n_rows = n_rows;
    self->accept_rest = accept_rest;
    self->accept_all = accept_rest;
    for (size_t i = 0; i < n_rows; i++) {
        self->rows[i] = rows[i];
        self->accept_all = self->accept_all && rows[i].accept;
    }
    *out_filter = self;
    return 0;
}

WireFilter *wire_filter_ref(WireFilter *self)
{
    atomic_fetch_add_explicit(&self->references, 1, memory_order_relaxed);
    return self;
}

void wire_filter_unref(WireFilter *self)
{
    if (self != NULL && atomic_fetch_sub_explicit(&self->references, 1, memory_order_acq_rel) == 1)
        free(self);
}

static bool matches_prefix(const MeshPrefix *prefix, const MeshAddr *addr)
{
    return prefix->addr.family == 0 || mesh_ip_contains(prefix, addr);
}

static bool matches(const WireFilterRow *row, const WireFlow *flow)
{
    if (row->protocol != 0 && row->protocol != flow->protocol)
        return false;
    if (flow->has_ports &&
        (flow->destination_port < row->port_first || flow->destination_port > row->port_last))
        return false;
    return matches_prefix(&row->source, &flow->source) &&
           matches_prefix(&row->destination, &flow->destination);
}

static bool accepted_by_rows(const WireFilter *self, const WireFlow *flow)
{
    for (size_t i = 0; i < self->n_rows; i++) {
        if (matches(&self->rows[i], flow))
            return self->rows[i].accept;
    }
    return self->accept_rest;
}

/* An ICMP error passes when the packet it quotes belongs to a conversation that may be: sent by the
 * one whom the error is for. */
static bool is_known_error(WireFlows *flows, MeshSpan packet, const WireFlow *error, int64_t now_s)
{
    const uint8_t *bytes = packet.data;
    WireFlow       quoted, reverse;

    if (!error->is_error)
        return false;
    if (wire_flow_parse(bytes + error->quote_at, packet.len - error->quote_at, true, &quoted) < 0)
        return false;
    if (!mesh_ip_equal_addr(&quoted.source, &error->destination))
        return false;
    reverse = wire_flow_reverse(&quoted);
    return wire_flows_knows(flows, &quoted, now_s) || wire_flows_knows(flows, &reverse, now_s);
}

static bool judge(const WireFilter *self, WireFlows *flows, MeshSpan packet, const WireFlow *flow,
                  int64_t now_s)
{
    WireFlow reverse = wire_flow_reverse(flow);

    if (accepted_by_rows(self, flow)) {
        wire_flows_remember(flows, flow, now_s);
        return true;
    }
    return wire_flows_knows(flows, &reverse, now_s) || is_known_error(flows, packet, flow, now_s);
}

bool wire_filter_passes(const WireFilter *self, WireFlows *flows, const uint8_t *packet, size_t len,
                        int64_t now_s)
{
    WireFlow flow;

    if (self->accept_all)
        return true;
    if (wire_flow_parse(packet, len, false, &flow) < 0)
        return false;
    if (flow.part == WIRE_FLOW_LATER_FRAGMENT)
        return wire_flows_knows_fragment(flows, &flow, now_s);
    if (!judge(self, flows, MESH_SPAN(packet, len), &flow, now_s))
        return false;
    if (flow.part == WIRE_FLOW_FIRST_FRAGMENT)
        wire_flows_remember_fragments(flows, &flow, now_s);
    return true;
}
