/* server/core/waiters.h: who waits for news: open map streams and held registrations. Control
 * thread only. */
#pragma once

#include "server/core/control.h"

enum { CORE_WAIT_MAX_S = 55 };

/* Opens the stream of @node and answers with its opening lines; an older one is replaced. */
void core_waiters_open(Core *core, CoreNode *node, const CoreCaller *caller,
                       const CoreMapArgs *args, CoreReturn to);

/* The caller's end of it has gone. Unknown: fine. */
void core_waiters_close(Core *core, uint64_t stream);

/* Sends the last line and forgets the stream; takes @bytes. NULL stream: nothing. */
void core_waiters_end(Core *core, CoreStream *stream, GBytes *bytes);

/* Ends every stream with "restart" and answers every held registration. */
void core_waiters_end_all(Core *core);

/* The answer of a registration: 200, 202, or held so long when @wait_s. */
void core_waiters_answer_register(Core *core, CoreNode *node, const CoreCaller *caller,
                                  unsigned wait_s, CoreReturn to);

/* Answers what @node has held, as it is now. */
void core_waiters_release(Core *core, CoreNode *node);

/* Answers what @node has held with an error. */
void core_waiters_refuse(Core *core, CoreNode *node, MeshErrorCode code, const char *text);
