/* daemon/lock/vouched.c: see vouched.h. */
#include "daemon/lock/vouched.h"

#include "common/proto/memberset.h"
#include "daemon/lock/check.h"

#include <stdlib.h>
#include <string.h>

G_STATIC_ASSERT((int)LOCK_CHECK_HASH_BYTES <= (int)MESH_HASH_BYTES);

static bool open_set(const MeshNetmap *map, const MeshNetworkId *net, const MeshKey *server,
                     MeshMemberSet *out)
{
    const MeshNetmapHead *head = mesh_netmap_get_head(map);

    return head->set != NULL && mesh_memberset_open(head->set, net, server, out, NULL) &&
           out->epoch == head->epoch && out->ver == head->ver &&
           out->count == mesh_netmap_count(map);
}

/* The leaves of a proven set, each cut to what the list of proven bodies holds. */
static GBytes *make_list(const MeshMemberLeaf *leaves, size_t n)
{
    LockHash *list = g_new(LockHash, n + 1);

    for (size_t i = 0; i < n; i++)
        memcpy(list[i].bytes, leaves[i].bytes, sizeof(list[i].bytes));
    qsort(list, n, sizeof(*list), lock_check_compare_hashes);
    return g_bytes_new_take(list, n * sizeof(*list));
}

GBytes *lock_vouched_list(const MeshNetmap *map, const MeshNetworkId *net, const MeshKey *server)
{
    size_t                     n = mesh_netmap_count(map);
    g_autofree MeshMemberLeaf *leaves = NULL;
    MeshMemberLeaf             root;
    MeshMemberSet              set;

    if (!open_set(map, net, server, &set))
        return NULL;
    leaves = g_new(MeshMemberLeaf, n + 1);
    for (size_t i = 0; i < n; i++)
        mesh_memberset_hash(mesh_netmap_get_peer(map, i)->m, &leaves[i]);
    mesh_memberset_join(leaves, n, &root);
    return memcmp(&root, &set.root, sizeof(root)) == 0 ? make_list(leaves, n) : NULL;
}
