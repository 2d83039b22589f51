/* daemon/wire/flows.h: what a packet is about, and a bounded memory of such flows. Internal to
 * filter.c and its tests.
 *
 * Memory: words of one atomic each (37 bits of a keyed hash beside those that choose the bucket,
 * 27 bits of time in steps of 4 s), four to a bucket. A life ends up to 4 s late. Any shard thread.
 * Lost races forget a flow until its next packet, never invent one. Packets in pieces have slots of
 * their own, so that no number of them makes a flow forgotten. Slots are resident once used. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct WireFlows WireFlows;

#define WIRE_FLOW_SLOTS           65536u /* flows remembered; the stalest of four makes room */
#define WIRE_FLOW_LIFE_S          180    /* after the last packet (RFC 4787 §4.3: at least 120) */
#define WIRE_FLOW_TCP_LIFE_S      7440   /* (RFC 5382 §5: 2 h 4 min) */
#define WIRE_FLOW_FRAGMENT_SLOTS  4096u  /* packets in pieces; the oldest of four makes room */
#define WIRE_FLOW_FRAGMENT_LIFE_S 24 /* after the first piece; Linux waits 30 s for the others */

/** WireFlow: one direction of a conversation. */
typedef struct {
    MeshAddr source, destination;
    uint8_t  protocol;         /* of the packet, behind IPv6 extension headers */
    bool     has_ports;        /* TCP, UDP */
    uint16_t source_port;      /* or the identifier of an ICMP echo request */
    uint16_t destination_port; /* or the identifier of its reply */
    enum {
        WIRE_FLOW_WHOLE,
        WIRE_FLOW_FIRST_FRAGMENT,
        WIRE_FLOW_LATER_FRAGMENT, /* no ports in it */
    } part;
    uint32_t fragment_id;
    bool     is_error; /* ICMP error: it is about the packet quoted at quote_at */
    size_t   quote_at; /* byte offset in the packet */
} WireFlow;

/** wire_flow_parse: reads an IPv4 or IPv6 packet, at most eight extension headers.
 * Returns: 0; -EBADMSG: truncated or inconsistent; nothing may pass then. A quote (@quoted) may end
 * right behind the ports. */
MESH_CHECKED int wire_flow_parse(const uint8_t *packet, size_t len, bool quoted,
                                 WireFlow *out_flow);

/** wire_flow_reverse: the flow of its answers. */
WireFlow wire_flow_reverse(const WireFlow *flow);

MESH_CHECKED int wire_flows_new(WireFlows **out_flows); /* 0; -ENOMEM */
void             wire_flows_free(WireFlows *self);      /* NULL is fine */

/** wire_flows_remember: @flow was accepted at @now_s (boot clock). */
void wire_flows_remember(WireFlows *self, const WireFlow *flow, int64_t now_s);

/** wire_flows_knows: is it remembered and alive? Then it lives on from now. */
bool wire_flows_knows(WireFlows *self, const WireFlow *flow, int64_t now_s);

/* The same for the later fragments of an accepted packet. */
void wire_flows_remember_fragments(WireFlows *self, const WireFlow *first, int64_t now_s);
bool wire_flows_knows_fragment(WireFlows *self, const WireFlow *later, int64_t now_s);
