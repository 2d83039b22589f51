/* daemon/path/tech-portmap.h: a UDP or TCP port of this host that the home router forwards: asked
 * for by PCP, NAT-PMP and UPnP in this order, kept alive, and given back; over IPv6 by PCP alone: a
 * hole in the router's firewall.
 *
 * All of it is the router's word: what it grants is told on only when a peer could use it, and
 * nothing a router says or leaves unsaid holds the daemon up. One port, one object. Thread:
 * main loop. */
#pragma once

#include "common/codec/pcp.h"
#include "common/std/ip.h"
#include "daemon/path/tech-upnp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PATH_PORTMAP_LIFE_S = 7200, /* asked for, and the most that is believed */
    PATH_PORTMAP_LEAST_S = 60,  /* a router that grants less is not worth its packets */
    PATH_PORTMAP_MAX_FOREIGN = 64,
};

typedef struct PathPortmap PathPortmap;

typedef struct {
    bool      tcp;                       /* else UDP */
    bool      six;                       /* over IPv6, else IPv4 */
    PathUpnp *upnp;                      /* borrowed; NULL: none */
    uint8_t nonce[MESH_PCP_NONCE_BYTES]; /* the same at each start: else the mapping is another's */
    void (*changed)(void *user_data);    /* never from inside a call */
    void    *user_data;
    uint16_t server_port; /* tests: the router's port; 0: MESH_PCP_PORT */
    unsigned second_ms;   /* tests: how long a second of a lease takes; 0: 1000 */
} PathPortmapOptions;

/** PathPortmapWish: what is to be mapped where. Borrowed for the call. */
typedef struct {
    bool              on;
    uint16_t          port;    /* 0: none, as if off */
    MeshAddr          gateway; /* of the default route; family 0: none */
    unsigned          scope;   /* interface of a link-local one; 0: none */
    MeshAddr          client;  /* IPv6: our address that is to be reached */
    const MeshPrefix *foreign; /* of meshes: an address in one is no router's */
    size_t            n_foreign;
} PathPortmapWish;

PathPortmap *path_portmap_new(const PathPortmapOptions *options);
void         path_portmap_free(PathPortmap *self); /* gives the port back; NULL is fine */

/** path_portmap_set: copies; starts, moves or ends the mapping where @wish is another. */
void path_portmap_set(PathPortmap *self, const PathPortmapWish *wish);

/** path_portmap_ask_again: the network changed or the computer slept. What is mapped stays until a
 * router says otherwise. */
void path_portmap_ask_again(PathPortmap *self);

/** path_portmap_get: what the router forwards to our port; family 0: nothing. */
MeshEndpoint path_portmap_get(const PathPortmap *self);

/** path_portmap_get_state: "off", "asking", "none", or how it was mapped: "pcp", "nat-pmp", "upnp".
 * @out_why: for people, "" unless "none"; borrowed until the next call into this file. */
const char *path_portmap_get_state(const PathPortmap *self, const char **out_why);
