/* tests/fuzz/fuzz-filter.c: the policy on inner packets, against a second reader of IP packets and
 * a memory of flows that is a list.
 *
 * Input: how many rows, the rows (6 bytes each), then steps: a packet of the input (0-2: its
 * length, its bytes), the answer to the last packet (3), an ICMP error about it (4), time passes
 * (5). */
#include "daemon/wire/filter.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define MAX_ROWS   8
#define MAX_PACKET 256
#define MAX_STEPS  64

/* ---- the second reader ---- */

typedef struct {
    int      family;
    uint8_t  source[16], destination[16];
    uint8_t  protocol;
    bool     has_ports, is_error, later, first;
    uint16_t source_port, destination_port;
    uint32_t fragment;
    size_t   quote;
} Seen;

static unsigned get16(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

/* What lies at @at; false: cut or inconsistent. @quoted: the end may be missing. */
static bool read_transport(const uint8_t *p, size_t at, size_t end, bool quoted, Seen *seen)
{
    bool    v6 = seen->family == AF_INET6, icmp = seen->protocol == (v6 ? 58 : 1);
    size_t  need = icmp ? 8 : quoted ? 4 : seen->protocol == 6 ? 20 : 8;
    uint8_t type;

    if (!icmp && seen->protocol != 6 && seen->protocol != 17)
        return true;
    if (at > end || end - at < need)
        return false;
    if (!icmp) {
        seen->has_ports = true;
        seen->source_port = (uint16_t)get16(p + at);
        seen->destination_port = (uint16_t)get16(p + at + 2);
        return true;
    }
    type = p[at];
    if (type == (v6 ? 128 : 8))
        seen->source_port = (uint16_t)get16(p + at + 4);
    if (type == (v6 ? 129 : 0))
        seen->destination_port = (uint16_t)get16(p + at + 4);
    seen->is_error = v6 ? type < 128 : type == 3 || type == 11 || type == 12;
    seen->quote = at + 8;
    return true;
}

static bool read4(const uint8_t *p, size_t len, bool quoted, Seen *seen)
{
    size_t   header, total;
    unsigned fragment;

    if (len < 20)
        return false;
    header = (p[0] & 15u) * 4u;
    total = get16(p + 2);
    if (header < 20 || total < header || header > len || (!quoted && total > len))
        return false;
    memcpy(seen->source, p + 12, 4);
    memcpy(seen->destination, p + 16, 4);
    seen->protocol = p[9];
    fragment = get16(p + 6);
    seen->later = (fragment & 0x1fff) != 0;
    seen->first = !seen->later && (fragment & 0x2000) != 0;
    seen->fragment = get16(p + 4);
    return seen->later || read_transport(p, header, total < len ? total : len, quoted, seen);
}

static bool is_extension(uint8_t next)
{
    return next == 0 || next == 43 || next == 44 || next == 51 || next == 60;
}

static bool read6(const uint8_t *p, size_t len, bool quoted, Seen *seen)
{
    size_t  at = 40, end = len < 40 ? len : 40 + get16(p + 4), size;
    uint8_t next;

    if (len < 40 || (!quoted && end > len))
        return false;
    end = end < len ? end : len;
    memcpy(seen->source, p + 8, 16);
    memcpy(seen->destination, p + 24, 16);
    next = p[6];
    for (unsigned n = 0; is_extension(next) && !seen->later; n++) {
        if (n == 8 || at > end || end - at < 8)
            return false;
        size = next == 44 ? 8 : next == 51 ? p[at + 1] * 4u + 8 : p[at + 1] * 8u + 8;
        if (size > end - at)
            return false;
        if (next == 44) {
            seen->later = (get16(p + at + 2) & 0xfff8) != 0;
            seen->first = !seen->later && ((p[at + 3] & 1) != 0 || seen->first);
            seen->fragment = get16(p + at + 4) << 16 | get16(p + at + 6);
        }
        next = p[at];
        at += size;
    }
    seen->protocol = next;
    return seen->later || read_transport(p, at, end, quoted, seen);
}

static bool read_packet(const uint8_t *p, size_t len, bool quoted, Seen *seen)
{
    *seen = (Seen){ .family = 0 };
    if (len > 0 && p[0] >> 4 == 4) {
        seen->family = AF_INET;
        return read4(p, len, quoted, seen);
    }
    if (len > 0 && p[0] >> 4 == 6) {
        seen->family = AF_INET6;
        return read6(p, len, quoted, seen);
    }
    return false;
}

/* ---- the model ---- */

typedef struct {
    Seen    flow;
    bool    fragments; /* the later fragments of a packet, not a conversation */
    int64_t at_s;
} Known;

typedef struct {
    WireFilterRow rows[MAX_ROWS];
    size_t        n_rows, n_known;
    bool          accept_rest;
    Known         known[4 * MAX_STEPS];
    int64_t       now_s;
} Model;

static bool same_flow(const Known *known, const Seen *flow, bool fragments)
{
    const Seen *k = &known->flow;

    if (known->fragments != fragments || k->family != flow->family ||
        memcmp(k->source, flow->source, 16) != 0 ||
        memcmp(k->destination, flow->destination, 16) != 0)
        return false;
    if (fragments)
        return k->fragment == flow->fragment;
    return k->protocol == flow->protocol && k->source_port == flow->source_port &&
           k->destination_port == flow->destination_port;
}

static void remember(Model *model, const Seen *flow, bool fragments)
{
    size_t at = 0;

    while (at < model->n_known && !same_flow(&model->known[at], flow, fragments))
        at++;
    model->known[at] = (Known){ *flow, fragments, model->now_s };
    if (at == model->n_known)
        model->n_known++;
}

static bool knows(Model *model, const Seen *flow, bool fragments)
{
    int64_t life_s = fragments             ? WIRE_FLOW_FRAGMENT_LIFE_S
                     : flow->protocol == 6 ? WIRE_FLOW_TCP_LIFE_S
                                           : WIRE_FLOW_LIFE_S;

    for (size_t i = 0; i < model->n_known; i++) {
        Known *known = &model->known[i];

        if (!same_flow(known, flow, fragments) || model->now_s - known->at_s > life_s)
            continue;
        if (!fragments)
            known->at_s = model->now_s;
        return true;
    }
    return false;
}

static Seen reverse(const Seen *flow)
{
    Seen back = *flow;

    memcpy(back.source, flow->destination, 16);
    memcpy(back.destination, flow->source, 16);
    back.source_port = flow->destination_port;
    back.destination_port = flow->source_port;
    return back;
}

static bool inside(const MeshPrefix *prefix, int family, const uint8_t *addr)
{
    if (prefix->addr.family == 0)
        return true;
    if (prefix->addr.family != family)
        return false;
    for (unsigned i = 0; i < prefix->bits; i++)
        if ((prefix->addr.bytes[i / 8] ^ addr[i / 8]) >> (7 - i % 8) & 1)
            return false;
    return true;
}

static bool rows_accept(const Model *model, const Seen *flow)
{
    for (size_t i = 0; i < model->n_rows; i++) {
        const WireFilterRow *row = &model->rows[i];

        if ((row->protocol == 0 || row->protocol == flow->protocol) &&
            (!flow->has_ports || (flow->destination_port >= row->port_first &&
                                  flow->destination_port <= row->port_last)) &&
            inside(&row->source, flow->family, flow->source) &&
            inside(&row->destination, flow->family, flow->destination))
            return row->accept;
    }
    return model->accept_rest;
}

static bool refuses_nothing(const Model *model)
{
    for (size_t i = 0; i < model->n_rows; i++)
        if (!model->rows[i].accept)
            return false;
    return model->accept_rest;
}

static bool is_known_error(Model *model, const uint8_t *packet, size_t len, const Seen *error)
{
    Seen quoted, back;

    if (!error->is_error || !read_packet(packet + error->quote, len - error->quote, true, &quoted))
        return false;
    if (quoted.family != error->family || memcmp(quoted.source, error->destination, 16) != 0)
        return false;
    back = reverse(&quoted);
    return knows(model, &quoted, false) || knows(model, &back, false);
}

static bool should_pass(Model *model, const uint8_t *packet, size_t len)
{
    Seen flow, back;
    bool ok;

    if (refuses_nothing(model))
        return true;
    if (!read_packet(packet, len, false, &flow))
        return false;
    if (flow.later)
        return knows(model, &flow, true);
    ok = rows_accept(model, &flow);
    back = reverse(&flow);
    if (ok)
        remember(model, &flow, false);
    else
        ok = knows(model, &back, false) || is_known_error(model, packet, len, &flow);
    if (ok && flow.first)
        remember(model, &flow, true);
    return ok;
}

/* ---- the steps ---- */

static MeshPrefix take_prefix(FuzzInput *in)
{
    static const char *const texts[] = { "",         "10.0.0.0/8", "10.0.0.1", "0.0.0.0/0",
                                         "fd00::/8", "fd00::1",    "::/0",     "10.0.0.2/31" };
    const char              *text = texts[fuzz_take_u8(in) % (sizeof texts / sizeof *texts)];
    MeshPrefix               prefix = { 0 };

    if (text[0] != '\0' && mesh_ip_parse_prefix(text, &prefix) < 0)
        abort();
    return prefix;
}

static void take_rows(FuzzInput *in, Model *model)
{
    static const uint8_t protocols[] = { 0, 6, 17, 1, 58 };
    uint8_t              first = fuzz_take_u8(in);

    model->accept_rest = (first & 0x80) != 0;
    model->n_rows = (first & 0x7f) % (MAX_ROWS + 1);
    for (size_t i = 0; i < model->n_rows; i++) {
        WireFilterRow *row = &model->rows[i];
        uint8_t        ports;

        row->accept = (fuzz_take_u8(in) & 1) != 0;
        row->protocol = protocols[fuzz_take_u8(in) % sizeof protocols];
        row->source = take_prefix(in);
        row->destination = take_prefix(in);
        ports = fuzz_take_u8(in);
        row->port_first = ports == 0 ? 0 : ports;
        row->port_last = ports == 0 ? UINT16_MAX : (uint16_t)(ports + fuzz_take_u8(in));
    }
}

/* The answer to @p as far as a host would make it: ends and ports change places. */
static void turn_round(uint8_t *p, size_t len)
{
    size_t  size = p[0] >> 4 == 4 ? 4 : 16, from = size == 4 ? 12 : 8;
    size_t  ports = size == 4 ? (p[0] & 15u) * 4u : 40;
    uint8_t kept[16];

    if (len < from + 2 * size)
        return;
    memcpy(kept, p + from, size);
    memmove(p + from, p + from + size, size);
    memcpy(p + from + size, kept, size);
    if (len < ports + 4)
        return;
    memcpy(kept, p + ports, 2);
    memmove(p + ports, p + ports + 2, 2);
    memcpy(p + ports + 2, kept, 2);
}

/* An ICMP error for the sender of @p, quoting as much of it as has room. */
static size_t make_error(uint8_t *p, size_t len)
{
    uint8_t error[MAX_PACKET] = { 0 };
    bool    v4 = len > 0 && p[0] >> 4 == 4;
    size_t  head = v4 ? 28 : 48, quote = len < MAX_PACKET - head ? len : MAX_PACKET - head;

    if (len < (v4 ? 20u : 40u))
        return len;
    error[0] = v4 ? 0x45 : 0x60;
    error[v4 ? 3 : 5] = (uint8_t)(v4 ? head + quote > 255 ? 255 : head + quote : quote + 8);
    error[v4 ? 9 : 6] = v4 ? 1 : 58;
    memcpy(error + (v4 ? 12 : 8), p + (v4 ? 16 : 24), v4 ? 4 : 16);
    memcpy(error + (v4 ? 16 : 24), p + (v4 ? 12 : 8), v4 ? 4 : 16);
    error[head - 8] = v4 ? 3 : 1;
    memcpy(error + head, p, quote);
    memcpy(p, error, head + quote);
    return head + quote;
}

static void check(const WireFilter *filter, WireFlows *flows, Model *model, const uint8_t *packet,
                  size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1); /* of its length, so that one byte more is seen */
    bool     want = should_pass(model, packet, len);

    memcpy(copy, packet, len);
    assert(wire_filter_passes(filter, flows, copy, len, model->now_s) == want);
    free(copy);
}

static void run(const WireFilter *filter, WireFlows *flows, Model *model, FuzzInput *in)
{
    uint8_t packet[MAX_PACKET] = { 0 };
    size_t  len = 0;

    for (unsigned steps = 0; in->left > 0 && steps < MAX_STEPS; steps++) {
        uint8_t op = fuzz_take_u8(in) % 6;

        if (op == 5) {
            model->now_s += fuzz_take_u8(in) * 36; /* the memory counts in steps of 4 s */
            continue;
        }
        if (op == 3)
            turn_round(packet, len);
        if (op == 4)
            len = make_error(packet, len);
        if (op < 3) {
            len = fuzz_take_u8(in);
            fuzz_take_bytes(in, packet, len);
        }
        check(filter, flows, model, packet, len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static Model model;
    FuzzInput    in = fuzz_make_input(data, len);
    WireFilter  *filter = NULL;
    WireFlows   *flows = NULL;

    memset(&model, 0, sizeof model);
    model.now_s = 1000;
    take_rows(&in, &model);
    if (wire_filter_new(model.rows, model.n_rows, model.accept_rest, &filter) < 0 ||
        wire_flows_new(&flows) < 0)
        abort();
    run(filter, flows, &model, &in);
    wire_flows_free(flows);
    wire_filter_unref(filter);
    return 0;
}
