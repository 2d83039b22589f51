/* tests/load/memo.h: lines of the map stream, decoded and verified once for all simulated nodes.
 *
 * The server sends the same bytes to many nodes; a thousand real nodes verify them on a thousand
 * machines. Here each distinct line is decoded, and each distinct signed object verified, once;
 * every node still hashes every byte it gets and applies every line to a map of its own. */
#pragma once

#include "common/proto/joinlink.h"
#include "common/proto/mapline.h"
#include "common/proto/reqsign.h"

#include <glib.h>

typedef struct LoadMemo LoadMemo;

LoadMemo *load_memo_new(const MeshJoinlink *link);
void      load_memo_free(LoadMemo *self);

/* The line behind @text, every signed object in it verified. Borrowed until the next call. NULL and
 * @error: what does not decode or verify. */
const MeshMapline *load_memo_take(LoadMemo *self, const char *text, size_t len, GError **error);

/* Whether hello's tip answers the request with @nonce. */
bool load_memo_check_hello(LoadMemo *self, const MeshMapline *line, const MeshNonce *nonce,
                           GError **error);

/* The index of a node whose M was seen. False: not yet. */
bool load_memo_find_index(LoadMemo *self, const MeshKey *node, uint32_t *out_index);
