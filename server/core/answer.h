/* server/core/answer.h: makes and sends a CoreAnswer. Any thread. */
#pragma once

#include "common/glib/error.h"
#include "server/core/core.h"

enum { CORE_ANSWER_RETRY_S = 5 };

CoreAnswer *core_answer_new(unsigned status);

/* Hands @answer over. */
void core_answer_send(CoreReturn to, CoreAnswer *answer);

/* The answer of @error by the table of docs/PROTOCOL.md §5; what is our own fault is logged and
 * becomes "internal". Takes @error. */
void core_answer_send_error(CoreReturn to, GError *error);

/* The same from a code and a text. */
void core_answer_refuse(CoreReturn to, MeshErrorCode code, const char *text);

/* 429 busy: the sender is too fast, or there are too many of its kind. */
void core_answer_send_limit(CoreReturn to, const char *text, unsigned retry_in_s);

/* A JSON body; takes @text. */
void core_answer_send_body(CoreReturn to, unsigned status, char *text, size_t len);

/* One line; takes @bytes. */
void core_answer_send_line(CoreReturn to, CoreLineKind kind, uint32_t index, GBytes *bytes);
