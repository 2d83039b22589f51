/* daemon/wire/flows.c: reading flows off packets, and remembering them; see flows.h. */
#include "daemon/wire/flows.h"

#include "common/std/bytes.h"

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BUCKET_SLOTS       4u
#define N_BUCKETS          (WIRE_FLOW_SLOTS / BUCKET_SLOTS)
#define N_FRAGMENT_BUCKETS (WIRE_FLOW_FRAGMENT_SLOTS / BUCKET_SLOTS)
#define TICK_S             4 /* of all lives a divisor */
#define TIME_BITS          27u
#define TIME_MASK          ((UINT64_C(1) << TIME_BITS) - 1) /* 17 years of uptime, then anew */

enum { MAX_EXTENSIONS = 8, AUTH_HEADER = 51 };

enum { ICMP4_ECHO_REPLY = 0, ICMP4_UNREACHABLE = 3, ICMP4_ECHO = 8, ICMP4_TIME = 11, ICMP4_PARAM };
enum { ICMP6_FIRST_INFO = 128, ICMP6_ECHO_ASK = 128, ICMP6_ECHO_ANSWER = 129 };

struct WireFlows {
    uint8_t          key[crypto_shorthash_KEYBYTES]; /* so that nobody can aim at a bucket */
    _Atomic uint64_t flows[N_BUCKETS][BUCKET_SLOTS]; /* 0: empty */
    _Atomic uint64_t fragments[N_FRAGMENT_BUCKETS][BUCKET_SLOTS]; /* newest of each first */
};

/* ---- packets ---- */

/* ICMP and ICMPv6 behind the IP header (RFC 792, RFC 4443). */
static int parse_icmp(MeshReader *r, const uint8_t *packet, bool v6, WireFlow *flow)
{
    uint8_t  type, code;
    uint16_t checksum, id, rest;
    bool     ask, answer;

    if (!mesh_bytes_read_u8(r, &type) || !mesh_bytes_read_u8(r, &code) ||
        !mesh_bytes_read_u16be(r, &checksum) || !mesh_bytes_read_u16be(r, &id) ||
        !mesh_bytes_read_u16be(r, &rest))
        return -EBADMSG;
    ask = type == (v6 ? ICMP6_ECHO_ASK : ICMP4_ECHO);
    answer = type == (v6 ? ICMP6_ECHO_ANSWER : ICMP4_ECHO_REPLY);
    flow->source_port = ask ? id : 0;
    flow->destination_port = answer ? id : 0;
    flow->is_error = v6 ? type < ICMP6_FIRST_INFO
                        : type == ICMP4_UNREACHABLE || type == ICMP4_TIME || type == ICMP4_PARAM;
    flow->quote_at = (size_t)(r->at - packet);
    return 0;
}

/* What lies behind the IP headers of a whole packet or first fragment. */
static int parse_transport(MeshReader *r, const uint8_t *packet, bool quoted, WireFlow *flow)
{
    bool v6 = flow->source.family == AF_INET6;

    if (flow->protocol == (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
        return parse_icmp(r, packet, v6, flow);
    if (flow->protocol != IPPROTO_TCP && flow->protocol != IPPROTO_UDP)
        return 0;
    if (!mesh_bytes_read_u16be(r, &flow->source_port) ||
        !mesh_bytes_read_u16be(r, &flow->destination_port))
        return -EBADMSG;
    if (!quoted && mesh_bytes_left(r) < (flow->protocol == IPPROTO_TCP ? 16u : 4u))
        return -EBADMSG; /* a first fragment that hides flags or length (RFC 1858) */
    flow->has_ports = true;
    return 0;
}

static void set_part(WireFlow *flow, unsigned offset, bool more)
{
    if (offset != 0)
        flow->part = WIRE_FLOW_LATER_FRAGMENT;
    else if (more)
        flow->part = WIRE_FLOW_FIRST_FRAGMENT;
}

/* What follows the end that the IP header names is not of the packet: no port is read there. */
static void cut_reader(MeshReader *r, size_t len)
{
    if (len < mesh_bytes_left(r))
        r->end = r->at + len;
}

static int parse4(MeshReader *r, const uint8_t *packet, bool quoted, WireFlow *flow)
{
    uint8_t  version, tos, ttl, source[4], destination[4];
    uint16_t total, id, fragment, checksum;
    size_t   header;

    if (!mesh_bytes_read_u8(r, &version) || !mesh_bytes_read_u8(r, &tos) ||
        !mesh_bytes_read_u16be(r, &total) || !mesh_bytes_read_u16be(r, &id) ||
        !mesh_bytes_read_u16be(r, &fragment) || !mesh_bytes_read_u8(r, &ttl) ||
        !mesh_bytes_read_u8(r, &flow->protocol) || !mesh_bytes_read_u16be(r, &checksum) ||
        !mesh_bytes_read_copy(r, source, 4) || !mesh_bytes_read_copy(r, destination, 4))
        return -EBADMSG;
    header = (version & 15u) * 4u;
    if (header < 20 || total < header || !mesh_bytes_skip(r, header - 20))
        return -EBADMSG;
    if (!quoted && total - header > mesh_bytes_left(r))
        return -EBADMSG;
    cut_reader(r, total - header);
    flow->source = mesh_ip_make_addr(AF_INET, source);
    flow->destination = mesh_ip_make_addr(AF_INET, destination);
    flow->fragment_id = id;
    set_part(flow, fragment & 0x1fff, (fragment & 0x2000) != 0);
    if (flow->part == WIRE_FLOW_LATER_FRAGMENT)
        return 0;
    return parse_transport(r, packet, quoted, flow);
}

/* One extension header; @next: what it is, then what follows. */
static int skip_extension(MeshReader *r, uint8_t *next, WireFlow *flow)
{
    uint8_t  kind = *next, len;
    uint16_t fragment;

    if (!mesh_bytes_read_u8(r, next) || !mesh_bytes_read_u8(r, &len))
        return -EBADMSG;
    if (kind == IPPROTO_FRAGMENT) {
        if (!mesh_bytes_read_u16be(r, &fragment) || !mesh_bytes_read_u32be(r, &flow->fragment_id))
            return -EBADMSG;
        set_part(flow, fragment >> 3, (fragment & 1) != 0);
        return 0;
    }
    if (!mesh_bytes_skip(r, kind == AUTH_HEADER ? len * 4u + 6u : len * 8u + 6u))
        return -EBADMSG;
    return 0;
}

static bool is_extension(uint8_t kind)
{
    return kind == IPPROTO_HOPOPTS || kind == IPPROTO_ROUTING || kind == IPPROTO_FRAGMENT ||
           kind == IPPROTO_DSTOPTS || kind == AUTH_HEADER;
}

static int parse6(MeshReader *r, const uint8_t *packet, bool quoted, WireFlow *flow)
{
    uint8_t  next, hops, source[16], destination[16];
    uint32_t version;
    uint16_t payload;

    if (!mesh_bytes_read_u32be(r, &version) || !mesh_bytes_read_u16be(r, &payload) ||
        !mesh_bytes_read_u8(r, &next) || !mesh_bytes_read_u8(r, &hops) ||
        !mesh_bytes_read_copy(r, source, 16) || !mesh_bytes_read_copy(r, destination, 16))
        return -EBADMSG;
    if (!quoted && payload > mesh_bytes_left(r))
        return -EBADMSG;
    cut_reader(r, payload);
    flow->source = mesh_ip_make_addr(AF_INET6, source);
    flow->destination = mesh_ip_make_addr(AF_INET6, destination);
    for (unsigned n = 0; is_extension(next); n++) {
        if (n == MAX_EXTENSIONS || skip_extension(r, &next, flow) < 0)
            return -EBADMSG;
        if (flow->part == WIRE_FLOW_LATER_FRAGMENT)
            break;
    }
    flow->protocol = next;
    if (flow->part == WIRE_FLOW_LATER_FRAGMENT)
        return 0;
    return parse_transport(r, packet, quoted, flow);
}

int wire_flow_parse(const uint8_t *packet, size_t len, bool quoted, WireFlow *out_flow)
{
    MeshReader r = mesh_bytes_make_reader(packet, len);
    WireFlow   flow = { .part = WIRE_FLOW_WHOLE };
    int        rc = -EBADMSG;

    if (len > 0 && packet[0] >> 4 == 4)
        rc = parse4(&r, packet, quoted, &flow);
    else if (len > 0 && packet[0] >> 4 == 6)
        rc = parse6(&r, packet, quoted, &flow);
    if (rc == 0)
        *out_flow = flow;
    return rc;
}

WireFlow wire_flow_reverse(const WireFlow *flow)
{
    WireFlow reverse = *flow;

    reverse.source = flow->destination;
    reverse.destination = flow->source;
    reverse.source_port = flow->destination_port;
    reverse.destination_port = flow->source_port;
    return reverse;
}

/* ---- memory ---- */

int wire_flows_new(WireFlows **out_flows)
{
    WireFlows *self = calloc(1, sizeof *self);

    if (self == NULL)
        return -ENOMEM;
    crypto_shorthash_keygen(self->key);
    *out_flows = self;
    return 0;
}

void wire_flows_free(WireFlows *self)
{
    free(self);
}

/* What is hashed; no padding. */
typedef struct {
    uint8_t  source[16], destination[16];
    uint16_t source_port, destination_port;
    uint32_t fragment_id;
    uint8_t  family, protocol, zero[6];
} Key;

_Static_assert(sizeof(Key) == 48, "no padding is hashed");

static Key make_key(const WireFlow *flow)
{
    Key key = {
        .source_port = flow->source_port,
        .destination_port = flow->destination_port,
        .family = (uint8_t)flow->source.family,
        .protocol = flow->protocol,
    };

    memcpy(key.source, flow->source.bytes, 16);
    memcpy(key.destination, flow->destination.bytes, 16);
    return key;
}

static Key make_fragment_key(const WireFlow *flow)
{
    Key key = make_key(flow);

    key.source_port = key.destination_port = 0;
    key.protocol = 0; /* IPv6: later fragments need not agree on it (RFC 8200 §4.5) */
    key.fragment_id = flow->fragment_id;
    return key;
}

static uint64_t hash(const WireFlows *self, const Key *key)
{
    uint64_t value;

    crypto_shorthash((unsigned char *)&value, (const unsigned char *)key, sizeof *key, self->key);
    return value;
}

static uint64_t make_tick(int64_t now_s)
{
    return (uint64_t)now_s / TICK_S;
}

/* Never zero, so that it differs from an empty slot. */
static uint64_t make_word(uint64_t hash_value, int64_t now_s)
{
    uint64_t word = (hash_value & ~TIME_MASK) | (make_tick(now_s) & TIME_MASK);

    return word == 0 ? 1 : word;
}

/* In ticks. */
static uint64_t age_of(uint64_t word, int64_t now_s)
{
    return (make_tick(now_s) - word) & TIME_MASK;
}

static void put(WireFlows *self, uint64_t hash_value, int64_t now_s)
{
    _Atomic uint64_t *bucket = self->flows[hash_value % N_BUCKETS];
    uint64_t          word = make_word(hash_value, now_s), stalest = 0;
    unsigned          at = 0;

    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        uint64_t there = atomic_load_explicit(&bucket[i], memory_order_relaxed);
        uint64_t age = there == 0 ? TIME_MASK + 1 : age_of(there, now_s);

        if (there == word)
            return; /* once a tick is enough: the line stays shared between CPUs */
        if (there != 0 && ((there ^ word) & ~TIME_MASK) == 0)
            age = TIME_MASK + 2;
        if (age >= stalest) {
            stalest = age;
            at = i;
        }
    }
    atomic_store_explicit(&bucket[at], word, memory_order_relaxed);
}

/* The newest stands first and the fourth falls out: of thousands in one tick no age tells which is
 * the stalest, and the pieces awaited are those of the newest. */
static void push(_Atomic uint64_t *bucket, uint64_t word)
{
    for (unsigned i = BUCKET_SLOTS - 1; i > 0; i--) {
        uint64_t newer = atomic_load_explicit(&bucket[i - 1], memory_order_relaxed);

        atomic_store_explicit(&bucket[i], newer, memory_order_relaxed);
    }
    atomic_store_explicit(&bucket[0], word, memory_order_relaxed);
}

static bool has(_Atomic uint64_t *bucket, uint64_t hash_value, uint64_t life_s, int64_t now_s)
{
    for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
        uint64_t there = atomic_load_explicit(&bucket[i], memory_order_relaxed);

        if (there != 0 && ((there ^ hash_value) & ~TIME_MASK) == 0)
            return age_of(there, now_s) <= life_s / TICK_S;
    }
    return false;
}

void wire_flows_remember(WireFlows *self, const WireFlow *flow, int64_t now_s)
{
    Key key = make_key(flow);

    put(self, hash(self, &key), now_s);
}

bool wire_flows_knows(WireFlows *self, const WireFlow *flow, int64_t now_s)
{
    uint64_t life_s = flow->protocol == IPPROTO_TCP ? WIRE_FLOW_TCP_LIFE_S : WIRE_FLOW_LIFE_S;
    Key      key = make_key(flow);
    uint64_t hash_value = hash(self, &key);

    if (!has(self->flows[hash_value % N_BUCKETS], hash_value, life_s, now_s))
        return false;
    put(self, hash_value, now_s);
    return true;
}

void wire_flows_remember_fragments(WireFlows *self, const WireFlow *first, int64_t now_s)
{
    Key      key = make_fragment_key(first);
    uint64_t hash_value = hash(self, &key);

    push(self->fragments[hash_value % N_FRAGMENT_BUCKETS], make_word(hash_value, now_s));
}

bool wire_flows_knows_fragment(WireFlows *self, const WireFlow *later, int64_t now_s)
{
    Key      key = make_fragment_key(later);
    uint64_t hash_value = hash(self, &key);

    return has(self->fragments[hash_value % N_FRAGMENT_BUCKETS], hash_value,
               WIRE_FLOW_FRAGMENT_LIFE_S, now_s);
}
