#include "common/codec/pcp.h"

#include "common/std/bytes.h"
#include "common/std/writer.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum {
    PCP_VERSION = 2,
    NATPMP_VERSION = 0,
    OPCODE_ANNOUNCE = 0,
    OPCODE_MAP = 1,
    NATPMP_ADDRESS = 0,
    NATPMP_MAP_UDP = 1,
    NATPMP_MAP_TCP = 2,
    IS_ANSWER = 0x80,
    PCP_RESERVED_BYTES = 12, /* of an answer's header */
    ADDRESS_BYTES = 16,
};

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* ---- requests ---- */

/* IPv4 as ::ffff:a.b.c.d; no address as ::ffff:0.0.0.0, PCP's "any IPv4 one" (RFC 6887 §5). */
static void write_addr(MeshWriter *w, const MeshAddr *addr)
{
    if (addr->family == AF_INET6) {
        mesh_writer_bytes(w, addr->bytes, ADDRESS_BYTES);
        return;
    }
    mesh_writer_bytes(w, mapped_prefix, sizeof mapped_prefix);
    if (addr->family == AF_INET)
        mesh_writer_bytes(w, addr->bytes, 4);
    else
        mesh_writer_zeros(w, 4);
}

int mesh_pcp_encode_map(const MeshPcpMap *map, uint8_t *out, size_t size, size_t *out_len)
{
    MeshWriter w = mesh_writer_make(out, size);

    if (map->port == 0 || (map->client.family != AF_INET && map->client.family != AF_INET6))
        return -EINVAL;
    mesh_writer_u8(&w, PCP_VERSION);
    mesh_writer_u8(&w, OPCODE_MAP);
    mesh_writer_zeros(&w, 2);
    mesh_writer_u32be(&w, map->life_s);
    write_addr(&w, &map->client);
    mesh_writer_bytes(&w, map->nonce, sizeof map->nonce);
    mesh_writer_u8(&w, map->tcp ? IPPROTO_TCP : IPPROTO_UDP);
    mesh_writer_zeros(&w, 3);
    mesh_writer_u16be(&w, map->port);
    mesh_writer_u16be(&w, map->external.port);
    write_addr(&w, &map->external.addr);
    return mesh_writer_finish(&w, out_len);
}

int mesh_pcp_encode_natpmp_map(const MeshPcpMap *map, uint8_t *out, size_t size, size_t *out_len)
{
    MeshWriter w = mesh_writer_make(out, size);

    if (map->port == 0)
        return -EINVAL;
    mesh_writer_u8(&w, NATPMP_VERSION);
    mesh_writer_u8(&w, map->tcp ? NATPMP_MAP_TCP : NATPMP_MAP_UDP);
    mesh_writer_zeros(&w, 2);
    mesh_writer_u16be(&w, map->port);
    mesh_writer_u16be(&w, map->life_s != 0 ? map->external.port : 0); /* RFC 6886 §3.4 */
    mesh_writer_u32be(&w, map->life_s);
    return mesh_writer_finish(&w, out_len);
}

int mesh_pcp_encode_natpmp_address(uint8_t *out, size_t size, size_t *out_len)
{
    MeshWriter w = mesh_writer_make(out, size);

    mesh_writer_u8(&w, NATPMP_VERSION);
    mesh_writer_u8(&w, NATPMP_ADDRESS);
    return mesh_writer_finish(&w, out_len);
}

/* ---- answers ---- */

static bool read_addr(MeshReader *r, MeshAddr *out)
{
    uint8_t bytes[ADDRESS_BYTES];

    if (!mesh_bytes_read_copy(r, bytes, sizeof bytes))
        return false;
    if (memcmp(bytes, mapped_prefix, sizeof mapped_prefix) == 0)
        *out = mesh_ip_make_addr(AF_INET, bytes + sizeof mapped_prefix);
    else
        *out = mesh_ip_make_addr(AF_INET6, bytes);
    return true;
}

/* The part of a MAP answer after the header; options may follow. */
static bool read_map(MeshReader *r, MeshPcpMap *map)
{
    uint8_t protocol;

    if (!mesh_bytes_read_copy(r, map->nonce, sizeof map->nonce) ||
        !mesh_bytes_read_u8(r, &protocol) || (protocol != IPPROTO_UDP && protocol != IPPROTO_TCP))
        return false;
    map->tcp = protocol == IPPROTO_TCP;
    return mesh_bytes_skip(r, 3) && mesh_bytes_read_u16be(r, &map->port) &&
           mesh_bytes_read_u16be(r, &map->external.port) && read_addr(r, &map->external.addr);
}

/* RFC 6887 §7.2, behind version and opcode. */
static int decode_pcp(MeshReader *r, MeshPcpAnswer *answer)
{
    uint8_t reserved, result;

    if (!mesh_bytes_read_u8(r, &reserved) || !mesh_bytes_read_u8(r, &result) ||
        !mesh_bytes_read_u32be(r, &answer->map.life_s) ||
        !mesh_bytes_read_u32be(r, &answer->epoch_s) || !mesh_bytes_skip(r, PCP_RESERVED_BYTES))
        return -EBADMSG;
    answer->result = result;
    if (answer->opcode == OPCODE_MAP && !read_map(r, &answer->map)) {
        /* routers that do not know this version answer with the header alone */
        if (result != MESH_PCP_VERSION_ERROR)
            return -EBADMSG;
        answer->map = (MeshPcpMap){ .life_s = answer->map.life_s };
    }
    if (answer->opcode != OPCODE_MAP && answer->opcode != OPCODE_ANNOUNCE)
        return -EBADMSG;
    answer->kind = answer->opcode == OPCODE_MAP ? MESH_PCP_MAP : MESH_PCP_ANNOUNCE;
    return 0;
}

/* RFC 6886 §3.2, §3.3, behind version and opcode. A refusal may end after its epoch. */
static int decode_natpmp(MeshReader *r, MeshPcpAnswer *answer)
{
    uint8_t addr[4];

    if (!mesh_bytes_read_u16be(r, &answer->result) || !mesh_bytes_read_u32be(r, &answer->epoch_s))
        return -EBADMSG;
    if (answer->opcode > NATPMP_MAP_TCP)
        /* a router of NAT-PMP alone repeats PCP's opcode, where version 0 has other ones */
        return answer->result == MESH_PCP_VERSION_ERROR ? 0 : -EBADMSG;
    if (answer->opcode == NATPMP_ADDRESS) {
        answer->kind = MESH_NATPMP_ADDRESS;
        if (mesh_bytes_read_copy(r, addr, sizeof addr))
            answer->map.external.addr = mesh_ip_make_addr(AF_INET, addr);
        else if (answer->result == 0)
            return -EBADMSG;
        return 0;
    }
    answer->kind = MESH_NATPMP_MAP;
    answer->map.tcp = answer->opcode == NATPMP_MAP_TCP;
    if (mesh_bytes_read_u16be(r, &answer->map.port) &&
        mesh_bytes_read_u16be(r, &answer->map.external.port) &&
        mesh_bytes_read_u32be(r, &answer->map.life_s))
        return 0;
    return answer->result != 0 ? 0 : -EBADMSG;
}

int mesh_pcp_decode(MeshSpan datagram, MeshPcpAnswer *out_answer)
{
    MeshReader    r = mesh_bytes_make_reader(datagram.data, datagram.len);
    MeshPcpAnswer answer = { 0 };
    uint8_t       opcode;
    int           rc;

    if (datagram.len > MESH_PCP_MAX_BYTES || !mesh_bytes_read_u8(&r, &answer.version) ||
        !mesh_bytes_read_u8(&r, &opcode) || (opcode & IS_ANSWER) == 0)
        return -EBADMSG;
    answer.opcode = (uint8_t)(opcode & ~IS_ANSWER);
    if (answer.version == NATPMP_VERSION)
        rc = decode_natpmp(&r, &answer);
    else
        rc = answer.version == PCP_VERSION ? decode_pcp(&r, &answer) : -EBADMSG;
    if (rc < 0)
        return rc;
    if (answer.result != 0)
        answer.kind = MESH_PCP_REFUSED;
    *out_answer = answer;
    return 0;
}

/* ---- epoch ---- */

bool mesh_pcp_epoch_accept(MeshPcpEpoch *epoch, uint32_t epoch_s, int64_t now_ms)
{
    MeshPcpEpoch before = *epoch;
    int64_t      client_s = (now_ms - before.at_ms) / 1000;
    int64_t      server_s = (int64_t)epoch_s - (int64_t)before.epoch_s;

    *epoch = (MeshPcpEpoch){ .known = true, .epoch_s = epoch_s, .at_ms = now_ms };
    if (!before.known)
        return true;
    if (server_s < -1) /* it went back; one second is a packet that overtook another */
        return false;
    /* either clock may run 1/16 fast, and each is cut to seconds */
    return client_s + 2 >= server_s - server_s / 16 && server_s + 2 >= client_s - client_s / 16;
}
