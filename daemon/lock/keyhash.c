/* daemon/lock/keyhash.c: see keyhash.h. Members choose their keys, so the hash is keyed: else they
 * could choose them to collide. */
#include "daemon/lock/keyhash.h"

#include "common/std/ip.h"
#include "common/std/key.h"

#include <string.h>

/* FNV-1a over a random start; per process. */
static guint hash_bytes(const uint8_t *bytes, size_t len)
{
    static gsize started = 0;
    static guint start;
    guint        hash;

    if (g_once_init_enter(&started)) {
        start = g_random_int();
        g_once_init_leave(&started, 1);
    }
    hash = start;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 16777619U;
    return hash ^ (hash >> 15);
}

guint lock_keyhash_hash(gconstpointer key)
{
    return hash_bytes(((const MeshKey *)key)->bytes, MESH_KEY_BYTES);
}

gboolean lock_keyhash_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(((const MeshKey *)a)->bytes, ((const MeshKey *)b)->bytes, MESH_KEY_BYTES) == 0;
}

guint lock_keyhash_hash_addr(gconstpointer addr)
{
    return hash_bytes(((const MeshAddr *)addr)->bytes, 16);
}

gboolean lock_keyhash_equal_addr(gconstpointer a, gconstpointer b)
{
    return mesh_ip_equal_addr(a, b);
}
