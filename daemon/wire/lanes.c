/* daemon/wire/lanes.c: see lanes.h. */
#include "daemon/wire/lanes.h"

enum { TURN_BYTES = 16384 };

/* What the period that ends says about each lane. */
static void look_back(WireLanes *self, int64_t now_ms)
{
    bool sparse = false, bulk = false;

    self->busy = 0;
    for (unsigned i = 0; i < self->n_lanes; i++) {
        if (self->bytes[i] > WIRE_LANE_SPARSE)
            self->busy |= 1u << i;
        sparse |= self->bytes[i] > 0 && self->bytes[i] <= WIRE_LANE_SPARSE;
        bulk |= self->bytes[i] >= WIRE_LANE_BULK;
        self->bytes[i] = 0;
    }
    if (sparse && bulk)
        self->mixed_until_ms = now_ms + WIRE_LANE_MIXED_MS;
}

bool wire_lanes_begin(WireLanes *self, int64_t now_ms)
{
    if (now_ms / WIRE_LANE_PERIOD_MS != self->period) {
        look_back(self, now_ms);
        self->period = now_ms / WIRE_LANE_PERIOD_MS;
    }
    return now_ms < self->mixed_until_ms;
}

bool wire_lanes_choose(WireLanes *self, unsigned *out_lane)
{
    uint32_t sparse = self->ready & ~self->busy, behind;

    if (self->ready == 0)
        return false;
    if (sparse != 0) {
        *out_lane = (unsigned)__builtin_ctz(sparse);
        return true;
    }
    behind = self->ready >> self->next << self->next;
    self->next = *out_lane = (unsigned)__builtin_ctz(behind != 0 ? behind : self->ready);
    return true;
}

void wire_lanes_read(WireLanes *self, unsigned lane, uint32_t bytes)
{
    uint32_t before = self->bytes[lane];

    if (bytes == 0) {
        self->ready &= ~(1u << lane);
        return;
    }
    self->bytes[lane] = before + bytes;
    if (before + bytes <= WIRE_LANE_SPARSE)
        return;
    self->busy |= 1u << lane;
    if ((before + bytes) / TURN_BYTES != before / TURN_BYTES)
        self->next = (lane + 1) % self->n_lanes;
}
