/* server/http/stream.h: bodies: those of requests, of known length, and our own in chunks (RFC 9112
 * §7.1).
 *
 * Pure, any thread. A body is gathered as its bytes come, into memory that grows with what really
 * arrived, never with what a header promised. */
#pragma once

#include "common/std/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_CHUNK_HEAD_SIZE = 16, /* "ffffffff\r\n" and the NUL */
};

/* The body of one request. Zeroed by http_stream_init_body(), freed by http_stream_done_body(). */
typedef struct {
    uint8_t *data; /* owned; @len bytes and a NUL; NULL before the first byte */
    size_t   len;
    size_t   room; /* allocated */
    size_t   left; /* bytes that have not come yet */
    bool     complete;
} HttpBody;

/* @body_bytes as in HttpHead. Returns: 0; -EFBIG: longer than @max_bytes. */
MESH_CHECKED int http_stream_init_body(HttpBody *body, int64_t body_bytes, size_t max_bytes);
void             http_stream_done_body(HttpBody *body);

/* Takes body bytes from @data; sets complete at the end of the body. Returns: how many of @len it
 * took (less only when complete); -ENOMEM. */
MESH_CHECKED int http_stream_feed_body(HttpBody *body, const uint8_t *data, size_t len);

/* The line before a chunk of @len bytes (1 … 2^32-1) into @out; returns its length. After the
 * chunk comes HTTP_CHUNK_TAIL, after the last chunk HTTP_STREAM_END. */
size_t http_stream_format_chunk(size_t len, char out[HTTP_CHUNK_HEAD_SIZE]);

#define HTTP_CHUNK_TAIL "\r\n"
#define HTTP_STREAM_END "0\r\n\r\n"
