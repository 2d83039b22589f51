/* tests/daemon/control/fake.h: an HTTPS server that answers by a script and keeps what it was
 * asked.
 *
 * Threads of its own; every call from the test's main thread. Each request's signature is verified:
 * a wrong one aborts the test. */
#pragma once

#include "common/proto/reqsign.h"
#include "tests/common/proto/objects.h"

#include <glib.h>
#include <stdbool.h>

/* One answer to the next request for @verb. */
typedef struct {
    const char *verb;   /* "register", "map", "report", "leave" */
    unsigned    status; /* 0: the connection is closed without a word */
    /* The body. In a map's, "@hello\n" becomes a hello line whose tip has the request's nonce. */
    const char *body;
    bool        hold; /* map: leave the stream open afterwards */
} FakeAnswer;

/* What was asked. */
typedef struct {
    char             *verb, *query, *body; /* owned by the log */
    MeshReqsignParams params;
} FakeRequest;

typedef struct FakeServer FakeServer;

/* On a port of 127.0.0.1 the kernel chooses; its TLS key is @key. */
FakeServer *fake_start(const FixturePair *key);
void        fake_stop(FakeServer *self);

unsigned fake_get_port(const FakeServer *self);

/* Appends to the script; copied. */
void fake_answer(FakeServer *self, const FakeAnswer *answer);

/* How many requests for @verb came, and the @at-th of them (a copy of the log's pointers). */
unsigned    fake_count(FakeServer *self, const char *verb);
FakeRequest fake_get(FakeServer *self, const char *verb, unsigned at);
