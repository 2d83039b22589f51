/* common/proto/record.h: K and E, the two records that a node signs (docs/PROTOCOL.md §4).
 *
 * Values; any thread. The _open functions verify with @node, which both programs know beforehand
 * (the signer of the request, the node named in M), and check that the record names it too. */
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
    MESH_RECORD_MAX_SUITES = 8,
    MESH_RECORD_SUITE_SIZE = 17, /* at most 16 characters and the NUL */
    MESH_RECORD_MAX_ENDPOINTS = 16,
    MESH_RECORD_E_LIFE_S = 86400,
    MESH_RECORD_MAX_RELAYS = 4,
    MESH_RECORD_HASH_BYTES = 16,
};

/* K: durable. */
typedef struct {
    MeshKey  node; /* Ed25519 */
    MeshKey  wg;   /* X25519 */
    uint64_t seq;  /* from 1 */
    size_t   n_suites;
    char     suites[MESH_RECORD_MAX_SUITES][MESH_RECORD_SUITE_SIZE]; /* "wg1" is always there */
} MeshRecordK;

typedef enum {
    MESH_RECORD_LOCAL,    /* of one of the node's interfaces */
    MESH_RECORD_STATIC,   /* set by its user */
    MESH_RECORD_OBSERVED, /* as a server or relay saw it */
    MESH_RECORD_MAPPED,   /* a port that a router forwards */
} MeshRecordKind;

typedef struct {
    MeshEndpoint   endpoint;
    MeshRecordKind kind;
} MeshRecordEndpoint;

/* A relay that a node keeps for others (docs/PATHS.md §9), at the addresses of its endpoints. */
typedef struct {
    uint16_t port; /* UDP; 0: none */
    MeshKey  key;  /* X25519 */
} MeshRecordRelay;

/* E: ephemeral. */
typedef struct {
    MeshKey            node;
    uint64_t           seq; /* start: unix time in ms */
    int64_t            exp; /* unix seconds */
    bool               has_probe_key;
    MeshKey            probe_key; /* X25519 (docs/PATHS.md §2) */
    size_t             n_relays;
    uint16_t           relays[MESH_RECORD_MAX_RELAYS]; /* ids; where it is found, home first */
    MeshRecordRelay    relay;
    MeshEndpoint       tcp; /* where a router takes TCP for the node; family 0: nowhere */
    bool               has_k_hash;
    uint8_t            k_hash[MESH_RECORD_HASH_BYTES]; /* of its newest K: mesh_record_hash() */
    size_t             n_endpoints;
    MeshRecordEndpoint endpoints[MESH_RECORD_MAX_ENDPOINTS]; /* last: who keeps many, cuts it */
} MeshRecordE;

/* A K with the one suite "wg1". */
MeshRecordK mesh_record_make_k(const MeshKey *node, const MeshKey *wg, uint64_t seq);

/* The suite of docs/PROTOCOL.md §10, as K lists it. */
#define MESH_RECORD_SUITE_AES "aesgcm1"
void mesh_record_add_suite(MeshRecordK *record, const char *suite); /* there is room */
bool mesh_record_has_suite(const MeshRecordK *record, const char *suite);

/* The beginning of the SHA-256 of the body. */
void mesh_record_hash(const MeshSigned *object, uint8_t out_hash[MESH_RECORD_HASH_BYTES]);

/* Encode and sign with the node's secret. Owned; NULL: a value outside its limits. */
MeshSigned *mesh_record_sign_k(const MeshRecordK *record, const MeshNetworkId *net,
                               const MeshSignSecret *secret, GError **error);
MeshSigned *mesh_record_sign_e(const MeshRecordE *record, const MeshNetworkId *net,
                               const MeshSignSecret *secret, GError **error);

/* Verify and decode. Errors: MESH_ERROR_UNVERIFIED, MESH_ERROR_BAD_JSON naming the field. The
 * caller compares seq and exp with what it knows. */
bool mesh_record_open_k(MeshSigned *object, const MeshNetworkId *net, const MeshKey *node,
                        MeshRecordK *out_record, GError **error);
bool mesh_record_reopen_k(const MeshSigned *object, const MeshNetworkId *net, const MeshKey *node,
                          MeshRecordK *out_record, GError **error); /* it verified before */
bool mesh_record_open_e(MeshSigned *object, const MeshNetworkId *net, const MeshKey *node,
                        MeshRecordE *out_record, GError **error);

const char *
mesh_record_kind_name(MeshRecordKind kind); /* "local", "static", "observed", "mapped" */
