/* server/core/news.c: what comes close together is told together, once, and not to whom it is
 * about. The clock stands still, so that "close together" is what the test says. */
#include "common/proto/record.h"
#include "common/std/clock.h"
#include "server/core/news.h"
#include "server/core/presence.h"
#include "tests/server/core/rig.h"

enum { NODES = 4, LONG_MS = 2000 }; /* longer than any gap between two flushes */

static _Atomic int64_t now_ms = 1000000;

static int64_t boot_ns(void *unused)
{
    (void)unused;
    return now_ms * 1000000;
}

static int64_t wall_ns(void *unused)
{
    struct timespec now;

    (void)unused;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

typedef struct {
    Rig           rig;
    MeshNetworkId net;
    RigNode       nodes[NODES];
    uint64_t      tickets[NODES], streams[NODES];
} Fixture;

/* Moves the clock, and wakes the control thread by a call: when it is answered, what was due is
 * told. */
static void move(Fixture *f, int64_t ms)
{
    CoreManage status = { .verb = CORE_STATUS };

    now_ms += ms;
    for (int i = 0; i < 2; i++) /* timers run between two calls */
        core_answer_free(rig_manage(&f->rig, &status));
}

/* Drops what was told so far. */
static void hear_all(Fixture *f)
{
    move(f, LONG_MS);
    for (size_t i = 0; i < NODES; i++)
        while (rig_is_answered(&f->rig, f->tickets[i], 0))
            core_answer_free(rig_wait(&f->rig, f->tickets[i]));
}

static void open_stream(Fixture *f, size_t i)
{
    CoreAnswer *answer;

    f->tickets[i] = rig_open(&f->rig, &f->nodes[i], 0, 0);
    answer = rig_wait(&f->rig, f->tickets[i]);
    g_assert_cmpuint(answer->status, ==, 200);
    f->streams[i] = answer->stream;
    core_answer_free(answer);
}

static void set_up(Fixture *f, gconstpointer unused)
{
    static const MeshClockSource source = { .boot_ns = boot_ns, .wall_ns = wall_ns };
    static const char *const     names[NODES] = { "a", "b", "c", "d" };
    g_autofree char             *id = NULL;
    MeshJoinlink                 link;

    mesh_clock_set_source(&source);
    rig_start(&f->rig, unused);
    id = rig_network(&f->rig, "home", NULL, &f->net);
    link = rig_key(&f->rig, "home", true);
    for (size_t i = 0; i < NODES; i++) {
        f->nodes[i] = rig_node(&f->net, names[i]);
        rig_assert(rig_register(&f->rig, &f->nodes[i], &link), 200, NULL);
        open_stream(f, i);
    }
    hear_all(f);
}

static void tear_down(Fixture *f, gconstpointer unused)
{
    rig_stop(&f->rig, unused);
    mesh_clock_set_source(NULL);
}

static void report(Fixture *f, size_t i, const char *endpoint)
{
    rig_assert(rig_report(&f->rig, &f->nodes[i], endpoint), 200, NULL);
}

/* The sequence numbers of the endpoint lines in the one answer that node @i has, by key. */
static void check_one_answer(Fixture *f, size_t i, const uint64_t want[NODES])
{
    uint64_t    got[NODES] = { 0 };
    CoreAnswer *answer = rig_wait(&f->rig, f->tickets[i]);

    for (guint at = 0; at < answer->lines->len; at++) {
        g_autoptr(MeshMapline) line = rig_line(answer, at);

        g_assert_cmpint(line->type, ==, MESH_MAPLINE_EP);
        for (size_t n = 0; n < NODES; n++) {
            MeshRecordE e;

            if (mesh_record_open_e(line->e, &f->net, &f->nodes[n].key, &e, NULL)) {
                g_assert_cmpuint(got[n], ==, 0); /* each once */
                got[n] = e.seq;
            }
        }
    }
    core_answer_free(answer);
    for (size_t n = 0; n < NODES; n++)
        g_assert_cmpuint(got[n], ==, want[n]);
    g_assert_false(rig_is_answered(&f->rig, f->tickets[i], 0));
}

static void test_together(Fixture *f, gconstpointer unused)
{
    (void)unused;
    report(f, 1, "192.0.2.1:1");
    report(f, 2, "192.0.2.2:1");
    report(f, 1, "192.0.2.1:2"); /* the newer is what is told */
    move(f, CORE_NEWS_WINDOW_MS - 1);
    for (size_t i = 0; i < NODES; i++)
        g_assert_false(rig_is_answered(&f->rig, f->tickets[i], 0));
    move(f, 1);
    check_one_answer(f, 0, (const uint64_t[NODES]){ 0, 2, 1, 0 });
    check_one_answer(f, 3, (const uint64_t[NODES]){ 0, 2, 1, 0 });
    check_one_answer(f, 1, (const uint64_t[NODES]){ 0, 0, 1, 0 }); /* not of itself */
    check_one_answer(f, 2, (const uint64_t[NODES]){ 0, 2, 0, 0 });
}

/* Alone with news about itself: nothing is sent, and what was told is not told again. */
static void test_nothing_for_oneself(Fixture *f, gconstpointer unused)
{
    (void)unused;
    for (size_t i = 1; i < NODES; i++)
        core_close_map(f->rig.core, f->streams[i]);
    hear_all(f);
    report(f, 0, "192.0.2.9:1");
    move(f, LONG_MS);
    g_assert_false(rig_is_answered(&f->rig, f->tickets[0], 0));
    report(f, 1, "192.0.2.1:1");
    move(f, LONG_MS);
    check_one_answer(f, 0, (const uint64_t[NODES]){ 0, 1, 0, 0 });
}

/* Away and back before anybody was told: nobody is. */
static void test_presence_that_flaps(Fixture *f, gconstpointer unused)
{
    (void)unused;
    core_close_map(f->rig.core, f->streams[1]);
    open_stream(f, 1);
    move(f, LONG_MS);
    g_assert_false(rig_is_answered(&f->rig, f->tickets[0], 0));
}

/* Who opens a stream while another has just gone, and is back before that was told, hears so. */
static void test_presence_seen_between(Fixture *f, gconstpointer unused)
{
    g_autoptr(MeshMapline) opening = NULL;
    g_autoptr(MeshMapline) on = NULL;

    (void)unused;
    core_close_map(f->rig.core, f->streams[1]);
    move(f, 0);
    move(f, CORE_PRESENCE_GRACE_MS);
    f->tickets[2] = rig_open(&f->rig, &f->nodes[2], 0, 0);
    opening = rig_next_line(&f->rig, f->tickets[2], MESH_MAPLINE_ON);
    g_assert_true(opening->all && opening->end);
    g_assert_cmpuint(opening->n_indexes, ==, NODES - 2); /* neither itself nor who went */
    open_stream(f, 1);
    move(f, LONG_MS);
    on = rig_next_line(&f->rig, f->tickets[2], MESH_MAPLINE_ON);
    g_assert_false(on->all);
    g_assert_cmpuint(on->n_indexes, ==, 1);
    for (size_t i = 0; i < opening->n_indexes; i++)
        g_assert_cmpuint(on->indexes[0], !=, opening->indexes[i]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/core/news/together", Fixture, NULL, set_up, test_together, tear_down);
    g_test_add("/core/news/nothing-for-oneself", Fixture, NULL, set_up, test_nothing_for_oneself,
               tear_down);
    g_test_add("/core/news/presence-that-flaps", Fixture, NULL, set_up, test_presence_that_flaps,
               tear_down);
    g_test_add("/core/news/presence-seen-between", Fixture, NULL, set_up,
               test_presence_seen_between, tear_down);
    return g_test_run();
}
