/* common/proto/netmapstore.h: the inside of a MeshNetmap, for netmap.c, netmapcache.c and
 * netmaplearn.c alone. */
#pragma once

#include "common/proto/netmap.h"

struct MeshNetmap {
    MeshNetmapHead head;        /* references on its objects */
    GArray        *peers;       /* of MeshPeer, by index; each holds references */
    GArray        *gone;        /* of MeshGone */
    bool           in_presence; /* within the opening "on" lines */
    /* a snapshot that has begun; staged NULL: none */
    GArray     *staged; /* of MeshPeer, as they came */
    MeshSigned *staged_m, *staged_p;
    uint64_t    staged_epoch, staged_ver;
    unsigned    staged_count;
};
