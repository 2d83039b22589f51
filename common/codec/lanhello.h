/* common/codec/lanhello.h: how a node announces itself on its own link (docs/PATHS.md §7): its
 * signed records K and E, sealed for the members of its network.
 *
 * To who lacks the network's LAN secret a datagram is random bytes, of a length that is a multiple
 * of 64. Who has it is no more than a member at some time: the records are verified by the reader.
 * Values; any thread; nothing allocates. */
#pragma once

#include "common/std/attr.h"
#include "common/std/key.h"
#include "common/std/sign.h"

#include <stddef.h>
#include <stdint.h>

enum {
    MESH_LANHELLO_NONCE_BYTES = 24,
    MESH_LANHELLO_BLOCK_BYTES = 64,
    MESH_LANHELLO_MAX_BYTES = 3072, /* a datagram; two records with all that fits into them */
    MESH_LANHELLO_MIN_BYTES = 256,  /* no two signatures are in less */
};

typedef struct {
    MeshSpan      body; /* not empty */
    MeshSignature signature;
} MeshLanhelloRecord;

typedef struct {
    MeshKey            node; /* whose records they say they are: for finding who checks them */
    MeshLanhelloRecord k, e;
} MeshLanhello;

/* The key of announcements, from the network's secret and id. */
void mesh_lanhello_derive(const MeshKey *lan, const uint8_t net[8], MeshKey *out_key);

/* Seals @hello with a random nonce into @size bytes.
 * Returns: 0; -ENOSPC: it would be longer than @size or MESH_LANHELLO_MAX_BYTES; -EINVAL: an empty
 * body. */
MESH_CHECKED int mesh_lanhello_seal(const MeshKey *key, const MeshLanhello *hello, uint8_t *out,
                                    size_t size, size_t *out_len);

/* Opens @datagram into @plain of MESH_LANHELLO_MAX_BYTES, where the bodies of @out_hello point to.
 * Returns: 0; -EPROTO: not of a length that we send, or its content is none of ours; -EBADMSG: not
 * sealed with @key. */
MESH_CHECKED int mesh_lanhello_open(const MeshKey *key, MeshSpan datagram,
                                    uint8_t       plain[MESH_LANHELLO_MAX_BYTES],
                                    MeshLanhello *out_hello);
