/* server/http/message.h: HTTP/1.1 requests and response heads (RFC 9112), strict and bounded.
 *
 * Pure functions over bytes: no socket, no endpoint, no clock; any thread. What is ambiguous is
 * refused rather than guessed, so that no proxy in front of us can see another request than we do:
 * two lengths, bare CR or LF, folded fields, white space before a colon, repeated fields of which
 * there may be one, any transfer coding, a path with escapes. */
#pragma once

#include "common/std/attr.h"
#include "server/http/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_MAX_HEAD_BYTES = 16384, /* request line and fields, with the empty line at their end */
    HTTP_MAX_FIELDS = 64,
    HTTP_MAX_METHOD = 15, /* characters */
    HTTP_RESPONSE_HEAD_SIZE = 512,
};

typedef struct {
    const char *name;  /* lower case */
    const char *value; /* without the white space around it; may be empty */
} HttpField;

/* The head of a request. All texts lie in its own memory. */
typedef struct {
    char     *text; /* owned; what the pointers below point into */
    char      method[HTTP_MAX_METHOD + 1];
    char     *path;  /* begins with '/'; without escapes */
    char     *query; /* what follows '?'; "" after a lone '?'; NULL without one */
    HttpField fields[HTTP_MAX_FIELDS];
    unsigned  n_fields;
    int64_t   body_bytes;     /* Content-Length; 0 without a body */
    bool      keep_alive;     /* false: the client asked for "Connection: close" */
    bool      wants_continue; /* "Expect: 100-continue" */
} HttpHead;

/* Why a request was refused: for people, static text. Written on failure only. */
typedef const char *HttpWhy;

/* Looks for the end of the head in the @len bytes received so far; *@scanned (0 at first) is how
 * far earlier calls looked. Returns: bytes of the head with its empty line; 0: not complete yet;
 * -EBADMSG: bytes that no head holds; -EMSGSIZE: no end within HTTP_MAX_HEAD_BYTES. */
MESH_CHECKED int http_message_find_end(const uint8_t *data, size_t len, size_t *scanned,
                                       HttpWhy *out_why);

/* Parses a whole head of @len bytes. Returns: 0; -EBADMSG: malformed; -EMSGSIZE: too many fields;
 * -EPROTONOSUPPORT: not HTTP/1.1; -ENOSYS: an expectation we lack; -ENOMEM. */
MESH_CHECKED int http_message_parse_head(const uint8_t *data, size_t len, HttpHead **out_head,
                                         HttpWhy *out_why);
void             http_message_free_head(HttpHead *head); /* NULL is fine */

/* Value of the field @name (lower case), NULL without one. */
const char *http_message_get_field(const HttpHead *head, const char *name);

/* Value of @name in @query as it stands (not decoded) into @out of @size bytes.
 * Returns: 0; -ENOENT: not there; -EBADMSG: there twice; -ENOSPC: does not fit. */
MESH_CHECKED int http_message_get_query(const char *query, const char *name, char *out,
                                        size_t size);

/* The status that tells a client of a negative errno of this folder. */
int http_message_status_of(int error);

/* What a response's head says. */
typedef struct {
    int         status;
    int64_t     body_bytes;   /* -1: chunked */
    const char *content_type; /* NULL: none */
    const char *extra;        /* complete further lines with their CRLF; NULL: none */
    int64_t     date_s;       /* wall clock, unix seconds */
    bool        keep_alive;
} HttpResponse;

/* Writes the head into @out of HTTP_RESPONSE_HEAD_SIZE bytes. Every answer says "no-store".
 * Returns: 0 and its length; -ENOSPC: @extra is too long. */
MESH_CHECKED int http_message_format_head(const HttpResponse *response, char *out, size_t *out_len);
