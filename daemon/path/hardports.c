#include "daemon/path/hardports.h"

#include "common/std/key.h"

#include <string.h>

enum {
    FIRST_PORT = 1024,
    N_PORTS = 65536 - FIRST_PORT,
    STEP_SOCKETS = 25,
    STEPS_AHEAD = 64, /* others take ports in between; what is behind is in use */
    STEPS_NEAR = 24,  /* where our own sockets are, if nobody does */
    STEPS = STEPS_NEAR + STEPS_AHEAD + STEPS_AHEAD,
    BLOCK_SOCKETS = 64,
    BLOCK_SHARE = 16,   /* no more of a block than one in so many */
    LEAST_BLOCK = 257,  /* of a smaller one we would take too much */
    MAX_BLOCK = 4096,   /* a wider one is as good as none */
    WORDS = 65536 / 64, /* bits for ports that were chosen */
};
#define ENOUGH 0.999 /* the chance for which a known block is searched; pings are few there */

static size_t get_block(const MeshProbeNat *nat)
{
    return nat->block_last > nat->block_first ? (size_t)nat->block_last - nat->block_first + 1 : 0;
}

/* The first port of a block that is pinged: those below are others' services, and no mapping of
 * ours is among them, as no socket of ours is (RFC 4787 §4.2.1). */
static int get_first(const MeshProbeNat *nat)
{
    return nat->block_first < FIRST_PORT ? FIRST_PORT : nat->block_first;
}

/* How many ports of a block are pinged at most. */
static size_t get_usable(const MeshProbeNat *nat)
{
    return nat->block_last < get_first(nat) ? 0 : (size_t)(nat->block_last - get_first(nat)) + 1;
}

double path_hardports_chance(size_t n, size_t k, size_t among)
{
    double missed = 1;

    for (size_t i = 0; i < k; i++) {
        if (n + i >= among)
            return 1;
        missed *= (double)(among - n - i) / (double)(among - i);
    }
    return 1 - missed;
}

/* As above, but the mappings appear one by one while the pings go out, as fast as they do: what is
 * pinged before its mapping is there was pinged in vain. */
static double get_chance_opening(size_t n, size_t k, size_t among)
{
    double missed = 1;

    for (size_t i = 0; i < k; i++) {
        if (n + i >= among)
            return 1;
        missed *= (double)(among - i - (i < n ? i : n)) / (double)(among - i);
    }
    return 1 - missed;
}

static void plan_block(size_t block, PathHardplan *plan)
{
    size_t n = block / BLOCK_SHARE < BLOCK_SOCKETS ? block / BLOCK_SHARE : BLOCK_SOCKETS, k = 1;

    if (block < LEAST_BLOCK)
        return;
    while (k < PATH_HARDPORTS_MAX && get_chance_opening(n, k, block) < ENOUGH)
        k++;
    *plan = (PathHardplan){ n, k, k, get_chance_opening(n, k, block) };
}

/* Of a NAT that draws its ports from the whole range, any part of it holds as many mappings; of one
 * that does not, the part where its ports were seen holds more. */
static void plan_random(size_t block, bool half, PathHardplan *plan)
{
    size_t n = PATH_HARDPORTS_MAX_SOCKETS;
    size_t k = half ? PATH_HARDPORTS_HALF : PATH_HARDPORTS_MAX;

    *plan =
        (PathHardplan){ n, k, block > 0 ? 0 : STEPS_NEAR, path_hardports_chance(n, k, N_PORTS) };
}

void path_hardports_plan(const MeshProbeNat *nat, bool half, PathHardplan *out_plan)
{
    size_t block = get_block(nat);

    *out_plan = (PathHardplan){ .n_sockets = 0 };
    if (nat->step != 0)
        *out_plan = (PathHardplan){ STEP_SOCKETS, STEPS, STEPS, 1 };
    else if (block > 0 && block <= MAX_BLOCK)
        plan_block(get_usable(nat), out_plan);
    else
        plan_random(block, half, out_plan);
}

typedef struct {
    uint64_t  taken[WORDS];
    uint16_t *ports;
    size_t    n, limit;
} Choice;

static void choose(Choice *self, int port)
{
    uint64_t bit;

    if (port < FIRST_PORT || port > UINT16_MAX || self->n >= self->limit)
        return;
    bit = UINT64_C(1) << (port % 64);
    if ((self->taken[port / 64] & bit) != 0)
        return;
    self->taken[port / 64] |= bit;
    self->ports[self->n++] = (uint16_t)port;
}

static void choose_steps(Choice *self, uint16_t seen, int step, int n)
{
    for (int i = 1; i <= n; i++)
        choose(self, seen + i * step);
}

/* Once while they open, once when they are, once more for what was lost. */
static void choose_foretold(Choice *self, uint16_t seen, int step)
{
    static const int passes[] = { STEPS_NEAR, STEPS_AHEAD, STEPS_AHEAD };

    for (size_t i = 0; i < sizeof passes / sizeof passes[0]; i++) {
        memset(self->taken, 0, sizeof self->taken);
        choose_steps(self, seen, step, passes[i]);
    }
}

static uint32_t draw(uint32_t below)
{
    uint32_t number;

    mesh_key_random(&number, sizeof number);
    return (uint32_t)((uint64_t)number * below >> 32);
}

static void choose_among(Choice *self, int first, size_t among)
{
    size_t left = self->limit - self->n < among ? self->limit - self->n : among;

    /* At most one in two is taken but in blocks of less than 2048: a few more draws then. */
    for (size_t i = 0; i < 64 * left && self->n < self->limit; i++)
        choose(self, first + (int)draw((uint32_t)among));
}

size_t path_hardports_choose(const MeshProbeNat *nat, const PathHardplan *plan, uint16_t seen,
                             uint16_t out_ports[PATH_HARDPORTS_MAX])
{
    Choice choice = { .ports = out_ports, .limit = plan->n_ports };
    size_t block = get_block(nat);

    if (nat->step != 0) {
        choose_foretold(&choice, seen, nat->step);
    } else if (block > 0) {
        choose_among(&choice, get_first(nat), get_usable(nat));
    } else {
        if (seen != 0)
            choose_steps(&choice, seen, 1, STEPS_NEAR); /* who counts, counts up */
        choose_among(&choice, FIRST_PORT, N_PORTS);
    }
    return choice.n;
}

uint16_t path_hardports_foretell(const MeshProbeNat *nat, int ahead)
{
    int port = nat->block_last + ahead * (nat->step != 0 ? nat->step : 1);

    return port < FIRST_PORT || port > UINT16_MAX ? 0 : (uint16_t)port;
}
