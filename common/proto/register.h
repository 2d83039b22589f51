/* common/proto/register.h: POST …/register, request and answer (docs/PROTOCOL.md §5), both ends.
 *
 * Values, no I/O; any thread. */
#pragma once

#include "common/proto/network.h"
#include "common/proto/signed.h"
#include "common/std/ip.h"
#include "common/std/key.h"
#include "common/std/sign.h"

#include <glib.h>
#include <stdbool.h>

enum {
    MESH_REGISTER_MAX_BYTES = 16384,
    MESH_REGISTER_WISH_SIZE = 254,
    MESH_REGISTER_FACT_SIZE = 65, /* os, version */
};

typedef struct {
    unsigned      proto; /* 1 */
    MeshSigned   *k;
    char          name[MESH_REGISTER_WISH_SIZE]; /* wished, free form, UTF-8; "" is fine */
    char          os[MESH_REGISTER_FACT_SIZE], version[MESH_REGISTER_FACT_SIZE];
    bool          ip4;      /* false: takes no IPv4 address */
    bool          has_join; /* not needed by who is a member already */
    MeshKey       join_key; /* public */
    MeshSignature join_sig; /* see mesh_register_sign_join() */
} MeshRegister;

typedef struct {
    bool        active; /* false: pending, only retry_in_s counts */
    unsigned    retry_in_s;
    MeshSigned *m; /* own membership */
    MeshNetwork network;
    MeshAddr    observed; /* family 0: absent */
} MeshRegisterAnswer;

/* Fills join_key and join_sig from the join secret's pair: type "join" over k's body. */
void mesh_register_sign_join(MeshRegister *self, const MeshNetworkId *net,
                             const MeshSignSecret *join_secret, const MeshKey *join_public);

/* MESH_ERROR_BAD_SIGNATURE unless join_sig is join_key's over k's body in @net. */
bool mesh_register_verify_join(const MeshRegister *self, const MeshNetworkId *net, GError **error);

char *mesh_register_encode(const MeshRegister *self, size_t *out_len); /* owned */

/* MESH_ERROR_BAD_JSON naming the field; @out holds a reference on k: mesh_register_clear(). */
bool mesh_register_decode(const char *text, size_t len, MeshRegister *out, GError **error);
void mesh_register_clear(MeshRegister *self);

char *mesh_register_encode_answer(const MeshRegisterAnswer *answer, size_t *out_len);
bool  mesh_register_decode_answer(const char *text, size_t len, MeshRegisterAnswer *out,
                                  GError **error);
void  mesh_register_clear_answer(MeshRegisterAnswer *answer);
