/* tests/fuzz/fuzz-http.c: a request's head and body, whole and in pieces: how the socket cuts the
 * bytes must change nothing, or two readers of one connection see two requests. */
#include "server/http/message.h"
#include "server/http/stream.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <errno.h>

#define BODY_MAX 2048 /* bytes; small, so that the limit is met */

/* What came of one way to read the bytes. */
typedef struct {
    int      body_rc; /* 0 or the error */
    bool     complete;
    size_t   taken; /* bytes of the body */
    size_t   len;
    uint8_t *body; /* owned */
} Outcome;

static Outcome read_body(const HttpHead *head, const uint8_t *data, size_t len, size_t step)
{
    Outcome  out = { 0 };
    HttpBody body;

    out.body_rc = http_stream_init_body(&body, head->body_bytes, BODY_MAX);
    if (out.body_rc < 0) {
        assert(out.body_rc == -EFBIG && head->body_bytes > BODY_MAX);
        return out;
    }
    while (out.taken < len && !body.complete) {
        size_t part = step < len - out.taken ? step : len - out.taken;
        int    taken = http_stream_feed_body(&body, data + out.taken, part);

        assert(taken == (int)part || (body.complete && taken >= 0 && taken < (int)part));
        out.taken += (size_t)taken;
    }
    assert(body.len <= BODY_MAX && (body.data == NULL || body.data[body.len] == '\0'));
    if (body.complete)
        assert(body.len == (size_t)head->body_bytes);
    out.complete = body.complete;
    out.len = body.len;
    out.body = malloc(body.len + 1);
    if (body.len > 0)
        memcpy(out.body, body.data, body.len);
    http_stream_done_body(&body);
    return out;
}

static void check_body(const HttpHead *head, const uint8_t *data, size_t len)
{
    const size_t steps[] = { 1, 2, 3, 5, 64 };
    Outcome      whole = read_body(head, data, len, len > 0 ? len : 1);

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        Outcome parts = read_body(head, data, len, steps[i]);

        assert(parts.body_rc == whole.body_rc && parts.complete == whole.complete);
        if (whole.body_rc == 0)
            assert(parts.taken == whole.taken && parts.len == whole.len &&
                   (whole.len == 0 || memcmp(parts.body, whole.body, whole.len) == 0));
        free(parts.body);
    }
    free(whole.body);
}

/* The end of the head when @step bytes come at a time. */
static int find_end(const uint8_t *data, size_t len, size_t step)
{
    size_t  scanned = 0, have = 0;
    HttpWhy why = NULL;
    int     end = 0;

    while (end == 0 && have < len) {
        have = step < len - have ? have + step : len;
        end = http_message_find_end(data, have, &scanned, &why);
        assert(end >= 0 || why != NULL);
        assert(scanned <= have);
    }
    return end;
}

/* What no reader downstream may ever meet in a head that we took. */
static void check_head(const HttpHead *head)
{
    unsigned lengths = 0;

    assert(head->n_fields <= HTTP_MAX_FIELDS && head->path[0] == '/');
    assert(strpbrk(head->path, " \r\n?") == NULL && head->body_bytes >= 0);
    for (unsigned i = 0; i < head->n_fields; i++) {
        const HttpField *field = &head->fields[i];

        assert(strpbrk(field->value, "\r\n") == NULL);
        assert(field->name[0] != '\0' && strpbrk(field->name, " \t:\r\n") == NULL);
        for (const char *c = field->name; *c != '\0'; c++)
            assert(*c < 'A' || *c > 'Z');
        lengths += strcmp(field->name, "content-length") == 0;
        assert(strcmp(field->name, "transfer-encoding") != 0);
        assert(http_message_get_field(head, field->name) != NULL);
    }
    assert(lengths <= 1);
    assert(lengths == 1 || head->body_bytes == 0);
}

static void check_query(const char *query)
{
    char value[64];
    int  rc = http_message_get_query(query, "cursor", value, sizeof value);

    assert(rc == 0 || rc == -ENOENT || rc == -EBADMSG || rc == -ENOSPC);
    if (rc == 0)
        assert(strstr(query, "cursor=") != NULL && strchr(value, '&') == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    HttpHead *head = NULL;
    HttpWhy   why = NULL;
    int       end = find_end(data, len, len), rc;

    assert(find_end(data, len, 1) == end && find_end(data, len, 7) == end);
    if (end <= 0)
        return 0;
    assert((size_t)end <= len && end <= HTTP_MAX_HEAD_BYTES);
    rc = http_message_parse_head(data, (size_t)end, &head, &why);
    if (rc < 0) {
        assert(why != NULL && head == NULL && http_message_status_of(rc) >= 400);
        return 0;
    }
    check_head(head);
    if (head->query != NULL)
        check_query(head->query);
    check_body(head, data + end, len - (size_t)end);
    http_message_free_head(head);
    return 0;
}
