/* tests/daemon/control/clientfixture.h: a ControlClient against a server that answers by a script,
 * and what it told so far. */
#pragma once

#include "daemon/control/client.h"
#include "tests/daemon/control/fake.h"

enum { CLIENTFIXTURE_LIMIT_S = 60 };

typedef struct {
    FakeServer    *server;
    FixturePair    node;
    ControlClient *client;
    bool           free_in_callback; /* each of its events frees the client */
    GString       *states;           /* what was told: "connecting,connected," */
    unsigned       maps, registered, left, cloned;
    int            fatal, left_error; /* error codes; -1: none */
    char          *fatal_text, *why;  /* why: of the last OFFLINE */
    uint64_t       seq, map_ver;
    size_t         map_peers;
    MeshAddr       observed;
} ClientFixture;

typedef void (*ClientFixtureTest)(ClientFixture *f, gconstpointer data);

/** clientfixture_add: @data "wrong-key": the server has another key than the client was told. */
void clientfixture_add(const char *path, gconstpointer data, ClientFixtureTest test);

/** clientfixture_add_row: the same as /client/TABLE/NAME. */
void clientfixture_add_row(const char *table, const char *name, gconstpointer data,
                           ClientFixtureTest test);

/** clientfixture_run: the whole of a test's main() but for its additions. */
int clientfixture_run(int *argc, char ***argv, void (*add)(void));

/** clientfixture_answer: the next answer to @verb. */
void clientfixture_answer(ClientFixture *f, const char *verb, unsigned status, const char *body);

/** clientfixture_answer_map: a stream of a snapshot of version 5 with one peer, then @more. @hold:
 * it stays open. */
void clientfixture_answer_map(ClientFixture *f, const char *more, bool hold);

gboolean clientfixture_fail(gpointer what); /* of the macro: it took too long */

#define CLIENTFIXTURE_WAIT(condition)                                                  \
    do {                                                                               \
        guint limit = g_timeout_add_seconds(CLIENTFIXTURE_LIMIT_S, clientfixture_fail, \
                                            (gpointer) #condition);                    \
        while (!(condition))                                                           \
            g_main_context_iteration(NULL, TRUE);                                      \
        g_source_remove(limit);                                                        \
    } while (0)
