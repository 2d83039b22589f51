/* tests/common/proto/fixture.h: fixed keys and a network for tests; signed objects are in
 * objects.h. */
#pragma once

#include "common/proto/network.h"
#include "common/std/key.h"
#include "common/std/sign.h"

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

/* The node @n (1 … 150): pair of seed 100+n, WireGuard key of bytes 200+n. */
FixturePair fixture_node(unsigned n);
MeshKey     fixture_wg(unsigned n);

/* Parses what must be right. */
MeshAddr   fixture_addr(const char *text);
MeshPrefix fixture_prefix(const char *text);
