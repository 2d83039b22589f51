/* server/store/verify.h: the signatures in a database. For tools, as backup.h. */
#pragma once

#include "common/std/key.h"

#include <glib.h>
#include <stdbool.h>

/* Appends to @findings (of owned texts) every row whose K, M or P does not verify or says something
 * else than the row, and every relay that is none; @server is the public key that M and P are of.
 * An empty P waits to be signed at the next start, and is fine. False and @error: the database
 * cannot be read. */
bool store_verify_signatures(const char *path, const MeshKey *server, GPtrArray *findings,
                             GError **error);
