#include "server/http/stream.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_ROOM = 1024,
};

int http_stream_init_body(HttpBody *body, int64_t body_bytes, size_t max_bytes)
{
    memset(body, 0, sizeof(*body));
    if ((uint64_t)body_bytes > max_bytes)
        return -EFBIG;
    body->left = (size_t)body_bytes;
    body->complete = body_bytes == 0;
    return 0;
}

void http_stream_done_body(HttpBody *body)
{
    free(body->data);
    memset(body, 0, sizeof(*body));
}

static int append(HttpBody *body, const uint8_t *data, size_t len)
{
    if (body->len + len + 1 > body->room) {
        size_t   room = body->room != 0 ? body->room : FIRST_ROOM;
        uint8_t *grown;

        while (room < body->len + len + 1)
            room *= 2;
        grown = realloc(body->data, room);
        if (grown == NULL)
            return -ENOMEM;
        body->data = grown;
        body->room = room;
    }
    memcpy(body->data + body->len, data, len);
    body->len += len;
    body->data[body->len] = '\0';
    return 0;
}

int http_stream_feed_body(HttpBody *body, const uint8_t *data, size_t len)
{
    size_t run = body->left < len ? body->left : len;

    if (run > INT_MAX)
        run = INT_MAX;
    if (run > 0 && append(body, data, run) < 0)
        return -ENOMEM;
    body->left -= run;
    body->complete = body->left == 0;
    return (int)run;
}

size_t http_stream_format_chunk(size_t len, char out[HTTP_CHUNK_HEAD_SIZE])
{
    return (size_t)snprintf(out, HTTP_CHUNK_HEAD_SIZE, "%x\r\n", (unsigned)len);
}
