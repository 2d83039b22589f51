/* tests/common/proto/objects.h: ready-made signed objects of the network of fixture.h. */
#pragma once

#include "common/proto/acl.h"
#include "common/proto/mapline.h"
#include "common/proto/member.h"
#include "common/proto/record.h"
#include "common/proto/tip.h"
#include "tests/common/proto/fixture.h"

/* Of node @n: addresses 10.71.0.(10+n) and fd00:1:2::(10+n), name "node-n", serial n. */
MeshMember *fixture_member(unsigned n);

MeshSigned *fixture_sign_member(const MeshMember *member); /* by the server */
MeshSigned *fixture_k(unsigned n, uint64_t seq);
MeshSigned *fixture_e(unsigned n, uint64_t seq, const char *endpoint, MeshRecordKind kind);
MeshSigned *fixture_policy(uint64_t ver);
MeshSigned *fixture_tip(uint64_t epoch, uint64_t ver, uint64_t pver, const MeshNonce *nonce);

/* Peer with M, K and no E, online. */
MeshPeer fixture_peer(unsigned n);
