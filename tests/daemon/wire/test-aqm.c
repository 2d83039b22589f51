/* tests/daemon/wire/test-aqm.c: the queue behind a full socket, against a slow and plain reference
 * of RFC 8289 and RFC 8290 with a clock of its own; its bounds; what it does to marks. */
#include "daemon/wire/aqm.h"

#include <glib.h>
#include <string.h>

#include "daemon/wire/ecn.h"

enum { SALT = 77, FLOWS = 12, HEAD = 28, NUMBER_AT = 20 };

typedef struct {
    int64_t  at;
    uint32_t len, number;
    bool     ect;
} Entry;

/* One flow as the RFCs tell it. */
typedef struct {
    GQueue  entries; /* of Entry */
    int64_t bytes, deficit, first_above, drop_next;
    int64_t count, last_count;
    bool    dropping, listed;
} Slow;

typedef struct {
    Slow     flows[WIRE_AQM_FLOWS];
    GQueue   fresh, old; /* of Slow */
    unsigned dropped, marked;
} Reference;

/* UDP from port @flow; its number stands behind the ports. */
static uint32_t make(uint8_t *out, unsigned flow, uint32_t number, uint32_t len, bool ect)
{
    memset(out, 0, len);
    out[0] = 0x45;
    out[1] = ect ? WIRE_ECN_ECT0 : 0;
    out[2] = (uint8_t)(len >> 8);
    out[3] = (uint8_t)len;
    out[9] = 17;
    memcpy(out + 12, "\x0a\x08\x00\x01\x0a\x08\x00\x02", 8);
    out[NUMBER_AT] = (uint8_t)flow;
    memcpy(out + NUMBER_AT + 4, &number, sizeof(number));
    return len;
}

static uint32_t number_of(const WirePacket *packet)
{
    uint32_t number;

    memcpy(&number, packet->data + NUMBER_AT + 4, sizeof(number));
    return number;
}

/* The root by trying, to a thousandth. */
static int64_t control_law(int64_t count)
{
    int64_t root = 1000;

    while ((root + 1) * (root + 1) <= count * 1000 * 1000)
        root++;
    return (int64_t)WIRE_AQM_INTERVAL_US * 1000 / root;
}

/* RFC 8289, dodequeue. */
static Entry *dequeue(Slow *flow, int64_t now, bool *ok_to_drop)
{
    Entry *entry = g_queue_pop_head(&flow->entries);

    *ok_to_drop = false;
    if (entry == NULL) {
        flow->first_above = 0;
        flow->dropping = false;
        return NULL;
    }
    flow->bytes -= entry->len;
    if (now - entry->at < WIRE_AQM_TARGET_US || flow->bytes <= WIRE_AQM_QUANTUM)
        flow->first_above = 0;
    else if (flow->first_above == 0)
        flow->first_above = now + WIRE_AQM_INTERVAL_US;
    else
        *ok_to_drop = now >= flow->first_above;
    return entry;
}

/* Drops @entry, or marks it. Returns: true: marked, it goes. */
static bool punish(Reference *self, Entry *entry)
{
    if (entry->ect) {
        self->marked++;
        return true;
    }
    self->dropped++;
    g_free(entry);
    return false;
}

static Entry *enter(Reference *self, Slow *flow, Entry *entry, int64_t now)
{
    int64_t delta = flow->count - flow->last_count;
    bool    ok, marked = punish(self, entry);

    flow->dropping = true;
    flow->count =
        delta > 1 && now - flow->drop_next < 16 * (int64_t)WIRE_AQM_INTERVAL_US ? delta : 1;
    flow->drop_next = now + control_law(flow->count);
    flow->last_count = flow->count;
    if (marked)
        return entry;
    entry = dequeue(flow, now, &ok);
    if (entry != NULL && !ok)
        flow->dropping = false;
    return entry;
}

/* RFC 8289, deque, with marks as in RFC 8290, 4.2. */
static Entry *codel(Reference *self, Slow *flow, int64_t now)
{
    bool   ok;
    Entry *entry = dequeue(flow, now, &ok);

    if (entry == NULL)
        return NULL;
    if (!flow->dropping)
        return ok ? enter(self, flow, entry, now) : entry;
    while (entry != NULL && ok && now >= flow->drop_next) {
        bool marked = punish(self, entry);

        flow->count++;
        flow->drop_next += control_law(flow->count);
        if (marked)
            return entry;
        entry = dequeue(flow, now, &ok);
    }
    if (entry != NULL && !ok)
        flow->dropping = false;
    return entry;
}

static Entry *reference_take(Reference *self, int64_t now)
{
    while (!g_queue_is_empty(&self->fresh) || !g_queue_is_empty(&self->old)) {
        bool   is_new = !g_queue_is_empty(&self->fresh);
        Slow  *flow = g_queue_pop_head(is_new ? &self->fresh : &self->old);
        Entry *entry;

        if (flow->deficit <= 0) {
            flow->deficit += WIRE_AQM_QUANTUM;
            g_queue_push_tail(&self->old, flow);
            continue;
        }
        entry = codel(self, flow, now);
        if (entry != NULL) {
            flow->deficit -= entry->len;
            g_queue_push_head(is_new ? &self->fresh : &self->old, flow);
            return entry;
        }
        flow->listed = is_new && !g_queue_is_empty(&self->old);
        if (flow->listed)
            g_queue_push_tail(&self->old, flow);
    }
    return NULL;
}

static void reference_put(Reference *self, unsigned bucket, Entry entry)
{
    Slow *flow = &self->flows[bucket];

    g_queue_push_tail(&flow->entries, g_memdup2(&entry, sizeof(entry)));
    flow->bytes += entry.len;
    if (flow->listed)
        return;
    flow->listed = true;
    flow->deficit = WIRE_AQM_QUANTUM;
    g_queue_push_tail(&self->fresh, flow);
}

/* Random flows, of which some know ECN, into a link that is now wide, now narrow. */
static void test_reference(void)
{
    Reference  *reference = g_new0(Reference, 1);
    WireAqmToll toll = { 0 };
    WireAqm    *aqm;
    uint8_t     bytes[2000];
    uint32_t    number = 0, compared = 0;

    g_assert_cmpint(wire_aqm_new(SALT, &aqm), ==, 0);
    for (int64_t now = 1000000; now < 61000000; now += g_test_rand_int_range(200, 2000)) {
        unsigned n = now / 2000000 % 2 ? 1 : 3; /* two seconds of each */

        for (unsigned i = 0; i < n && wire_aqm_bytes(aqm) < WIRE_AQM_BYTES - 4000 &&
                             number - compared < 700 + toll.dropped;
             i++) {
            unsigned flow = (unsigned)g_test_rand_int_range(0, FLOWS);
            Entry    entry = { now, (uint32_t)g_test_rand_int_range(HEAD, flow < 3 ? 1420 : 200),
                               number++, flow % 2 == 0 };

            (void)make(bytes, flow, entry.number, entry.len, entry.ect);
            reference_put(reference, wire_aqm_flow(SALT, bytes, entry.len), entry);
            g_assert_cmpuint(wire_aqm_put(aqm, &(WirePacket){ bytes, entry.len }, now), ==, 0);
        }
        for (int i = g_test_rand_int_range(0, 4); i > 0; i--) {
            WirePacket packet;
            bool       got = wire_aqm_take(aqm, now, &packet, &toll);
            Entry     *entry = reference_take(reference, now);

            g_assert_true(got == (entry != NULL));
            g_assert_cmpuint(toll.dropped, ==, reference->dropped);
            g_assert_cmpuint(toll.marked, ==, reference->marked);
            if (!got)
                break;
            g_assert_cmpuint(number_of(&packet), ==, entry->number);
            g_assert_cmpuint(packet.len, ==, entry->len);
            g_free(entry);
            compared++;
            wire_aqm_release(aqm);
        }
    }
    g_assert_cmpuint(compared, >, 10000);
    g_assert_cmpuint(toll.dropped, >, 100);
    g_assert_cmpuint(toll.marked, >, 100);
    for (unsigned i = 0; i < WIRE_AQM_FLOWS; i++)
        g_queue_clear_full(&reference->flows[i].entries, g_free);
    g_queue_clear(&reference->fresh);
    g_queue_clear(&reference->old);
    g_free(reference);
    wire_aqm_free(aqm);
}

/* A flow that says little goes before one that has filled the queue, and loses nothing when that
 * overflows; the queue stays within its bounds. */
static void test_bounds(void)
{
    WireAqmToll toll = { 0 };
    WirePacket  packet;
    WireAqm    *aqm;
    uint8_t     bytes[1420];
    unsigned    dropped = 0, n = 0;

    g_assert_cmpint(wire_aqm_new(SALT, &aqm), ==, 0);
    (void)make(bytes, 2, 999999, 84, false);
    g_assert_cmpuint(wire_aqm_put(aqm, &(WirePacket){ bytes, 84 }, 0), ==, 0);
    for (uint32_t i = 0; i < 3000; i++) {
        (void)make(bytes, 1, i, sizeof(bytes), false);
        dropped += wire_aqm_put(aqm, &(WirePacket){ bytes, sizeof(bytes) }, 0);
        g_assert_cmpuint(wire_aqm_bytes(aqm), <=, WIRE_AQM_BYTES);
    }
    (void)make(bytes, 3, 999998, 84, false);
    dropped += wire_aqm_put(aqm, &(WirePacket){ bytes, 84 }, 0);
    g_assert_true(wire_aqm_take(aqm, 0, &packet, &toll));
    g_assert_cmpuint(number_of(&packet), ==, 999999);
    for (int i = 0; i < 3; i++) /* a quantum of the long one, then the other that is new */
        g_assert_true(wire_aqm_take(aqm, 0, &packet, &toll));
    g_assert_cmpuint(number_of(&packet), ==, 999998);
    for (n = 4; wire_aqm_take(aqm, 0, &packet, &toll); n++) /* what is left: the newest, in order */
        g_assert_cmpuint(number_of(&packet), ==, dropped + n - 2);
    g_assert_cmpuint(n + dropped, ==, 3002);
    g_assert_cmpuint(wire_aqm_bytes(aqm), ==, 0);
    g_assert_cmpuint(wire_aqm_put(aqm, &(WirePacket){ bytes, 84 }, 0), ==, 0);
    wire_aqm_free(aqm);
}

/* As many as there are places: the count bounds, too, and long ones have places of their own. */
static void test_places(void)
{
    WireAqmToll toll = { 0 };
    WirePacket  packet;
    WireAqm    *aqm;
    uint8_t    *bytes = g_malloc0(WIRE_MAX_PACKET);
    unsigned    dropped = 0, n = 0;

    g_assert_cmpint(wire_aqm_new(SALT, &aqm), ==, 0);
    for (uint32_t i = 0; i < 1100; i++)
        dropped += wire_aqm_put(aqm, &(WirePacket){ bytes, make(bytes, 1, i, 60, false) }, 0);
    g_assert_cmpuint(dropped, ==, 1100 - WIRE_AQM_PACKETS);
    dropped = 0;
    for (uint32_t i = 0; i < 20; i++)
        dropped += wire_aqm_put(aqm, &(WirePacket){ bytes, make(bytes, 2, i, 60000, false) }, 0);
    g_assert_cmpuint(dropped, ==, 4);
    while (wire_aqm_take(aqm, 0, &packet, &toll))
        n++;
    g_assert_cmpuint(n, ==, WIRE_AQM_PACKETS + 16);
    g_assert_cmpuint(wire_aqm_put(aqm, &(WirePacket){ bytes, 60 }, 0), ==, 1); /* all are taken */
    wire_aqm_release(aqm);
    g_assert_cmpuint(wire_aqm_put(aqm, &(WirePacket){ bytes, 60 }, 0), ==, 0);
    wire_aqm_free(aqm);
    g_free(bytes);
}

/* Where places of one size are all taken, those who have them make room, not the longest flow. */
static void test_holders(void)
{
    WireAqm *aqm;
    uint8_t *bytes = g_malloc0(WIRE_MAX_PACKET);
    unsigned dropped = 0;

    g_assert_cmpint(wire_aqm_new(SALT, &aqm), ==, 0);
    for (uint32_t i = 0; i < 500; i++)
        dropped += wire_aqm_put(aqm, &(WirePacket){ bytes, make(bytes, 1, i, 1400, false) }, 0);
    for (uint32_t i = 0; i < 16; i++)
        dropped += wire_aqm_put(aqm, &(WirePacket){ bytes, make(bytes, 2, i, 9000, false) }, 0);
    g_assert_cmpuint(dropped, ==, 0);
    for (uint32_t i = 0; i < 10; i++)
        g_assert_cmpuint(wire_aqm_put(aqm, &(WirePacket){ bytes, make(bytes, 2, i, 9000, false) },
                                      0),
                         ==, 1);
    g_assert_cmpuint(wire_aqm_bytes(aqm), ==, 500 * 1400 + 16 * 9000);
    for (uint32_t i = 0; i < 524; i++)
        dropped += wire_aqm_put(aqm, &(WirePacket){ bytes, make(bytes, 3, i, 60, false) }, 0);
    g_assert_cmpuint(dropped, ==, 0);
    g_assert_cmpuint(wire_aqm_put(aqm, &(WirePacket){ bytes, make(bytes, 4, 0, 60, false) }, 0), ==,
                     1);
    g_assert_cmpuint(wire_aqm_bytes(aqm), ==, 499 * 1400 + 16 * 9000 + 525 * 60);
    wire_aqm_free(aqm);
    g_free(bytes);
}

static void test_flow(void)
{
    uint8_t  bytes[100];
    unsigned seen[WIRE_AQM_FLOWS] = { 0 }, most = 0;
    uint32_t len = make(bytes, 5, 0, 100, false);
    unsigned first = wire_aqm_flow(SALT, bytes, len);

    bytes[6] = 0x20; /* a fragment, and one without ports */
    seen[0] = wire_aqm_flow(SALT, bytes, len);
    bytes[6] = 0;
    bytes[7] = 9;
    g_assert_cmpuint(wire_aqm_flow(SALT, bytes, len), ==, seen[0]);
    bytes[7] = 0;
    g_assert_cmpuint(wire_aqm_flow(SALT, bytes, len), ==, first);
    seen[0] = 0;
    for (unsigned port = 0; port < 65536; port++) {
        bytes[NUMBER_AT] = (uint8_t)(port >> 8);
        bytes[NUMBER_AT + 1] = (uint8_t)port;
        seen[wire_aqm_flow(SALT, bytes, len)]++;
    }
    for (unsigned i = 0; i < WIRE_AQM_FLOWS; i++)
        most = MAX(most, seen[i]);
    g_assert_cmpuint(most, <, 400);  /* of 256 on average */
    for (len = 1; len < 24; len++) { /* cut short: no read behind it */
        g_autofree uint8_t *cut = g_memdup2(bytes, len);

        g_assert_cmpuint(wire_aqm_flow(SALT, cut, len), <, WIRE_AQM_FLOWS);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/aqm/reference", test_reference);
    g_test_add_func("/aqm/bounds", test_bounds);
    g_test_add_func("/aqm/places", test_places);
    g_test_add_func("/aqm/holders", test_holders);
    g_test_add_func("/aqm/flow", test_flow);
    return g_test_run();
}
