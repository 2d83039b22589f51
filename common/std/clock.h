/* common/std/clock.h: a clock for lifetimes that counts sleep, the wall clock, and a test's own.
 *
 * Any thread. Lifetimes, timeouts and rates use boot time (CLOCK_BOOTTIME; CLOCK_MONOTONIC where a
 * system lacks it); the wall clock is for what leaves this host: records, certificates, logs. */
#pragma once

#include "common/std/attr.h"

#include <stdint.h>
#include <time.h>

int64_t mesh_clock_boot_ns(void);
int64_t mesh_clock_boot_ms(void);

/* How long this host has slept since it booted: by how much boot time is ahead of a clock that
 * stands still meanwhile. 0 where a system cannot tell. */
int64_t mesh_clock_slept_ms(void);

int64_t         mesh_clock_wall_s(void);  /* since 1970, UTC */
int64_t         mesh_clock_wall_ms(void); /* the same */
struct timespec mesh_clock_wall(void);

/* Where a test's time comes from; both called from any thread. */
typedef struct {
    int64_t (*boot_ns)(void *user_data);
    int64_t (*wall_ns)(void *user_data);  /* since 1970, UTC */
    void *user_data;                      /* the test's */
    int64_t (*slept_ns)(void *user_data); /* NULL: never */
} MeshClockSource;

/* Tests only, before threads start: time comes from @source (kept by the caller until replaced);
 * NULL: from the system again. */
void mesh_clock_set_source(const MeshClockSource *source);
