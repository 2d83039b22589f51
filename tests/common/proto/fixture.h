/* tests/common/proto/fixture.h: fixed keys and ready-made signed objects for tests. */
#pragma once

#include "common/proto/acl.h"
#include "common/proto/mapline.h"
#include "common/proto/member.h"
#include "common/proto/network.h"
#include "common/proto/record.h"
#include "common/proto/tip.h"

#define FIXTURE_NOW 1766000000 /* unix seconds */

typedef struct {
    MeshSignSecret secret;
    MeshKey        key;
} FixturePair;

/* Readies libsodium and OpenSSL; first in main(). */
void fixture_start(void);

/* The key pair of a seed of 32 bytes @seed. */
FixturePair fixture_pair(uint8_t seed);

/* Network 00112233445566ff, 10.71.0.0/16, fd00:1:2::/48, server key of seed 7. */
MeshNetwork fixture_network(void);
FixturePair fixture_server(void);

/* The node @n (1 …): pair of seed 100+n, wg key of bytes 200+n (or as given), addresses
 * 10.71.0.(10+n) and fd00:1:2::(10+n), name "node-n", serial n. */
FixturePair fixture_node(unsigned n);
MeshKey     fixture_wg(unsigned n);
MeshMember *fixture_member(unsigned n);

MeshSigned *fixture_sign_member(const MeshMember *member); /* by the server */
MeshSigned *fixture_k(unsigned n, uint64_t seq);
MeshSigned *fixture_e(unsigned n, uint64_t seq, const char *endpoint, MeshRecordKind kind);
MeshSigned *fixture_policy(uint64_t ver);
MeshSigned *fixture_tip(uint64_t epoch, uint64_t ver, uint64_t pver, const MeshNonce *nonce);

/* Peer with M, K and no E, online. */
MeshPeer fixture_peer(unsigned n);

/* Parses what must be right. */
MeshAddr   fixture_addr(const char *text);
MeshPrefix fixture_prefix(const char *text);
