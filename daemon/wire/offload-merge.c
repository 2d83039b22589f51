/* daemon/wire/offload-merge.c: puts packets of one flow together again; see offload.h.
 *
 * Only what a split gives back bit by bit is merged, and only after its own checksum was found
 * right: the TUN's host will not look at it any more. */
#include "daemon/wire/offload.h"

#include <netinet/in.h>
#include <string.h>

#include "daemon/wire/checksum.h"

enum {
    V4_HEADER = 20,
    V6_HEADER = 40,
    TCP_HEADER = 20,
    UDP_HEADER = 8,
    TCP_CHECK = 16,
    UDP_CHECK = 6,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_ECE = 0x40,
};

typedef enum {
    GOES_ALONE, /* and its flow, if it has one, may go on growing around it */
    ENDS_FLOW,  /* goes alone, and nothing behind it may be put before it */
    MAY_JOIN,
} Fate;

typedef struct {
    Fate           fate;
    const uint8_t *ip, *l4;
    uint32_t       len;
    uint8_t        kind;
    uint16_t       l4_at, header_len, payload;
} Parsed;

static uint16_t get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)get_u16(at) << 16 | get_u16(at + 2);
}

static void put_u16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static bool is_v6(uint8_t kind)
{
    return (kind & (WIRE_MERGE_TCP6 | WIRE_MERGE_UDP6)) != 0;
}

static bool is_udp(uint8_t kind)
{
    return (kind & (WIRE_MERGE_UDP4 | WIRE_MERGE_UDP6)) != 0;
}

/* Protocol, or -1: not an IP packet that is whole, exact and without options. */
static int parse_ip(const WirePacket *packet, Parsed *out)
{
    const uint8_t *ip = packet->data;

    if (packet->len >= V4_HEADER && ip[0] == 0x45) {
        out->l4_at = V4_HEADER;
        if (get_u16(ip + 2) != packet->len || (get_u16(ip + 6) & 0xbfffu) != 0 ||
            wire_checksum_fold(wire_checksum_add(ip, V4_HEADER, 0)) != 0xffff)
            return -1;
        return ip[9];
    }
    if (packet->len >= V6_HEADER && ip[0] >> 4 == 6) {
        out->l4_at = V6_HEADER;
        return get_u16(ip + 4) == packet->len - V6_HEADER ? ip[6] : -1;
    }
    return -1;
}

static Fate parse_tcp(Parsed *p, uint32_t l4_len)
{
    uint32_t header = l4_len < TCP_HEADER ? 0 : (p->l4[12] >> 4) * 4u;

    if (header < TCP_HEADER || header > l4_len)
        return GOES_ALONE; /* ports of a broken segment mean nothing */
    p->header_len = (uint16_t)(p->l4_at + header);
    p->payload = (uint16_t)(l4_len - header);
    if ((p->l4[13] & (uint8_t) ~(TCP_PSH | TCP_ECE)) != TCP_ACK)
        return ENDS_FLOW;
    return p->payload == 0 ? GOES_ALONE : MAY_JOIN;
}

static Fate parse_udp(Parsed *p, uint32_t l4_len)
{
    if (l4_len < UDP_HEADER)
        return GOES_ALONE;
    p->header_len = (uint16_t)(p->l4_at + UDP_HEADER);
    p->payload = (uint16_t)(l4_len - UDP_HEADER);
    if (p->payload == 0 || get_u16(p->l4 + 4) != l4_len || get_u16(p->l4 + UDP_CHECK) == 0)
        return ENDS_FLOW;
    return MAY_JOIN;
}

static Parsed parse(const WirePacket *packet)
{
    Parsed   p = { .fate = GOES_ALONE, .ip = packet->data, .len = packet->len };
    int      protocol = packet->len > WIRE_MAX_PACKET ? -1 : parse_ip(packet, &p);
    uint32_t l4_len = packet->len - p.l4_at;
    bool     v6 = p.l4_at == V6_HEADER;

    p.l4 = packet->data + p.l4_at;
    if (protocol == IPPROTO_TCP) {
        p.kind = v6 ? WIRE_MERGE_TCP6 : WIRE_MERGE_TCP4;
        p.fate = parse_tcp(&p, l4_len);
    } else if (protocol == IPPROTO_UDP) {
        p.kind = v6 ? WIRE_MERGE_UDP6 : WIRE_MERGE_UDP4;
        p.fate = parse_udp(&p, l4_len);
    }
    return p;
}

/* Addresses, ports and protocol; whoever makes flows collide only gets less merged. */
static size_t hash_flow(const Parsed *p)
{
    const uint8_t *addrs = is_v6(p->kind) ? p->ip + 8 : p->ip + 12;
    size_t         n = is_v6(p->kind) ? 32 : 8;
    uint64_t       hash = get_u32(p->l4) + ((uint64_t)p->kind << 32), word;

    for (size_t i = 0; i < n; i += sizeof(word)) {
        memcpy(&word, addrs + i, sizeof(word));
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash % MESH_N_ELEMENTS(((WireMerge *)NULL)->open);
}

static bool is_right(const uint8_t *ip, uint32_t len, uint8_t kind)
{
    bool     v6 = is_v6(kind);
    uint32_t l4_at = v6 ? V6_HEADER : V4_HEADER;
    uint64_t sum = wire_checksum_add_pseudo(v6 ? ip + 8 : ip + 12, v6 ? 32 : 8,
                                            is_udp(kind) ? IPPROTO_UDP : IPPROTO_TCP, len - l4_at);

    return wire_checksum_fold(wire_checksum_add(ip + l4_at, len - l4_at, sum)) == 0xffff;
}

/* Everything of the headers but lengths, checksums, sequence and PSH. */
static bool has_equal_headers(const WireMergeRun *run, const uint8_t *first, const Parsed *p)
{
    const uint8_t *l4 = first + run->l4_at;

    if (run->kind != p->kind || run->header_len != p->header_len)
        return false;
    if (is_v6(p->kind)) {
        if (memcmp(first, p->ip, 4) != 0 || memcmp(first + 6, p->ip + 6, 34) != 0)
            return false;
    } else if (first[1] != p->ip[1] || memcmp(first + 6, p->ip + 6, 4) != 0 ||
               memcmp(first + 12, p->ip + 12, 8) != 0) {
        return false;
    }
    if (memcmp(l4, p->l4, 4) != 0)
        return false;
    if (is_udp(p->kind))
        return true;
    return memcmp(l4 + 8, p->l4 + 8, 5) == 0 && ((l4[13] ^ p->l4[13]) & ~TCP_PSH) == 0 &&
           memcmp(l4 + 14, p->l4 + 14, 2) == 0 &&
           memcmp(l4 + 18, p->l4 + 18, run->header_len - run->l4_at - 18u) == 0;
}

static bool continues(const WireMergeRun *run, const uint8_t *first, const Parsed *p)
{
    bool dont_fragment = !is_v6(p->kind) && (p->ip[6] & 0x40) != 0;

    if (p->payload > run->gso_size || run->n_packets == WIRE_MERGE_MAX_SEGMENTS ||
        run->len + p->payload > WIRE_MAX_PACKET || !has_equal_headers(run, first, p))
        return false;
    if (!is_v6(p->kind) && !dont_fragment && get_u16(p->ip + 4) != run->next_id)
        return false;
    return is_udp(p->kind) || get_u32(p->l4 + 4) == run->next_seq;
}

static bool ends_run(const WireMergeRun *run, const Parsed *p)
{
    return p->payload < run->gso_size || (!is_udp(p->kind) && (p->l4[13] & TCP_PSH) != 0);
}

/* What the next packet of the run has to be. */
static void expect(WireMergeRun *run, const Parsed *p)
{
    if (!is_v6(p->kind))
        run->next_id = (uint16_t)(get_u16(p->ip + 4) + 1);
    if (!is_udp(p->kind)) {
        run->next_seq = get_u32(p->l4 + 4) + p->payload;
        run->has_push |= (p->l4[13] & TCP_PSH) != 0;
    }
}

static WireMergeRun *add_run(WireMerge *self, size_t place, const Parsed *p)
{
    WireMergeRun *run = &self->runs[self->n_runs++];

    *run = (WireMergeRun){ .first = (uint16_t)place,
                           .last = (uint16_t)place,
                           .n_packets = 1,
                           .kind = p->kind,
                           .l4_at = p->l4_at,
                           .header_len = p->header_len,
                           .gso_size = p->payload,
                           .len = p->len };
    return run;
}

static bool join(WireMerge *self, WireMergeRun *run, const WirePacket *packets, size_t place,
                 const Parsed *p)
{
    const WirePacket *first = &packets[run->first];

    if (!continues(run, first->data, p))
        return false;
    if (!run->verified && !is_right(first->data, first->len, run->kind))
        return false;
    run->verified = true;
    if (!is_right(p->ip, p->len, p->kind))
        return false;
    self->next[run->last] = (uint16_t)place;
    run->last = (uint16_t)place;
    run->n_packets++;
    run->len += p->payload;
    expect(run, p);
    return true;
}

void wire_merge_batch(WireMerge *self, const WirePacket *packets, size_t n_packets, unsigned kinds)
{
    self->n_runs = 0;
    memset(self->open, 0, sizeof(self->open));
    for (size_t i = 0; i < n_packets; i++) {
        Parsed        p = parse(&packets[i]);
        size_t        hash;
        WireMergeRun *run = NULL;

        if ((p.kind & kinds) == 0 || p.fate == GOES_ALONE) {
            add_run(self, i, &p);
            continue;
        }
        hash = hash_flow(&p);
        if (self->open[hash] != 0)
            run = &self->runs[self->open[hash] - 1];
        if (run == NULL || p.fate == ENDS_FLOW || !join(self, run, packets, i, &p)) {
            run = add_run(self, i, &p);
            expect(run, &p);
            self->open[hash] = (uint16_t)self->n_runs; /* an older run of the flow is over */
        }
        if (p.fate == ENDS_FLOW || ends_run(run, &p))
            self->open[hash] = 0;
    }
}

size_t wire_merge_make_head(const WireMergeRun *run, const WirePacket *first,
                            uint8_t out_head[WIRE_MERGE_HEAD])
{
    bool     v6 = is_v6(run->kind), udp = is_udp(run->kind);
    uint8_t *ip = out_head + WIRE_VNET_BYTES, *l4 = ip + run->l4_at;
    uint32_t l4_len = run->len - run->l4_at;
    WireVnet vnet = { .flags = WIRE_VNET_NEEDS_CSUM,
                      .gso_type = v6 ? WIRE_VNET_TCP6 : WIRE_VNET_TCP4,
                      .hdr_len = run->header_len,
                      .gso_size = run->gso_size,
                      .csum_start = run->l4_at,
                      .csum_offset = udp ? UDP_CHECK : TCP_CHECK };
    uint16_t check;

    if (udp)
        vnet.gso_type = WIRE_VNET_UDP;
    memcpy(out_head, &vnet, sizeof(vnet));
    memcpy(ip, first->data, run->header_len);
    if (v6) {
        put_u16(ip + 4, l4_len);
    } else {
        put_u16(ip + 2, run->len);
        memset(ip + 10, 0, 2);
        check = (uint16_t)~wire_checksum_fold(wire_checksum_add(ip, V4_HEADER, 0));
        memcpy(ip + 10, &check, sizeof(check));
    }
    if (udp)
        put_u16(l4 + 4, l4_len);
    else if (run->has_push)
        l4[13] |= TCP_PSH;
    check = wire_checksum_fold(wire_checksum_add_pseudo(v6 ? ip + 8 : ip + 12, v6 ? 32 : 8,
                                                        udp ? IPPROTO_UDP : IPPROTO_TCP, l4_len));
    memcpy(l4 + vnet.csum_offset, &check, sizeof(check));
    return WIRE_VNET_BYTES + run->header_len;
}
