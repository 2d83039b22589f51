#include "common/proto/netmaplearn.h"

#include "common/proto/netmapstore.h"

static bool replace(MeshSigned **slot, MeshSigned *value)
{
    if (value == NULL || mesh_signed_equal(*slot, value))
        return false;
    mesh_signed_ref(value);
    mesh_signed_unref(*slot);
    *slot = value;
    return true;
}

bool mesh_netmap_learn(MeshNetmap *self, uint32_t index, MeshSigned *k, MeshSigned *e)
{
    MeshPeer *peer = (MeshPeer *)mesh_netmap_find_peer(self, index); /* of our own array */
    bool      news;

    if (peer == NULL)
        return false;
    news = replace(&peer->k, k);
    news |= replace(&peer->e, e);
    if (news)
        mesh_netmapnews_note(self, index);
    return news;
}
