/* server/core/certify.h: what makes a node a member: its M, its name, its K. Storage thread, inside
 * the transaction of an open CoreChange. */
#pragma once

#include "common/proto/record.h"
#include "server/core/change.h"

/* Gives @row a new M with the next serial: name, addresses, now … min(30 d, its end). */
bool core_certify_sign(CoreChange *change, CoreNodeRow *row, GError **error);

/* Makes @row active: an IPv4 address if it wants one and has none, and an M. MESH_ERROR_FULL. */
bool core_certify_admit(CoreChange *change, CoreNodeRow *row, GError **error);

bool core_certify_name_taken(CoreChange *change, const char *name, bool *out_taken, GError **error);

/* A wish folded into a label that is unique in the network: "-2", "-3" … */
bool core_certify_choose_name(CoreChange *change, const char *wish,
                              char out_name[MESH_NETWORK_NAME_SIZE], GError **error);

/* Takes over a K whose seq is above @row's k_seq; the same one again changes nothing.
 * MESH_ERROR_CONFLICT: another K of that age, or the WireGuard key of another node. */
bool core_certify_take_k(CoreChange *change, CoreNodeRow *row, MeshSigned *object,
                         const MeshRecordK *k, GError **error);
