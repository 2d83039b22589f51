/* common/proto/mapline.h: one line of the map stream (docs/PROTOCOL.md §5, GET …/map), both ends.
 *
 * Values, no I/O; any thread. Nothing is verified here: daemon/lock/gate.h does that. */
#pragma once

#include "common/proto/network.h"
#include "common/proto/signed.h"
#include "common/std/ip.h"
#include "common/std/key.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define MESH_MAPLINE_MAX_BYTES 65536 /* a line without its newline */
#define MESH_MAPLINE_PEERS_MAX 16384 /* a "peers" line of several peers */
#define MESH_MAPLINE_OWNER_MAX 128   /* bytes of a user's name */

typedef enum {
    MESH_MAPLINE_HELLO,
    MESH_MAPLINE_SNAP,
    MESH_MAPLINE_PEERS,
    MESH_MAPLINE_SNAP_END,
    MESH_MAPLINE_DELTA,
    MESH_MAPLINE_EP,
    MESH_MAPLINE_ON,
    MESH_MAPLINE_OFF,
    MESH_MAPLINE_RESTART,
    MESH_MAPLINE_REPLACED,
    MESH_MAPLINE_RESYNC,
    MESH_MAPLINE_REVOKED,
    MESH_MAPLINE_RELAYS,  /* the relay map changed */
    MESH_MAPLINE_CLONED,  /* another host uses this node's key; ends nothing */
    MESH_MAPLINE_UNKNOWN, /* a "t" of a newer server: to be ignored; never encoded */
} MeshMaplineType;

/* A peer as the server tells it. Who holds one holds a reference on each object. */
typedef struct {
    uint32_t    index;     /* fixed for this node in this network */
    uint32_t    last_seen; /* unix seconds; 0: online, or not known */
    bool        online;
    MeshSigned *m, *k;
    MeshSigned *e;     /* NULL: none */
    char       *owner; /* the user it belongs to: an interned GRefString; NULL: nobody, not known */
} MeshPeer;

typedef struct {
    uint32_t index;
    MeshKey  node;
    uint64_t serial;
} MeshGone;

/* One line; which fields count says the protocol's table. For encoding, everything is borrowed;
 * what mesh_mapline_decode() gives is owned by the line. */
typedef struct {
    MeshMaplineType type;
    int64_t         time;        /* hello */
    unsigned        hb_s;        /* hello */
    MeshAddr        observed;    /* hello; family 0: absent */
    uint64_t        relays;      /* hello, relays: version of R; 0: none */
    bool            has_network; /* hello (always), delta */
    MeshNetwork     network;
    MeshSigned     *tip;        /* hello, delta */
    uint64_t        epoch, ver; /* snap; ver: snap-end too */
    unsigned        count;      /* snap: peers to come */
    MeshSigned     *m, *p;      /* snap, delta */
    MeshSigned     *set;        /* snap-end; NULL: none */
    uint64_t        from, to;   /* delta */
    size_t          n_peers;    /* peers, delta ("put") */
    MeshPeer       *peers;
    size_t          n_gone; /* delta */
    MeshGone       *gone;
    uint32_t        index;     /* ep */
    MeshSigned     *e;         /* ep */
    size_t          n_indexes; /* on, off */
    uint32_t       *indexes;
    uint32_t       *seen;                 /* off: last_seen of each; NULL: not told */
    bool            all, end;             /* on: the opening list of all present; its last line */
    unsigned        retry_in_s, spread_s; /* restart */
    bool            expired;              /* revoked: "expired", else "removed" */
} MeshMapline;

/* The line with its newline. Owned text. */
char *mesh_mapline_encode(const MeshMapline *line, size_t *out_len);

/* One peer as it stands in "peers" and "put": for a server that encodes each once and joins the
 * texts itself. Owned. */
char *mesh_mapline_encode_peer(const MeshPeer *peer);

/* A line without its newline, not empty. Owned; NULL: MESH_ERROR_BAD_JSON naming the field. */
MeshMapline *mesh_mapline_decode(const char *text, size_t len, GError **error);
void         mesh_mapline_free(MeshMapline *self); /* a decoded one; NULL is fine */

/* "hello", "snap", … */
const char *mesh_mapline_type_name(MeshMaplineType type);

/* A peer and its JSON alone, as the disk cache uses them. @out_peer holds references. */
bool mesh_mapline_decode_peer(JsonObject *object, const char *path, MeshPeer *out_peer,
                              GError **error);
void mesh_mapline_clear_peer(MeshPeer *peer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MeshMapline, mesh_mapline_free)
