/* server/core/values.h: what an administrator asks the core, and what comes back. Plain values. */
#pragma once

#include "common/proto/network.h"
#include "common/proto/relaymap.h"
#include "common/proto/reqsign.h"
#include "common/std/ip.h"
#include "common/std/key.h"

#include <glib.h>

enum {
    CORE_KEY_TEXT = 44, /* 32 bytes as b64u and the NUL */
    CORE_NOTE_MAX = 128,
    CORE_RELAY_TOKEN_S = 14400, /* how long a token for relays counts */
    CORE_RELAY_OWN_ID = 1,      /* of this server, named "server" */
};

/* What the relay of this server did. */
typedef struct {
    bool     on;
    uint64_t sessions, packets, bytes, dropped;
} CoreRelayCounts;

/* This server as a relay, and what its nodes are granted at any. */
typedef struct {
    MeshRelayEntry own; /* id 0: it is none */
    uint64_t       bps, burst;
    /* On the control thread: this node's sessions end. NULL: nobody has to know. */
    void (*ended)(void *data, const MeshNetworkId *net, uint32_t index, const MeshKey *node);
    void (*count)(void *data, CoreRelayCounts *out_counts); /* NULL: there is nothing to count */
    void *data;
} CoreRelays;

typedef struct {
    const char *state_dir;   /* holds the server key and the database; mode 0700 */
    const char *public_host; /* written into join links: name or address, no port */
    uint16_t    public_port; /* the same */
    bool        create;      /* setup: make key and database; otherwise both must be there */
    CoreRelays  relays;
} CoreConfig;

typedef struct {
    MeshKey key; /* Ed25519 public key */
    char    key_text[CORE_KEY_TEXT];
    char    fingerprint[MESH_REQSIGN_FINGERPRINT_SIZE];
} CoreIdentity;

typedef enum {
    CORE_STATUS,         /* → one CoreStatus */
    CORE_NETWORK_LIST,   /* → CoreNetworkInfo… */
    CORE_NETWORK_CREATE, /* name, ip4, approve, max_nodes → CoreNetworkInfo */
    CORE_NETWORK_SET,    /* network; name, approve, max_nodes → CoreNetworkInfo */
    CORE_NETWORK_DELETE, /* network */
    CORE_KEY_LIST,       /* network → CoreKeyInfo… */
    CORE_KEY_CREATE, /* network; reusable, expires_in_s, note, user → CoreKeyInfo with its link */
    CORE_KEY_SHOW,   /* network, key → CoreKeyInfo */
    CORE_KEY_SET,    /* network, key; expires, note, user → CoreKeyInfo */
    CORE_KEY_REVOKE, /* network, key → CoreKeyInfo */
    CORE_NODE_LIST,  /* network → CoreNodeInfo… */
    CORE_NODE_APPROVE, /* network, node → CoreNodeInfo */
    CORE_NODE_SET,     /* network, node; name, expires, ip4, user → CoreNodeInfo */
    CORE_NODE_EXPIRE,  /* network, node → CoreNodeInfo */
    CORE_NODE_REMOVE,  /* network, node */
    CORE_USER_LIST,    /* → CoreUserInfo… */
    CORE_USER_SHOW,    /* user → CoreUserInfo */
    CORE_USER_ADD,     /* name, note, max_nodes, expires → CoreUserInfo */
    CORE_USER_SET,     /* user; name, note, max_nodes, expires, disabled → CoreUserInfo */
    CORE_USER_REMOVE,  /* user */
    CORE_RELAY_LIST,   /* → CoreRelayInfo…, this server's own first */
    CORE_RELAY_SHOW,   /* relay → CoreRelayInfo */
    CORE_RELAY_ADD,    /* patch (with a name), network (NULL: all) → CoreRelayInfo */
    CORE_RELAY_SET,    /* relay; patch → CoreRelayInfo */
    CORE_RELAY_REMOVE, /* relay */
} CoreVerb;

/* What a CoreRelayPatch says of its entry. */
enum {
    CORE_RELAY_NAME = 1 << 0,
    CORE_RELAY_HOST = 1 << 1,
    CORE_RELAY_ADDRS = 1 << 2,
    CORE_RELAY_UDP = 1 << 3,
    CORE_RELAY_ALT = 1 << 4,
    CORE_RELAY_TLS = 1 << 5,
    CORE_RELAY_RK = 1 << 6,
    CORE_RELAY_SK = 1 << 7,
    CORE_RELAY_STATE = 1 << 8,
};

typedef struct {
    unsigned       has;   /* CORE_RELAY_…; the rest stays as it is */
    MeshRelayEntry entry; /* id: not used */
} CoreRelayPatch;

/* A request. Fields that the verb does not name are ignored. All texts borrowed. */
typedef struct {
    CoreVerb       verb;
    const char    *network; /* id or name */
    const char    *key;     /* first 8 characters of the public key, or all of it */
    const char    *node;    /* name or node key */
    const char    *user; /* name; "" with KEY_CREATE, KEY_SET, NODE_SET: nobody; NULL: as it is */
    const char    *name; /* NULL: as it is */
    const char    *ip4;  /* prefix or address, "none", or NULL: a random one, as it is */
    int            approve; /* 0, 1, or -1: as it is (new: 0) */
    bool           reusable;
    int64_t        expires_in_s; /* 0: never */
    const char    *note;         /* ≤ 128 bytes, or NULL */
    int64_t        expires;      /* unix seconds; 0: never; -1: as it is */
    int64_t        max_nodes;    /* 0: no limit of one's own; -1: as it is */
    int            disabled;     /* 0, 1, or -1: as it is */
    const char    *relay;        /* name */
    CoreRelayPatch patch;
} CoreManage;

typedef struct {
    unsigned        networks, nodes, streams;
    int64_t         uptime_s;
    CoreRelayCounts relay;
} CoreStatus;

typedef struct {
    char     id[MESH_NETWORK_ID_TEXT_SIZE];
    char    *name;
    char     ip4[MESH_IP_PREFIX_TEXT_SIZE]; /* "": none */
    char     ip6[MESH_IP_PREFIX_TEXT_SIZE];
    bool     approve;
    uint64_t ver;
    unsigned nodes, online, max_nodes; /* max_nodes 0: the server's own limit */
    int64_t  created;
} CoreNetworkInfo;

typedef struct {
    char    id[9];              /* first 8 characters of key */
    char    key[CORE_KEY_TEXT]; /* public */
    bool    reusable, revoked;
    int64_t uses, created, expires; /* expires 0: never */
    char   *note;
    char   *user;  /* NULL: nobody's */
    int64_t owner; /* the same by its number; 0: nobody's */
    char   *link;  /* only as the answer to CORE_KEY_CREATE; a secret: wiped when freed */
} CoreKeyInfo;

typedef enum {
    CORE_NODE_PENDING,
    CORE_NODE_ACTIVE,
    CORE_NODE_EXPIRED,
} CoreNodeState;

typedef struct {
    uint32_t      index;
    char         *name;
    char          node[CORE_KEY_TEXT], wg[CORE_KEY_TEXT];
    char          ip4[MESH_IP_ADDR_TEXT_SIZE]; /* "": none */
    char          ip6[MESH_IP_ADDR_TEXT_SIZE]; /* "": pending */
    CoreNodeState state;
    bool          online;
    bool          suspended;                   /* expired only because its user is blocked */
    char         *user;                        /* NULL: nobody's */
    int64_t       cloned;                      /* newest proof of two hosts with its key; 0: none */
    char        **endpoints;                   /* NULL-terminated, may be NULL */
    int64_t       created, last_seen, expires; /* last_seen, expires 0: never */
    char         *os, *version;
} CoreNodeInfo;

typedef struct {
    char    *name, *note;
    bool     disabled;
    unsigned max_nodes; /* 0: any number */
    unsigned nodes, online;
    int64_t  created, expires; /* expires 0: never */
} CoreUserInfo;

typedef struct {
    MeshRelayEntry entry;
    char          *network; /* its name; NULL: of all */
    bool           own;     /* this server */
    int64_t        created; /* 0: own */
} CoreRelayInfo;

void core_values_free_relay(gpointer info);
void core_values_free_user(gpointer info);
void core_values_free_network(gpointer info);
void core_values_free_key(gpointer info);
void core_values_free_node(gpointer info);
