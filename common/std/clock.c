/* common/std/clock.c: see clock.h. */
#include "common/std/clock.h"

#include <stdatomic.h>
#include <stddef.h>

#ifdef CLOCK_BOOTTIME
#define CLOCK_LIFETIME CLOCK_BOOTTIME
#else
#define CLOCK_LIFETIME CLOCK_MONOTONIC /* stands still while the host sleeps */
#endif

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

static _Atomic(const MeshClockSource *) test_source; /* borrowed; NULL outside tests */

static int64_t read_clock(clockid_t id)
{
    struct timespec now = { 0 };

    clock_gettime(id, &now); /* cannot fail for a clock the system has */
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int64_t wall_ns(void)
{
    const MeshClockSource *source = atomic_load_explicit(&test_source, memory_order_acquire);

    return source != NULL ? source->wall_ns(source->user_data) : read_clock(CLOCK_REALTIME);
}

int64_t mesh_clock_boot_ns(void)
{
    const MeshClockSource *source = atomic_load_explicit(&test_source, memory_order_acquire);

    return source != NULL ? source->boot_ns(source->user_data) : read_clock(CLOCK_LIFETIME);
}

int64_t mesh_clock_boot_ms(void)
{
    return mesh_clock_boot_ns() / NS_PER_MS;
}

int64_t mesh_clock_slept_ms(void)
{
    const MeshClockSource *source = atomic_load_explicit(&test_source, memory_order_acquire);

    if (source != NULL)
        return source->slept_ns != NULL ? source->slept_ns(source->user_data) / NS_PER_MS : 0;
    return (read_clock(CLOCK_LIFETIME) - read_clock(CLOCK_MONOTONIC)) / NS_PER_MS;
}

int64_t mesh_clock_wall_s(void)
{
    return wall_ns() / NS_PER_S;
}

int64_t mesh_clock_wall_ms(void)
{
    return wall_ns() / NS_PER_MS;
}

struct timespec mesh_clock_wall(void)
{
    int64_t ns = wall_ns();

    return (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };
}

void mesh_clock_set_source(const MeshClockSource *source)
{
    atomic_store_explicit(&test_source, source, memory_order_release);
}
