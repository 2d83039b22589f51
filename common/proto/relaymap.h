/* common/proto/relaymap.h: R, the relays of a network, signed by the server key, and the answer
 * that carries it (docs/PATHS.md §2). Values; any thread. */
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
    MESH_RELAYMAP_MAX_RELAYS = 16,
    MESH_RELAYMAP_MAX_ADDRS = 4,
    MESH_RELAYMAP_HOST_SIZE = 254, /* a DNS name and the NUL */
};

typedef enum {
    MESH_RELAYMAP_OK,
    MESH_RELAYMAP_AVOID, /* only where nothing else is left */
    MESH_RELAYMAP_DRAIN, /* not for new sessions: it will go */
} MeshRelayState;

typedef struct {
    uint16_t       id; /* from 1 */
    char           name[MESH_NETWORK_NAME_SIZE];
    char           host[MESH_RELAYMAP_HOST_SIZE]; /* "": the host of the join link */
    size_t         n_addrs;                       /* 0: ask DNS for host */
    MeshAddr       addrs[MESH_RELAYMAP_MAX_ADDRS];
    uint16_t       udp, alt, tls; /* ports; 0: not there */
    MeshKey        rk;            /* X25519: of its sessions */
    MeshKey        sk;            /* Ed25519: of its certificate */
    MeshRelayState state;
} MeshRelayEntry;

typedef struct {
    uint64_t       ver; /* never goes back in an epoch */
    size_t         n_relays;
    MeshRelayEntry relays[MESH_RELAYMAP_MAX_RELAYS]; /* ids differ */
} MeshRelayMap;

/* "ok", "avoid", "drain"; the opposite: false: none of them. */
const char *mesh_relaymap_state_name(MeshRelayState state);
bool        mesh_relaymap_parse_state(const char *text, MeshRelayState *out_state);

/* Whether @entry may stand in a map; MESH_ERROR_INVALID_ARGUMENT names the field. */
bool mesh_relaymap_check(const MeshRelayEntry *entry, GError **error);

/* One relay as JSON: in R, and where an administrator sees it. */
void mesh_relaymap_encode_entry(const MeshRelayEntry *entry, MeshJsonOut *out, const char *name);
bool mesh_relaymap_decode_entry(JsonObject *object, const char *path, MeshRelayEntry *out_entry,
                                GError **error);

/* Encodes and signs with the server key. Owned; NULL: an entry outside its limits, named. */
MeshSigned *mesh_relaymap_sign(const MeshRelayMap *map, const MeshNetworkId *net,
                               const MeshSignSecret *server, GError **error);

/* Verifies with the server key and decodes; MESH_ERROR_UNVERIFIED, MESH_ERROR_BAD_JSON. */
bool mesh_relaymap_open(MeshSigned *object, const MeshNetworkId *net, const MeshKey *server,
                        MeshRelayMap *out_map, GError **error);

/* GET /v1/networks/N/relays. */
typedef struct {
    MeshSigned *r, *t;    /* decoded: references of the answer */
    MeshAddr    observed; /* family 0: absent */
} MeshRelayAnswer;

char *mesh_relaymap_encode_answer(const MeshRelayAnswer *answer, size_t *out_len); /* owned */
bool  mesh_relaymap_decode_answer(const char *text, size_t len, MeshRelayAnswer *out,
                                  GError **error);
void  mesh_relaymap_clear_answer(MeshRelayAnswer *answer);
