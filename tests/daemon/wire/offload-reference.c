/* tests/daemon/wire/offload-reference.c: see offload-reference.h. */
#include "tests/daemon/wire/offload-reference.h"

#include <string.h>

enum { TCP = 6, UDP = 17 };

uint16_t reference_sum(const uint8_t *bytes, size_t len, uint32_t start)
{
    uint32_t sum = start;

    for (size_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static bool is_v6(const uint8_t *packet)
{
    return packet[0] >> 4 == 6;
}

static uint16_t l4_sum(const uint8_t *packet, size_t len, size_t l4_at, uint8_t protocol)
{
    size_t   at = is_v6(packet) ? 8 : 12, n = is_v6(packet) ? 32 : 8;
    uint16_t sum = reference_sum(packet + at, n, (uint32_t)(len - l4_at) + protocol);

    return reference_sum(packet + l4_at, len - l4_at, sum);
}

bool reference_is_right(const uint8_t *packet, size_t len, size_t l4_at, bool udp)
{
    if (!is_v6(packet) && reference_sum(packet, l4_at, 0) != 0xffff)
        return false;
    return l4_sum(packet, len, l4_at, udp ? UDP : TCP) == 0xffff;
}

static void finish_segment(ReferencePacket *out, size_t l4_at, bool udp, bool last)
{
    uint8_t *ip = out->bytes, *l4 = ip + l4_at;
    uint16_t check;

    if (is_v6(ip)) {
        put16(ip + 4, out->len - 40);
    } else {
        put16(ip + 2, out->len);
        put16(ip + 10, 0);
        put16(ip + 10, 0xffff ^ reference_sum(ip, l4_at, 0));
    }
    if (udp)
        put16(l4 + 4, out->len - l4_at);
    else if (!last)
        l4[13] &= 0xf6; /* FIN, PSH */
    put16(l4 + (udp ? 6 : 16), 0);
    check = 0xffff ^ l4_sum(ip, out->len, l4_at, udp ? UDP : TCP);
    put16(l4 + (udp ? 6 : 16), udp && check == 0 ? 0xffff : check);
}

bool reference_split(const uint8_t *packet, size_t len, const WireVnet *vnet, size_t n,
                     ReferencePacket *out)
{
    bool   udp = (vnet->gso_type & 0x7f) == WIRE_VNET_UDP, last;
    size_t l4_at = vnet->csum_start;
    size_t header = l4_at + (udp ? 8 : (packet[l4_at + 12] >> 4) * 4u);
    size_t from = header + n * vnet->gso_size, payload = vnet->gso_size;

    if (from >= len)
        return false;
    last = from + payload >= len;
    if (last)
        payload = len - from;
    memcpy(out->bytes, packet, header);
    memcpy(out->bytes + header, packet + from, payload);
    out->len = header + payload;
    if (!is_v6(packet))
        put16(out->bytes + 4, get16(packet + 4) + n);
    if (!udp) {
        uint32_t seq = get32(packet + l4_at + 4) + (uint32_t)(n * vnet->gso_size);

        put16(out->bytes + l4_at + 4, seq >> 16);
        put16(out->bytes + l4_at + 6, seq);
        if (n > 0)
            out->bytes[l4_at + 13] &= 0x7f; /* CWR */
    }
    finish_segment(out, l4_at, udp, last);
    return true;
}

/* 0: none; where TCP or UDP is in a packet without options and extension headers. */
static size_t plain_l4(const WirePacket *p)
{
    const uint8_t *ip = p->data;
    size_t         l4_at = 0;
    uint8_t        protocol;

    if (p->len >= 20 && ip[0] == 0x45)
        l4_at = 20;
    else if (p->len >= 40 && ip[0] >> 4 == 6)
        l4_at = 40;
    else
        return 0;
    protocol = l4_at == 40 ? ip[6] : ip[9];
    if (protocol == TCP)
        return p->len >= l4_at + 20 ? l4_at : 0;
    return protocol == UDP && p->len >= l4_at + 8 ? l4_at : 0;
}

static bool is_udp(const WirePacket *p)
{
    return (plain_l4(p) == 40 ? p->data[6] : p->data[9]) == UDP;
}

static size_t header_len(const WirePacket *p)
{
    size_t l4_at = plain_l4(p);

    return is_udp(p) ? l4_at + 8 : l4_at + (p->data[l4_at + 12] >> 4) * 4u;
}

bool reference_is_same_flow(const WirePacket *a, const WirePacket *b)
{
    size_t l4 = plain_l4(a), addrs = l4 == 40 ? 8 : 12;

    return l4 != 0 && l4 == plain_l4(b) && is_udp(a) == is_udp(b) &&
           memcmp(a->data + addrs, b->data + addrs, l4 == 40 ? 32 : 8) == 0 &&
           memcmp(a->data + l4, b->data + l4, 4) == 0;
}

bool reference_is_pure_ack(const WirePacket *p)
{
    size_t l4 = plain_l4(p);

    return l4 != 0 && !is_udp(p) && header_len(p) == p->len && header_len(p) >= l4 + 20 &&
           (p->data[l4 + 13] & 0xb7) == 0x10;
}

/* Could it be any part of a run? */
static bool is_candidate(const WirePacket *p)
{
    size_t l4 = plain_l4(p);

    if (l4 == 0 || header_len(p) >= p->len || !reference_is_right(p->data, p->len, l4, is_udp(p)))
        return false;
    if (l4 == 20 && (get16(p->data + 2) != p->len || (get16(p->data + 6) & 0xbfff) != 0))
        return false;
    if (l4 == 40 && get16(p->data + 4) != p->len - 40)
        return false;
    if (is_udp(p))
        return get16(p->data + l4 + 4) == p->len - l4 && get16(p->data + l4 + 6) != 0;
    return header_len(p) >= l4 + 20 && (p->data[l4 + 13] & 0xb7) == 0x10;
}

/* A and B with everything made equal that may differ. */
static bool has_same_headers(const WirePacket *a, const WirePacket *b, size_t header)
{
    size_t  l4 = plain_l4(a);
    uint8_t copies[2][128];

    for (int i = 0; i < 2; i++) {
        uint8_t *copy = copies[i];

        memcpy(copy, i == 0 ? a->data : b->data, header);
        if (l4 == 20) {
            memset(copy + 2, 0, 4);
            memset(copy + 10, 0, 2);
        } else {
            memset(copy + 4, 0, 2);
        }
        if (is_udp(a)) {
            memset(copy + l4 + 4, 0, 4);
        } else {
            memset(copy + l4 + 4, 0, 4);
            memset(copy + l4 + 16, 0, 2);
            copy[l4 + 13] &= 0xf7;
        }
    }
    return memcmp(copies[0], copies[1], header) == 0;
}

bool reference_may_join(const ReferenceJoin *j)
{
    size_t l4 = plain_l4(&j->first), header, size, last, next;
    bool   counts_ids;

    if (!is_candidate(&j->first) || !is_candidate(&j->next) ||
        !reference_is_same_flow(&j->first, &j->next))
        return false;
    header = header_len(&j->first);
    if (header != header_len(&j->next) || !has_same_headers(&j->first, &j->next, header))
        return false;
    size = j->first.len - header;
    last = j->last.len - header;
    next = j->next.len - header;
    if (last < size || next > size || j->n_packets >= 64 || j->total + next > 65535)
        return false;
    counts_ids = l4 == 20 && (j->first.data[6] & 0x40) == 0;
    if (counts_ids && (uint16_t)(get16(j->last.data + 4) + 1) != get16(j->next.data + 4))
        return false;
    if (is_udp(&j->first))
        return true;
    if ((j->last.data[l4 + 13] & 0x08) != 0)
        return false;
    return (uint32_t)(get32(j->last.data + l4 + 4) + last) == get32(j->next.data + l4 + 4);
}
