/* daemon/profile.h: what this host is in one network: its keys there, the server, what the user
 * wished. Stored as one JSON document by daemon/state.h. Thread: main loop. */
#pragma once

#include "common/proto/joinlink.h"
#include "common/proto/network.h"
#include "common/proto/record.h"
#include "common/std/ip.h"
#include "common/std/key.h"
#include "common/std/sign.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define MESHD_PROFILE_MAX_STATICS 8u
#define MESHD_PROFILE_IFNAME_SIZE 16u
#define MESHD_PROFILE_ENGINE_SIZE 16u

typedef enum {
    MESHD_PROFILE_JOINING, /* keys are made, the server has not answered: not a network yet */
    MESHD_PROFILE_PENDING, /* waits for approval */
    MESHD_PROFILE_MEMBER,
    MESHD_PROFILE_REMOVED, /* the server ended our membership for good */
    MESHD_PROFILE_EXPIRED, /* it ended, a join link brings it back */
    MESHD_PROFILE_DAMAGED, /* not a stage on disk: what is there cannot be read, no key is known */
} MeshdProfileStage;

/** MeshdProfile: a value with owned guarded memory for secrets; fields are read and set directly by
 * the engine and the networks, nobody else. */
typedef struct {
    MeshJoinlink      server; /* host, port, network, key, webpki; its secret only while joining */
    MeshdProfileStage stage;
    int64_t           made_s; /* wall clock */
    MeshSignSecret   *secret; /* of the node key; guarded, owned */
    MeshKey           node;
    MeshKey          *wg_private; /* X25519; guarded, owned */
    MeshKey           wg;
    uint64_t          k_seq;
    bool              k_aes;                           /* the K of that number lists the suite */
    char              wish[MESH_NETWORK_NAME_SIZE];    /* node name asked for */
    char              network[MESH_NETWORK_NAME_SIZE]; /* name of the network, as last heard */
    char              ifname[MESHD_PROFILE_IFNAME_SIZE];
    bool              ifname_fixed; /* asked for, so not to be changed by us */
    uint16_t          port;         /* UDP; 0: not chosen yet */
    bool              port_fixed;
    size_t            n_statics;
    MeshEndpoint      statics[MESHD_PROFILE_MAX_STATICS];
    bool              wants_ip4; /* the user's wish */
    bool              has_ip4;   /* what we registered with */
    bool              up;        /* the user's wish, over restarts */
    bool              portmap;   /* the user's wish: ask routers to forward our port */
    bool              hard_nat;  /* the user's wish: search through hard NATs */
    bool              lan;       /* the user's wish: announce ourselves to members on our links */
    bool              aes;       /* the user's wish: AES-256-GCM with nodes that offer it, too */
    bool              dns;       /* the user's wish: point this host at the names */
    bool              floors;    /* what may not be fallen below is on disk: not to go on without */
    bool              managed;   /* NetworkManager sets addresses, routes, DNS; never on disk */
    char engine[MESHD_PROFILE_ENGINE_SIZE]; /* the user's wish: an AEAD engine; "": the fastest */
    uint16_t peer_relay; /* the user's wish: UDP port of a relay for other nodes; 0: none */
} MeshdProfile;

/** meshd_profile_new: new keys for the network of @link, which has been checked by its parser. */
MeshdProfile *meshd_profile_new(const MeshJoinlink *link);

/** meshd_profile_new_damaged: stands for a profile that cannot be read: it has no keys, and is
 * never encoded. */
MeshdProfile *meshd_profile_new_damaged(const MeshNetworkId *net);
void          meshd_profile_free(MeshdProfile *self); /* wipes; NULL is fine */

/** meshd_profile_make_k: our K as it has to be now. */
MeshRecordK meshd_profile_make_k(const MeshdProfile *self);

/** meshd_profile_encode: owned, wiped with its last reference: it holds the private keys. */
GBytes *meshd_profile_encode(const MeshdProfile *self);

/** meshd_profile_decode: NULL and @error (MESH_ERROR_STATE naming the field) when it is not one. */
MeshdProfile *meshd_profile_decode(GBytes *bytes, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MeshdProfile, meshd_profile_free)
