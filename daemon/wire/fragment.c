/* daemon/wire/fragment.c: see fragment.h. */
#include "daemon/wire/fragment.h"

#include <errno.h>
#include <string.h>

#include "daemon/wire/checksum.h"

enum {
    HEADER = 20, /* without options */
    LENGTH_AT = 2,
    FLAGS_AT = 6,
    CHECK_AT = 10,
    DONT_FRAGMENT = 0x4000,
    MORE = 0x2000,
    OFFSET = 0x1fff,    /* in units of */
    UNIT = 8,           /* bytes */
    OPTION_END = 0,     /* of one byte, as is */
    OPTION_NOTHING = 1, /* which no later piece needs */
    OPTION_COPIED = 0x80,
};

static uint16_t get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put_u16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t get_header_len(const uint8_t *packet)
{
    return (packet[0] & 15u) * 4u;
}

uint32_t wire_fragment_most(const uint8_t *packet, uint32_t len, uint32_t mtu)
{
    uint32_t header = get_header_len(packet), room;

    if (len <= mtu || packet[0] >> 4 != 4 || len <= header || mtu < header + UNIT)
        return 1;
    room = (mtu - header) & ~(uint32_t)(UNIT - 1);
    return (len - header + room - 1) / room;
}

/* Those of @n bytes of options that later pieces bear, too (RFC 791 §3.1), and what fills them up
 * to whole words. Returns: their bytes, at most @n; -EBADMSG: there is one that does not end. */
static int copy_options(const uint8_t *from, uint32_t n, uint8_t *to)
{
    int used = 0;

    for (uint32_t at = 0, len; at < n && from[at] != OPTION_END; at += len) {
        len = 1;
        if (from[at] == OPTION_NOTHING)
            continue;
        if (n - at < 2 || from[at + 1] < 2 || from[at + 1] > n - at)
            return -EBADMSG;
        len = from[at + 1];
        if ((from[at] & OPTION_COPIED) == 0)
            continue;
        memcpy(to + used, from + at, len);
        used += (int)len;
    }
    while (used % 4 != 0)
        to[used++] = OPTION_END;
    return used;
}

int wire_fragment_start(WireFragment *self, const WirePacket *packet, uint32_t mtu)
{
    uint32_t whole = wire_packet_inner_length(packet->data, packet->len);
    uint32_t header, offset;
    int      options;

    if (whole == 0 || packet->data[0] >> 4 != 4)
        return -EBADMSG;
    header = get_header_len(packet->data);
    self->flags = get_u16(packet->data + FLAGS_AT);
    offset = (self->flags & OFFSET) * (uint32_t)UNIT;
    if ((self->flags & DONT_FRAGMENT) != 0 || mtu < header + UNIT || whole == header ||
        whole <= mtu || offset + whole > WIRE_MAX_PACKET ||
        wire_checksum_fold(wire_checksum_add(packet->data, header, 0)) != 0xffff)
        return -EBADMSG;
    options = copy_options(packet->data + HEADER, header - HEADER, self->later + HEADER);
    if (options < 0)
        return options;
    memcpy(self->later, packet->data, HEADER);
    self->packet = packet->data;
    self->mtu = mtu;
    self->header_len = header;
    self->later_len = HEADER + (uint32_t)options;
    self->later[0] = (uint8_t)(4u << 4 | self->later_len / 4);
    self->payload = whole - header;
    self->done = 0;
    return 0;
}

static void write_header(uint8_t *ip, uint32_t header_len, uint32_t len, uint32_t flags)
{
    uint16_t check;

    put_u16(ip + LENGTH_AT, len);
    put_u16(ip + FLAGS_AT, flags);
    put_u16(ip + CHECK_AT, 0);
    check = (uint16_t)~wire_checksum_fold(wire_checksum_add(ip, header_len, 0));
    memcpy(ip + CHECK_AT, &check, sizeof(check));
}

bool wire_fragment_next(WireFragment *self, WirePacket *out_piece)
{
    bool     first = self->done == 0;
    uint32_t header = first ? self->header_len : self->later_len;
    uint32_t left = self->payload - self->done, size = left, flags = self->flags;
    uint8_t *at = self->packet + self->header_len + self->done - header;

    if (left == 0)
        return false;
    if (header + left > self->mtu) {
        size = (self->mtu - header) & ~(uint32_t)(UNIT - 1);
        flags |= MORE;
    }
    if (!first)
        memcpy(at, self->later, header);
    write_header(at, header, header + size, flags + self->done / UNIT);
    self->done += size;
    *out_piece = (WirePacket){ .data = at, .len = header + size };
    return true;
}
