/* server/core/addresses.h: which address a node gets (docs/PROTOCOL.md §8). Storage thread. */
#pragma once

#include "common/std/ip.h"
#include "server/core/change.h"

#include <stdint.h>

enum { CORE_ADDRESSES_QUARANTINE_S = 24 * 3600 };

/* The host addresses of an IPv4 prefix of /8 … /30, host order: network and broadcast address and,
 * in a /16 or wider, the first 9 hosts are left out. */
void core_addresses_range4(const MeshPrefix *prefix, uint32_t *out_low, uint32_t *out_high);

/* An IPv4 prefix an owner may choose: /8 … /30 of private or shared space. Sets @error. */
bool core_addresses_check_prefix4(const MeshPrefix *prefix, GError **error);

/* Random ones for a new network: a /16 of 10.64.0.0/10, a ULA /48. @used: the /16s that another
 * network of this server has, for whoever is in both; if all are, any. */
MeshPrefix core_addresses_random4(uint64_t used);
MeshPrefix core_addresses_random6(void);

/* Notes in @used what @prefix has of them. */
void core_addresses_use4(uint64_t *used, const MeshPrefix *prefix);

/* Sets @row's IPv4 address: the lowest free one; none in a network without IPv4.
 * MESH_ERROR_FULL: all are taken. */
bool core_addresses_assign4(CoreChange *change, CoreNodeRow *row, GError **error);

/* Sets @row's IPv4 address to the one named @text, or to none ("none"). MESH_ERROR_CONFLICT:
 * another node has it; MESH_ERROR_BAD_REQUEST: not a host address of the network. */
bool core_addresses_choose4(CoreChange *change, CoreNodeRow *row, const char *text, GError **error);

/* Sets @row's IPv6 address from its key; a collision takes the next free. */
bool core_addresses_assign6(CoreChange *change, CoreNodeRow *row, GError **error);

/* @addr as a value; family 0 for @ip4 0. */
MeshAddr core_addresses_make4(uint32_t ip4);
