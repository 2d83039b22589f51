/* common/proto/member.h: M, the membership certificate (docs/PROTOCOL.md §4).
 *
 * A MeshMember is immutable and ref-counted once opened; any thread. It binds a node key to name
 * and addresses; the WireGuard key is in the node's own K. */
#pragma once

#include "common/proto/network.h"
#include "common/proto/signed.h"
#include "common/std/ip.h"
#include "common/std/key.h"
#include "common/std/sign.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    MESH_MEMBER_MAX_PREFIXES = 32,
    MESH_MEMBER_MAX_TAGS = 8,
    MESH_MEMBER_MAX_LIFE_S = 30 * 86400,
    MESH_MEMBER_SKEW_S = 300, /* how early nbf may be used */
};

typedef struct {
    int         refs; /* the functions below */
    MeshKey     node;
    char        name[MESH_NETWORK_NAME_SIZE];
    MeshAddr    ip4; /* family 0: none */
    MeshAddr    ip6;
    uint64_t    serial;
    int64_t     nbf, exp; /* unix seconds */
    size_t      n_prefixes;
    MeshPrefix *prefixes; /* it may route these beside its own addresses; owned */
    char      **tags;     /* NULL-terminated, never NULL; owned */
} MeshMember;

/* A zeroed one to fill in (server), one reference; tags is an empty list. */
MeshMember *mesh_member_new(void);
MeshMember *mesh_member_ref(MeshMember *self);
void        mesh_member_unref(MeshMember *self); /* NULL is fine */

/* Encodes and signs with the server key. Owned; NULL: a value outside its limits, named. */
MeshSigned *mesh_member_sign(const MeshMember *self, const MeshNetworkId *net,
                             const MeshSignSecret *server, GError **error);

/* Verifies with the server key and decodes; times are not compared with a clock here.
 * Owned; NULL: MESH_ERROR_UNVERIFIED, MESH_ERROR_BAD_JSON. */
MeshMember *mesh_member_open(MeshSigned *object, const MeshNetworkId *net, const MeshKey *server,
                             GError **error);

/* The same for one that verified before, see mesh_signed_reopen(). */
MeshMember *mesh_member_reopen(const MeshSigned *object, const MeshNetworkId *net, GError **error);

/* nbf - 300 s ≤ now < exp; else MESH_ERROR_EXPIRED (or not yet valid) with the times. */
bool mesh_member_check_time(const MeshMember *self, int64_t now, GError **error);

bool mesh_member_has_tag(const MeshMember *self, const char *tag);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MeshMember, mesh_member_unref)
