/* server/core/vouch.c: see vouch.h. */
#include "server/core/vouch.h"

#include "common/proto/member.h"
#include "common/proto/memberset.h"

enum {
    LEAST_PEERS = 65, /* a node verifies fewer in the turn that brings them (daemon/lock/gate.h) */
    MAX_AT_ONCE = 256 /* signatures: some 13 ms */
};

static void note_sound(CoreNode *node)
{
    mesh_signed_unref(node->sound_m);
    node->sound_m = mesh_signed_ref(node->row->m);
    mesh_memberset_hash(node->sound_m, &node->leaf);
}

void core_vouch_take(CoreNode *node)
{
    if (node->row->m_ours && node->row->m != NULL && node->row->m != node->sound_m)
        note_sound(node);
}

/* The leaf of @node's M, which this server's key signed: asked once for each M. */
static bool ready_leaf(CoreNode *node, unsigned *budget)
{
    const CoreNetwork *network = node->network;
    g_autoptr(MeshMember) member = NULL;

    if (mesh_signed_equal(node->sound_m, node->row->m))
        return node->sound_m != NULL;
    if (*budget == 0)
        return false;
    --*budget;
    member = mesh_member_open(node->row->m, &network->row.net.id,
                              core_signer_get_public(network->signer), NULL);
    if (member == NULL)
        return false; /* forged or rotten: "mesh-server check" names it, and nodes leave it out */
    note_sound(node);
    return true;
}

bool core_vouch_look(CoreNetwork *network, unsigned *budget)
{
    for (; network->looked < network->by_index->len; network->looked++) {
        CoreNode *node = g_array_index(network->by_index, CoreNode *, network->looked);

        if (network->active <= LEAST_PEERS)
            return true;
        if (*budget == 0)
            return false;
        if (node != NULL && node->row->state == CORE_NODE_ACTIVE)
            (void)ready_leaf(node, budget); /* a bad one is met again when it matters */
    }
    return true;
}

/* False: of one it is not known. */
static bool list_leaves(const CoreNode *viewer, GArray *leaves)
{
    const CoreNetwork *network = viewer->network;
    unsigned           budget = MAX_AT_ONCE;

    for (guint i = 0; i < network->by_index->len; i++) {
        CoreNode *node = g_array_index(network->by_index, CoreNode *, i);

        if (node == NULL || node == viewer || node->row->state != CORE_NODE_ACTIVE)
            continue;
        if (!ready_leaf(node, &budget))
            return false;
        g_array_append_val(leaves, node->leaf);
    }
    return true;
}

MeshSigned *core_vouch_sign(const CoreNode *viewer)
{
    const CoreNetworkRow *row = &viewer->network->row;
    MeshMemberSet         set = { .epoch = row->epoch, .ver = row->ver };
    g_autoptr(GArray) leaves = NULL;

    if (viewer->network->active <= LEAST_PEERS)
        return NULL;
    leaves = g_array_sized_new(FALSE, FALSE, sizeof(MeshMemberLeaf), viewer->network->active);
    if (!list_leaves(viewer, leaves))
        return NULL;
    set.count = leaves->len;
    mesh_memberset_join((const MeshMemberLeaf *)(void *)leaves->data, leaves->len, &set.root);
    return mesh_memberset_sign(&set, &row->net.id, core_signer_get_secret(viewer->network->signer),
                               NULL);
}
