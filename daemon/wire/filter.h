/* daemon/wire/filter.h: the policy's rows, and a bounded memory of flows whose answers may pass.
 *
 * Rows are immutable and live in the snapshot. The memory of flows is one per plane, shared by all
 * shards without locks (words of one atomic each), and survives snapshots. With no rows and
 * "accept the rest" nothing is looked at and nothing is remembered. */
#pragma once

#include "common/std/attr.h"
#include "daemon/wire/config.h"
#include "daemon/wire/flows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct WireFilter WireFilter;

/** wire_filter_new: copies the rows. Returns: 0; -ENOMEM. */
MESH_CHECKED int wire_filter_new(const WireFilterRow *rows, size_t n_rows, bool accept_rest,
                                 WireFilter **out_filter);
WireFilter      *wire_filter_ref(WireFilter *self);   /* shared by who has the same rows */
void             wire_filter_unref(WireFilter *self); /* any thread; NULL is fine */

/** wire_filter_passes: may this whole inner IP packet go, in either direction?
 * Yes if the first row that matches accepts (the flow is remembered), if it answers a remembered
 * flow, is an ICMP error about one, or a later fragment of a packet that passed.
 * @packet, @len: inner packet, its IP header already checked by the caller to lie within @len
 * @now_s: boot clock, read once a batch
 * Any shard thread. Cost: O(rows) at worst; never allocates or blocks. */
bool wire_filter_passes(const WireFilter *self, WireFlows *flows, const uint8_t *packet, size_t len,
                        int64_t now_s);
