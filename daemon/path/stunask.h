/* daemon/path/stunask.h: one question to a STUN server, and what answers it. A value; any thread.
 * Inside of daemon/path. */
#pragma once

#include "common/codec/stun.h"
#include "common/std/attr.h"
#include "common/std/ip.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint8_t txid[MESH_STUN_TXID_BYTES];
    uint8_t change; /* MESH_STUN_CHANGE_…: from where the answer is to come; 0: from where asked */
    uint16_t response_port; /* to which port of ours it is to go; 0: the one that asks */
} PathStunAsk;

/** path_stunask_make: a new question. It may be written often: any one answer counts. */
PathStunAsk path_stunask_make(uint8_t change);

/** path_stunask_write: always as many bytes: padded, so that no answer is longer. Returns what is
 * to be sent, in @out. */
MeshSpan path_stunask_write(const PathStunAsk *self, uint8_t out[MESH_STUN_REQUEST_BYTES]);

/** path_stunask_read: Returns: true: @bytes answer this question; @out_mapped: as whom the server
 * saw us. */
bool path_stunask_read(const PathStunAsk *self, MeshSpan bytes, MeshEndpoint *out_mapped);

/** path_stunask_is_echo: the question itself came back. */
bool path_stunask_is_echo(const PathStunAsk *self, MeshSpan bytes);
