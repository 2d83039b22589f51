/* common/glib/keyset.c: see keyset.h. */
#include "common/glib/keyset.h"

#include <string.h>

guint mesh_keyset_hash(gconstpointer key)
{
    guint hash;

    memcpy(&hash, ((const MeshKey *)key)->bytes, sizeof hash);
    return hash;
}

gboolean mesh_keyset_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(MeshKey)) == 0;
}
