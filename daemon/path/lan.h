/* daemon/path/lan.h: announces this node to members of its network on the same link, and hears
 * theirs (docs/PATHS.md §7). No server, relay or route out is needed.
 *
 * Whatever anybody on the link sends: a bounded number of datagrams a second is looked at, and what
 * opens is handed out unverified. One object a network. Thread: main loop. */
#pragma once

#include "common/codec/lanhello.h"
#include "common/proto/network.h"
#include "common/proto/signed.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    PATH_LAN_PORT = 7737,
    PATH_LAN_MAX_LINKS = 16,
};

typedef struct PathLan PathLan;

typedef struct {
    MeshNetworkId net;
    /* Somebody who knows the network's secret sent this. Returns: true when it is news, by
     * verified records: then our own announcement goes out in return. */
    bool (*heard)(const MeshLanhello *hello, void *user_data);
    void    *user_data;
    unsigned second_ms; /* tests: how long a second takes; 0: 1000 */
} PathLanOptions;

/** PathLanWish: what is announced, where. Borrowed for the call. */
typedef struct {
    MeshKey         lan;     /* the network's secret; zeros: nothing is sent or heard */
    MeshKey         node;    /* our node key */
    MeshSigned     *k, *e;   /* our records; NULL: none yet, we only listen */
    const unsigned *links;   /* indexes of interfaces */
    size_t          n_links; /* the first PATH_LAN_MAX_LINKS count */
} PathLanWish;

PathLan *path_lan_new(const PathLanOptions *options);
void     path_lan_free(PathLan *self); /* NULL is fine */

/** path_lan_set: copies; announces at once what is new in @wish. Idempotent. */
void path_lan_set(PathLan *self, const PathLanWish *wish);

/** path_lan_renew: the host's network changed or the computer slept: opens all links anew, and
 * announces. */
void path_lan_renew(PathLan *self);

/** path_lan_count: on how many links we announce. */
size_t path_lan_count(const PathLan *self);
