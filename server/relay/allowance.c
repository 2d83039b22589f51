#include "server/relay/allowance.h"

#define SECOND_NS 1e9
#define MAX_NS    3.6e12 /* an hour: far from overflow, even with the cost of a packet added */

RelayAllowance relay_allowance_make(uint64_t rate, uint64_t burst)
{
    double kib_ns = SECOND_NS * 1024 / (double)(rate > 0 ? rate : 1);
    double ahead_ns = (double)burst * SECOND_NS / (double)(rate > 0 ? rate : 1);

    return (RelayAllowance){
        .kib_ns = (int64_t)(kib_ns < MAX_NS ? kib_ns : MAX_NS),
        .ahead_ns = (int64_t)(ahead_ns < MAX_NS ? ahead_ns : MAX_NS),
    };
}
