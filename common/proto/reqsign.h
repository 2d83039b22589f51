/* common/proto/reqsign.h: signed requests: the one RFC 9421 profile of docs/PROTOCOL.md §5, both
 * ends. No I/O, no clock: values in, values out. Any thread. */
#pragma once

#include "common/std/attr.h"
#include "common/std/key.h"
#include "common/std/sign.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    MESH_REQSIGN_FINGERPRINT_SIZE = 23, /* 22 characters and the NUL */
    MESH_REQSIGN_NONCE_BYTES = 16,
    MESH_REQSIGN_SKEW_S = 300,
    MESH_REQSIGN_WINDOW = 64, /* numbers remembered */
};

/* Grows with every request; never used twice. */
typedef struct {
    uint8_t  start[8]; /* random, new at each start of the daemon */
    uint64_t number;   /* host order */
} MeshNonce;

/* What is signed. All borrowed. */
typedef struct {
    const char *method;      /* "POST" */
    const char *path;        /* "/v1/networks/…/map" */
    const char *query;       /* without '?'; NULL or "": none */
    MeshSpan    body;        /* may be empty */
    const char *fingerprint; /* of the server, see mesh_reqsign_fingerprint() */
} MeshReqsignRequest;

/* The values of the four headers, NUL-terminated. */
typedef struct {
    char content_digest[64];
    char mesh_server[MESH_REQSIGN_FINGERPRINT_SIZE];
    char signature_input[256];
    char signature[112];
} MeshReqsignHeaders;

/* What stands in Signature-Input. */
typedef struct {
    int64_t   created; /* unix seconds */
    MeshNonce nonce;
    MeshKey   node; /* keyid */
} MeshReqsignParams;

/* The four header values as they came; borrowed, NULL: missing. */
typedef struct {
    const char *content_digest, *mesh_server, *signature_input, *signature;
} MeshReqsignInput;

/* What a server keeps of one node. Zeroed: nothing seen. */
typedef struct {
    uint8_t  start[8];
    int64_t  created; /* the highest seen: "after" of a replayed answer */
    uint64_t highest;
    uint64_t seen; /* bit i: highest - i was used; 0: no request yet */
} MeshReqsignWindow;

/* b64u of the first 16 bytes of SHA-256(server key), into MESH_REQSIGN_FINGERPRINT_SIZE bytes. */
char *mesh_reqsign_fingerprint(const MeshKey *server, char *out_text);

MeshNonce mesh_reqsign_make_nonce(void);       /* a new random start id, number 0 */
void      mesh_reqsign_next(MeshNonce *nonce); /* before each request */
void      mesh_reqsign_pack_nonce(const MeshNonce *nonce, uint8_t out[MESH_REQSIGN_NONCE_BYTES]);
MeshNonce mesh_reqsign_unpack_nonce(const uint8_t bytes[MESH_REQSIGN_NONCE_BYTES]);

/* Node: the headers of one request. */
void mesh_reqsign_sign(const MeshReqsignRequest *request, const MeshReqsignParams *params,
                       const MeshSignSecret *node_secret, MeshReqsignHeaders *out_headers);

/* Server: checks form, digest, server fingerprint and signature by the node named in keyid; clock,
 * membership and replay are the caller's. Errors: MESH_ERROR_BAD_SIGNATURE,
 * MESH_ERROR_WRONG_SERVER. */
bool mesh_reqsign_verify(const MeshReqsignRequest *request, const MeshReqsignInput *input,
                         MeshReqsignParams *out_params, GError **error);

/* Server: MESH_ERROR_CLOCK when @params are more than 300 s off @now. */
bool mesh_reqsign_check_clock(const MeshReqsignParams *params, int64_t now, GError **error);

/* Server: takes the nonce of a verified request: MESH_ERROR_REPLAYED when its number was seen or is
 * older than the window, or when another start id is not newer in created. */
bool mesh_reqsign_accept(MeshReqsignWindow *window, const MeshReqsignParams *params,
                         GError **error);
