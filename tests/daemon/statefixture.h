/* tests/daemon/statefixture.h: a state in a directory of its own, with one network and one document
 * of it, "map"; for the tests of daemon/state.c and of what it is made of. */
#pragma once

#include "daemon/statelog.h"

typedef struct {
    char         *dir;
    MeshdState   *state;
    MeshNetworkId net;
    char         *network;        /* directory of its documents; made by the first save */
    char         *path, *prev;    /* of the document, and of the generation before */
    char         *log, *prev_log; /* of their journals */
} StateFixture;

typedef void (*StateFixtureTest)(StateFixture *f, gconstpointer data);

/** statefixture_add: @test runs on a state of its own. */
void statefixture_add(const char *name, gconstpointer data, StateFixtureTest test);

/** statefixture_restart: as a new process would; all that waits is on disk then. */
void statefixture_restart(StateFixture *f);

void statefixture_save(StateFixture *f, const char *text);

/** statefixture_append: as meshd_state_append_later(). */
bool statefixture_append(StateFixture *f, const char *text);

/** statefixture_load: the document and its additions, with "|" before each. Owned; "": none. */
char *statefixture_load(StateFixture *f);

void statefixture_assert_loads(StateFixture *f, const char *want);

/** statefixture_assert_troubles: as many are told, and they name the document. */
void statefixture_assert_troubles(StateFixture *f, unsigned want);
