/* daemon/path/hardports.h: which ports of a hard NAT are worth a ping, and by how many sockets
 * behind it (docs/PATHS.md §5). Pure. Inside of daemon/path. */
#pragma once

#include "common/codec/probe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PATH_HARDPORTS_MAX = 1024,        /* pings of a round on the easy side */
    PATH_HARDPORTS_MAX_SOCKETS = 256, /* mappings of a round on the hard side */
    PATH_HARDPORTS_BUDGET = PATH_HARDPORTS_MAX + PATH_HARDPORTS_MAX_SOCKETS, /* of an attempt */
    /* Pings where both sides have a turn; calls, too, are sent twice then. */
    PATH_HARDPORTS_HALF = PATH_HARDPORTS_BUDGET / 2 - PATH_HARDPORTS_MAX_SOCKETS - 24,
};

/** PathHardplan: of one round. No sockets: it is not worth it, or would starve the NAT. */
typedef struct {
    size_t n_sockets, n_ports; /* pings; a foretold port may get several */
    size_t n_soon; /* of those: meant for sockets that open meanwhile; the others can wait */
    double chance; /* that a ping meets a mapping; 1 where the ports are foretold */
} PathHardplan;

/** path_hardports_plan: against a NAT that its side knows to be @nat; step and block may be 0.
 * @half: leave the other half of the budget for the other side's turn. */
void path_hardports_plan(const MeshProbeNat *nat, bool half, PathHardplan *out_plan);

/** path_hardports_chance: that one of @k distinct ports meets one of @n mappings, all among @among.
 * Shape: P = 1 - ∏_{i<k} (among - n - i) / (among - i). */
double path_hardports_chance(size_t n, size_t k, size_t among);

/** path_hardports_choose: ports, best first, from @seen, the last port that is known (0: it tells
 * nothing). Distinct, but that foretold ones come several times: at first their sockets may not be
 * open yet. Returns: how many: n_ports of that plan, or fewer at an end of the range. */
size_t path_hardports_choose(const MeshProbeNat *nat, const PathHardplan *plan, uint16_t seen,
                             uint16_t out_ports[PATH_HARDPORTS_MAX]);

/** path_hardports_foretell: the port that a NAT whose last was block_last gives to the socket
 * @ahead of it, if it counts. Returns: 0: its range ends before that. */
uint16_t path_hardports_foretell(const MeshProbeNat *nat, int ahead);
