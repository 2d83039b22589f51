/* tests/daemon/wire/test-offload.c: super-packets: each rule of splitting and merging as a row,
 * then random ones against the slow reference. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/wire/checksum.h"
#include "tests/daemon/wire/offload-reference.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128, DF = 0x4000 };

/* What a packet is made of; zero is usual, see make(). */
typedef struct {
    bool     v6, udp, bad_sum, no_sum, bad_ip_sum, extension, ip_options, longer;
    uint8_t  tos, ttl, host; /* added to the usual ones */
    uint8_t  flags;          /* flipped: ACK is usual */
    uint16_t fragment;       /* flags and offset: DF is usual, and flipped */
    uint16_t id, port, window, urgent;
    uint32_t seq, ack;
    int      payload;       /* added to @size */
    uint8_t  options, fill; /* bytes of TCP options, and what they are filled with */
} Spec;

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static size_t put_ip(const Spec *s, uint8_t *ip, size_t rest)
{
    uint8_t protocol = s->udp ? 17 : 6;
    size_t  len = s->v6 ? (s->extension ? 48 : 40) : (s->ip_options ? 24 : 20);

    memset(ip, 0, len);
    if (s->v6) {
        put32(ip, 0x60000000u | (uint32_t)s->tos << 20 | 0x12345);
        put16(ip + 4, len - 40 + rest + (s->longer ? 4 : 0));
        ip[6] = s->extension ? 60 : protocol;
        ip[7] = (uint8_t)(64 + s->ttl);
        memset(ip + 8, 0xfd, 32);
        ip[39] = s->host;
        ip[40] = s->extension ? protocol : 0;
        return len;
    }
    ip[0] = (uint8_t)(0x40 + len / 4);
    ip[1] = s->tos;
    put16(ip + 2, len + rest + (s->longer ? 4 : 0));
    put16(ip + 4, 65530 + s->id);
    put16(ip + 6, DF ^ s->fragment);
    ip[8] = (uint8_t)(64 + s->ttl);
    ip[9] = protocol;
    put32(ip + 12, 0x0a010101);
    put32(ip + 16, 0x0a010200u + s->host);
    put16(ip + 10, 0xffff ^ reference_sum(ip, len, s->bad_ip_sum));
    return len;
}

static void put_l4_sum(const Spec *s, uint8_t *packet, size_t len, size_t l4_at)
{
    uint8_t *check = packet + l4_at + (s->udp ? 6 : 16);
    uint16_t sum =
        reference_sum(s->v6 ? packet + 8 : packet + 12, s->v6 ? 32 : 8,
                      (uint32_t)(len - l4_at) + (s->udp ? 17 : 6) + (s->bad_sum ? 1 : 0));

    put16(check, 0);
    sum = 0xffff ^ reference_sum(packet + l4_at, len - l4_at, sum);
    put16(check, s->udp && sum == 0 ? 0xffff : sum);
    if (s->no_sum)
        put16(check, 0);
}

/* Returns the packet's length; its payload counts on from @seed. */
static size_t make(const Spec *s, uint8_t *packet, size_t size, uint8_t seed)
{
    size_t   payload = (size_t)((int)size + s->payload);
    size_t   l4_len = (s->udp ? 8 : 20u + s->options) + payload;
    size_t   l4_at = put_ip(s, packet, l4_len);
    uint8_t *l4 = packet + l4_at;

    memset(l4, 0, l4_len - payload);
    put16(l4, 1000 + s->port);
    put16(l4 + 2, 443);
    if (s->udp) {
        put16(l4 + 4, l4_len + (s->urgent ? 1 : 0));
    } else {
        put32(l4 + 4, 0xffffff00u + s->seq);
        put32(l4 + 8, 77 + s->ack);
        l4[12] = (uint8_t)((20 + s->options) / 4 << 4);
        l4[13] = ACK ^ s->flags;
        put16(l4 + 14, 500 + s->window);
        put16(l4 + 18, s->urgent);
        memset(l4 + 20, s->fill, s->options);
    }
    for (size_t i = 0; i < payload; i++)
        l4[l4_len - payload + i] = (uint8_t)(seed + i * 7 + (i >> 8));
    put_l4_sum(s, packet, l4_at + l4_len, l4_at);
    return l4_at + l4_len;
}

/* ---- merging ---- */

typedef struct {
    const char *name;
    Spec        first, second; /* second: beside being the next one of its flow */
    size_t      want_runs;
    size_t      n; /* packets; 0: two. The second is repeated */
    size_t      size;
    unsigned    without; /* kinds that are switched off */
} MergeCase;

#define V6   .v6 = true
#define UDP  .udp = true
#define UDP6 .v6 = true, .udp = true
#define TWO  .want_runs = 2
#define ONE  .want_runs = 1

static const MergeCase merge_cases[] = {
    { "tcp4-in-order", { 0 }, { 0 }, ONE },
    { "tcp6-in-order", { V6 }, { V6 }, ONE },
    { "udp4", { UDP }, { UDP }, ONE },
    { "udp6", { UDP6 }, { UDP6 }, ONE },
    { "tcp4-switched-off", { 0 }, { 0 }, TWO, .without = WIRE_MERGE_TCP4 },
    { "udp6-switched-off", { UDP6 }, { UDP6 }, TWO, .without = WIRE_MERGE_UDP6 },
    { "tos-differs", { 0 }, { .tos = 8 }, TWO },
    { "ecn-differs", { 0 }, { .tos = 3 }, TWO },
    { "class-differs", { V6 }, { V6, .tos = 3 }, TWO },
    { "ttl-differs", { 0 }, { .ttl = 1 }, TWO },
    { "hop-limit-differs", { V6 }, { V6, .ttl = 1 }, TWO },
    { "address-differs", { 0 }, { .host = 1 }, TWO },
    { "address6-differs", { V6 }, { V6, .host = 1 }, TWO },
    { "port-differs", { 0 }, { .port = 1 }, TWO },
    { "udp-port-differs", { UDP }, { UDP, .port = 1 }, TWO },
    { "protocol-differs", { 0 }, { UDP }, TWO },
    { "version-differs", { 0 }, { V6 }, TWO },
    { "df-differs", { 0 }, { .fragment = DF }, TWO },
    { "id-counts-without-df", { .fragment = DF }, { .fragment = DF }, ONE },
    { "id-jumps-without-df", { .fragment = DF }, { .fragment = DF, .id = 1 }, TWO },
    { "id-jumps-with-df", { 0 }, { .id = 9 }, ONE },
    { "id-wraps", { .fragment = DF }, { .fragment = DF }, ONE, .n = 12 },
    { "udp-id-jumps-without-df", { UDP, .fragment = DF }, { UDP, .fragment = DF, .id = 1 }, TWO },
    { "more-fragments", { .fragment = 0x2000 }, { .fragment = 0x2000 }, TWO },
    { "later-fragment", { .fragment = 7 }, { .fragment = 7 }, TWO },
    { "reserved-bit", { .fragment = 0x8000 }, { .fragment = 0x8000 }, TWO },
    { "ip-options", { .ip_options = true }, { .ip_options = true }, TWO },
    { "extension-header", { V6, .extension = true }, { V6, .extension = true }, TWO },
    { "ip-checksum-wrong", { 0 }, { .bad_ip_sum = true }, TWO },
    { "ip-length-wrong", { 0 }, { .longer = true }, TWO },
    { "ip6-length-wrong", { V6 }, { V6, .longer = true }, TWO },
    { "udp-length-wrong", { UDP }, { UDP, .urgent = 1 }, TWO },
    { "checksum-of-first-wrong", { .bad_sum = true }, { 0 }, TWO },
    { "checksum-of-second-wrong", { 0 }, { .bad_sum = true }, TWO },
    { "udp-checksum-wrong", { UDP }, { UDP, .bad_sum = true }, TWO },
    { "udp-without-checksum", { UDP, .no_sum = true }, { UDP, .no_sum = true }, TWO },
    { "udp-second-without-checksum", { UDP }, { UDP, .no_sum = true }, TWO },
    { "seq-too-high", { 0 }, { .seq = 1 }, TWO },
    { "seq-again", { 0 }, { .seq = (uint32_t)-100 }, TWO },
    { "seq-wraps", { 0 }, { 0 }, ONE, .n = 9 },
    { "ack-differs", { 0 }, { .ack = 1 }, TWO },
    { "window-differs", { 0 }, { .window = 1 }, TWO },
    { "urgent-pointer-differs", { 0 }, { .urgent = 1 }, TWO },
    { "options-equal", { .options = 12, .fill = 1 }, { .options = 12, .fill = 1 }, ONE },
    { "options-differ", { .options = 12, .fill = 1 }, { .options = 12, .fill = 2 }, TWO },
    { "options-longer", { .options = 12 }, { .options = 16 }, TWO },
    { "options-40-bytes", { V6, .options = 40 }, { V6, .options = 40 }, ONE },
    { "syn", { 0 }, { .flags = SYN }, TWO },
    { "fin", { 0 }, { .flags = FIN }, TWO },
    { "rst", { 0 }, { .flags = RST }, TWO },
    { "urg", { 0 }, { .flags = URG }, TWO },
    { "cwr", { 0 }, { .flags = CWR }, TWO },
    { "no-ack", { 0 }, { .flags = ACK }, TWO },
    { "fin-first", { .flags = FIN }, { 0 }, TWO },
    { "cwr-first", { .flags = CWR }, { 0 }, TWO },
    { "ece-both", { .flags = ECE }, { .flags = ECE }, ONE },
    { "ece-differs", { 0 }, { .flags = ECE }, TWO },
    { "psh-last", { 0 }, { .flags = PSH }, ONE },
    { "psh-closes", { .flags = PSH }, { 0 }, TWO },
    { "psh-closes-in-between", { 0 }, { .flags = PSH }, .want_runs = 4, .n = 5 },
    { "last-shorter", { 0 }, { .payload = -1 }, ONE },
    { "shorter-closes", { 0 }, { .payload = -1 }, .want_runs = 2, .n = 3 },
    { "longer", { 0 }, { .payload = 1 }, TWO },
    { "udp-last-shorter", { UDP }, { UDP, .payload = -1 }, ONE },
    { "udp-longer", { UDP }, { UDP, .payload = 1 }, TWO },
    { "udp-empty", { UDP }, { UDP, .payload = -100 }, TWO },
    { "pure-ack", { 0 }, { .payload = -100 }, TWO },
    { "64-segments", { 0 }, { 0 }, ONE, .n = 64 },
    { "65-segments", { 0 }, { 0 }, TWO, .n = 65 },
    { "65-datagrams", { UDP }, { UDP }, TWO, .n = 65 },
    { "65535-bytes", { 0 }, { 0 }, ONE, .n = 5, .size = 13099 },
    { "65540-bytes", { 0 }, { 0 }, TWO, .n = 5, .size = 13100 },
    { "65535-bytes-ipv6", { V6 }, { V6 }, ONE, .n = 5, .size = 13095 },
    { "65540-bytes-ipv6", { V6 }, { V6 }, TWO, .n = 5, .size = 13096 },
};

typedef struct {
    uint8_t    bytes[400 * 1024];
    size_t     used, n;
    WirePacket packets[WIRE_MERGE_MAX_PACKETS];
    bool       taken[WIRE_MERGE_MAX_PACKETS];
    WireMerge  merge;
} Batch;

static Batch           batch;
static ReferencePacket super, segment;

static void add_packet(const Spec *s, size_t size)
{
    WirePacket *p = &batch.packets[batch.n];

    p->data = batch.bytes + batch.used;
    p->len = (uint32_t)make(s, p->data, size, (uint8_t)batch.n);
    batch.used += p->len + 5; /* no alignment */
    g_assert_cmpuint(batch.used, <, sizeof(batch.bytes) - 1600);
    batch.n++;
}

/* As the host sees a run: one super-packet; splitting it must give back what went in. */
static void check_run(const WireMergeRun *run)
{
    WireVnet vnet;
    uint8_t  head[WIRE_MERGE_HEAD];
    size_t   used = wire_merge_make_head(run, &batch.packets[run->first], head), place = run->first;

    g_assert_cmpuint(used, ==, WIRE_VNET_BYTES + run->header_len);
    memcpy(&vnet, head, sizeof(vnet));
    memcpy(super.bytes, head + sizeof(vnet), run->header_len);
    super.len = run->header_len;
    for (size_t i = 0; i < run->n_packets; i++, place = batch.merge.next[place]) {
        const WirePacket *p = &batch.packets[place];

        memcpy(super.bytes + super.len, p->data + run->header_len, p->len - run->header_len);
        super.len += p->len - run->header_len;
    }
    g_assert_cmpuint(super.len, ==, run->len);
    g_assert_cmpuint(super.len, <=, 65535);
    place = run->first;
    for (size_t i = 0; i < run->n_packets; i++, place = batch.merge.next[place]) {
        const WirePacket *p = &batch.packets[place];

        g_assert_true(reference_split(super.bytes, super.len, &vnet, i, &segment));
        if (run->l4_at == 20 && (p->data[6] & 0x40) != 0) { /* identification is free then */
            memcpy(segment.bytes + 4, p->data + 4, 2);
            memcpy(segment.bytes + 10, p->data + 10, 2);
        }
        g_assert_cmpmem(segment.bytes, segment.len, p->data, p->len);
    }
    g_assert_false(reference_split(super.bytes, super.len, &vnet, run->n_packets, &segment));
}

/* Everything once, no flow overtaken, and merged as far as the reference would. */
static void check_batch(unsigned kinds)
{
    size_t n = 0;

    wire_merge_batch(&batch.merge, batch.packets, batch.n, kinds);
    memset(batch.taken, 0, sizeof(batch.taken));
    for (size_t r = 0; r < batch.merge.n_runs; r++) {
        const WireMergeRun *run = &batch.merge.runs[r];
        size_t              place = run->first, was = 0;

        for (size_t i = 0; i < run->n_packets; i++) {
            g_assert_false(batch.taken[place]);
            g_assert_true(i == 0 || place > was);
            batch.taken[place] = true;
            n++;
            was = place;
            if (i + 1 < run->n_packets)
                place = batch.merge.next[place];
        }
        g_assert_cmpuint(place, ==, run->last);
        if (run->n_packets > 1)
            check_run(run);
    }
    g_assert_cmpuint(n, ==, batch.n);
}

static void test_merge(gconstpointer data)
{
    const MergeCase *c = data;
    size_t           n = c->n == 0 ? 2 : c->n, size = c->size == 0 ? 100 : c->size, seq = 0;

    batch.n = batch.used = 0;
    for (size_t i = 0; i < n; i++) {
        Spec s = i == 0 ? c->first : c->second;

        s.id = (uint16_t)(s.id + i);
        s.seq += (uint32_t)seq;
        seq += size + (size_t)s.payload;
        add_packet(&s, size);
    }
    check_batch(WIRE_MERGE_ALL & ~c->without);
    g_assert_cmpuint(batch.merge.n_runs, ==, c->want_runs);
}

/* Rows of three: what stands in the middle, and what becomes of those around it. */
typedef struct {
    const char *name;
    Spec        between;
    bool        joins_around;
} AroundCase;

static const AroundCase around_cases[] = {
    { "pure-ack-between", { .payload = -100 }, true },
    { "fin-between", { .payload = -100, .flags = FIN }, false },
    { "rst-between", { .payload = -100, .flags = RST }, false },
    { "other-flow-between", { .port = 1 }, true },
    { "udp-between", { .udp = true }, true },
    { "wrong-checksum-between", { .bad_sum = true }, false },
    { "fragment-between", { .fragment = 0x2000 }, true },
};

static void test_around(gconstpointer data)
{
    const AroundCase *c = data;
    Spec              second = { .seq = 100, .id = 1 }, between = c->between;

    batch.n = batch.used = 0;
    between.seq = 100;
    add_packet(&(Spec){ 0 }, 100);
    add_packet(&between, 100);
    add_packet(&second, 100);
    check_batch(WIRE_MERGE_ALL);
    g_assert_cmpuint(batch.merge.n_runs, ==, c->joins_around ? 2 : 3);
    g_assert_cmpuint(batch.merge.runs[0].n_packets, ==, c->joins_around ? 2 : 1);
}

static void test_reordered(void)
{
    batch.n = batch.used = 0; /* 0 2 1 3: nothing is put before what was sent before it */
    for (uint32_t i = 0; i < 4; i++)
        add_packet(&(Spec){ .seq = (uint32_t[]){ 0, 200, 100, 300 }[i] }, 100);
    check_batch(WIRE_MERGE_ALL);
    g_assert_cmpuint(batch.merge.n_runs, ==, 4);
}

/* ---- merging, random ---- */

static Spec random_spec(GRand *rand, size_t flow, uint32_t *inout_seq, uint16_t *inout_id)
{
    Spec s = { .v6 = flow & 1, .udp = (flow & 2) != 0, .port = (uint16_t)(flow >> 2) };
    int  what = g_rand_int_range(rand, 0, 40);

    s.fragment = (flow & 4) != 0 ? DF : 0;
    s.seq = *inout_seq;
    s.id = (*inout_id)++;
    s.flags = what == 0 ? PSH : what == 1 ? FIN : what == 2 ? ECE : what == 3 ? CWR : 0;
    s.payload = what == 4 ? -100 : what == 5 ? -g_rand_int_range(rand, 1, 99) : what == 6 ? 13 : 0;
    s.tos = what == 7 ? 2 : 0;
    s.seq += what == 8 ? 100 : 0;
    s.id = (uint16_t)(s.id + (what == 9));
    s.bad_sum = what == 10;
    s.options = what == 11 ? 8 : 0;
    s.window = what == 12;
    *inout_seq += (uint32_t)(100 + s.payload);
    return s;
}

/* What runs the reference makes of the batch, packet by packet. */
static void check_greedy(void)
{
    static size_t run_of[WIRE_MERGE_MAX_PACKETS], got_of[WIRE_MERGE_MAX_PACKETS];
    struct {
        size_t first, last, n;
        bool   over;
    } runs[WIRE_MERGE_MAX_PACKETS] = { 0 };
    size_t n_runs = 0;

    for (size_t i = 0; i < batch.n; i++) {
        const WirePacket *p = &batch.packets[i];
        size_t            found = SIZE_MAX;

        for (size_t r = 0; r < n_runs && !reference_is_pure_ack(p); r++) {
            if (!runs[r].over && reference_is_same_flow(&batch.packets[runs[r].first], p))
                found = r;
        }
        if (found != SIZE_MAX &&
            reference_may_join(&(ReferenceJoin){ batch.packets[runs[found].first],
                                                 batch.packets[runs[found].last], *p, runs[found].n,
                                                 0 /* never full here */ })) {
            runs[found].last = i;
        } else {
            if (found != SIZE_MAX)
                runs[found].over = true;
            found = n_runs++;
            runs[found].first = runs[found].last = i;
            runs[found].over = reference_is_pure_ack(p);
        }
        runs[found].n++;
        run_of[i] = found;
    }
    for (size_t r = 0; r < batch.merge.n_runs; r++) {
        size_t place = batch.merge.runs[r].first;

        for (size_t i = 0; i < batch.merge.runs[r].n_packets; i++) {
            got_of[place] = r;
            place = batch.merge.next[place];
        }
    }
    g_assert_cmpuint(batch.merge.n_runs, ==, n_runs);
    g_assert_cmpmem(got_of, batch.n * sizeof(got_of[0]), run_of, batch.n * sizeof(run_of[0]));
}

static void test_merge_random(void)
{
    GRand *rand = g_rand_new_with_seed(7);

    for (int round = 0; round < 1500; round++) {
        uint32_t seq[8] = { 0 };
        uint16_t id[8] = { 0 };
        size_t   n = (size_t)g_rand_int_range(rand, 1, 120);
        int      n_flows = g_rand_int_range(rand, 1, 9);

        batch.n = batch.used = 0;
        for (size_t i = 0; i < n; i++) {
            size_t flow = (size_t)g_rand_int_range(rand, 0, n_flows);
            Spec   s = random_spec(rand, flow, &seq[flow], &id[flow]);

            add_packet(&s, 100);
        }
        check_batch(WIRE_MERGE_ALL);
        check_greedy();
    }
    g_rand_free(rand);
}

/* ---- splitting ---- */

typedef struct {
    const char *name;
    Spec        spec;
    WireVnet    vnet; /* csum_start, gso_type as they should be; these are added */
    size_t      size;
    int         cut; /* bytes missing at the end */
    int         want_rc;
    uint32_t    want_segments;
} SplitCase;

static const SplitCase split_cases[] = {
    { "tcp4", { 0 }, { .gso_size = 1000 }, 4500, .want_segments = 5 },
    { "tcp6", { V6 }, { .gso_size = 1000 }, 5000, .want_segments = 5 },
    { "udp4", { UDP }, { .gso_size = 1000 }, 4500, .want_segments = 5 },
    { "udp6", { UDP6 }, { .gso_size = 1000 }, 4001, .want_segments = 5 },
    { "one-byte-segments", { 0 }, { .gso_size = 1 }, 300, .want_segments = 300 },
    { "odd-segments", { .options = 12 }, { .gso_size = 333 }, 4500, .want_segments = 14 },
    { "shorter-than-a-segment", { 0 }, { .gso_size = 1000 }, 10, .want_segments = 1 },
    { "flags", { .flags = FIN | PSH | CWR | ECE }, { .gso_size = 100 }, 300, .want_segments = 3 },
    { "hdr-len-is-a-lie", { 0 }, { .gso_size = 100, .hdr_len = 9999 }, 300, .want_segments = 3 },
    { "cwr-with-ecn-bit",
      { .flags = CWR },
      { .gso_size = 100, .gso_type = 0x80 },
      300,
      .want_segments = 3 },
    { "ip-options", { .ip_options = true }, { .gso_size = 100 }, 300, .want_segments = 3 },
    { "extension-header", { V6, .extension = true }, { .gso_size = 100 }, 300, .want_segments = 3 },
    { "id-wraps", { .id = 3 }, { .gso_size = 100 }, 900, .want_segments = 9 },
    { "8192-segments", { 0 }, { .gso_size = 2 }, 16384, .want_segments = 8192 },
    { "8193-segments", { 0 }, { .gso_size = 2 }, 16385, .want_rc = -EBADMSG },
    { "gso-size-0", { 0 }, { .gso_size = 0 }, 4500, .want_rc = -EBADMSG },
    { "type-of-other-version",
      { 0 },
      { .gso_size = 100, .gso_type = 3 },
      300,
      .want_rc = -EBADMSG },
    { "type-of-other-version6",
      { V6 },
      { .gso_size = 100, .gso_type = (uint8_t)-3 },
      300,
      .want_rc = -EBADMSG },
    { "type-of-other-protocol",
      { UDP },
      { .gso_size = 100, .gso_type = (uint8_t)-4 },
      300,
      .want_rc = -EBADMSG },
    { "type-unknown", { 0 }, { .gso_size = 100, .gso_type = 6 }, 300, .want_rc = -EBADMSG },
    { "csum-start-outside",
      { 0 },
      { .gso_size = 100, .csum_start = 9000 },
      300,
      .want_rc = -EBADMSG },
    { "csum-start-elsewhere",
      { 0 },
      { .gso_size = 100, .csum_start = 4 },
      300,
      .want_rc = -EBADMSG },
    { "no-payload", { 0 }, { .gso_size = 100 }, 0, .want_rc = -EBADMSG },
    { "tcp-header-cut", { 0 }, { .gso_size = 100 }, 0, .cut = 1, .want_rc = -EBADMSG },
    { "ip-header-cut", { 0 }, { .gso_size = 100 }, 0, .cut = 21, .want_rc = -EBADMSG },
    { "empty", { 0 }, { .gso_size = 100 }, 0, .cut = 40, .want_rc = -EBADMSG },
};

static uint8_t work[REFERENCE_MAX + 64];

/* Splits @work and compares each segment with the reference's from @super. */
static void check_split(const WireVnet *vnet, uint32_t want_segments)
{
    WireSplit  split;
    WirePacket got;
    size_t     n = 0;

    memcpy(work, super.bytes, super.len);
    g_assert_cmpint(wire_split_start(&split, vnet, work, super.len), ==, 0);
    g_assert_cmpuint(split.n_segments, ==, want_segments);
    for (; wire_split_next(&split, &got); n++) {
        g_assert_true(reference_split(super.bytes, super.len, vnet, n, &segment));
        g_assert_cmpmem(got.data, got.len, segment.bytes, segment.len);
        g_assert_true(reference_is_right(got.data, got.len, vnet->csum_start, split.is_udp));
        memset(got.data, 0xee, got.len); /* used up, as by sealing it in place */
        memcpy(got.data + got.len, super.bytes + (got.data + got.len - work), 64);
    }
    g_assert_cmpuint(n, ==, want_segments);
    g_assert_false(reference_split(super.bytes, super.len, vnet, n, &segment));
}

static WireVnet make_vnet(const Spec *s)
{
    WireVnet vnet = { .flags = WIRE_VNET_NEEDS_CSUM, .csum_offset = s->udp ? 6 : 16 };

    vnet.gso_type = s->udp ? WIRE_VNET_UDP : s->v6 ? WIRE_VNET_TCP6 : WIRE_VNET_TCP4;
    vnet.csum_start = s->v6 ? (s->extension ? 48 : 40) : (s->ip_options ? 24 : 20);
    return vnet;
}

static void test_split(gconstpointer data)
{
    const SplitCase *c = data;
    WireVnet         vnet = make_vnet(&c->spec);
    WireSplit        split;

    vnet.gso_type = (uint8_t)(vnet.gso_type + c->vnet.gso_type);
    vnet.gso_size = c->vnet.gso_size;
    vnet.hdr_len = c->vnet.hdr_len;
    vnet.csum_start = (uint16_t)(vnet.csum_start + c->vnet.csum_start);
    super.len = make(&c->spec, super.bytes, c->size, 0) - (size_t)c->cut;
    if (c->want_rc == 0) {
        check_split(&vnet, c->want_segments);
        return;
    }
    memcpy(work, super.bytes, super.len);
    g_assert_cmpint(wire_split_start(&split, &vnet, work, super.len), ==, c->want_rc);
    g_assert_cmpmem(work, super.len, super.bytes, super.len); /* nothing was written */
}

static void test_split_random(void)
{
    GRand *rand = g_rand_new_with_seed(8);

    for (int round = 0; round < 3000; round++) {
        Spec     s = { .v6 = g_rand_boolean(rand), .udp = g_rand_boolean(rand) };
        size_t   size = (size_t)g_rand_int_range(rand, 1, round % 50 == 0 ? 65000 : 6000);
        WireVnet vnet;

        s.extension = s.v6 && g_rand_boolean(rand);
        s.ip_options = !s.v6 && g_rand_int_range(rand, 0, 4) == 0;
        s.flags = (uint8_t)g_rand_int(rand);
        s.options = (uint8_t)(g_rand_int_range(rand, 0, 11) * 4);
        s.fill = (uint8_t)g_rand_int(rand);
        s.seq = g_rand_int(rand);
        s.id = (uint16_t)g_rand_int(rand);
        vnet = make_vnet(&s);
        vnet.gso_size = (uint16_t)g_rand_int_range(rand, (int)size / 2000 + 1, 2000);
        super.len = make(&s, super.bytes, size, (uint8_t)g_rand_int(rand));
        check_split(&vnet, (uint32_t)((size + vnet.gso_size - 1) / vnet.gso_size));
    }
    g_rand_free(rand);
}

/* A plain packet with a seeded checksum field. */
static void test_finish(void)
{
    for (int kind = 0; kind < 4; kind++) {
        Spec      s = { .v6 = kind & 1, .udp = (kind & 2) != 0 };
        WireVnet  vnet = make_vnet(&s);
        WireSplit split;
        size_t    len;
        uint16_t  seed;

        vnet.gso_type = WIRE_VNET_NONE;
        len = make(&s, work, 333, 1);
        memcpy(super.bytes, work, len);
        seed = wire_checksum_fold(wire_checksum_add_pseudo(work + (s.v6 ? 8 : 12), s.v6 ? 32 : 8,
                                                           s.udp ? 17 : 6, len - vnet.csum_start));
        memcpy(work + vnet.csum_start + vnet.csum_offset, &seed, 2);
        g_assert_cmpint(wire_split_start(&split, &vnet, work, len), ==, 0);
        g_assert_cmpuint(split.n_segments, ==, 1);
        g_assert_cmpmem(work, len, super.bytes, len);
        vnet.csum_start = (uint16_t)(len - 1);
        g_assert_cmpint(wire_split_start(&split, &vnet, work, len), ==, -EBADMSG);
        vnet.flags = 0;
        g_assert_cmpint(wire_split_start(&split, &vnet, work, len), ==, 0);
        g_assert_cmpint(wire_split_start(&split, &vnet, work, 65536), ==, -EBADMSG);
    }
}

static void test_checksum(void)
{
    GRand *rand = g_rand_new_with_seed(9);

    for (size_t i = 0; i < sizeof(work); i++)
        work[i] = (uint8_t)g_rand_int(rand);
    for (size_t len = 0; len < 3000; len++) {
        const uint8_t *at = work + (size_t)g_rand_int_range(rand, 0, 9000);
        uint16_t       fold = wire_checksum_fold(wire_checksum_add(at, len, 0));
        uint8_t        got[2];

        memcpy(got, &fold, 2);
        g_assert_cmpuint((unsigned)got[0] << 8 | got[1], ==, reference_sum(at, len, 0));
        if (len % 64 == 0)
            g_assert_cmphex(wire_checksum_fold(wire_checksum_add_narrow(at, len)), ==, fold);
    }
    memset(work, 0xff, sizeof(work));
    g_assert_cmphex(wire_checksum_fold(wire_checksum_add(work, 65535, 0)), ==, 0x00ff);
    g_rand_free(rand);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(merge_cases); i++) {
        g_autofree char *path = g_strconcat("/offload/merge/", merge_cases[i].name, NULL);

        g_test_add_data_func(path, &merge_cases[i], test_merge);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(around_cases); i++) {
        g_autofree char *path = g_strconcat("/offload/around/", around_cases[i].name, NULL);

        g_test_add_data_func(path, &around_cases[i], test_around);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(split_cases); i++) {
        g_autofree char *path = g_strconcat("/offload/split/", split_cases[i].name, NULL);

        g_test_add_data_func(path, &split_cases[i], test_split);
    }
    g_test_add_func("/offload/merge-reordered", test_reordered);
    g_test_add_func("/offload/merge-random", test_merge_random);
    g_test_add_func("/offload/split-random", test_split_random);
    g_test_add_func("/offload/finish-checksum", test_finish);
    g_test_add_func("/offload/checksum", test_checksum);
    return g_test_run();
}
