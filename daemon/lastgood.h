/* daemon/lastgood.h: where each peer was reached directly last, kept over restarts: the way back to
 * it when what it told of itself has ended and no server is there to ask.
 *
 * The document "lastgood" of a network. Thread: main loop. */
#pragma once

#include "common/std/ip.h"
#include "common/std/key.h"
#include "daemon/path/path.h"
#include "daemon/state.h"

#include <stdint.h>

enum {
    MESHD_LASTGOOD_MAX = 256,           /* peers; those reached last stay */
    MESHD_LASTGOOD_LIFE_S = 30 * 86400, /* then an address is somebody else's */
};

typedef struct MeshdLastgood MeshdLastgood;

/** meshd_lastgood_new: reads nothing yet; borrows @state. */
MeshdLastgood *meshd_lastgood_new(MeshdState *state, const MeshNetworkId *net);
void           meshd_lastgood_free(MeshdLastgood *self); /* saves; NULL is fine */

/** meshd_lastgood_start: the network comes up: what was known by now is what get() tells until the
 * next start. A document that cannot be read is said in the log. */
void meshd_lastgood_start(MeshdLastgood *self, int64_t now_s);

/** meshd_lastgood_note: @peer was reached at @at; saved within a minute. */
void meshd_lastgood_note(MeshdLastgood *self, const MeshKey *peer, const MeshEndpoint *at,
                         int64_t now_s);

/** meshd_lastgood_get: borrowed until the next start; NULL: not known. */
const MeshEndpoint *meshd_lastgood_get(const MeshdLastgood *self, const MeshKey *peer);
