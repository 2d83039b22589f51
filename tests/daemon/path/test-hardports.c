/* Tests of daemon/path/hardports.c: how many ports and sockets, which ports, within which caps. */
#include "daemon/path/hardports.h"

#include <glib.h>
#include <math.h>

/* A hard NAT by what is known of it. */
static MeshProbeNat make_nat(int step, unsigned block_first, unsigned block_last)
{
    return (MeshProbeNat){ .mapping = MESH_PROBE_BY_ADDRESS_AND_PORT,
                           .step = (int16_t)step,
                           .block_first = (uint16_t)block_first,
                           .block_last = (uint16_t)block_last };
}

/* The formula's values by themselves: 64512 ports, 256 sockets, and a block of 1024. */
static void test_chance(void)
{
    static const struct {
        size_t n, k, among;
        double want;
    } cases[] = { { 256, 174, 64512, 0.50 },
                  { 256, 512, 64512, 0.87 },
                  { 256, 1024, 64512, 0.984 },
                  { 128, 1024, 64512, 0.87 },
                  { 84, 700, 64512, 0.60 },
                  { 64, 69, 1024, 0.99 },
                  { 32, 136, 1024, 0.99 },
                  { 1, 1, 2, 0.5 },
                  { 2, 1, 2, 1 },
                  { 1, 0, 2, 0 },
                  { 0, 5, 10, 0 } };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpfloat(fabs(path_hardports_chance(cases[i].n, cases[i].k, cases[i].among) -
                               cases[i].want),
                          <, 0.006);
}

static void test_plan(void)
{
    static const struct {
        int      step;
        unsigned first, last;
        size_t   n, least_k, most_k;
    } cases[] = {
        { 1, 0, 0, 25, 152, 152 },
        { -2, 0, 0, 25, 152, 152 },
        { 0, 20480, 20991, 32, 105, 115 }, /* some go out before what they may meet is there */
        { 0, 20480, 21503, 64, 127, 137 },
        { 0, 20480, 22527, 64, 231, 241 },
        { 0, 20480, 24575, 64, 440, 452 },
        { 0, 20480, 20735, 0, 0, 0 },         /* a block of 256: the NAT's owner needs it */
        { 0, 20480, 28671, 256, 1024, 1024 }, /* too wide to be one */
        { 0, 30000, 20000, 256, 1024, 1024 }, /* nonsense */
        { 0, 0, 0, 256, 1024, 1024 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        MeshProbeNat nat = make_nat(cases[i].step, cases[i].first, cases[i].last);
        PathHardplan plan;

        path_hardports_plan(&nat, false, &plan);
        g_assert_cmpuint(plan.n_sockets, ==, cases[i].n);
        g_assert_cmpuint(plan.n_ports, >=, cases[i].least_k);
        g_assert_cmpuint(plan.n_ports, <=, cases[i].most_k);
        if (plan.n_sockets > 0)
            g_assert_cmpfloat(plan.chance, >, cases[i].n == 64 ? 0.999 : 0.98);
    }
}

/* No port below 1024, none twice but a foretold one, no more than the caps. */
static void check_caps(const MeshProbeNat *nat, bool half, uint16_t seen_port)
{
    static uint16_t chosen[PATH_HARDPORTS_MAX];
    PathHardplan    plan;
    size_t          n;
    uint8_t         seen[65536] = { 0 };

    path_hardports_plan(nat, half, &plan);
    n = path_hardports_choose(nat, &plan, seen_port, chosen);
    g_assert_cmpuint(n, <=, plan.n_ports);
    if (half)
        g_assert_cmpuint(plan.n_ports + plan.n_sockets, <=, PATH_HARDPORTS_BUDGET / 2);
    g_assert_cmpuint(n, <=, PATH_HARDPORTS_MAX);
    g_assert_cmpuint(plan.n_sockets, <=, PATH_HARDPORTS_MAX_SOCKETS);
    for (size_t i = 0; i < n; i++) {
        g_assert_cmpuint(chosen[i], >=, 1024);
        g_assert_cmpuint(++seen[chosen[i]], <=, nat->step != 0 ? 3 : 1);
    }
}

/* Whatever a peer says that its NAT is. */
static void test_caps(void)
{
    static const int      steps[] = { 0, 1, -1, 2, 20, INT16_MAX, INT16_MIN };
    static const unsigned ports[] = { 0, 1, 1023, 1024, 1500, 20480, 24000, 65535 };

    for (size_t s = 0; s < G_N_ELEMENTS(steps); s++)
        for (size_t a = 0; a < G_N_ELEMENTS(ports); a++)
            for (size_t b = 0; b < G_N_ELEMENTS(ports); b++) {
                MeshProbeNat nat = make_nat(steps[s], ports[a], ports[b]);

                check_caps(&nat, false, (uint16_t)ports[b]);
                check_caps(&nat, true, (uint16_t)ports[b]);
            }
}

static void test_steps(void)
{
    MeshProbeNat nat = make_nat(2, 0, 0);
    uint16_t     ports[PATH_HARDPORTS_MAX];
    PathHardplan plan;

    path_hardports_plan(&nat, false, &plan);
    g_assert_cmpuint(path_hardports_choose(&nat, &plan, 40000, ports), ==, 24 + 64 + 64);
    g_assert_cmpuint(ports[0], ==, 40002);
    g_assert_cmpuint(ports[23], ==, 40048);
    g_assert_cmpuint(ports[24], ==, 40002);
    g_assert_cmpuint(ports[24 + 63], ==, 40128);
    g_assert_cmpuint(ports[24 + 64 + 63], ==, 40128);
    g_assert_cmpuint(path_hardports_choose(&nat, &plan, 65530, ports), ==,
                     3 * 2); /* the range ends */
}

static void test_block(void)
{
    MeshProbeNat nat = make_nat(0, 20480, 21503);
    uint16_t     ports[PATH_HARDPORTS_MAX];
    PathHardplan plan;
    size_t       n;

    path_hardports_plan(&nat, false, &plan);
    n = path_hardports_choose(&nat, &plan, 20500, ports);
    g_assert_cmpuint(n, ==, plan.n_ports);
    for (size_t i = 0; i < n; i++) {
        g_assert_cmpuint(ports[i], >=, 20480);
        g_assert_cmpuint(ports[i], <=, 21503);
    }
}

/* What reaches below 1024 is searched where it does not, as if it began there. */
static void test_low(void)
{
    MeshProbeNat low = make_nat(0, 600, 2047), same = make_nat(0, 1024, 2047);
    MeshProbeNat under = make_nat(0, 1, 1023), few = make_nat(0, 1, 1279);
    uint16_t     ports[PATH_HARDPORTS_MAX];
    PathHardplan plan, want;

    path_hardports_plan(&low, false, &plan);
    path_hardports_plan(&same, false, &want);
    g_assert_cmpuint(plan.n_sockets, ==, want.n_sockets);
    g_assert_cmpuint(plan.n_ports, ==, want.n_ports);
    g_assert_cmpuint(path_hardports_choose(&low, &plan, 1500, ports), ==, plan.n_ports);
    path_hardports_plan(&under, false, &plan);
    g_assert_cmpuint(plan.n_sockets, ==, 0);
    path_hardports_plan(&few, false, &plan); /* 256 that may be pinged */
    g_assert_cmpuint(plan.n_sockets, ==, 0);
}

/* A counter whose range ends is not followed to ports that are nobody's, or others' services. */
static void test_foretell(void)
{
    static const struct {
        int      step;
        unsigned last, want;
    } cases[] = {
        { 1, 40000, 40013 }, { 0, 40000, 40013 }, { -1, 40000, 39987 }, { 2, 65509, 65535 },
        { 2, 65510, 0 },     { 1, 65530, 0 },     { -1, 1037, 1024 },   { -1, 1036, 0 },
        { 1, 1011, 1024 },   { 1, 1010, 0 },      { INT16_MAX, 5, 0 },  { INT16_MIN, 65535, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        MeshProbeNat nat = make_nat(cases[i].step, 0, cases[i].last);

        g_assert_cmpuint(path_hardports_foretell(&nat, 13), ==, cases[i].want);
    }
}

/* Nothing is known: who counts is met at once, the rest is drawn from everywhere. */
static void test_unknown(void)
{
    MeshProbeNat nat = make_nat(0, 0, 0);
    uint16_t     ports[PATH_HARDPORTS_MAX], other[PATH_HARDPORTS_MAX];
    PathHardplan plan;
    size_t       same = 0;
    uint64_t     sum = 0;

    path_hardports_plan(&nat, false, &plan);
    g_assert_cmpuint(path_hardports_choose(&nat, &plan, 40000, ports), ==, PATH_HARDPORTS_MAX);
    g_assert_cmpuint(path_hardports_choose(&nat, &plan, 0, other), ==, PATH_HARDPORTS_MAX);
    g_assert_cmpuint(ports[0], ==, 40001);
    g_assert_cmpuint(ports[23], ==, 40024);
    g_assert_false(other[0] == 40001 && other[1] == 40002); /* from everywhere */
    for (size_t i = 24; i < PATH_HARDPORTS_MAX; i++) {
        same += ports[i] == other[i];
        sum += ports[i];
    }
    g_assert_cmpuint(same, <, 50);
    /* 1000 draws: the mean is 33280 with a deviation of 610; ten of them are allowed. */
    g_assert_cmpuint(sum / (PATH_HARDPORTS_MAX - 24), >, 27000);
    g_assert_cmpuint(sum / (PATH_HARDPORTS_MAX - 24), <, 39500);
}

/* Where the NAT's ports were seen, if that is too wide for a block. */
static void test_wide(void)
{
    MeshProbeNat nat = make_nat(0, 30000, 49000);
    uint16_t     ports[PATH_HARDPORTS_MAX];
    PathHardplan plan;

    path_hardports_plan(&nat, false, &plan);
    g_assert_cmpuint(plan.n_soon, ==, 0);
    g_assert_cmpuint(path_hardports_choose(&nat, &plan, 49000, ports), ==, PATH_HARDPORTS_MAX);
    for (size_t i = 0; i < PATH_HARDPORTS_MAX; i++) {
        g_assert_cmpuint(ports[i], >=, 30000);
        g_assert_cmpuint(ports[i], <=, 49000);
    }
    path_hardports_plan(&nat, true, &plan);
    g_assert_cmpuint(path_hardports_choose(&nat, &plan, 0, ports), ==, PATH_HARDPORTS_HALF);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hardports/chance", test_chance);
    g_test_add_func("/hardports/plan", test_plan);
    g_test_add_func("/hardports/caps", test_caps);
    g_test_add_func("/hardports/steps", test_steps);
    g_test_add_func("/hardports/block", test_block);
    g_test_add_func("/hardports/low", test_low);
    g_test_add_func("/hardports/foretell", test_foretell);
    g_test_add_func("/hardports/unknown", test_unknown);
    g_test_add_func("/hardports/wide", test_wide);
    return g_test_run();
}
