/* common/proto/acl.h: P, the policy of a network (docs/PROTOCOL.md §4), and its flat form.
 *
 * A MeshAcl is immutable once made; any thread. Rules only accept: what no rule accepts is
 * refused. */
#pragma once

#include "common/proto/member.h"
#include "common/proto/network.h"
#include "common/proto/signed.h"
#include "common/std/ip.h"
#include "common/std/key.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    MESH_ACL_MAX_RULES = 1024,
    MESH_ACL_MAX_SELECTORS = 16, /* a side */
    MESH_ACL_MAX_ROWS = 4096,
    MESH_ACL_SUFFIX_SIZE = 254,
};

typedef enum {
    MESH_ACL_ANY,    /* "*" */
    MESH_ACL_NAME,   /* "laptop" */
    MESH_ACL_TAG,    /* "tag:web" */
    MESH_ACL_PREFIX, /* "10.0.0.0/8", "fd7a::1" */
} MeshAclKind;

typedef struct {
    MeshAclKind kind;
    char        name[MESH_NETWORK_NAME_SIZE]; /* NAME, TAG */
    MeshPrefix  prefix;                       /* PREFIX */
} MeshAclSelector;

typedef struct {
    size_t           n_src, n_dst;
    MeshAclSelector *src, *dst; /* owned */
} MeshAclRule;

typedef struct {
    uint64_t     ver; /* from 1 */
    unsigned     minproto;
    MeshPrefix   net4, net6;                   /* the network's; net4.addr.family 0: none */
    char         suffix[MESH_ACL_SUFFIX_SIZE]; /* DNS suffix, "home.mesh" */
    size_t       n_rules;
    MeshAclRule *rules; /* owned */
} MeshAcl;

/* A row of the flat form, as the data plane's filter wants it: the first that matches decides. A
 * prefix of family 0 matches every address. */
typedef struct {
    bool       accept;
    uint8_t    protocol; /* 0: any */
    MeshPrefix source, destination;
    uint16_t   port_first, port_last; /* 0-65535: any */
} MeshAclRow;

/* Everybody may reach everybody: the policy of a new network, its prefixes and its suffix
 * "NAME.mesh" taken from @network. Owned. */
MeshAcl *mesh_acl_new_open(uint64_t ver, const MeshNetwork *network);
void     mesh_acl_free(MeshAcl *self); /* NULL is fine */

/* The body of a P, to be stored and signed with mesh_signed_make(). Owned text. */
char *mesh_acl_encode(const MeshAcl *self, const MeshNetworkId *net);

/* A body's object, from mesh_signed_open() or an admin's hand. Strict, unlike the rest of the
 * protocol: an unknown key, action, selector or format of a rule refuses the whole; errors name
 * it. net4 must be private or shared space, net6 a /48 of fd00::/8. Owned. */
MeshAcl *mesh_acl_decode(JsonObject *body, GError **error);

/* Verifies with the server key and decodes. Owned. */
MeshAcl *mesh_acl_open(MeshSigned *object, const MeshNetworkId *net, const MeshKey *server,
                       GError **error);

/* Rows for these @n_members (all known members, the own one included; names and tags become
 * addresses; a selector that names nobody matches nobody). The last row refuses everything.
 * Returns: owned array of MeshAclRow; NULL: MESH_ERROR_LIMIT, more than MESH_ACL_MAX_ROWS. */
GArray *mesh_acl_flatten(const MeshAcl *self, MeshMember *const *members, size_t n_members,
                         GError **error);

/* Tells whether some packet from @source may pass to @destination, be it of one protocol or port.
 */
bool mesh_acl_may_pass(const MeshAclRow *rows, size_t n_rows, const MeshAddr *source,
                       const MeshAddr *destination);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MeshAcl, mesh_acl_free)
