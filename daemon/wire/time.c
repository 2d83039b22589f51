/* daemon/wire/time.c: see time.h. Each word stands for itself, so that none need wait for another:
 * a bound that is a moment older than the time beside it is still a bound. */
#include "daemon/wire/time.h"

#include "common/std/clock.h"
#include "daemon/wire/state.h"

#define NS_PER_S INT64_C(1000000000)

void wire_time_set(WirePlane *plane, const WireTime *time)
{
    int64_t offset_ns = time->true_s * NS_PER_S - mesh_clock_boot_ns();

    atomic_store(&plane->true_offset_ns, time->true_s == 0 ? 0 : offset_ns);
    atomic_store(&plane->send_from_ns, time->from_s * NS_PER_S);
    atomic_store(&plane->send_until_ns, time->until_s * NS_PER_S);
}
