/* daemon/wire/strays.h: whose data came without a session of ours: told seldom, whatever a flow
 * does. Thread: in. */
#pragma once

#include "daemon/wire/way.h"

#include <stdbool.h>
#include <stdint.h>

#define WIRE_STRAYS_PLACES 64u /* sources that are told apart; two in one place are told as one */
#define WIRE_STRAYS_MS     1000

/** WireStrays: zeros: none so far. */
typedef struct {
    int64_t told_ms[WIRE_STRAYS_PLACES];
} WireStrays;

/** wire_strays_is_news: data without a session came by @way. @now_ms: boot clock. Returns: whether
 * that is to be told: once in WIRE_STRAYS_MS a source. Never allocates. */
bool wire_strays_is_news(WireStrays *self, const WireWay *way, int64_t now_ms);
