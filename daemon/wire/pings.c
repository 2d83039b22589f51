/* daemon/wire/pings.c: ICMP and ICMPv6 echo (RFC 792, RFC 4443 §4) inside the tunnel. */
#include "daemon/wire/pings.h"

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <string.h>

#include "common/std/key.h"

enum {
    ECHO_BYTES = 8 + 32, /* header and payload */
    SECRET_BYTES = 16, /* of the payload are random: no other program's answer is taken for ours */
    HOPS = 64,
    V4_HEADER = 20,
    V6_HEADER = 40,
    ECHO_REQUEST4 = 8,
    ECHO_REPLY4 = 0,
    ECHO_REQUEST6 = 128,
    ECHO_REPLY6 = 129,
};

/* Where the parts of an echo lie in a packet. */
typedef struct {
    const uint8_t *source, *destination;
    size_t         address_bytes;
    const uint8_t *echo;
} EchoView;

int wire_pings_init(WirePings *self)
{
    *self = (WirePings){ .ring = NULL };
    mesh_key_random(self->salt, sizeof(self->salt));
    return mesh_ring_new(sizeof(WirePing), WIRE_PINGS_QUEUED, &self->ring);
}

void wire_pings_done(WirePings *self)
{
    mesh_ring_free(self->ring);
    self->ring = NULL;
}

/* Internet checksum (RFC 1071) over 16-bit words, @len even. */
static uint32_t add_words(uint32_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    return sum;
}

static void put_checksum(uint8_t *at, uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    at[0] = (uint8_t)(~sum >> 8);
    at[1] = (uint8_t)~sum;
}

static void put_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* Type, checksum still zero, id, sequence, a payload of random and counted bytes. */
static void put_echo(uint8_t *echo, uint8_t type, const WirePingSpec *spec)
{
    echo[0] = type;
    put_u16(echo + 4, spec->id);
    put_u16(echo + 6, spec->sequence);
    mesh_key_random(echo + 8, SECRET_BYTES);
    for (uint8_t i = 8 + SECRET_BYTES; i < ECHO_BYTES; i++)
        echo[i] = i;
}

static void make_ping4(const WirePingSpec *spec, WirePing *ping)
{
    uint8_t *ip = ping->bytes, *echo = ip + V4_HEADER;

    ping->len = V4_HEADER + ECHO_BYTES;
    ip[0] = 0x45;
    put_u16(ip + 2, V4_HEADER + ECHO_BYTES);
    put_u16(ip + 6, 0x4000); /* do not fragment: then the identification may be zero (RFC 6864) */
    ip[8] = HOPS;
    ip[9] = IPPROTO_ICMP;
    memcpy(ip + 12, spec->source.bytes, 4);
    memcpy(ip + 16, spec->destination.bytes, 4);
    put_checksum(ip + 10, add_words(0, ip, V4_HEADER));
    put_echo(echo, ECHO_REQUEST4, spec);
    put_checksum(echo + 2, add_words(0, echo, ECHO_BYTES));
}

static void make_ping6(const WirePingSpec *spec, WirePing *ping)
{
    uint8_t *ip = ping->bytes, *echo = ip + V6_HEADER;

    ping->len = V6_HEADER + ECHO_BYTES;
    ip[0] = 0x60;
    put_u16(ip + 4, ECHO_BYTES);
    ip[6] = IPPROTO_ICMPV6;
    ip[7] = HOPS;
    memcpy(ip + 8, spec->source.bytes, 16);
    memcpy(ip + 24, spec->destination.bytes, 16);
    put_echo(echo, ECHO_REQUEST6, spec);
    put_checksum(echo + 2,
                 add_words(add_words(ECHO_BYTES + IPPROTO_ICMPV6, ip + 8, 32), echo, ECHO_BYTES));
}

/* Names one answer: who answers whom, id, sequence, random bytes. Never 0. */
static uint64_t make_tag(const WirePings *self, const EchoView *view)
{
    uint8_t  text[2 * 16 + 4 + SECRET_BYTES] = { 0 }, hash[crypto_shorthash_BYTES];
    uint64_t tag;

    memcpy(text, view->source, view->address_bytes);
    memcpy(text + 16, view->destination, view->address_bytes);
    memcpy(text + 32, view->echo + 4, 4 + SECRET_BYTES);
    crypto_shorthash(hash, text, sizeof(text), self->salt);
    memcpy(&tag, hash, sizeof(tag));
    return tag == 0 ? 1 : tag;
}

int wire_pings_put(WirePings *self, const WirePingSpec *spec)
{
    WirePing ping = { .len = 0 };
    EchoView answer = { .source = spec->destination.bytes,
                        .destination = spec->source.bytes,
                        .echo = ping.bytes + V6_HEADER,
                        .address_bytes = 16 };

    if (spec->source.family != spec->destination.family)
        return -EINVAL;
    switch (spec->source.family) {
    case AF_INET:
        make_ping4(spec, &ping);
        answer.echo = ping.bytes + V4_HEADER;
        answer.address_bytes = 4;
        break;
    case AF_INET6:
        make_ping6(spec, &ping);
        break;
    default:
        return -EINVAL;
    }
    /* Waited for before it can be sent, or the answer might come first. */
    atomic_store(&self->waiting[self->next % WIRE_PINGS_WAITING], make_tag(self, &answer));
    if (!mesh_ring_push(self->ring, &ping))
        return -ENOBUFS;
    self->next++;
    return 0;
}

bool wire_pings_take(WirePings *self, WirePing *out_ping)
{
    return mesh_ring_pop(self->ring, out_ping);
}

/* Is it an echo reply without options or extension headers? */
static bool view_reply(const uint8_t *packet, uint32_t len, EchoView *out_view)
{
    if (len >= V4_HEADER + 8 + SECRET_BYTES && packet[0] == 0x45 && packet[9] == IPPROTO_ICMP &&
        packet[V4_HEADER] == ECHO_REPLY4) {
        *out_view = (EchoView){ packet + 12, packet + 16, 4, packet + V4_HEADER };
        return true;
    }
    if (len >= V6_HEADER + 8 + SECRET_BYTES && packet[0] >> 4 == 6 && packet[6] == IPPROTO_ICMPV6 &&
        packet[V6_HEADER] == ECHO_REPLY6) {
        *out_view = (EchoView){ packet + 8, packet + 24, 16, packet + V6_HEADER };
        return true;
    }
    return false;
}

bool wire_pings_match(WirePings *self, const uint8_t *packet, uint32_t len, uint16_t *out_id,
                      uint16_t *out_sequence)
{
    EchoView view;
    uint64_t tag;

    if (!view_reply(packet, len, &view))
        return false;
    tag = make_tag(self, &view);
    for (unsigned i = 0; i < WIRE_PINGS_WAITING; i++) {
        uint64_t expected = tag;

        if (atomic_load_explicit(&self->waiting[i], memory_order_relaxed) != tag ||
            !atomic_compare_exchange_strong(&self->waiting[i], &expected, 0))
            continue;
        *out_id = (uint16_t)(view.echo[4] << 8 | view.echo[5]);
        *out_sequence = (uint16_t)(view.echo[6] << 8 | view.echo[7]);
        return true;
    }
    return false;
}
