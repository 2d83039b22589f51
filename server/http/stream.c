#include "server/http/stream.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_SIZE,    /* in the hexadecimal digits */
    CHUNK_SIZE_LF, /* after their CR */
    CHUNK_DATA,    /* in the bytes themselves */
    CHUNK_DATA_CR, /* after them */
    CHUNK_DATA_LF,
    CHUNK_FINAL_CR, /* after the chunk of size 0: no trailers */
    CHUNK_FINAL_LF,
};

enum {
    MAX_SIZE_DIGITS = 8,
    FIRST_ROOM = 1024,
};

int http_stream_init_body(HttpBody *body, int64_t body_bytes, size_t max_bytes, HttpWhy *out_why)
{
    memset(body, 0, sizeof(*body));
    body->max_bytes = max_bytes;
    body->chunked = body_bytes < 0;
    if (body->chunked)
        return 0;
    if ((uint64_t)body_bytes > max_bytes) {
        *out_why = "body longer than this request may have";
        return -EFBIG;
    }
    body->left = (uint64_t)body_bytes;
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

/* Takes what @data holds of the running length. Returns how much, or -ENOMEM. */
static int take_run(HttpBody *body, const uint8_t *data, size_t len)
{
    size_t run = body->left < len ? (size_t)body->left : len;

    if (append(body, data, run) < 0)
        return -ENOMEM;
    body->left -= run;
    return (int)run;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int step_size(HttpBody *body, uint8_t c, HttpWhy *out_why)
{
    int value = hex_value(c);

    if (value >= 0 && body->digits < MAX_SIZE_DIGITS) {
        body->left = body->left << 4 | (uint64_t)value;
        body->digits++;
        return 0;
    }
    if (c != '\r' || body->digits == 0) {
        *out_why = "malformed chunk size";
        return -EBADMSG;
    }
    if (body->left > body->max_bytes - body->len) {
        *out_why = "body longer than this request may have";
        return -EFBIG;
    }
    body->state = CHUNK_SIZE_LF;
    return 0;
}

/* The fixed bytes around chunks. */
static int step_mark(HttpBody *body, uint8_t c, HttpWhy *out_why)
{
    static const uint8_t wanted[] = {
        [CHUNK_SIZE_LF] = '\n',  [CHUNK_DATA_CR] = '\r',  [CHUNK_DATA_LF] = '\n',
        [CHUNK_FINAL_CR] = '\r', [CHUNK_FINAL_LF] = '\n',
    };

    if (c != wanted[body->state]) {
        *out_why = body->state == CHUNK_FINAL_CR ? "trailers are not accepted" : "malformed chunk";
        return -EBADMSG;
    }
    switch (body->state) {
    case CHUNK_SIZE_LF:
        body->state = body->left > 0 ? CHUNK_DATA : CHUNK_FINAL_CR;
        break;
    case CHUNK_DATA_LF:
        body->digits = 0;
        body->state = CHUNK_SIZE;
        break;
    case CHUNK_FINAL_LF:
        body->complete = true;
        break;
    default:
        body->state++;
    }
    return 0;
}

static int feed_chunked(HttpBody *body, const uint8_t *data, size_t len, HttpWhy *out_why)
{
    size_t at = 0;

    while (at < len && !body->complete) {
        int rc;

        if (body->state == CHUNK_DATA) {
            rc = take_run(body, data + at, len - at);
            at += rc > 0 ? (size_t)rc : 0;
            if (body->left == 0)
                body->state = CHUNK_DATA_CR;
        } else if (body->state == CHUNK_SIZE) {
            rc = step_size(body, data[at++], out_why);
        } else {
            rc = step_mark(body, data[at++], out_why);
        }
        if (rc < 0)
            return rc;
    }
    return (int)at;
}

int http_stream_feed_body(HttpBody *body, const uint8_t *data, size_t len, HttpWhy *out_why)
{
    int rc;

    if (body->complete)
        return 0;
    if (len > INT_MAX)
        len = INT_MAX;
    if (body->chunked)
        return feed_chunked(body, data, len, out_why);
    rc = take_run(body, data, len);
    body->complete = body->left == 0;
    return rc;
}

size_t http_stream_format_chunk(size_t len, char out[HTTP_CHUNK_HEAD_SIZE])
{
    return (size_t)snprintf(out, HTTP_CHUNK_HEAD_SIZE, "%x\r\n", (unsigned)len);
}
