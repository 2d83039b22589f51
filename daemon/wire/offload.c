/* daemon/wire/offload.c: splits a super-packet where it lies; see offload.h. */
#include "daemon/wire/offload.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "daemon/wire/checksum.h"

enum {
    V4_HEADER = 20,
    V6_HEADER = 40,
    TCP_HEADER = 20,
    UDP_HEADER = 8,
    TCP_CHECK = 16, /* offsets in the headers */
    UDP_CHECK = 6,
    TCP_FIN = 1,
    TCP_PSH = 8,
    TCP_CWR = 0x80,
};

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

static void put_u32(uint8_t *at, uint32_t value)
{
    put_u16(at, value >> 16);
    put_u16(at + 2, value);
}

static void put_check(uint8_t *at, uint64_t sum)
{
    uint16_t check = (uint16_t)~wire_checksum_fold(sum);

    memcpy(at, &check, sizeof(check));
}

/* Where TCP or UDP (@protocol) starts; 0: not there. Of the extension headers those that leave the
 * pseudo header alone are walked over. */
static size_t find_l4(const uint8_t *packet, size_t len, uint8_t protocol)
{
    size_t  at = V6_HEADER;
    uint8_t next;

    if (len >= V4_HEADER && packet[0] >> 4 == 4) {
        size_t ihl = (packet[0] & 15u) * 4u;

        return ihl >= V4_HEADER && packet[9] == protocol ? ihl : 0;
    }
    if (len < V6_HEADER || packet[0] >> 4 != 6)
        return 0;
    next = packet[6];
    while (next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS) {
        if (len - at < 8 || at > WIRE_MAX_HEADERS)
            return 0;
        next = packet[at];
        at += (packet[at + 1] + 1u) * 8u;
        if (at > len)
            return 0;
    }
    return next == protocol ? at : 0;
}

/* A plain packet whose checksum, seeded with the pseudo header's, is still to be finished. */
static int finish_checksum(const WireVnet *vnet, uint8_t *packet, size_t len)
{
    size_t   at = (size_t)vnet->csum_start + vnet->csum_offset;
    uint16_t check;

    if (vnet->csum_start < V4_HEADER || at + sizeof(check) > len)
        return -EBADMSG;
    check = (uint16_t)~wire_checksum_fold(
        wire_checksum_add(packet + vnet->csum_start, len - vnet->csum_start, 0));
    if (check == 0 && vnet->csum_offset == UDP_CHECK)
        check = 0xffff; /* 0 would mean "none" (RFC 768) */
    memcpy(packet + at, &check, sizeof(check));
    return 0;
}

/* Fills what the header tells, or tells why it cannot. */
static int measure(WireSplit *self, const WireVnet *vnet)
{
    uint8_t  type = vnet->gso_type & (uint8_t)~WIRE_VNET_ECN;
    uint32_t payload;

    self->is_udp = type == WIRE_VNET_UDP;
    self->is_v6 = self->len > 0 && self->packet[0] >> 4 == 6;
    if (!self->is_udp && type != (self->is_v6 ? WIRE_VNET_TCP6 : WIRE_VNET_TCP4))
        return -EBADMSG;
    self->l4_at =
        (uint32_t)find_l4(self->packet, self->len, self->is_udp ? IPPROTO_UDP : IPPROTO_TCP);
    if (self->l4_at == 0 || self->l4_at != vnet->csum_start || vnet->gso_size == 0 ||
        self->len < self->l4_at + (self->is_udp ? UDP_HEADER : TCP_HEADER))
        return -EBADMSG;
    self->header_len = self->l4_at + UDP_HEADER;
    if (!self->is_udp) {
        uint32_t tcp_len = (self->packet[self->l4_at + 12] >> 4) * 4u;

        if (tcp_len < TCP_HEADER)
            return -EBADMSG;
        self->header_len = self->l4_at + tcp_len;
    }
    if (self->header_len > WIRE_MAX_HEADERS || self->header_len >= self->len)
        return -EBADMSG;
    payload = self->len - self->header_len;
    self->gso_size = vnet->gso_size;
    if (self->header_len + (payload < self->gso_size ? payload : self->gso_size) > WIRE_MAX_PACKET)
        return -EBADMSG;
    self->n_segments = (payload + self->gso_size - 1) / self->gso_size;
    return self->n_segments > WIRE_MAX_SEGMENTS ? -EBADMSG : 0;
}

/* Keeps the headers with zeros where segments differ, and the sums over them. */
static void keep_headers(WireSplit *self)
{
    uint8_t *ip = self->headers, *l4 = self->headers + self->l4_at;
    uint8_t  protocol = self->is_udp ? IPPROTO_UDP : IPPROTO_TCP;

    memcpy(self->headers, self->packet, self->header_len);
    if (self->is_v6) {
        memset(ip + 4, 0, 2);
    } else {
        self->id = get_u16(ip + 4);
        memset(ip + 2, 0, 4);
        memset(ip + 10, 0, 2);
    }
    if (self->is_udp) {
        memset(l4 + 4, 0, 4);
    } else {
        self->seq = get_u32(l4 + 4);
        self->tcp_flags = l4[13];
        memset(l4 + 4, 0, 4);
        l4[13] = 0;
        memset(l4 + TCP_CHECK, 0, 2);
    }
    self->ip_sum = self->is_v6 ? 0 : wire_checksum_add(ip, self->l4_at, 0);
    self->l4_sum = wire_checksum_add_pseudo(self->is_v6 ? ip + 8 : ip + 12, self->is_v6 ? 32 : 8,
                                            protocol, 0) +
                   wire_checksum_add(l4, self->header_len - self->l4_at, 0);
}

int wire_split_start(WireSplit *self, const WireVnet *vnet, uint8_t *packet, size_t len)
{
    int rc;

    self->packet = packet;
    self->len = (uint32_t)len;
    self->next = 0;
    self->n_segments = 1;
    self->gso_size = 0;
    if (len > WIRE_MAX_PACKET + (vnet->gso_type == WIRE_VNET_NONE ? 0 : V6_HEADER))
        return -EBADMSG;
    if (vnet->gso_type == WIRE_VNET_NONE)
        return (vnet->flags & WIRE_VNET_NEEDS_CSUM) != 0 ? finish_checksum(vnet, packet, len) : 0;
    rc = measure(self, vnet);
    if (rc < 0)
        return rc;
    keep_headers(self);
    return 0;
}

/* IP: length, identification and checksum of segment @n. */
static void write_ip(const WireSplit *self, uint8_t *ip, uint32_t n, uint32_t len)
{
    uint16_t id = (uint16_t)(self->id + n);

    if (self->is_v6) {
        put_u16(ip + 4, len - V6_HEADER);
        return;
    }
    put_u16(ip + 2, len);
    put_u16(ip + 4, id);
    put_check(ip + 10, self->ip_sum + htons((uint16_t)len) + htons(id));
}

static void write_udp(const WireSplit *self, uint8_t *udp, uint32_t l4_len, uint64_t payload_sum)
{
    uint64_t sum = self->l4_sum + payload_sum + 2u * (uint64_t)htons((uint16_t)l4_len);

    put_u16(udp + 4, l4_len);
    put_check(udp + UDP_CHECK, sum);
    if (udp[UDP_CHECK] == 0 && udp[UDP_CHECK + 1] == 0)
        put_u16(udp + UDP_CHECK, 0xffff);
}

/* FIN and PSH belong to the last byte, CWR to the first packet (RFC 3168 §6.1.2). */
static void write_tcp(const WireSplit *self, uint8_t *tcp, uint32_t l4_len, uint64_t payload_sum)
{
    uint32_t seq = self->seq + self->next * self->gso_size;
    uint8_t  flags = self->tcp_flags;

    if (self->next + 1 < self->n_segments)
        flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (self->next > 0)
        flags &= (uint8_t)~TCP_CWR;
    put_u32(tcp + 4, seq);
    tcp[13] = flags;
    put_check(tcp + TCP_CHECK, self->l4_sum + payload_sum + htons((uint16_t)l4_len) +
                                   (uint64_t)htonl(seq) + htons(flags));
}

bool wire_split_next(WireSplit *self, WirePacket *out_segment)
{
    uint32_t offset = self->next * self->gso_size, payload, len, l4_len;
    uint8_t *at = self->packet + offset;
    uint64_t sum;

    if (self->next >= self->n_segments)
        return false;
    if (self->gso_size == 0) {
        *out_segment = (WirePacket){ .data = self->packet, .len = self->len };
        self->next = 1;
        return true;
    }
    payload = self->len - self->header_len - offset;
    if (payload > self->gso_size)
        payload = self->gso_size;
    len = self->header_len + payload;
    l4_len = len - self->l4_at;
    sum = wire_checksum_add(at + self->header_len, payload, 0);
    memcpy(at, self->headers, self->header_len);
    write_ip(self, at, self->next, len);
    if (self->is_udp)
        write_udp(self, at + self->l4_at, l4_len, sum);
    else
        write_tcp(self, at + self->l4_at, l4_len, sum);
    self->next++;
    *out_segment = (WirePacket){ .data = at, .len = len };
    return true;
}
