/* Tests of daemon/wire/timers.c: WireGuard's timing rules under a clock that the test moves. */
#include "daemon/wire/timers.h"

#include <glib.h>

#define T0 INT64_C(50000)

static WireTimers make(void)
{
    WireTimers timers;

    wire_timers_init(&timers);
    return timers;
}

/* Lets time pass as the handshake thread does: from deadline to deadline. Stops at @end_ms or at
 * the first look that asks for anything; returns what it asked, *now_ms when. */
static unsigned run(WireTimers *timers, uint16_t keepalive_s, int64_t *now_ms, int64_t end_ms)
{
    for (;;) {
        int64_t  next_ms = wire_timers_next(timers, keepalive_s);
        unsigned actions;

        if (next_ms > end_ms) {
            *now_ms = end_ms;
            return 0;
        }
        *now_ms = MAX(*now_ms, next_ms);
        actions = wire_timers_expire(timers, keepalive_s, *now_ms);
        if (actions != 0)
            return actions;
    }
}

static void test_idle(void)
{
    WireTimers timers = make();

    g_assert_cmpint(wire_timers_next(&timers, 0), ==, WIRE_TIMERS_NEVER);
    g_assert_cmpint(wire_timers_next(&timers, 25), ==, WIRE_TIMERS_NEVER);
    g_assert_cmpuint(wire_timers_expire(&timers, 25, T0), ==, 0);
}

/* Eighteen initiations, 5 s and jitter apart, then an end; keys are wiped nine minutes later. */
static void test_unanswered_initiations(void)
{
    WireTimers timers = make();
    int64_t    now_ms = T0, before_ms;

    g_assert_true(wire_timers_request(&timers, now_ms));
    wire_timers_initiated(&timers, 0, now_ms);
    for (unsigned i = 1; i < WIRE_TIMERS_ATTEMPTS; i++) {
        before_ms = now_ms;
        g_assert_cmpuint(run(&timers, 0, &now_ms, G_MAXINT64 - 1), ==, WIRE_TIMER_INITIATE);
        g_assert_cmpint(now_ms - before_ms, ==, 5000 + (i == 1 ? 0 : 333));
        wire_timers_initiated(&timers, 333, now_ms);
    }
    g_assert_cmpuint(run(&timers, 0, &now_ms, G_MAXINT64 - 1), ==, WIRE_TIMER_GIVE_UP);
    g_assert_cmpint(now_ms - T0, >=, 90000);
    before_ms = now_ms;
    g_assert_cmpuint(run(&timers, 0, &now_ms, G_MAXINT64 - 1), ==, WIRE_TIMER_ZERO);
    g_assert_cmpint(now_ms - before_ms, ==, 540000);
    g_assert_cmpint(wire_timers_next(&timers, 0), ==, WIRE_TIMERS_NEVER);
}

static void test_one_initiation_in_five_seconds(void)
{
    WireTimers timers = make();

    g_assert_true(wire_timers_request(&timers, T0));
    wire_timers_initiated(&timers, 100, T0);
    g_assert_false(wire_timers_request(&timers, T0 + 4999));
    g_assert_true(wire_timers_request(&timers, T0 + 5000));
}

static void test_request_starts_ninety_seconds_anew(void)
{
    WireTimers timers = make();

    for (unsigned i = 0; i < WIRE_TIMERS_ATTEMPTS; i++)
        wire_timers_initiated(&timers, 0, T0 + i * 5000);
    g_assert_false(wire_timers_request(&timers, T0 + 85001));
    g_assert_cmpuint(wire_timers_expire(&timers, 0, T0 + 90000), ==, WIRE_TIMER_INITIATE);
}

static void test_answer_ends_retries(void)
{
    WireTimers timers = make();
    int64_t    now_ms = T0;

    wire_timers_initiated(&timers, 0, T0);
    wire_timers_derived(&timers, T0 + 80);
    wire_timers_completed(&timers);
    g_assert_cmpuint(run(&timers, 0, &now_ms, G_MAXINT64 - 1), ==, WIRE_TIMER_ZERO);
    g_assert_cmpint(now_ms, ==, T0 + 80 + 540000);
}

static void test_new_keys_put_zeroing_off(void)
{
    WireTimers timers = make();
    int64_t    now_ms = T0;

    wire_timers_derived(&timers, T0);
    wire_timers_derived(&timers, T0 + 120000);
    g_assert_cmpuint(run(&timers, 0, &now_ms, G_MAXINT64 - 1), ==, WIRE_TIMER_ZERO);
    g_assert_cmpint(now_ms, ==, T0 + 120000 + 540000);
}

/* Data that goes unanswered for 15 s (and jitter) starts a handshake; a later packet does not put
 * that off, any answer does. */
static void test_unanswered_data(void)
{
    WireTimers timers = make();
    int64_t    now_ms = T0;

    g_assert_true(wire_timers_sent(&timers, true, 0, T0));
    (void)wire_timers_next(&timers, 0);
    g_assert_false(wire_timers_sent(&timers, true, 0, T0 + 14000));
    g_assert_cmpuint(run(&timers, 0, &now_ms, T0 + 60000), ==, WIRE_TIMER_INITIATE);
    g_assert_cmpint(now_ms, ==, T0 + 15000);

    (void)wire_timers_sent(&timers, true, 0, T0 + 100000);
    (void)wire_timers_received(&timers, false, 0, T0 + 114999);
    g_assert_cmpuint(run(&timers, 0, &now_ms, T0 + 300000), ==, 0);
}

static void test_keepalives_need_no_answer(void)
{
    WireTimers timers = make();
    int64_t    now_ms = T0;

    (void)wire_timers_sent(&timers, false, 0, T0);
    g_assert_cmpuint(run(&timers, 0, &now_ms, T0 + 60000), ==, 0);
}

/* Received data is answered by a keepalive after 10 s, unless anything was sent meanwhile. */
static void test_keepalive(void)
{
    WireTimers timers = make();
    int64_t    now_ms = T0;

    g_assert_true(wire_timers_received(&timers, true, 0, T0));
    (void)wire_timers_next(&timers, 0);
    g_assert_false(wire_timers_received(&timers, true, 0, T0 + 9000));
    g_assert_cmpuint(run(&timers, 0, &now_ms, T0 + 60000), ==, WIRE_TIMER_KEEPALIVE);
    g_assert_cmpint(now_ms, ==, T0 + 10000);
    (void)wire_timers_sent(&timers, false, 0, now_ms);
    g_assert_cmpuint(run(&timers, 0, &now_ms, T0 + 60000), ==, 0);

    (void)wire_timers_received(&timers, true, 0, T0 + 100000);
    (void)wire_timers_sent(&timers, true, 0, T0 + 109999);
    (void)wire_timers_received(&timers, false, 0, T0 + 110000);
    g_assert_cmpuint(run(&timers, 0, &now_ms, T0 + 300000), ==, 0);
}

static void test_received_keepalive_owes_nothing(void)
{
    WireTimers timers = make();
    int64_t    now_ms = T0;

    (void)wire_timers_received(&timers, false, 0, T0);
    g_assert_cmpuint(run(&timers, 0, &now_ms, T0 + 60000), ==, 0);
}

/* After any traffic, on whole seconds, again and again even when nothing gets out. */
static void test_persistent_keepalive(void)
{
    WireTimers timers = make();
    int64_t    now_ms = T0;

    g_assert_true(wire_timers_sent(&timers, false, 25, T0 + 300));
    g_assert_cmpuint(run(&timers, 25, &now_ms, T0 + 60000), ==, WIRE_TIMER_KEEPALIVE);
    g_assert_cmpint(now_ms, ==, T0 + 26000);
    g_assert_cmpuint(run(&timers, 25, &now_ms, T0 + 60000), ==, WIRE_TIMER_KEEPALIVE);
    g_assert_cmpint(now_ms, ==, T0 + 51000);
    (void)wire_timers_received(&timers, false, 25, T0 + 70000);
    g_assert_cmpuint(run(&timers, 25, &now_ms, T0 + 94999), ==, 0);
    g_assert_cmpuint(run(&timers, 25, &now_ms, T0 + 95000), ==, WIRE_TIMER_KEEPALIVE);
    g_assert_cmpuint(run(&timers, 0, &now_ms, T0 + 900000), ==, 0); /* switched off */
}

static void test_give_up_with_persistent_keepalive(void)
{
    WireTimers timers = make();
    int64_t    now_ms = T0;
    unsigned   actions;

    wire_timers_initiated(&timers, 0, T0);
    (void)wire_timers_sent(&timers, false, 20, T0);
    do {
        actions = run(&timers, 20, &now_ms, T0 + 600000);
        if ((actions & WIRE_TIMER_INITIATE) != 0)
            wire_timers_initiated(&timers, 0, now_ms);
    } while ((actions & WIRE_TIMER_GIVE_UP) == 0);
    g_assert_cmpuint(run(&timers, 20, &now_ms, T0 + 600000), ==, WIRE_TIMER_KEEPALIVE);
}

/* A mark tells the handshake thread only when that would look too late. */
static void test_wakes(void)
{
    WireTimers timers = make();

    g_assert_true(wire_timers_sent(&timers, true, 0, T0));
    g_assert_cmpint(wire_timers_next(&timers, 0), ==, T0 + 15000);
    (void)wire_timers_received(&timers, true, 0, T0 + 1); /* owed at 10 s: earlier than the look */
    g_assert_cmpint(wire_timers_next(&timers, 0), ==, T0 + 10001);
    g_assert_false(wire_timers_sent(&timers, true, 0, T0 + 2));
    g_assert_false(wire_timers_received(&timers, true, 0, T0 + 3));
    g_assert_false(wire_timers_sent(&timers, true, 25, T0 + 4));
    g_assert_true(wire_timers_sent(&timers, true, 5, T0 + 4));
}

static void test_both_due_at_once(void)
{
    WireTimers timers = make();

    wire_timers_derived(&timers, T0 - 540000);
    (void)wire_timers_received(&timers, true, 0, T0 - 10000);
    wire_timers_initiated(&timers, 0, T0 - 5000);
    g_assert_cmpuint(wire_timers_expire(&timers, 0, T0), ==,
                     WIRE_TIMER_ZERO | WIRE_TIMER_KEEPALIVE | WIRE_TIMER_INITIATE);
    g_assert_cmpuint(wire_timers_expire(&timers, 0, T0), ==, 0);
}

static void test_cleared(void)
{
    WireTimers timers = make();

    (void)wire_timers_sent(&timers, true, 0, T0);
    wire_timers_initiated(&timers, 0, T0);
    wire_timers_derived(&timers, T0);
    wire_timers_cleared(&timers);
    g_assert_cmpint(wire_timers_next(&timers, 0), ==, WIRE_TIMERS_NEVER);
    g_assert_true(wire_timers_request(&timers, T0 + 1)); /* with new keys at once */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/timers/idle", test_idle);
    g_test_add_func("/timers/unanswered-initiations", test_unanswered_initiations);
    g_test_add_func("/timers/one-initiation-in-five-seconds", test_one_initiation_in_five_seconds);
    g_test_add_func("/timers/request-starts-ninety-seconds-anew",
                    test_request_starts_ninety_seconds_anew);
    g_test_add_func("/timers/answer-ends-retries", test_answer_ends_retries);
    g_test_add_func("/timers/new-keys-put-zeroing-off", test_new_keys_put_zeroing_off);
    g_test_add_func("/timers/unanswered-data", test_unanswered_data);
    g_test_add_func("/timers/keepalives-need-no-answer", test_keepalives_need_no_answer);
    g_test_add_func("/timers/keepalive", test_keepalive);
    g_test_add_func("/timers/received-keepalive-owes-nothing",
                    test_received_keepalive_owes_nothing);
    g_test_add_func("/timers/persistent-keepalive", test_persistent_keepalive);
    g_test_add_func("/timers/give-up-with-persistent-keepalive",
                    test_give_up_with_persistent_keepalive);
    g_test_add_func("/timers/wakes", test_wakes);
    g_test_add_func("/timers/both-due-at-once", test_both_due_at_once);
    g_test_add_func("/timers/cleared", test_cleared);
    return g_test_run();
}
