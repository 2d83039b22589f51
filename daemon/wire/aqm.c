/* daemon/wire/aqm.c: see aqm.h; names as in RFC 8290, §4. */
#include "daemon/wire/aqm.h"

#include <stdlib.h>
#include <string.h>

#include "common/std/codel.h"
#include "daemon/wire/ecn.h"

enum {
    LARGE = 16,
    ITEMS = WIRE_AQM_PACKETS + LARGE,
    SMALL_STRIDE = WIRE_HEADROOM + WIRE_AQM_SMALL + WIRE_TAILROOM,
    LARGE_STRIDE = WIRE_HEADROOM + WIRE_MAX_PACKET + 1 + WIRE_TAILROOM,
    NONE = UINT16_MAX,
};

typedef enum { IDLE, NEW, OLD } State;

typedef struct {
    int64_t  at_us;
    uint32_t len;
    uint16_t next; /* of its flow, of what is free, or of what was taken */
} Item;

typedef struct {
    MeshCodel codel;
    size_t    bytes;
    int32_t   deficit;
    uint16_t  first, last; /* items */
    uint16_t  n_large;     /* of them */
    uint16_t  n_small;
    uint16_t  next; /* flow of the same list */
    State     state;
} Flow;

typedef struct {
    uint16_t first, last;
} List;

struct WireAqm {
    uint64_t salt;
    size_t   bytes;
    WireSlab small, large;
    uint16_t free_small, free_large, taken; /* items; what was used last is first, as its pages
                                             * are there */
    List fresh, old;
    Item items[ITEMS];
    Flow flows[WIRE_AQM_FLOWS];
};

static bool is_small(unsigned item)
{
    return item < WIRE_AQM_PACKETS;
}

static uint8_t *place_of(const WireAqm *self, unsigned item)
{
    if (is_small(item))
        return self->small.base + (size_t)item * SMALL_STRIDE + WIRE_HEADROOM;
    return self->large.base + (size_t)(item - WIRE_AQM_PACKETS) * LARGE_STRIDE + WIRE_HEADROOM;
}

static void put_back(WireAqm *self, uint16_t item)
{
    uint16_t *list = is_small(item) ? &self->free_small : &self->free_large;

    self->items[item].next = *list;
    *list = item;
}

int wire_aqm_new(uint64_t salt, WireAqm **out_self)
{
    WireAqm *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return -ENOMEM;
    if (wire_slab_init(&self->small, (size_t)SMALL_STRIDE * WIRE_AQM_PACKETS) < 0 ||
        wire_slab_init(&self->large, (size_t)LARGE_STRIDE * LARGE) < 0) {
        wire_aqm_free(self);
        return -ENOMEM;
    }
    self->salt = salt;
    self->free_small = self->free_large = self->taken = NONE;
    self->fresh = self->old = (List){ NONE, NONE };
    for (unsigned i = ITEMS; i-- > 0;)
        put_back(self, (uint16_t)i);
    for (unsigned i = 0; i < WIRE_AQM_FLOWS; i++)
        self->flows[i].first = self->flows[i].last = NONE;
    *out_self = self;
    return 0;
}

void wire_aqm_free(WireAqm *self)
{
    if (self == NULL)
        return;
    wire_slab_done(&self->small);
    wire_slab_done(&self->large);
    free(self);
}

size_t wire_aqm_bytes(const WireAqm *self)
{
    return self->bytes;
}

/* How many of a flow lie in places of that size. */
static uint16_t *count_of(Flow *flow, bool small)
{
    return small ? &flow->n_small : &flow->n_large;
}

/* The oldest item of a flow that has one. */
static uint16_t unlink_first(WireAqm *self, Flow *flow)
{
    uint16_t item = flow->first;

    flow->first = self->items[item].next;
    if (flow->first == NONE)
        flow->last = NONE;
    flow->bytes -= self->items[item].len;
    self->bytes -= self->items[item].len;
    --*count_of(flow, is_small(item));
    return item;
}

static Flow *find_longest(WireAqm *self)
{
    Flow *longest = &self->flows[0];

    for (unsigned i = 1; i < WIRE_AQM_FLOWS; i++) {
        if (self->flows[i].bytes > longest->bytes)
            longest = &self->flows[i];
    }
    return longest;
}

/* The longest of those that have a place of that size. NULL: none has. */
static Flow *find_holder(WireAqm *self, bool small)
{
    Flow *longest = NULL;

    for (unsigned i = 0; i < WIRE_AQM_FLOWS; i++) {
        Flow *flow = &self->flows[i];

        if (*count_of(flow, small) > 0 && (longest == NULL || flow->bytes > longest->bytes))
            longest = flow;
    }
    return longest;
}

static void append_flow(WireAqm *self, List *list, uint16_t number)
{
    self->flows[number].next = NONE;
    if (list->first == NONE)
        list->first = number;
    else
        self->flows[list->last].next = number;
    list->last = number;
}

static void append_item(WireAqm *self, Flow *flow, uint16_t item)
{
    self->items[item].next = NONE;
    if (flow->first == NONE)
        flow->first = item;
    else
        self->items[flow->last].next = item;
    flow->last = item;
    flow->bytes += self->items[item].len;
    self->bytes += self->items[item].len;
    ++*count_of(flow, is_small(item));
}

/* Until there is a place of that size, and @len bytes are not too many: at the cost of the longest
 * that stand in the way. Returns: packets dropped. */
static unsigned make_room(WireAqm *self, bool small, uint32_t len)
{
    const uint16_t *list = small ? &self->free_small : &self->free_large;
    unsigned        dropped = 0;
    Flow           *holder;

    for (; *list == NONE && (holder = find_holder(self, small)) != NULL; dropped++)
        put_back(self, unlink_first(self, holder));
    for (; self->bytes + len > WIRE_AQM_BYTES; dropped++)
        put_back(self, unlink_first(self, find_longest(self)));
    return dropped;
}

unsigned wire_aqm_put(WireAqm *self, const WirePacket *packet, int64_t now_us)
{
    uint16_t *list = packet->len <= WIRE_AQM_SMALL ? &self->free_small : &self->free_large;
    unsigned  number = wire_aqm_flow(self->salt, packet->data, packet->len), dropped;
    Flow     *flow = &self->flows[number];
    uint16_t  item;

    if (packet->len > WIRE_MAX_PACKET)
        return 1;
    dropped = make_room(self, packet->len <= WIRE_AQM_SMALL, packet->len);
    if (*list == NONE)
        return dropped + 1; /* all were taken and not released */
    item = *list;
    *list = self->items[item].next;
    self->items[item] = (Item){ .at_us = now_us, .len = packet->len };
    memcpy(place_of(self, item), packet->data, packet->len);
    append_item(self, flow, item);
    if (flow->state == IDLE) {
        flow->state = NEW;
        flow->deficit = WIRE_AQM_QUANTUM;
        append_flow(self, &self->fresh, (uint16_t)number);
    }
    return dropped;
}

/* The flow at the head of @list goes behind all old ones, or out. */
static void move_on(WireAqm *self, List *list, State to)
{
    uint16_t number = list->first;

    list->first = self->flows[number].next;
    if (list->first == NONE)
        list->last = NONE;
    self->flows[number].state = to;
    if (to == OLD)
        append_flow(self, &self->old, number);
}

/* CoDel's choice among a flow's packets. Returns: NONE: it has no more. */
static uint16_t choose(WireAqm *self, Flow *flow, int64_t now_us, WireAqmToll *toll)
{
    static const MeshCodelTimes times = { WIRE_AQM_TARGET_US, WIRE_AQM_INTERVAL_US };

    while (flow->first != NONE) {
        uint16_t item = unlink_first(self, flow);
        bool     more = flow->bytes > WIRE_AQM_QUANTUM;

        if (!mesh_codel_judge(&flow->codel, &times, now_us - self->items[item].at_us, more, now_us))
            return item;
        if (wire_ecn_get(place_of(self, item), self->items[item].len) != WIRE_ECN_NOT_ECT) {
            (void)wire_ecn_merge(place_of(self, item), WIRE_ECN_CE);
            toll->marked++;
            return item;
        }
        put_back(self, item);
        toll->dropped++;
    }
    mesh_codel_rest(&flow->codel);
    return NONE;
}

bool wire_aqm_take(WireAqm *self, int64_t now_us, WirePacket *out, WireAqmToll *inout_toll)
{
    while (self->fresh.first != NONE || self->old.first != NONE) {
        List    *list = self->fresh.first != NONE ? &self->fresh : &self->old;
        Flow    *flow = &self->flows[list->first];
        uint16_t item;

        if (flow->deficit <= 0) {
            flow->deficit += WIRE_AQM_QUANTUM;
            move_on(self, list, OLD);
            continue;
        }
        item = choose(self, flow, now_us, inout_toll);
        if (item == NONE) {
            /* One that is new waits its turn once, or it could be new always. */
            move_on(self, list, list == &self->fresh && self->old.first != NONE ? OLD : IDLE);
            continue;
        }
        flow->deficit -= (int32_t)self->items[item].len;
        self->items[item].next = self->taken;
        self->taken = item;
        *out = (WirePacket){ .data = place_of(self, item), .len = self->items[item].len };
        return true;
    }
    return false;
}

void wire_aqm_release(WireAqm *self)
{
    while (self->taken != NONE) {
        uint16_t item = self->taken;

        self->taken = self->items[item].next;
        put_back(self, item);
    }
}
