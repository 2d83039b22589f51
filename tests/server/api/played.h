/* tests/server/api/played.h: a core that does what a test says, behind the calls of core.h; and the
 * server around it. The link takes these functions instead of server/core's. */
#pragma once

#include "server/api/router.h"

typedef enum {
    PLAYED_REGISTER,
    PLAYED_MAP,
    PLAYED_REPORT,
    PLAYED_RELAYS,
    PLAYED_LEAVE,
    PLAYED_CLOSE,
} PlayedKind;

/* A call that came in. */
typedef struct {
    PlayedKind  kind;
    CoreCaller  caller;
    CoreMapArgs args;
    char       *body; /* owned */
    unsigned    wait_s;
    uint64_t    stream; /* PLAYED_CLOSE */
    CoreReturn  to;
} PlayedCall;

typedef struct Played Played;

/* A server on a free port of 127.0.0.1; timeouts of @header_ms for head, body and idling. */
Played     *played_new(unsigned shards, unsigned header_ms);
void        played_free(Played *self); /* stops */
unsigned    played_get_port(const Played *self);
const char *played_get_fingerprint(void);

/* Waits for the next call; owned. */
PlayedCall *played_wait(Played *self);
void        played_call_free(PlayedCall *call);

/* Answers from a thread of its own kind: as the control thread does. */
void played_answer_body(const PlayedCall *call, unsigned status, const char *body);
void played_answer_error(const PlayedCall *call, unsigned status, const char *code,
                         unsigned retry_in_s);

/* Lines "kind:text", kind one of h s d e p x (hello … end); an "e" takes its index from the first
 * digit of its text. @stream: not 0 in the opening answer. */
void played_answer_lines(const PlayedCall *call, uint64_t stream, const char *const *lines);
