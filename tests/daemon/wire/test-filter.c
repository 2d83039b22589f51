/* Tests of daemon/wire/filter.c and flows.c: rows, answers, ICMP errors, fragments, bad packets. */
#include "common/std/ip.h"
#include "daemon/wire/filter.h"

#include <glib.h>
#include <netinet/in.h>
#include <sodium.h>
#include <string.h>

#define T0 INT64_C(100000)

/* ---- packets ---- */

typedef struct {
    uint8_t bytes[256];
    size_t  len;
} Packet;

typedef struct {
    const char *from, *to;
    uint8_t     protocol;
    uint16_t    from_port, to_port; /* ICMP: type and code, identifier */
} Tuple;

static void put16(uint8_t *out, uint16_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

/* An IP packet with @payload bytes of transport; the first four are the two numbers. */
static Packet make(const Tuple *tuple, size_t payload)
{
    MeshAddr from, to;
    Packet   p = { .len = 0 };
    size_t   header;

    g_assert_cmpint(mesh_ip_parse_addr(tuple->from, &from), ==, 0);
    g_assert_cmpint(mesh_ip_parse_addr(tuple->to, &to), ==, 0);
    header = from.family == AF_INET ? 20 : 40;
    p.len = header + payload;
    if (from.family == AF_INET) {
        p.bytes[0] = 0x45;
        put16(p.bytes + 2, (uint16_t)p.len);
        put16(p.bytes + 4, 0x1234);
        p.bytes[9] = tuple->protocol;
        memcpy(p.bytes + 12, from.bytes, 4);
        memcpy(p.bytes + 16, to.bytes, 4);
    } else {
        p.bytes[0] = 0x60;
        put16(p.bytes + 4, (uint16_t)payload);
        p.bytes[6] = tuple->protocol;
        memcpy(p.bytes + 8, from.bytes, 16);
        memcpy(p.bytes + 24, to.bytes, 16);
    }
    put16(p.bytes + header, tuple->from_port);
    put16(p.bytes + header + 2, tuple->to_port);
    if (tuple->protocol == IPPROTO_ICMP || tuple->protocol == IPPROTO_ICMPV6) {
        put16(p.bytes + header + 2, 0);
        put16(p.bytes + header + 4, tuple->to_port); /* identifier */
    }
    return p;
}

static Packet make_tuple(const Tuple *tuple)
{
    return make(tuple, 20);
}

static Tuple reverse(const Tuple *t)
{
    return (Tuple){ t->to, t->from, t->protocol, t->to_port, t->from_port };
}

/* ---- a filter ---- */

typedef struct {
    WireFilter *filter;
    WireFlows  *flows;
} Rig;

static MeshPrefix prefix(const char *text)
{
    MeshPrefix value = { .bits = 0 };

    if (text != NULL)
        g_assert_cmpint(mesh_ip_parse_prefix(text, &value), ==, 0);
    return value;
}

/* Peers 10.9.0.0/24 may reach our web server, except one; we may reach everybody. */
static void set_up(Rig *rig)
{
    WireFilterRow rows[] = {
        { .accept = true, .source = prefix("10.9.0.1"), .port_last = 65535 },
        { .accept = true, .source = prefix("fd09::1"), .port_last = 65535 },
        { .accept = false, .source = prefix("10.9.0.66"), .port_last = 65535 },
        { .accept = true,
          .protocol = IPPROTO_TCP,
          .source = prefix("10.9.0.0/24"),
          .destination = prefix("10.9.0.1"),
          .port_first = 80,
          .port_last = 89 },
        { .accept = true,
          .protocol = IPPROTO_ICMPV6,
          .destination = prefix("fd09::1"),
          .port_last = 65535 },
        { .accept = true,
          .protocol = IPPROTO_UDP,
          .source = prefix("fd09::/64"),
          .destination = prefix("fd09::1"),
          .port_first = 53,
          .port_last = 53 },
    };

    g_assert_cmpint(wire_filter_new(rows, G_N_ELEMENTS(rows), false, &rig->filter), ==, 0);
    g_assert_cmpint(wire_flows_new(&rig->flows), ==, 0);
}

static void tear_down(Rig *rig)
{
    wire_filter_unref(rig->filter);
    wire_flows_free(rig->flows);
}

static bool passes_packet(Rig *rig, const Packet *packet, int64_t now_s)
{
    return wire_filter_passes(rig->filter, rig->flows, packet->bytes, packet->len, now_s);
}

static bool passes(Rig *rig, const Tuple *tuple, int64_t now_s)
{
    Packet packet = make_tuple(tuple);

    return passes_packet(rig, &packet, now_s);
}

typedef struct {
    const char *name;
    Tuple       tuple;
    bool        want;
} RowCase;

static const RowCase row_cases[] = {
    { "we-may-send", { "10.9.0.1", "10.9.0.7", IPPROTO_UDP, 1, 2 }, true },
    { "web-first-port", { "10.9.0.7", "10.9.0.1", IPPROTO_TCP, 4000, 80 }, true },
    { "web-last-port", { "10.9.0.7", "10.9.0.1", IPPROTO_TCP, 4000, 89 }, true },
    { "below-the-ports", { "10.9.0.7", "10.9.0.1", IPPROTO_TCP, 4000, 79 }, false },
    { "above-the-ports", { "10.9.0.7", "10.9.0.1", IPPROTO_TCP, 4000, 90 }, false },
    { "source-port-is-not-meant", { "10.9.0.7", "10.9.0.1", IPPROTO_TCP, 80, 4000 }, false },
    { "other-protocol", { "10.9.0.7", "10.9.0.1", IPPROTO_UDP, 4000, 80 }, false },
    { "other-destination", { "10.9.0.7", "10.9.0.2", IPPROTO_TCP, 4000, 80 }, false },
    { "other-source", { "10.9.1.7", "10.9.0.1", IPPROTO_TCP, 4000, 80 }, false },
    { "refused-by-an-earlier-row", { "10.9.0.66", "10.9.0.1", IPPROTO_TCP, 4000, 80 }, false },
    { "ipv6-dns", { "fd09::7", "fd09::1", IPPROTO_UDP, 4000, 53 }, true },
    { "ipv6-ping-from-anywhere", { "fd77::7", "fd09::1", IPPROTO_ICMPV6, 128 << 8, 5 }, true },
    { "ipv6-other", { "fd09::7", "fd09::1", IPPROTO_TCP, 4000, 53 }, false },
};

static void test_row(gconstpointer data)
{
    const RowCase *c = data;
    Rig            rig;

    set_up(&rig);
    g_assert_true(passes(&rig, &c->tuple, T0) == c->want);
    tear_down(&rig);
}

static void test_answers(void)
{
    const Tuple ask = { "10.9.0.1", "10.9.0.7", IPPROTO_UDP, 5000, 53 };
    const Tuple tcp = { "10.9.0.1", "10.9.0.7", IPPROTO_TCP, 5000, 22 };
    Tuple       answer = reverse(&ask), other = answer;
    Rig         rig;

    set_up(&rig);
    g_assert_false(passes(&rig, &answer, T0));
    g_assert_true(passes(&rig, &ask, T0));
    g_assert_true(passes(&rig, &answer, T0 + 180));
    g_assert_true(passes(&rig, &answer, T0 + 360)); /* it lives on while it is used */
    g_assert_false(passes(&rig, &answer, T0 + 360 + 184));
    other.to_port++;
    g_assert_false(passes(&rig, &other, T0));
    other = answer;
    other.from = "10.9.0.8";
    g_assert_false(passes(&rig, &other, T0));

    answer = reverse(&tcp);
    g_assert_true(passes(&rig, &tcp, T0));
    g_assert_true(passes(&rig, &answer, T0 + 7440)); /* an idle shell stays */
    g_assert_false(passes(&rig, &answer, T0 + 7440 + 7444));
    tear_down(&rig);
}

static void test_ping(void)
{
    const Tuple ask = { "10.9.0.1", "10.9.0.7", IPPROTO_ICMP, 8 << 8, 77 };
    const Tuple answer = { "10.9.0.7", "10.9.0.1", IPPROTO_ICMP, 0, 77 };
    const Tuple other_id = { "10.9.0.7", "10.9.0.1", IPPROTO_ICMP, 0, 78 };
    const Tuple ask_back = { "10.9.0.7", "10.9.0.1", IPPROTO_ICMP, 8 << 8, 77 };
    Rig         rig;

    set_up(&rig);
    g_assert_false(passes(&rig, &answer, T0));
    g_assert_true(passes(&rig, &ask, T0));
    g_assert_true(passes(&rig, &answer, T0));
    g_assert_false(passes(&rig, &other_id, T0));
    g_assert_false(passes(&rig, &ask_back, T0)); /* an answer only */
    tear_down(&rig);
}

/* @router says to @about's sender that it could not be delivered. */
static Packet make_error(const char *router, const Tuple *about)
{
    bool   v6 = strchr(about->from, ':') != NULL;
    Tuple  tuple = { router, about->from, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
                     (uint16_t)((v6 ? 1 : 3) << 8), 0 };
    Packet quoted = make_tuple(about);
    size_t quote = v6 ? 48 : 28; /* its header and eight bytes */
    Packet error = make(&tuple, 8 + quote);

    memcpy(error.bytes + (v6 ? 48 : 28), quoted.bytes, quote);
    return error;
}

static void test_errors(void)
{
    const Tuple sent = { "10.9.0.1", "10.9.0.7", IPPROTO_UDP, 5000, 99 };
    const Tuple unsent = { "10.9.0.1", "10.9.0.7", IPPROTO_UDP, 5001, 99 };
    const Tuple of_others = { "10.9.0.2", "10.9.0.7", IPPROTO_UDP, 5000, 99 };
    const Tuple sent6 = { "fd09::1", "fd77::7", IPPROTO_TCP, 5000, 99 };
    Packet      error;
    Rig         rig;

    set_up(&rig);
    g_assert_true(passes(&rig, &sent, T0));
    g_assert_true(passes(&rig, &sent6, T0));
    error = make_error("10.9.0.50", &sent);
    g_assert_true(passes_packet(&rig, &error, T0));
    error.len -= 5; /* the quote is cut before the ports' end */
    g_assert_false(passes_packet(&rig, &error, T0));
    error = make_error("10.9.0.50", &unsent);
    g_assert_false(passes_packet(&rig, &error, T0));
    error = make_error("10.9.0.50", &of_others);
    g_assert_false(passes_packet(&rig, &error, T0));
    error = make_error("fd77::50", &sent6);
    error.bytes[7] = 64;
    g_assert_true(passes_packet(&rig, &error, T0));
    tear_down(&rig);
}

static void set_fragment4(Packet *p, uint16_t id, uint16_t offset, bool more)
{
    put16(p->bytes + 4, id);
    put16(p->bytes + 6, (uint16_t)(offset | (more ? 0x2000 : 0)));
}

static void test_fragments(void)
{
    const Tuple web = { "10.9.0.7", "10.9.0.1", IPPROTO_TCP, 4000, 80 };
    const Tuple ssh = { "10.9.0.7", "10.9.0.1", IPPROTO_TCP, 4000, 22 };
    Packet      first = make_tuple(&web), later = make_tuple(&web), refused = make_tuple(&ssh);
    Rig         rig;

    set_up(&rig);
    set_fragment4(&first, 7, 0, true);
    set_fragment4(&later, 7, 100, false);
    memset(later.bytes + 20, 0xff, 20); /* its bytes are not ports */
    g_assert_false(passes_packet(&rig, &later, T0));
    g_assert_true(passes_packet(&rig, &first, T0));
    g_assert_true(passes_packet(&rig, &later, T0));
    set_fragment4(&later, 8, 100, false);
    g_assert_false(passes_packet(&rig, &later, T0));
    set_fragment4(&refused, 9, 0, true);
    g_assert_false(passes_packet(&rig, &refused, T0));
    set_fragment4(&later, 9, 100, false);
    g_assert_false(passes_packet(&rig, &later, T0));
    put16(first.bytes + 2, 28); /* a first fragment too short for TCP's flags */
    first.len = 28;
    g_assert_false(passes_packet(&rig, &first, T0));
    tear_down(&rig);
}

/* The pieces that follow an accepted first one pass for as long as a host would wait for them. */
static void test_fragments_end(void)
{
    const int64_t life_s = WIRE_FLOW_FRAGMENT_LIFE_S;
    const Tuple   web = { "10.9.0.7", "10.9.0.1", IPPROTO_TCP, 4000, 80 };
    Packet        first = make_tuple(&web), later = make_tuple(&web);
    Rig           rig;

    set_up(&rig);
    set_fragment4(&first, 7, 0, true);
    set_fragment4(&later, 7, 100, true);
    g_assert_true(passes_packet(&rig, &first, T0));
    g_assert_true(passes_packet(&rig, &later, T0));
    g_assert_true(passes_packet(&rig, &later, T0 + life_s));
    g_assert_false(passes_packet(&rig, &later, T0 + life_s + 4)); /* a step of the memory's clock */
    g_assert_true(passes_packet(&rig, &first, T0 + 2 * life_s));  /* the number, used again */
    g_assert_true(passes_packet(&rig, &later, T0 + 2 * life_s));
    g_assert_false(passes_packet(&rig, &later, T0 + 4 * life_s));
    tear_down(&rig);
}

enum { FLOOD_FLOWS = 1000, FLOOD_S = 120, FLOOD_PER_S = 10000, FLOOD_BETWEEN = 8 };

static Packet make_flood_piece(unsigned n, bool later)
{
    const Tuple web = { "10.9.0.7", "10.9.0.1", IPPROTO_TCP, 4000, 80 };
    Packet      piece = make_tuple(&web);

    put16(piece.bytes + 14, (uint16_t)(n >> 16)); /* another sender when the numbers are used up */
    set_fragment4(&piece, (uint16_t)n, later ? 100 : 0, !later);
    return piece;
}

/* Cut packets without end, each with others' pieces between its own: conversations that this host
 * began and that are silent meanwhile stay known, and hardly a later piece is refused. */
static void test_fragments_flood(void)
{
    Tuple    ours = { "10.9.0.1", "10.9.0.50", IPPROTO_TCP, 0, 22 };
    unsigned known = 0, lost = 0;
    Rig      rig;

    set_up(&rig);
    for (unsigned i = 0; i < FLOOD_FLOWS; i++) {
        ours.from_port = (uint16_t)(30000 + i);
        g_assert_true(passes(&rig, &ours, T0));
    }
    for (unsigned n = 0; n < FLOOD_S * FLOOD_PER_S; n++) {
        Packet  first = make_flood_piece(n, false);
        int64_t now_s = T0 + 12 + n / FLOOD_PER_S;

        g_assert_true(passes_packet(&rig, &first, now_s));
        if (n >= FLOOD_BETWEEN) {
            Packet later = make_flood_piece(n - FLOOD_BETWEEN, true);

            lost += !passes_packet(&rig, &later, now_s);
        }
    }
    for (unsigned i = 0; i < FLOOD_FLOWS; i++) {
        Tuple answer = { "10.9.0.50", "10.9.0.1", IPPROTO_TCP, 22, (uint16_t)(30000 + i) };

        known += passes(&rig, &answer, T0 + 12 + FLOOD_S);
    }
    g_test_message("%u of %u flows known, %u later pieces refused", known, FLOOD_FLOWS, lost);
    g_assert_cmpuint(known, ==, FLOOD_FLOWS);
    g_assert_cmpuint(lost, <, FLOOD_S); /* one in ten thousand */
    tear_down(&rig);
}

/* IPv6 with @n extension headers of @kind, eight bytes each, before UDP to port 53. */
static Packet make_extended(uint8_t kind, unsigned n)
{
    const Tuple dns = { "fd09::7", "fd09::1", IPPROTO_UDP, 4000, 53 };
    Packet      p = make(&dns, 8 * n + 8);

    memset(p.bytes + 40, 0, p.len - 40);
    p.bytes[6] = n == 0 ? IPPROTO_UDP : kind;
    for (unsigned i = 0; i < n; i++)
        p.bytes[40 + 8 * i] = i + 1 == n ? IPPROTO_UDP : kind;
    put16(p.bytes + 40 + 8 * n, 4000);
    put16(p.bytes + 42 + 8 * n, 53);
    return p;
}

static void test_extensions(void)
{
    Packet p;
    Rig    rig;

    set_up(&rig);
    for (unsigned n = 0; n <= 8; n++) {
        p = make_extended(IPPROTO_DSTOPTS, n);
        g_assert_true(passes_packet(&rig, &p, T0));
    }
    p = make_extended(IPPROTO_DSTOPTS, 9);
    g_assert_false(passes_packet(&rig, &p, T0));
    p = make_extended(IPPROTO_FRAGMENT, 1); /* a whole packet in one fragment */
    g_assert_true(passes_packet(&rig, &p, T0));
    p.bytes[43] = 8; /* offset 1: a later fragment of a packet that nobody saw */
    g_assert_false(passes_packet(&rig, &p, T0));
    p = make_extended(IPPROTO_HOPOPTS, 1);
    p.bytes[41] = 200; /* longer than the packet */
    g_assert_false(passes_packet(&rig, &p, T0));
    tear_down(&rig);
}

/* Every truncation of good packets, and random bytes: no over-read (sanitizers look), no pass. */
static void test_malformed(void)
{
    const Tuple tuples[] = {
        { "10.9.0.7", "10.9.0.1", IPPROTO_TCP, 4000, 80 },
        { "fd09::7", "fd09::1", IPPROTO_UDP, 4000, 53 },
    };
    GRand *rand = g_rand_new_with_seed(6);
    Rig    rig;

    set_up(&rig);
    for (size_t t = 0; t < G_N_ELEMENTS(tuples); t++) {
        Packet p = make_tuple(&tuples[t]);

        for (size_t len = 0; len < p.len; len++) {
            g_autofree uint8_t *cut = g_memdup2(p.bytes, MAX(len, 1));

            g_assert_false(wire_filter_passes(rig.filter, rig.flows, cut, len, T0));
        }
    }
    for (int i = 0; i < 200000; i++) {
        size_t              len = (size_t)g_rand_int_range(rand, 1, 120);
        g_autofree uint8_t *bytes = g_malloc(len);

        for (size_t at = 0; at < len; at++)
            bytes[at] = (uint8_t)g_rand_int(rand);
        bytes[0] = (uint8_t)(i % 2 == 0 ? 0x45 : 0x60);
        (void)wire_filter_passes(rig.filter, rig.flows, bytes, len, T0);
    }
    g_rand_free(rand);
    tear_down(&rig);
}

static void test_accept_all(void)
{
    const Tuple any = { "10.9.0.7", "10.9.0.1", IPPROTO_TCP, 1, 2 };
    Rig         rig = { NULL, NULL }; /* no memory of flows is needed */

    g_assert_cmpint(wire_filter_new(NULL, 0, true, &rig.filter), ==, 0);
    g_assert_true(passes(&rig, &any, T0));
    tear_down(&rig);
    g_assert_cmpint(wire_filter_new(NULL, 0, false, &rig.filter), ==, 0);
    g_assert_cmpint(wire_flows_new(&rig.flows), ==, 0);
    g_assert_false(passes(&rig, &any, T0));
    tear_down(&rig);
}

/* More flows than there is room for: the newest are known, memory stays. */
static void test_full(void)
{
    WireFlows *flows = NULL;
    WireFlow   flow = { .protocol = IPPROTO_UDP, .has_ports = true };
    unsigned   known = 0;

    g_assert_cmpint(wire_flows_new(&flows), ==, 0);
    flow.source.family = flow.destination.family = AF_INET;
    for (unsigned i = 0; i < 4 * WIRE_FLOW_SLOTS; i++) {
        memcpy(flow.source.bytes, &i, sizeof i);
        wire_flows_remember(flows, &flow, T0 + i / WIRE_FLOW_SLOTS);
        g_assert_true(wire_flows_knows(flows, &flow, T0 + i / WIRE_FLOW_SLOTS));
    }
    for (unsigned i = 0; i < 4 * WIRE_FLOW_SLOTS; i++) {
        memcpy(flow.source.bytes, &i, sizeof i);
        known += wire_flows_knows(flows, &flow, T0 + 4);
    }
    g_assert_cmpuint(known, <=, WIRE_FLOW_SLOTS);
    g_assert_cmpuint(known, >, WIRE_FLOW_SLOTS / 2);
    wire_flows_free(flows);
}

/* What ended stays ended: no day of the next ten years takes it for fresh. */
static void test_stays_forgotten(void)
{
    WireFlows *flows = NULL;
    WireFlow   flow = { .protocol = IPPROTO_TCP, .has_ports = true };
    int64_t    end_s = T0 + INT64_C(10) * 365 * 86400;

    g_assert_cmpint(wire_flows_new(&flows), ==, 0);
    flow.source.family = flow.destination.family = AF_INET;
    wire_flows_remember(flows, &flow, T0);
    for (int64_t now_s = T0 + 2 * WIRE_FLOW_TCP_LIFE_S; now_s < end_s; now_s += 1000)
        g_assert_false(wire_flows_knows(flows, &flow, now_s));
    wire_flows_free(flows);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(sodium_init(), >=, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(row_cases); i++) {
        g_autofree char *path = g_strdup_printf("/filter/row/%s", row_cases[i].name);

        g_test_add_data_func(path, &row_cases[i], test_row);
    }
    g_test_add_func("/filter/answers", test_answers);
    g_test_add_func("/filter/ping", test_ping);
    g_test_add_func("/filter/errors", test_errors);
    g_test_add_func("/filter/fragments/first", test_fragments);
    g_test_add_func("/filter/fragments/end", test_fragments_end);
    g_test_add_func("/filter/fragments/flood", test_fragments_flood);
    g_test_add_func("/filter/extensions", test_extensions);
    g_test_add_func("/filter/malformed", test_malformed);
    g_test_add_func("/filter/accept-all", test_accept_all);
    g_test_add_func("/filter/full", test_full);
    g_test_add_func("/filter/flows/stays-forgotten", test_stays_forgotten);
    return g_test_run();
}
