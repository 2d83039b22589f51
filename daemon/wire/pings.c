/* daemon/wire/pings.c: ICMP and ICMPv6 echo (RFC 792, RFC 4443 §4) inside the tunnel. */
#include "daemon/wire/pings.h"

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <string.h>

#include "common/std/key.h"
#include "daemon/wire/icmp.h"

enum {
    ECHO_BYTES = 8 + 32, /* header and payload */
    SECRET_BYTES = 16, /* of the payload are random: no other program's answer is taken for ours */
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
    put_echo(ping->bytes + WIRE_ICMP_HEADER4, ECHO_REQUEST4, spec);
    wire_icmp_finish4(ping->bytes, spec->source.bytes, spec->destination.bytes, ECHO_BYTES);
    ping->len = WIRE_ICMP_HEADER4 + ECHO_BYTES;
}

static void make_ping6(const WirePingSpec *spec, WirePing *ping)
{
    put_echo(ping->bytes + WIRE_ICMP_HEADER6, ECHO_REQUEST6, spec);
    wire_icmp_finish6(ping->bytes, spec->source.bytes, spec->destination.bytes, ECHO_BYTES);
    ping->len = WIRE_ICMP_HEADER6 + ECHO_BYTES;
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
                        .echo = ping.bytes + WIRE_ICMP_HEADER6,
                        .address_bytes = 16 };

    if (spec->source.family != spec->destination.family)
        return -EINVAL;
    switch (spec->source.family) {
    case AF_INET:
        make_ping4(spec, &ping);
        answer.echo = ping.bytes + WIRE_ICMP_HEADER4;
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
    if (len >= WIRE_ICMP_HEADER4 + 8 + SECRET_BYTES && packet[0] == 0x45 &&
        packet[9] == IPPROTO_ICMP && packet[WIRE_ICMP_HEADER4] == ECHO_REPLY4) {
        *out_view = (EchoView){ packet + 12, packet + 16, 4, packet + WIRE_ICMP_HEADER4 };
        return true;
    }
    if (len >= WIRE_ICMP_HEADER6 + 8 + SECRET_BYTES && packet[0] >> 4 == 6 &&
        packet[6] == IPPROTO_ICMPV6 && packet[WIRE_ICMP_HEADER6] == ECHO_REPLY6) {
        *out_view = (EchoView){ packet + 8, packet + 24, 16, packet + WIRE_ICMP_HEADER6 };
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
