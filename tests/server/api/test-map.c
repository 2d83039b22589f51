/* The map: streams and long polls, over real TLS, with a core that the test plays. */
#include "server/loop/conn.h"
#include "tests/server/api/client.h"
#include "tests/server/api/played.h"

#include <string.h>

#define MAP "/v1/networks/0123456789abcdef/map"

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })

typedef struct {
    Played     *played;
    Client     *client;
    PlayedCall *call;
} Lab;

static Lab start(const char *query)
{
    Lab              lab = { .played = played_new(1, 10000) };
    g_autofree char *target = g_strconcat(MAP, query, NULL);

    lab.client = client_new(played_get_port(lab.played));
    client_set_server(lab.client, played_get_fingerprint());
    client_ask(lab.client, "GET", target, "");
    lab.call = played_wait(lab.played);
    g_assert_cmpint(lab.call->kind, ==, PLAYED_MAP);
    return lab;
}

static void finish(Lab *lab)
{
    g_clear_pointer(&lab->client, client_free);
    played_call_free(lab->call);
    played_free(lab->played);
}

static void expect_chunk(Lab *lab, const char *want)
{
    g_autofree char *chunk = client_read_chunk(lab->client);

    g_assert_cmpstr(chunk, ==, want);
}

static void expect_close(Lab *lab, uint64_t stream)
{
    PlayedCall *call = played_wait(lab->played);

    g_assert_cmpint(call->kind, ==, PLAYED_CLOSE);
    g_assert_cmpuint(call->stream, ==, stream);
    played_call_free(call);
}

static void test_stream(void)
{
    Lab lab = start("?cursor=3.17&hb=120");

    g_assert_cmpuint(lab.call->args.epoch, ==, 3);
    g_assert_cmpuint(lab.call->args.ver, ==, 17);
    g_assert_cmpuint(lab.call->args.hb_s, ==, 120);
    played_answer_lines(lab.call, 5, LINES("h:hello\n", "s:snap\n", "s:snap-end\n", "p:on\n"));
    g_assert_cmpuint(client_read_head(lab.client), ==, 200);
    expect_chunk(&lab, "hello\n");
    expect_chunk(&lab, "snap\n");
    expect_chunk(&lab, "snap-end\n");
    expect_chunk(&lab, "on\n");
    played_answer_lines(lab.call, 0, LINES("d:delta\n"));
    expect_chunk(&lab, "delta\n");
    played_answer_lines(lab.call, 0, LINES("d:last\n", "x:replaced\n"));
    expect_chunk(&lab, "last\n");
    expect_chunk(&lab, "replaced\n");
    expect_chunk(&lab, NULL);
    g_assert_true(client_read_end(lab.client));
    finish(&lab);
}

static void test_defaults(void)
{
    Lab lab = start("");

    g_assert_cmpuint(lab.call->args.epoch, ==, 0);
    g_assert_cmpuint(lab.call->args.ver, ==, 0);
    g_assert_cmpuint(lab.call->args.hb_s, ==, 0);
    finish(&lab);
}

static void test_client_goes(void)
{
    Lab lab = start("");

    played_answer_lines(lab.call, 5, LINES("h:hello\n"));
    g_assert_cmpuint(client_read_head(lab.client), ==, 200);
    expect_chunk(&lab, "hello\n");
    g_clear_pointer(&lab.client, client_free);
    expect_close(&lab, 5);
    played_answer_lines(lab.call, 0, LINES("d:delta\n")); /* was under way: nobody's */
    finish(&lab);
}

/* The core opened a stream for a client that left in the meantime. */
static void test_goes_before_answer(void)
{
    Lab     lab = start("");
    Client *next;
    Answer  answer;

    g_clear_pointer(&lab.client, client_free);
    next = client_new(played_get_port(lab.played)); /* one shard: it has seen the close by then */
    client_send(next, "GET /v1/server HTTP/1.1\r\nHost: x\r\n\r\n");
    answer = client_read(next);
    answer_clear(&answer);
    played_answer_lines(lab.call, 9, LINES("h:hello\n"));
    expect_close(&lab, 9);
    client_free(next);
    finish(&lab);
}

static void test_talks_into_stream(void)
{
    Lab lab = start("");

    played_answer_lines(lab.call, 5, LINES("h:hello\n"));
    g_assert_cmpuint(client_read_head(lab.client), ==, 200);
    expect_chunk(&lab, "hello\n");
    client_send(lab.client, "GET / HTTP/1.1\r\n");
    expect_close(&lab, 5);
    finish(&lab);
}

typedef struct {
    const char *name;
    const char *opening[4];
    const char *later; /* NULL: the opening lines complete the poll */
    unsigned    want_chunks;
} PollCase;

static const PollCase polls[] = {
    { "opening-snapshot", { "h:hello\n", "s:snap\n", "p:on\n" }, NULL, 3 },
    { "opening-delta", { "h:hello\n", "d:delta\n", "e:1\n" }, NULL, 3 },
    { "later-delta", { "h:hello\n" }, "d:delta\n", 2 },
    { "opening-presence-is-no-news", { "h:hello\n", "e:1\n", "p:on\n" }, "p:off\n", 4 },
};

static void test_poll(gconstpointer data)
{
    const PollCase *c = data;
    Lab             lab = start("?cursor=1.1&wait=55");

    played_answer_lines(lab.call, 5, c->opening);
    g_assert_cmpuint(client_read_head(lab.client), ==, 200);
    if (c->later != NULL)
        played_answer_lines(lab.call, 0, LINES(c->later));
    for (unsigned i = 0; i < c->want_chunks; i++) {
        g_autofree char *chunk = client_read_chunk(lab.client);

        g_assert_nonnull(chunk);
    }
    expect_chunk(&lab, NULL);
    expect_close(&lab, 5);
    client_ask(lab.client, "GET", MAP "?wait=1", ""); /* the connection serves the next poll */
    played_call_free(lab.call);
    lab.call = played_wait(lab.played);
    played_answer_lines(lab.call, 6, LINES("h:hello\n"));
    g_assert_cmpuint(client_read_head(lab.client), ==, 200);
    expect_chunk(&lab, "hello\n");
    expect_chunk(&lab, NULL); /* after a second */
    expect_close(&lab, 6);
    finish(&lab);
}

/* Who reads nothing is told to ask again, and the lines of others are not held for him. */
static void test_overflow(void)
{
    Lab              lab = start("");
    g_autofree char *filler = g_strnfill(16000, 'd');
    g_autofree char *line = g_strdup_printf("d:%s\n", filler);
    bool             resync = false;

    played_answer_lines(lab.call, 5, LINES("h:hello\n"));
    for (int i = 0; i < 2000; i++) /* 32 MB: more than all socket buffers between us */
        played_answer_lines(lab.call, 0, LINES(line));
    expect_close(&lab, 5);
    g_assert_cmpuint(client_read_head(lab.client), ==, 200);
    expect_chunk(&lab, "hello\n");
    for (char *chunk; (chunk = client_read_chunk(lab.client)) != NULL; g_free(chunk)) {
        g_assert_false(resync); /* the last line */
        resync = strcmp(chunk, "{\"t\":\"resync\"}\n") == 0;
        g_assert_true(resync || strlen(chunk) == 16001); /* each line whole */
    }
    g_assert_true(resync);
    finish(&lab);
}

/* A large snapshot is no overflow, and what happens meanwhile comes behind it. */
static void test_large_snapshot(void)
{
    Lab              lab = start("");
    g_autofree char *filler = g_strnfill(16000, 's');
    g_autofree char *line = g_strdup_printf("s:%s\n", filler);
    const char      *lines[502] = { "h:hello\n" };

    for (size_t i = 1; i < 501; i++)
        lines[i] = line;
    played_answer_lines(lab.call, 5, lines);
    played_answer_lines(lab.call, 0, LINES("d:delta\n"));
    g_assert_cmpuint(client_read_head(lab.client), ==, 200);
    expect_chunk(&lab, "hello\n");
    for (size_t i = 1; i < 501; i++)
        expect_chunk(&lab, line + 2);
    expect_chunk(&lab, "delta\n");
    finish(&lab);
}

typedef struct {
    const char *name;
    const char *query;
} BadCase;

static const BadCase bad[] = {
    { "cursor-empty", "?cursor=" },
    { "cursor-one-number", "?cursor=1" },
    { "cursor-signed", "?cursor=-1.1" },
    { "cursor-letters", "?cursor=a.b" },
    { "cursor-twice", "?cursor=1.1&cursor=1.1" },
    { "hb-small", "?hb=14" },
    { "hb-large", "?hb=901" },
    { "hb-text", "?hb=x" },
    { "wait-zero", "?wait=0" },
    { "wait-large", "?wait=56" },
};

static void test_bad(gconstpointer data)
{
    const BadCase   *c = data;
    Played          *played = played_new(1, 10000);
    Client          *client = client_new(played_get_port(played));
    g_autofree char *target = g_strconcat(MAP, c->query, NULL);
    Answer           answer;

    client_set_server(client, played_get_fingerprint());
    client_ask(client, "GET", target, "");
    answer = client_read(client);
    g_assert_cmpuint(answer.status, ==, 400);
    g_assert_nonnull(strstr(answer.body, "query: "));
    answer_clear(&answer);
    client_free(client);
    played_free(played);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(polls); i++) {
        g_autofree char *path = g_strdup_printf("/api/map/poll/%s", polls[i].name);

        g_test_add_data_func(path, &polls[i], test_poll);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strdup_printf("/api/map/refused/%s", bad[i].name);

        g_test_add_data_func(path, &bad[i], test_bad);
    }
    g_test_add_func("/api/map/stream", test_stream);
    g_test_add_func("/api/map/defaults", test_defaults);
    g_test_add_func("/api/map/client-goes", test_client_goes);
    g_test_add_func("/api/map/client-goes-before-the-answer", test_goes_before_answer);
    g_test_add_func("/api/map/talks-into-the-stream", test_talks_into_stream);
    g_test_add_func("/api/map/overflow-is-resync", test_overflow);
    g_test_add_func("/api/map/large-snapshot", test_large_snapshot);
    return g_test_run();
}
