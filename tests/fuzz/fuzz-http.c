/* tests/fuzz/fuzz-http.c: a request's head, then its body fed in pieces, as a socket gives them. */
#include "server/http/message.h"
#include "server/http/stream.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

static void feed_body(const HttpHead *head, const uint8_t *data, size_t len)
{
    HttpBody body;
    size_t   step = len > 0 ? data[0] % 7u + 1 : 1;

    if (http_stream_init_body(&body, head->body_bytes, 4096) < 0)
        return;
    while (len > 0 && !body.complete) {
        size_t part = step < len ? step : len;
        int    taken = http_stream_feed_body(&body, data, part);

        assert(taken >= 0);
        assert((size_t)taken == part || body.complete);
        data += taken;
        len -= (size_t)taken;
    }
    assert(body.len <= 4096);
    http_stream_done_body(&body);
}

void fuzz_one(const uint8_t *data, size_t len)
{
    size_t    scanned = 0;
    HttpHead *head = NULL;
    HttpWhy   why = NULL;
    int       end = http_message_find_end(data, len, &scanned, &why);

    if (end <= 0) {
        assert(end == 0 || why != NULL);
        return;
    }
    assert((size_t)end <= len && end <= HTTP_MAX_HEAD_BYTES);
    if (http_message_parse_head(data, (size_t)end, &head, &why) < 0) {
        assert(why != NULL && head == NULL);
        return;
    }
    assert(head->n_fields <= HTTP_MAX_FIELDS && head->path[0] == '/');
    for (unsigned i = 0; i < head->n_fields; i++)
        assert(strpbrk(head->fields[i].value, "\r\n") == NULL);
    feed_body(head, data + end, len - (size_t)end);
    http_message_free_head(head);
}
