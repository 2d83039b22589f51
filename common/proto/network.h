/* common/proto/network.h: a network's id and its description (docs/PROTOCOL.md §1, §5 "network").
 *
 * Values; any thread. */
#pragma once

#include "common/glib/jsonout.h"
#include "common/std/attr.h"
#include "common/std/ip.h"
#include "common/std/key.h"

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    MESH_NETWORK_ID_BYTES = 8,
    MESH_NETWORK_ID_TEXT_SIZE = 17, /* 16 hexadecimal digits and the NUL */
    MESH_NETWORK_NAME_SIZE = 64,    /* a DNS label and the NUL; names of nodes too */
};

typedef struct {
    uint8_t bytes[MESH_NETWORK_ID_BYTES];
} MeshNetworkId;

typedef struct {
    MeshNetworkId id;
    char          name[MESH_NETWORK_NAME_SIZE];
    MeshPrefix    ip4; /* family 0: the network has no IPv4 */
    MeshPrefix    ip6; /* a /48 */
    MeshKey       server;
    MeshKey       lan; /* secret of the members, for announcements on their links; zeros: none */
} MeshNetwork;

/* 16 lower-case hexadecimal digits. False: anything else. */
MESH_CHECKED bool mesh_network_parse_id(const char *text, MeshNetworkId *out_id);
char *mesh_network_format_id(const MeshNetworkId *id, char out_text[MESH_NETWORK_ID_TEXT_SIZE]);
bool  mesh_network_equal_id(const MeshNetworkId *a, const MeshNetworkId *b);

/* [a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?: the form of every name of a node, network or tag. */
bool mesh_network_is_label(const char *text);

/* A wished name folded into that form (lower case, other characters '-', empty: "node"); the
 * server adds "-2", "-3" … itself. @out_label: MESH_NETWORK_NAME_SIZE bytes. */
void mesh_network_fold_label(const char *wish, char *out_label);

/* @path: of the object, for error texts. */
bool mesh_network_decode(JsonObject *object, const char *path, MeshNetwork *out_network,
                         GError **error);
void mesh_network_encode(const MeshNetwork *network, MeshJsonOut *out, const char *name);

bool mesh_network_equal(const MeshNetwork *a, const MeshNetwork *b);
