/* daemon/path/relayanswer.h: what a relay, or a proxy before it, answers: the head of an HTTP
 * response, NUL-terminated text. Pure; inside of daemon/path. */
#pragma once

#include <stdint.h>

/** path_relayanswer_status: 100-999; 0: no HTTP/1. */
int path_relayanswer_status(const char *head);

/** path_relayanswer_dup_field: the value of the field @name without the white space around it;
 * NULL: none. Owned. */
char *path_relayanswer_dup_field(const char *head, const char *name);

/** path_relayanswer_date: "Date: Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 §5.6.7) as unix seconds;
 * 0: none, or in another form. */
int64_t path_relayanswer_date(const char *head);
