/* tests/common/proto/fixture.c: see fixture.h. */
#include "tests/common/proto/fixture.h"

#include "common/std/hash.h"

#include <string.h>

void fixture_start(void)
{
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_assert_cmpint(mesh_hash_init(), ==, 0);
}

FixturePair fixture_pair(uint8_t seed)
{
    uint8_t     bytes[MESH_SIGN_SEED_BYTES];
    FixturePair pair;

    memset(bytes, seed, sizeof(bytes));
    mesh_sign_make_pair(bytes, &pair.secret, &pair.key);
    return pair;
}

FixturePair fixture_server(void)
{
    return fixture_pair(7);
}

FixturePair fixture_node(unsigned n)
{
    return fixture_pair((uint8_t)(100 + n));
}

MeshKey fixture_wg(unsigned n)
{
    MeshKey key;

    memset(key.bytes, (int)(200 + n), sizeof(key.bytes));
    return key;
}

MeshAddr fixture_addr(const char *text)
{
    MeshAddr addr;

    g_assert_cmpint(mesh_ip_parse_addr(text, &addr), ==, 0);
    return addr;
}

MeshPrefix fixture_prefix(const char *text)
{
    MeshPrefix prefix;

    g_assert_cmpint(mesh_ip_parse_prefix(text, &prefix), ==, 0);
    return prefix;
}

MeshNetwork fixture_network(void)
{
    MeshNetwork network = { .name = "home" };

    g_assert_true(mesh_network_parse_id("00112233445566ff", &network.id));
    network.ip4 = fixture_prefix("10.71.0.0/16");
    network.ip6 = fixture_prefix("fd00:1:2::/48");
    network.server = fixture_server().key;
    memset(network.lan.bytes, 0x4c, sizeof network.lan.bytes);
    return network;
}
