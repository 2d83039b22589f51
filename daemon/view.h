/* daemon/view.h: what can be shown of a network and its peers; no secret is in it. Values, made on
 * the main loop, then the caller's. */
#pragma once

#include "daemon/engine.h"
#include "daemon/wire/plane.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/** MeshdView: texts are owned by the view, "" where there is nothing. */
typedef struct {
    const char *state, *server_state, *dns_state, *portmap_state; /* static, as on D-Bus */
    const char *lan_state, *problem;                              /* the same */
    char       *id, *name, *node_name, *node_key, *public_key, *error;
    char       *server, *server_key, *server_error, *ifname, *map_version, *suffix, *portmap_why;
    const char *peerrelay_state; /* static, as on D-Bus */
    char       *peerrelay_why;
    uint16_t    peerrelay_port;
    uint16_t    port;
    bool        hard_nat;          /* hard NATs are searched through */
    bool        dns, portmap, lan; /* as set by the user, whatever came of it */
    bool        aes;               /* as set by the user */
    const char *aes_state;         /* static, as on D-Bus */
    char      **engines;
    const char *management; /* static, as on D-Bus */
    char      **routes, **dns_servers, **dns_domains;
    char       *gateway;
    unsigned    mtu;
    char      **addresses, **prefixes, **endpoints, **warnings;
    unsigned    peers_online, peers_total;
} MeshdView;

/** MeshdPeerView: one peer; owned, with what it points to, by the list it is in. */
typedef struct {
    MeshMember *member;
    MeshKey     wg;
    bool        online;
    bool        has_ip4;   /* and this host uses IPv4 in this network */
    uint32_t    last_seen; /* unix seconds, by the server; 0: online, or not known */
    char       *owner;     /* a user of the server, interned GRefString; NULL: nobody */
    PathInfo    path;
} MeshdPeerView;

MeshdView *meshd_view_make(MeshdEngine *engine); /* owned */
void       meshd_view_free(MeshdView *self);     /* NULL is fine */

/** meshd_view_list_peers: of the map in force, by name; owned, of MeshdPeerView. */
GPtrArray *meshd_view_list_peers(MeshdEngine *engine);

/** meshd_view_list_changed: of those, in no given order, all that may be otherwise than at the last
 * call; to @gone are added the node keys (MeshKey *, owned by it) of who is no more. NULL: list all
 * of them. */
GPtrArray *meshd_view_list_changed(MeshdEngine *engine, GPtrArray *gone);

/** meshd_view_read_plane: the counters of its data plane. Returns: false: it is down. */
bool meshd_view_read_plane(MeshdEngine *engine, WireStats *out_stats);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MeshdView, meshd_view_free)
