/* daemon/lock/keyhash.h: keys and addresses as keys of a GHashTable. Inside of daemon/lock. */
#pragma once

#include <glib.h>

/* MeshKey. */
guint    lock_keyhash_hash(gconstpointer key);
gboolean lock_keyhash_equal(gconstpointer a, gconstpointer b);

/* MeshAddr. */
guint    lock_keyhash_hash_addr(gconstpointer addr);
gboolean lock_keyhash_equal_addr(gconstpointer a, gconstpointer b);
