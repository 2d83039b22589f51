/* tests/daemon/path/test-ways.c: what is kept of the ways to a peer, and which is best. */
#include "common/std/endpoint.h"
#include "daemon/path/ways.h"

#include <glib.h>

static WireWay at(const char *text)
{
    WireWay way = { .link = 0 };

    g_assert_cmpint(mesh_endpoint_parse(text, &way.endpoint), ==, 0);
    return way;
}

static PathWay *add(PathWays *ways, const char *text, MeshRecordKind kind)
{
    WireWay to = at(text);

    return path_ways_add(ways, &to, path_ways_rank(&to.endpoint, kind), NULL);
}

/* Answered after @rtt_ms, at @now_ms. */
static void answer(PathWays *ways, PathWay *way, uint64_t txid, int64_t rtt_ms, int64_t now_ms)
{
    path_ways_ping(way, txid, (now_ms - rtt_ms) * 1000);
    g_assert_true(path_ways_pong(ways, txid, now_ms * 1000) == way);
}

static void test_rank(void)
{
    static const struct {
        const char    *text;
        MeshRecordKind kind;
        PathRank       want;
        bool           timed;
    } rows[] = {
        { "[fd00::1]:1", MESH_RECORD_LOCAL, PATH_RANK_LAN6, false },
        { "192.168.1.1:1", MESH_RECORD_LOCAL, PATH_RANK_LAN4, false },
        { "[2001:db8::1]:1", MESH_RECORD_LOCAL, PATH_RANK_V6, false },
        { "203.0.113.1:1", MESH_RECORD_STATIC, PATH_RANK_MAPPED, true },
        { "203.0.113.1:1", MESH_RECORD_MAPPED, PATH_RANK_MAPPED, true },
        { "203.0.113.1:1", MESH_RECORD_OBSERVED, PATH_RANK_OBSERVED, true },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        PathWay way = { .to = at(rows[i].text) };

        way.rank = path_ways_rank(&way.to.endpoint, rows[i].kind);
        g_assert_cmpint(way.rank, ==, rows[i].want);
        g_assert_cmpint(path_ways_wants_timing(&way), ==, rows[i].timed);
    }
}

static void test_add(void)
{
    PathWays ways = { .n = 0 };
    PathWay *first = add(&ways, "203.0.113.1:1", MESH_RECORD_OBSERVED), *good;
    WireWay  more = at("198.51.100.1:1");
    char     text[32];

    g_assert_true(add(&ways, "203.0.113.1:1", MESH_RECORD_STATIC) == first);
    g_assert_cmpint(first->rank, ==, PATH_RANK_MAPPED); /* of two the better counts */
    g_assert_cmpuint(ways.n, ==, 1);
    more.socket = 1; /* the same place by another socket is another way */
    g_assert_null(path_ways_find(&ways, &more));
    g_assert_true(path_ways_add(&ways, &more, PATH_RANK_OBSERVED, NULL) != NULL);
    more.socket = 0;
    g_assert_null(path_ways_find(&ways, &more));
    ways.n = 1;
    good = add(&ways, "203.0.113.2:1", MESH_RECORD_OBSERVED);
    answer(&ways, good, 9, 1, 1000);
    for (unsigned i = 3; ways.n < PATH_MAX_WAYS; i++) {
        g_snprintf(text, sizeof text, "203.0.113.%u:1", i);
        add(&ways, text, MESH_RECORD_OBSERVED);
    }
    path_ways_ping(&ways.list[7], 1, 5000); /* the only one that did not answer a ping */
    g_assert_true(path_ways_add(&ways, &more, PATH_RANK_OBSERVED, first) == &ways.list[7]);
    g_assert_cmpuint(ways.n, ==, PATH_MAX_WAYS);
    g_assert_true(good->valid && path_ways_find(&ways, &good->to) == good);
    for (size_t i = 0; i < PATH_MAX_WAYS; i++)
        ways.list[i].valid = true;
    more.endpoint.port = 2;
    g_assert_null(path_ways_add(&ways, &more, PATH_RANK_LAN4, NULL)); /* nothing to give up */
}

static void test_pong(void)
{
    PathWays ways = { .n = 0 };
    PathWay *way = add(&ways, "203.0.113.1:1", MESH_RECORD_OBSERVED);

    g_assert_null(path_ways_pong(&ways, 0, 1000)); /* what was never sent */
    for (uint64_t txid = 1; txid <= PATH_WAY_IN_FLIGHT + 1; txid++)
        path_ways_ping(way, txid, (int64_t)txid * 1000);
    g_assert_cmpuint(way->unanswered, ==, PATH_WAY_IN_FLIGHT + 1);
    g_assert_null(path_ways_pong(&ways, 1, 90000)); /* too long ago */
    g_assert_true(path_ways_pong(&ways, 2, 22000) == way);
    g_assert_cmpint(way->rtt_us, ==, 20000);
    g_assert_cmpint(way->valid_ms, ==, 22);
    g_assert_true(way->valid && way->trusted);
    g_assert_cmpuint(way->unanswered, ==, 0);
    g_assert_null(path_ways_pong(&ways, 2, 22000)); /* an answer counts once */
    path_ways_doubt(&ways);
    g_assert_false(way->valid);
}

static void test_best(void)
{
    PathWays ways = { .n = 0 };
    PathWay *slow = add(&ways, "203.0.113.1:1", MESH_RECORD_OBSERVED);
    PathWay *quick = add(&ways, "203.0.113.2:1", MESH_RECORD_OBSERVED);
    PathWay *lan = add(&ways, "192.168.1.1:1", MESH_RECORD_LOCAL);

    g_assert_null(path_ways_best(&ways, 0));
    answer(&ways, slow, 1, 40, 1000);
    answer(&ways, quick, 2, 20, 2000);
    answer(&ways, lan, 3, 60, 500);
    g_assert_true(path_ways_best(&ways, 0) == lan);
    g_assert_true(path_ways_best(&ways, 501) == quick);
    g_assert_true(path_ways_best(&ways, 2001) == NULL);
    g_assert_true(path_ways_is_better(lan, quick)); /* its rank counts, not its time */
    g_assert_true(path_ways_is_better(quick, slow));
    quick->rtt_us = slow->rtt_us - 3999;
    g_assert_false(path_ways_is_better(quick, slow)); /* within 10 % */
    slow->rtt_us = 4000;
    quick->rtt_us = 1001;
    g_assert_false(path_ways_is_better(quick, slow)); /* within 3 ms */
}

static unsigned count_aims(PathAim *all, PathAim *own, const PathWay *way, int64_t now_ms)
{
    unsigned n = 0;

    while (n < 1000 && path_ways_may_aim(all, own, way, now_ms))
        n++;
    return n;
}

/* Twenty at once, ten a second, half of it for one peer; what showed itself, and a LAN, is not
 * counted. */
static void test_aim(void)
{
    PathWays ways = { .n = 0 };
    PathWay *claimed = add(&ways, "203.0.113.1:1", MESH_RECORD_OBSERVED);
    PathWay *lan = add(&ways, "192.168.1.1:1", MESH_RECORD_LOCAL);
    PathAim  all = { .left = 0 }, one = { .left = 0 }, other = { .left = 0 }, third = { .left = 0 };

    g_assert_cmpuint(count_aims(&all, &one, claimed, 100000), ==, 10);
    g_assert_true(path_ways_may_aim(&all, &one, lan, 100000));
    g_assert_cmpuint(count_aims(&all, &other, claimed, 100000), ==, 10); /* its own share */
    g_assert_cmpuint(count_aims(&all, &third, claimed, 100000), ==, 0);  /* all is spent */
    g_assert_cmpuint(count_aims(&all, &one, claimed, 100000 + 1000), ==, 5);
    g_assert_cmpuint(count_aims(&all, &third, claimed, 100000 + 1000), ==, 5);
    claimed->trusted = true;
    g_assert_cmpuint(count_aims(&all, &one, claimed, 100000 + 1000), ==, 1000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ways/rank", test_rank);
    g_test_add_func("/ways/add", test_add);
    g_test_add_func("/ways/pong", test_pong);
    g_test_add_func("/ways/best", test_best);
    g_test_add_func("/ways/aim", test_aim);
    return g_test_run();
}
