/* common/proto/bodyscan.h: the bodies of K, E and M in the form that their encoders write, see
 * scan.h. Inside of common/proto; any thread.
 *
 * The signature is the caller's business. False: to be read by the table of fields; outputs are
 * written on success only. */
#pragma once

#include "common/proto/member.h"
#include "common/proto/record.h"

bool mesh_bodyscan_k(const MeshSigned *object, const MeshNetworkId *net, MeshRecordK *out);
bool mesh_bodyscan_e(const MeshSigned *object, const MeshNetworkId *net, MeshRecordE *out);

/* Owned; NULL: to be read by the table. */
MeshMember *mesh_bodyscan_m(const MeshSigned *object, const MeshNetworkId *net);
