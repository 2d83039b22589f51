/* tests/server/relay/test-queue.c: who is served first, who is dropped, how much is ever kept. */
#include "server/relay/allowance.h"
#include "server/relay/queue.h"

#include <glib.h>
#include <string.h>

static int64_t clock_ns; /* what the tests say it is */

static RelayParcel *take(RelayQueue *queue)
{
    RelayAged    aged = { 0 };
    RelayParcel *parcel = relay_queue_pop(queue, clock_ns, &aged);

    g_assert_cmpuint(aged.n, ==, 0);
    return parcel;
}

static int push(RelayQueue *queue, uint32_t source, size_t len, bool urgent)
{
    uint8_t            data[1500] = { (uint8_t)source };
    uint32_t           dropped = 0;
    const RelayWaiting waiting = {
        .source = source, .urgent = urgent, .payload = MESH_SPAN(data, len), .now_ns = clock_ns
    };
    int rc = relay_queue_push(queue, &waiting, &dropped);

    if (rc == 1)
        return (int)dropped;
    g_assert_cmpint(rc, ==, 0);
    return 0;
}

static uint32_t pop(RelayQueue *queue)
{
    g_autofree RelayParcel *parcel = take(queue);

    return parcel != NULL ? parcel->source : 0;
}

static void test_order(void)
{
    RelayQueue *queue = relay_queue_new();

    push(queue, 1, 100, false);
    push(queue, 1, 100, false);
    push(queue, 2, 100, true);
    g_assert_cmpuint(pop(queue), ==, 2); /* what must not wait */
    g_assert_cmpuint(pop(queue), ==, 1);
    g_assert_cmpuint(pop(queue), ==, 1);
    g_assert_cmpuint(pop(queue), ==, 0);
    g_assert_true(relay_queue_is_empty(queue));
    relay_queue_free(queue);
}

/* One source sends large packets and many, two send small ones: bytes are shared equally. */
static void test_fair(void)
{
    RelayQueue *queue = relay_queue_new();
    size_t      bytes[4] = { 0 };

    for (int i = 0; i < 40; i++)
        push(queue, 1, 1400, false);
    for (int i = 0; i < 100; i++) {
        push(queue, 2, 200, false);
        push(queue, 3, 300, false);
    }
    for (size_t sum = 0; sum < 40000;) {
        RelayParcel *parcel = take(queue);

        bytes[parcel->source] += parcel->len;
        sum += parcel->len;
        g_free(parcel);
    }
    for (int i = 1; i <= 3; i++) {
        g_assert_cmpuint(bytes[i], >, 40000 / 3 - 2 * RELAY_QUEUE_QUANTUM);
        g_assert_cmpuint(bytes[i], <, 40000 / 3 + 2 * RELAY_QUEUE_QUANTUM);
    }
    relay_queue_free(queue);
}

/* One source may fill what nobody else wants, and no more than that. */
static void test_source_bound(void)
{
    RelayQueue *queue = relay_queue_new();
    int         dropped = 0;

    push(queue, 2, 1000, false);
    for (int i = 0; i < 1000; i++) {
        int whose = push(queue, 1, 1400, false);

        g_assert_true(whose == 0 || whose == 1);
        dropped += whose != 0;
    }
    g_assert_cmpint(dropped, >, 800);
    g_assert_cmpuint(relay_queue_get_bytes(queue), <=, RELAY_QUEUE_BYTES);
    g_assert_cmpuint(pop(queue), ==, 2); /* untouched, and first in the round */
    for (int i = 0; i < 60; i++) {       /* what others need is taken from who has most */
        int whose = push(queue, 3, 1400, false);

        g_assert_true(whose == 0 || whose == 1);
    }
    g_assert_cmpuint(relay_queue_get_bytes(queue), <=, RELAY_QUEUE_BYTES);
    relay_queue_free(queue);
}

/* Whatever is pushed, of however many sources and sizes. */
static void test_bound(void)
{
    RelayQueue *queue = relay_queue_new();
    GRand      *rand = g_rand_new_with_seed(5);

    for (int i = 0; i < 200000; i++) {
        push(queue, (uint32_t)g_rand_int_range(rand, 1, 3000),
             (size_t)g_rand_int_range(rand, 1, 1500), g_rand_int_range(rand, 0, 4) == 0);
        g_assert_cmpuint(relay_queue_get_bytes(queue), <=, RELAY_QUEUE_BYTES);
        if (g_rand_int_range(rand, 0, 3) == 0)
            pop(queue);
    }
    while (pop(queue) != 0)
        ;
    g_assert_cmpuint(relay_queue_get_bytes(queue), ==, 0);
    g_rand_free(rand);
    relay_queue_free(queue);
}

static void test_oldest_goes(void)
{
    RelayQueue  *queue = relay_queue_new();
    RelayParcel *first;

    for (size_t i = 0; i < 300; i++)
        push(queue, 1, 1200 + i, false);
    first = take(queue);
    g_assert_cmpuint(first->len, >, 1200 + 50); /* the early ones are gone */
    g_free(first);
    relay_queue_free(queue); /* with what waits */
}

static void test_allowance(void)
{
    RelayAllowance allowance = relay_allowance_make(1000000, 10000); /* a byte a microsecond */
    int64_t        now_ns = 5000000000;
    int            passed = 0;

    while (relay_allowance_take(&allowance, 1000, now_ns))
        passed++;
    g_assert_cmpint(passed, ==, 11); /* the burst, and the one that overdraws */
    now_ns += 1000 * 1000;           /* pays for 1000 bytes */
    g_assert_true(relay_allowance_take(&allowance, 1000, now_ns));
    g_assert_false(relay_allowance_take(&allowance, 1000, now_ns));
    g_assert_cmpint(relay_allowance_due_ns(&allowance), >, now_ns);
    g_assert_true(relay_allowance_take(&allowance, 1000, relay_allowance_due_ns(&allowance)));
}

static void test_allowance_extremes(void)
{
    const uint64_t values[] = { 0, 1, UINT64_C(1) << 53, UINT64_MAX };

    for (size_t i = 0; i < G_N_ELEMENTS(values); i++)
        for (size_t k = 0; k < G_N_ELEMENTS(values); k++) {
            RelayAllowance allowance = relay_allowance_make(values[i], values[k]);

            g_assert_true(relay_allowance_take(&allowance, 65535, INT64_MAX / 4));
            (void)relay_allowance_take(&allowance, 65535, INT64_MAX / 4);
            g_assert_cmpint(allowance.paid_ns, >=, INT64_MAX / 4);
        }
}

enum { MS = 1000000 };

/* A source keeps @packets waiting for @for_ms, one goes each ms. Returns: how many were dropped. */
static unsigned stand(RelayQueue *queue, unsigned packets, unsigned for_ms)
{
    RelayAged aged = { 0 };

    for (unsigned i = 0; i < packets; i++)
        push(queue, 1, 100, false);
    for (unsigned ms = 0; ms < for_ms; ms++) {
        clock_ns += MS;
        g_free(relay_queue_pop(queue, clock_ns, &aged));
        push(queue, 1, 100, false);
    }
    if (aged.n > 0)
        g_assert_true(aged.has_source && aged.source == 1);
    for (RelayParcel *left; (left = relay_queue_pop(queue, clock_ns, &aged)) != NULL;)
        g_free(left);
    return aged.n;
}

/* Waiting for less than the target, or for a short while, is what queues are for; who stands in it
 * loses more and more, until it does not stand any more. */
static void test_standing(void)
{
    RelayQueue *queue = relay_queue_new();
    unsigned    one_s, three_s;

    clock_ns = MS;
    g_assert_cmpuint(stand(queue, RELAY_QUEUE_TARGET_MS - 2, 1000), ==, 0);
    g_assert_cmpuint(stand(queue, 30, RELAY_QUEUE_INTERVAL_MS / 2), ==, 0);
    one_s = stand(queue, 300, 1000);
    g_assert_cmpuint(one_s, >, 10);
    three_s = stand(queue, 300, 3000);
    g_assert_cmpuint(three_s, >, 3 * one_s); /* sooner and sooner */
    g_assert_true(relay_queue_is_empty(queue));
    relay_queue_free(queue);
}

/* Whom another's standing queue does not concern loses nothing. */
static void test_standing_apart(void)
{
    RelayQueue *queue = relay_queue_new();
    RelayAged   aged = { 0 };

    clock_ns = MS;
    for (unsigned ms = 0; ms < 1000; ms++) {
        for (unsigned i = 0; i < 3; i++)
            push(queue, 1, 1400, false);
        push(queue, 2, 100, false);
        clock_ns += MS;
        for (unsigned i = 0; i < 2; i++) {
            g_free(relay_queue_pop(queue, clock_ns, &aged));
            g_assert_true(!aged.has_source || aged.source == 1);
        }
    }
    g_assert_cmpuint(aged.n, >, 0);
    relay_queue_free(queue);
}

/* Of no use to anybody any more, urgent or not, even the last. */
static void test_too_old(void)
{
    RelayQueue  *queue = relay_queue_new();
    RelayAged    aged = { 0 };
    RelayParcel *young;

    clock_ns = MS;
    for (unsigned i = 0; i < 20; i++)
        push(queue, 1 + i % 2, 1400, i < 4);
    clock_ns += (int64_t)(RELAY_QUEUE_MAX_MS + 1) * MS;
    push(queue, 3, 100, false);
    g_assert_cmpuint(relay_queue_get_bytes(queue), >, 0);
    young = relay_queue_pop(queue, clock_ns, &aged);
    g_assert_nonnull(young);
    g_assert_cmpuint(young->source, ==, 3);
    g_free(young);
    g_assert_cmpuint(aged.n, ==, 20);
    g_assert_true(relay_queue_is_empty(queue));
    g_assert_null(relay_queue_pop(queue, clock_ns, &aged));
    relay_queue_free(queue);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/relay/queue/order", test_order);
    g_test_add_func("/relay/queue/fair", test_fair);
    g_test_add_func("/relay/queue/source-bound", test_source_bound);
    g_test_add_func("/relay/queue/bound", test_bound);
    g_test_add_func("/relay/queue/oldest-goes", test_oldest_goes);
    g_test_add_func("/relay/allowance/rate", test_allowance);
    g_test_add_func("/relay/allowance/extremes", test_allowance_extremes);
    g_test_add_func("/relay/queue/who-stands-in-it-loses-packets", test_standing);
    g_test_add_func("/relay/queue/others-lose-none", test_standing_apart);
    g_test_add_func("/relay/queue/too-old", test_too_old);
    return g_test_run();
}
