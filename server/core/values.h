/* server/core/values.h: what an administrator asks the core, and what comes back. Plain values. */
#pragma once

#include "common/proto/network.h"
#include "common/proto/reqsign.h"
#include "common/std/ip.h"
#include "common/std/key.h"

#include <glib.h>

enum {
    CORE_KEY_TEXT = 44, /* 32 bytes as b64u and the NUL */
};

typedef struct {
    const char *state_dir;   /* holds the server key and the database; mode 0700 */
    const char *public_host; /* written into join links: name or address, no port */
    uint16_t    public_port; /* the same */
    bool        create;      /* setup: make key and database; otherwise both must be there */
} CoreConfig;

typedef struct {
    MeshKey key; /* Ed25519 public key */
    char    key_text[CORE_KEY_TEXT];
    char    fingerprint[MESH_REQSIGN_FINGERPRINT_SIZE];
} CoreIdentity;

typedef enum {
    CORE_STATUS,         /* → one CoreStatus */
    CORE_NETWORK_LIST,   /* → CoreNetworkInfo… */
    CORE_NETWORK_CREATE, /* name, ip4, approve → CoreNetworkInfo */
    CORE_NETWORK_SET,    /* network; name, approve → CoreNetworkInfo */
    CORE_NETWORK_DELETE, /* network */
    CORE_KEY_LIST,       /* network → CoreKeyInfo… */
    CORE_KEY_CREATE,     /* network; reusable, expires_in_s, note → CoreKeyInfo with its link */
    CORE_KEY_REVOKE,     /* network, key → CoreKeyInfo */
    CORE_NODE_LIST,      /* network → CoreNodeInfo… */
    CORE_NODE_APPROVE,   /* network, node → CoreNodeInfo */
    CORE_NODE_SET,       /* network, node; name, expires → CoreNodeInfo */
    CORE_NODE_EXPIRE,    /* network, node → CoreNodeInfo */
    CORE_NODE_REMOVE,    /* network, node */
} CoreVerb;

/* A request. Fields that the verb does not name are ignored. All texts borrowed. */
typedef struct {
    CoreVerb    verb;
    const char *network; /* id or name */
    const char *key;     /* first 8 characters of the public key, or all of it */
    const char *node;    /* name or node key */
    const char *name;    /* NULL: as it is */
    const char *ip4;     /* prefix, "none", or NULL: a random one */
    int         approve; /* 0, 1, or -1: as it is (new: 0) */
    bool        reusable;
    int64_t     expires_in_s; /* 0: never */
    const char *note;         /* ≤ 128 bytes, or NULL */
    int64_t     expires;      /* unix seconds; 0: never; -1: as it is */
} CoreManage;

typedef struct {
    unsigned networks, nodes, streams;
    int64_t  uptime_s;
} CoreStatus;

typedef struct {
    char     id[MESH_NETWORK_ID_TEXT_SIZE];
    char    *name;
    char     ip4[MESH_IP_PREFIX_TEXT_SIZE]; /* "": none */
    char     ip6[MESH_IP_PREFIX_TEXT_SIZE];
    bool     approve;
    uint64_t ver;
    unsigned nodes, online;
    int64_t  created;
} CoreNetworkInfo;

typedef struct {
    char    id[9];              /* first 8 characters of key */
    char    key[CORE_KEY_TEXT]; /* public */
    bool    reusable, revoked;
    int64_t uses, created, expires; /* expires 0: never */
    char   *note;
    char   *link; /* only as the answer to CORE_KEY_CREATE; a secret: wiped when freed */
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
    char        **endpoints;                   /* NULL-terminated, may be NULL */
    int64_t       created, last_seen, expires; /* last_seen, expires 0: never */
    char         *os, *version;
} CoreNodeInfo;

void core_values_free_network(gpointer info);
void core_values_free_key(gpointer info);
void core_values_free_node(gpointer info);
