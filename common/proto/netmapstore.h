/* common/proto/netmapstore.h: the inside of a MeshNetmap, for netmap….c alone. */
#pragma once

#include "common/proto/netmap.h"

/* What changed since the map was saved; see netmapnews.h. */
typedef struct {
    bool        whole;   /* all of it may have */
    bool        head;    /* what is not peers */
    GHashTable *indexes; /* a set: of these peers all, or they came or went */
} MeshNetmapNews;

struct MeshNetmap {
    MeshNetmapNews *news;        /* owned; whoever saves a map takes note of it there */
    MeshNetmapHead  head;        /* references on its objects */
    GArray         *peers;       /* of MeshPeer, by index; each holds references */
    GArray         *gone;        /* of MeshGone */
    bool            in_presence; /* within the opening "on" lines */
    /* a snapshot that has begun; staged NULL: none */
    GArray     *staged; /* of MeshPeer, as they came */
    MeshSigned *staged_m, *staged_p;
    uint64_t    staged_epoch, staged_ver;
    unsigned    staged_count;
};

/* Peer @index is another, or came or went. */
void mesh_netmapnews_note(MeshNetmap *self, uint32_t index);

/* One peer in, with references of its own; one out, if it is there. */
void mesh_netmapstore_put(MeshNetmap *self, const MeshPeer *peer);
void mesh_netmapstore_remove(MeshNetmap *self, uint32_t index);

/* The parts of the text that both the whole and a change are made of, see netmapcache.c. */
void mesh_netmapcache_put_head(const MeshNetmap *self, MeshJsonOut *out);
void mesh_netmapcache_put_peer(const MeshPeer *peer, MeshJsonOut *out);
bool mesh_netmapcache_read_change(MeshNetmap *self, const char *text, size_t len, GError **error);
