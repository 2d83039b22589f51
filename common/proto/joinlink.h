/* common/proto/joinlink.h: mesh://HOST[:PORT]/N?s=SERVERKEY&k=JOINSECRET[&tls=webpki]
 * (docs/PROTOCOL.md §3). A link with k= is a secret: it is never logged; wipe what holds it. */
#pragma once

#include "common/proto/network.h"
#include "common/std/attr.h"
#include "common/std/key.h"
#include "common/std/sign.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    MESH_JOINLINK_MAX = 512, /* characters */
    MESH_JOINLINK_HOST_SIZE = 256,
    MESH_JOINLINK_SECRET_BYTES = 16,
    MESH_JOINLINK_DEFAULT_PORT = 443,
};

typedef struct {
    char          host[MESH_JOINLINK_HOST_SIZE]; /* name or address; IPv6 without brackets */
    uint16_t      port;
    MeshNetworkId network;
    MeshKey       server; /* Ed25519 public key */
    bool          webpki; /* TLS: the system's authorities instead of the pin */
    bool          has_secret;
    uint8_t       secret[MESH_JOINLINK_SECRET_BYTES];
} MeshJoinlink;

/* MESH_ERROR_BAD_LINK with a text that names the part but repeats no secret. */
bool mesh_joinlink_parse(const char *text, MeshJoinlink *out_link, GError **error);

/* Owned text; free it with mesh_joinlink_free_text(), which wipes. Port 443 is left out. */
char *mesh_joinlink_format(const MeshJoinlink *link);
void  mesh_joinlink_free_text(char *text); /* NULL is fine */

/* Overwrites the secret, keeps the rest. */
void mesh_joinlink_wipe(MeshJoinlink *link);

/* "host", "1.2.3.4" or "[::1]" and the port, for texts and URLs: "HOST:PORT". Owned. */
char *mesh_joinlink_dup_authority(const MeshJoinlink *link);

/* The join key pair of a secret: seed = BLAKE2s-256("mesh1-join-seed" ‖ secret). NULL for a half
 * that is not wanted. */
void mesh_joinlink_make_pair(const uint8_t   secret[MESH_JOINLINK_SECRET_BYTES],
                             MeshSignSecret *out_secret, MeshKey *out_public);
