/* server/core/pace.c: see pace.h. A bucket is the time up to which it is used: each use moves
 * it on by the time that one use takes to come back. */
#include "server/core/pace.h"

#include "common/std/clock.h"
#include "server/core/nodes.h"

#define PARTED_RETRY_S 3600

/* 0, or the seconds until a bucket that is used up to @used_ms has room. */
static unsigned wait_s(int64_t used_ms, int64_t now_ms, int64_t burst_ms)
{
    int64_t over_ms = used_ms - now_ms - burst_ms;

    return over_ms <= 0 ? 0 : (unsigned)(over_ms / 1000 + 1);
}

unsigned core_pace_register(CoreNetwork *network, CoreNode *node)
{
    int64_t  now = mesh_clock_boot_ms();
    unsigned wait;

    if (node == NULL && network->parted >= CORE_NODES_PARTED_MAX)
        return PARTED_RETRY_S;
    if (node == NULL)
        return wait_s(network->joins_ms, now,
                      (int64_t)(CORE_PACE_JOIN_BURST - 1) * CORE_PACE_JOIN_MS);
    wait = wait_s(node->registers_ms, now, (int64_t)(CORE_PACE_NODE_BURST - 1) * CORE_PACE_NODE_MS);
    if (wait == 0)
        node->registers_ms = MAX(node->registers_ms, now) + CORE_PACE_NODE_MS;
    return wait;
}

void core_pace_count_join(CoreNetwork *network)
{
    network->joins_ms = MAX(network->joins_ms, mesh_clock_boot_ms()) + CORE_PACE_JOIN_MS;
}

bool core_pace_is_forget_due(CoreNetwork *network)
{
    int64_t now = mesh_clock_boot_ms();

    if (network->parted == 0 ||
        (network->forgot_ms != 0 && now - network->forgot_ms < CORE_PACE_FORGET_MS))
        return false;
    network->forgot_ms = now;
    return true;
}
