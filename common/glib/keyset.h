/* common/glib/keyset.h: public keys as keys of a GHashTable.
 *
 * Any thread. The hash is the key's own first bytes: only for keys that a verified map or our own
 * configuration named, never for what anybody may send. Not for secrets. */
#pragma once

#include "common/std/key.h"

#include <glib.h>

/* Of a MeshKey; for g_hash_table_new(). */
guint    mesh_keyset_hash(gconstpointer key);
gboolean mesh_keyset_equal(gconstpointer a, gconstpointer b);
