/* daemon/wire/icmp.c: RFC 792, RFC 4443; checksums by RFC 1071. */
#include "daemon/wire/icmp.h"

#include <netinet/in.h>
#include <string.h>

#include "daemon/wire/packet.h"
#include "daemon/wire/pmtu.h"

enum {
    HOPS = 64,
    ERROR_HEADER = 8,      /* type, code, checksum, unused */
    QUOTE4 = 576 - 20 - 8, /* of the packet that failed (RFC 1812 §4.3.2.3) */
    UNREACHABLE4 = 3,
    UNREACHABLE4_HOST = 1,
    UNREACHABLE4_TOO_LONG = 4, /* and not to be taken apart */
    UNREACHABLE4_PROHIBITED = 13,
    UNREACHABLE6 = 1,
    UNREACHABLE6_PROHIBITED = 1,
    UNREACHABLE6_ADDRESS = 3,
    TOO_LONG6 = 2,
    MTU_AT = 6,
    FIRST_QUERY6 = 128, /* smaller types are errors */
};

static uint32_t add_words(uint32_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    return len % 2 == 0 ? sum : sum + (uint32_t)(bytes[len - 1] << 8);
}

static void put_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put_checksum(uint8_t *at, uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    put_u16(at, (uint16_t)~sum);
}

void wire_icmp_finish4(uint8_t *packet, const uint8_t source[4], const uint8_t destination[4],
                       size_t len)
{
    uint8_t *icmp = packet + WIRE_ICMP_HEADER4;

    memset(packet, 0, WIRE_ICMP_HEADER4);
    packet[0] = 0x45;
    put_u16(packet + 2, (uint16_t)(WIRE_ICMP_HEADER4 + len));
    put_u16(packet + 6, 0x4000); /* not fragmented: the identification may be zero (RFC 6864) */
    packet[8] = HOPS;
    packet[9] = IPPROTO_ICMP;
    memcpy(packet + 12, source, 4);
    memcpy(packet + 16, destination, 4);
    put_checksum(packet + 10, add_words(0, packet, WIRE_ICMP_HEADER4));
    put_checksum(icmp + 2, add_words(0, icmp, len));
}

void wire_icmp_finish6(uint8_t *packet, const uint8_t source[16], const uint8_t destination[16],
                       size_t len)
{
    uint8_t *icmp = packet + WIRE_ICMP_HEADER6;
    uint32_t sum = (uint32_t)len + IPPROTO_ICMPV6;

    memset(packet, 0, WIRE_ICMP_HEADER6);
    packet[0] = 0x60;
    put_u16(packet + 4, (uint16_t)len);
    packet[6] = IPPROTO_ICMPV6;
    packet[7] = HOPS;
    memcpy(packet + 8, source, 16);
    memcpy(packet + 24, destination, 16);
    sum = add_words(sum, packet + 8, 32); /* the pseudo header's addresses */
    put_checksum(icmp + 2, add_words(sum, icmp, len));
}

/* May its sender be told? */
static bool is_answerable4(const uint8_t *packet, size_t len)
{
    size_t header = (size_t)(packet[0] & 15) * 4;
    bool   is_error;

    if (header < WIRE_ICMP_HEADER4 || len < header)
        return false;
    if ((packet[6] & 0x1f) != 0 || packet[7] != 0) /* a later fragment */
        return false;
    if (packet[16] >= 224 || packet[12] >= 224 || packet[12] == 0)
        return false;
    is_error = packet[9] == IPPROTO_ICMP &&
               (len < header + 1 || (packet[header] != 8 && packet[header] != 0 &&
                                     packet[header] != 13 && packet[header] != 14));
    return !is_error;
}

static bool is_answerable6(const uint8_t *packet, size_t len)
{
    static const uint8_t none[16];

    if (packet[24] == 0xff || packet[8] == 0xff || memcmp(packet + 8, none, 16) == 0)
        return false;
    if (packet[6] == IPPROTO_FRAGMENT)
        return len >= WIRE_ICMP_HEADER6 + 8 && packet[42] == 0 && (packet[43] & 0xf8) == 0;
    return packet[6] != IPPROTO_ICMPV6 ||
           (len > WIRE_ICMP_HEADER6 && packet[WIRE_ICMP_HEADER6] >= FIRST_QUERY6);
}

/* What an error says, in each version of IP. */
typedef struct {
    uint8_t  type4, code4, type6, code6;
    uint32_t mtu; /* 0: it tells none */
} Error;

/* The message behind an IP header. Returns its length. */
static size_t put_error(uint8_t *icmp, uint8_t type, uint8_t code, uint32_t mtu,
                        const WirePacket *quote)
{
    memset(icmp, 0, ERROR_HEADER);
    icmp[0] = type;
    icmp[1] = code;
    put_u16(icmp + MTU_AT, (uint16_t)mtu); /* the last two of four bytes in IPv6 */
    memcpy(icmp + ERROR_HEADER, quote->data, quote->len);
    return ERROR_HEADER + quote->len;
}

static size_t make_error(const uint8_t *packet, size_t len, const Error *error, uint8_t *out)
{
    static const size_t quote6 = WIRE_ICMP_ERROR_BYTES - WIRE_ICMP_HEADER6 - ERROR_HEADER;
    uint8_t             version = len == 0 ? 0 : packet[0] >> 4;
    WirePacket          quote = { .data = (uint8_t *)(uintptr_t)packet };
    size_t              n;

    if (version == 4 && len >= WIRE_ICMP_HEADER4 && is_answerable4(packet, len)) {
        quote.len = (uint32_t)(len < QUOTE4 ? len : QUOTE4);
        n = put_error(out + WIRE_ICMP_HEADER4, error->type4, error->code4, error->mtu, &quote);
        wire_icmp_finish4(out, packet + 16, packet + 12, n);
        return WIRE_ICMP_HEADER4 + n;
    }
    if (version == 6 && len >= WIRE_ICMP_HEADER6 && is_answerable6(packet, len)) {
        quote.len = (uint32_t)(len < quote6 ? len : quote6);
        n = put_error(out + WIRE_ICMP_HEADER6, error->type6, error->code6, error->mtu, &quote);
        wire_icmp_finish6(out, packet + 24, packet + 8, n);
        return WIRE_ICMP_HEADER6 + n;
    }
    return 0;
}

size_t wire_icmp_make_unreachable(const uint8_t *packet, size_t len, bool prohibited, uint8_t *out)
{
    const Error error = {
        .type4 = UNREACHABLE4,
        .code4 = prohibited ? UNREACHABLE4_PROHIBITED : UNREACHABLE4_HOST,
        .type6 = UNREACHABLE6,
        .code6 = prohibited ? UNREACHABLE6_PROHIBITED : UNREACHABLE6_ADDRESS,
    };

    return make_error(packet, len, &error, out);
}

size_t wire_icmp_make_too_long(const uint8_t *packet, size_t len, uint32_t mtu, uint8_t *out)
{
    bool        v6 = len > 0 && packet[0] >> 4 == 6;
    const Error error = {
        .type4 = UNREACHABLE4,
        .code4 = UNREACHABLE4_TOO_LONG,
        .type6 = TOO_LONG6,
        .mtu = v6 && mtu < WIRE_PMTU_LEAST6 ? WIRE_PMTU_LEAST6 : mtu,
    };

    return make_error(packet, len, &error, out);
}
