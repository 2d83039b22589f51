/* tests/daemon/path/test-trains.c: whether bursts arrive where single datagrams do. */
#include "daemon/path/trains.h"

#include <glib.h>

enum { MOST_TRAINS = 100 };

/* One datagram of a train. */
typedef struct {
    bool   single;
    size_t i;
    GRand *rand;
} Ride;

/* Does it come there, and its answer back? */
typedef bool (*Link)(const Ride *ride);

/* Returns: how it ended. @out_trains: how many were sent; NULL is fine. */
static PathTrainsEnd ride(Link link, GRand *rand, unsigned *out_trains)
{
    PathTrains trains;
    unsigned   n = 0;

    path_trains_begin(&trains);
    do {
        for (size_t i = 0; i < PATH_TRAIN; i++)
            if (link(&(Ride){ trains.single, i, rand }))
                path_trains_answer(&trains, i);
        g_assert_cmpuint(++n, <, MOST_TRAINS);
    } while (path_trains_step(&trains) == PATH_TRAINS_RUN);
    if (out_trains != NULL)
        *out_trains = n;
    return trains.end;
}

static bool carry_all(const Ride *ride)
{
    (void)ride;
    return true;
}

static bool carry_none(const Ride *ride)
{
    (void)ride;
    return false;
}

static bool carry_single(const Ride *ride)
{
    return ride->single;
}

static bool carry_first(const Ride *ride)
{
    return ride->single || ride->i == 0;
}

/* Short queues take the first ones of both. */
static bool carry_some(const Ride *ride)
{
    return ride->i < PATH_TRAIN / 3;
}

static bool carry_single_mostly(const Ride *ride)
{
    return ride->single && g_rand_int_range(ride->rand, 0, 10) > 0;
}

static void test_bursts_arrive(void)
{
    unsigned n;

    g_assert_cmpint(ride(carry_all, NULL, &n), ==, PATH_TRAINS_WHOLE);
    g_assert_cmpuint(n, ==, 1); /* and nothing more is sent */
}

static void test_bursts_are_lost(void)
{
    GRand *rand = g_rand_new_with_seed(7);

    g_assert_cmpint(ride(carry_single, NULL, NULL), ==, PATH_TRAINS_LOST);
    g_assert_cmpint(ride(carry_first, NULL, NULL), ==, PATH_TRAINS_LOST);
    for (int i = 0; i < 1000; i++) /* also by a link that loses one in ten */
        g_assert_cmpint(ride(carry_single_mostly, rand, NULL), ==, PATH_TRAINS_LOST);
    g_rand_free(rand);
}

static void test_all_is_lost(void)
{
    g_assert_cmpint(ride(carry_none, NULL, NULL), ==, PATH_TRAINS_OPEN);
    g_assert_cmpint(ride(carry_some, NULL, NULL), ==, PATH_TRAINS_OPEN);
}

static double loss; /* of a datagram, or of a train */

static bool lose_any(const Ride *ride)
{
    return g_rand_double(ride->rand) >= loss;
}

static bool lose_trains(const Ride *ride)
{
    static bool lost;

    if (ride->i == 0)
        lost = g_rand_double(ride->rand) < loss;
    return !lost;
}

/* How often of a hundred thousand bursts are blamed for what befalls both alike. */
static unsigned blame(Link link, double how_much)
{
    GRand   *rand = g_rand_new_with_seed(1);
    unsigned n = 0;

    loss = how_much;
    for (int i = 0; i < 100000; i++)
        n += ride(link, rand, NULL) == PATH_TRAINS_LOST;
    g_rand_free(rand);
    g_test_message("%.0f %% lost: blamed %u times in 100000", 100 * how_much, n);
    return n;
}

static void test_loss_is_not_blamed(void)
{
    for (double each = 0.05; each < 1; each += 0.05) {
        g_assert_cmpuint(blame(lose_any, each), <=, 5);
        g_assert_cmpuint(blame(lose_trains, each), <=, each < 0.31 ? 100 : 1500);
    }
}

/* Who hears of a train that is over, or of datagrams that it did not have, counts nothing. */
static void test_strange_answers(void)
{
    PathTrains trains;

    path_trains_begin(&trains);
    path_trains_answer(&trains, PATH_TRAIN);
    path_trains_answer(&trains, SIZE_MAX);
    g_assert_false(path_trains_is_whole(&trains));
    for (size_t i = 0; i < PATH_TRAIN; i++)
        path_trains_answer(&trains, i / 2 * 2); /* each twice */
    g_assert_false(path_trains_is_whole(&trains));
    g_assert_cmpint(path_trains_step(&trains), ==, PATH_TRAINS_RUN);
    g_assert_true(trains.single);
    for (size_t i = 0; i < PATH_TRAIN; i++)
        path_trains_answer(&trains, i);
    g_assert_true(path_trains_is_whole(&trains));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/path/trains/bursts-arrive", test_bursts_arrive);
    g_test_add_func("/path/trains/bursts-are-lost", test_bursts_are_lost);
    g_test_add_func("/path/trains/all-is-lost", test_all_is_lost);
    g_test_add_func("/path/trains/loss-is-not-blamed", test_loss_is_not_blamed);
    g_test_add_func("/path/trains/strange-answers", test_strange_answers);
    return g_test_run();
}
