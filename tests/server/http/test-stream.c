#include "server/http/stream.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

typedef struct {
    const char *name;
    const char *wire;
    int64_t     body_bytes; /* as a head says */
    int         want_rc;    /* 0 or the refusal */
    const char *want;       /* the body; NULL: never complete */
    size_t      want_rest;  /* bytes behind the body */
} BodyCase;

static const BodyCase cases[] = {
    { "length", "hello", 5, 0, "hello" },
    { "length-then-next", "helloGET", 5, 0, "hello", 3 },
    { "length-short", "hell", 5, 0, NULL },
    { "length-over-limit", "", 17, -EFBIG },
    { "length-at-limit", "0123456789abcdef", 16, 0, "0123456789abcdef" },
    { "empty", "GET", 0, 0, "", 3 },
    { "huge-promise", "", INT64_MAX, -EFBIG },
};

/* Feeds in two parts. Returns the first refusal, or how much was left behind the body. */
static int feed(const BodyCase *c, size_t cut, HttpBody *body)
{
    const uint8_t *data = (const uint8_t *)c->wire;
    size_t         len = strlen(c->wire), at = 0;
    const size_t   ends[] = { cut, len };
    int            rc = http_stream_init_body(body, c->body_bytes, 16);

    for (size_t i = 0; rc >= 0 && i < G_N_ELEMENTS(ends); i++) {
        g_autofree uint8_t *part = NULL;

        if (at > ends[i])
            continue;
        part = g_memdup2(data + at, ends[i] - at); /* of its own: a sanitizer sees overruns */
        rc = http_stream_feed_body(body, part, ends[i] - at);
        at += (size_t)MAX(rc, 0);
    }
    return rc < 0 ? rc : (int)(len - at);
}

static void test_body(gconstpointer data)
{
    const BodyCase *c = data;

    for (size_t cut = 0; cut <= strlen(c->wire); cut++) {
        HttpBody body;
        int      rc = feed(c, cut, &body);

        if (c->want_rc < 0) {
            g_assert_cmpint(rc, ==, c->want_rc);
            g_assert_false(body.complete);
        } else if (c->want == NULL) {
            g_assert_cmpint(rc, ==, 0);
            g_assert_false(body.complete);
        } else {
            g_assert_true(body.complete);
            g_assert_cmpint(rc, ==, (int)c->want_rest);
            g_assert_cmpmem(body.data, body.len, c->want, strlen(c->want));
        }
        http_stream_done_body(&body);
    }
}

static void test_chunk_head(void)
{
    char head[HTTP_CHUNK_HEAD_SIZE];

    g_assert_cmpuint(http_stream_format_chunk(1, head), ==, 3);
    g_assert_cmpstr(head, ==, "1\r\n");
    g_assert_cmpuint(http_stream_format_chunk(0xffffffff, head), ==, 10);
    g_assert_cmpstr(head, ==, "ffffffff\r\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/http/body/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_body);
    }
    g_test_add_func("/http/chunk-head", test_chunk_head);
    return g_test_run();
}
