#include "server/relay/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/std/codel.h"

#define MAX_NS (RELAY_QUEUE_MAX_MS * INT64_C(1000000))

enum { PLACES = 64 };

typedef struct Flow Flow;
struct Flow {
    Flow        *next_in_place; /* same hash */
    Flow        *prev, *next;   /* the round */
    uint32_t     source;
    size_t       bytes;
    int          deficit;
    MeshCodel    codel;
    RelayParcel *first, **last;
};

struct RelayQueue {
    size_t       bytes;
    RelayParcel *urgent, **urgent_last;
    size_t       urgent_bytes;
    Flow        *round; /* who is served next; a ring; NULL: nobody waits */
    Flow        *places[PLACES];
};

/* What it costs to keep a parcel: small packets must not fill more memory than large ones. */
static size_t cost(size_t len)
{
    return sizeof(RelayParcel) + 32 + len;
}

RelayQueue *relay_queue_new(void)
{
    RelayQueue *self = calloc(1, sizeof(*self));

    if (self != NULL)
        self->urgent_last = &self->urgent;
    return self;
}

static void free_parcels(RelayParcel *parcel)
{
    while (parcel != NULL) {
        RelayParcel *next = parcel->next;

        free(parcel);
        parcel = next;
    }
}

bool relay_queue_is_empty(const RelayQueue *self)
{
    return self->bytes == 0;
}

bool relay_queue_has_urgent(const RelayQueue *self)
{
    return self->urgent != NULL;
}

size_t relay_queue_get_bytes(const RelayQueue *self)
{
    return self->bytes;
}

static Flow **find_place(RelayQueue *self, uint32_t source)
{
    Flow **place = &self->places[source * 0x9E3779B1U >> 26];

    while (*place != NULL && (*place)->source != source)
        place = &(*place)->next_in_place;
    return place;
}

static Flow *find_or_add_flow(RelayQueue *self, uint32_t source)
{
    Flow **place = find_place(self, source), *flow = *place;

    if (flow != NULL)
        return flow;
    flow = calloc(1, sizeof(*flow));
    if (flow == NULL)
        return NULL;
    flow->source = source;
    flow->last = &flow->first;
    *place = flow;
    if (self->round == NULL) {
        flow->prev = flow->next = flow;
        self->round = flow;
        return flow;
    }
    flow->next = self->round; /* last in the round */
    flow->prev = self->round->prev;
    flow->prev->next = flow;
    flow->next->prev = flow;
    return flow;
}

static void drop_flow(RelayQueue *self, Flow *flow)
{
    *find_place(self, flow->source) = flow->next_in_place;
    if (self->round == flow)
        self->round = flow->next != flow ? flow->next : NULL;
    flow->prev->next = flow->next;
    flow->next->prev = flow->prev;
    free(flow);
}

static RelayParcel *take_oldest(RelayQueue *self, Flow *flow)
{
    RelayParcel *parcel = flow->first;

    flow->first = parcel->next;
    if (flow->first == NULL)
        flow->last = &flow->first;
    flow->bytes -= cost(parcel->len);
    self->bytes -= cost(parcel->len);
    parcel->next = NULL;
    if (flow->first == NULL)
        drop_flow(self, flow);
    return parcel;
}

static RelayParcel *take_urgent(RelayQueue *self)
{
    RelayParcel *parcel = self->urgent;

    self->urgent = parcel->next;
    if (self->urgent == NULL)
        self->urgent_last = &self->urgent;
    self->urgent_bytes -= cost(parcel->len);
    self->bytes -= cost(parcel->len);
    parcel->next = NULL;
    return parcel;
}

void relay_queue_free(RelayQueue *self)
{
    if (self == NULL)
        return;
    free_parcels(self->urgent);
    while (self->round != NULL) {
        free_parcels(self->round->first);
        drop_flow(self, self->round);
    }
    free(self);
}

static Flow *find_largest(const RelayQueue *self)
{
    Flow *largest = self->round;

    for (Flow *at = self->round->next; at != self->round; at = at->next)
        if (at->bytes > largest->bytes)
            largest = at;
    return largest;
}

/* One parcel goes: of who has most when all have too much; that is @flow when it has over half. */
static RelayParcel *make_room(RelayQueue *self, Flow *flow)
{
    if (self->urgent_bytes > RELAY_QUEUE_URGENT_BYTES)
        return take_urgent(self);
    if (self->bytes <= RELAY_QUEUE_BYTES)
        return NULL;
    if (flow != NULL && flow->bytes > RELAY_QUEUE_BYTES / 2)
        return take_oldest(self, flow); /* who floods costs no search; it has more than this one */
    return self->round != NULL ? take_oldest(self, find_largest(self)) : take_urgent(self);
}

static int push_parcel(RelayQueue *self, RelayParcel *parcel, bool urgent, Flow **out_flow)
{
    Flow *flow = NULL;

    if (urgent) {
        *self->urgent_last = parcel;
        self->urgent_last = &parcel->next;
        self->urgent_bytes += cost(parcel->len);
    } else {
        flow = find_or_add_flow(self, parcel->source);
        if (flow == NULL)
            return -ENOMEM;
        *flow->last = parcel;
        flow->last = &parcel->next;
        flow->bytes += cost(parcel->len);
    }
    self->bytes += cost(parcel->len);
    *out_flow = flow;
    return 0;
}

int relay_queue_push(RelayQueue *self, const RelayWaiting *waiting, uint32_t *out_dropped)
{
    size_t       len = waiting->payload.len;
    RelayParcel *parcel = malloc(sizeof(*parcel) + len), *victim;
    Flow        *flow;
    int          rc = 0;

    if (parcel == NULL)
        return -ENOMEM;
    parcel->next = NULL;
    parcel->came_ns = waiting->now_ns;
    parcel->source = waiting->source;
    parcel->kind = waiting->kind;
    parcel->len = (uint16_t)len;
    if (len > 0)
        memcpy(parcel->data, waiting->payload.data, len);
    if (push_parcel(self, parcel, waiting->urgent, &flow) < 0) {
        free(parcel);
        return -ENOMEM;
    }
    while ((victim = make_room(self, flow)) != NULL) {
        *out_dropped = victim->source;
        free(victim);
        rc = 1;
        flow = waiting->urgent ? NULL : *find_place(self, waiting->source); /* it may be gone */
    }
    return rc;
}

/* Whether what is next is dropped instead: by CoDel, with the values of RFC 8290 for slow links,
 * and at an age for who does not react to it. */
static bool drop_aged(RelayQueue *self, int64_t now_ns, RelayAged *aged)
{
    static const MeshCodelTimes times = { RELAY_QUEUE_TARGET_MS * INT64_C(1000),
                                          RELAY_QUEUE_INTERVAL_MS * INT64_C(1000) };

    const RelayParcel *parcel = self->urgent != NULL ? self->urgent : self->round->first;
    int64_t            waited_ns = now_ns - parcel->came_ns;

    if (self->urgent != NULL) {
        if (waited_ns <= MAX_NS)
            return false;
        free(take_urgent(self));
    } else {
        if (!mesh_codel_judge(&self->round->codel, &times, waited_ns / 1000, parcel->next != NULL,
                              now_ns / 1000) &&
            waited_ns <= MAX_NS)
            return false;
        aged->has_source = true;
        aged->source = parcel->source;
        free(take_oldest(self, self->round));
    }
    aged->n++;
    return true;
}

/* Each flow's turn lasts until its quantum, and what it kept, does not pay for its next packet. No
 * packet is longer than a quantum, so one refill is enough. */
RelayParcel *relay_queue_pop(RelayQueue *self, int64_t now_ns, RelayAged *aged)
{
    Flow *flow;

    while (!relay_queue_is_empty(self) && drop_aged(self, now_ns, aged)) {
    }
    if (self->urgent != NULL)
        return take_urgent(self);
    if (self->round == NULL)
        return NULL;
    flow = self->round;
    if (flow->deficit < (int)flow->first->len)
        flow->deficit += RELAY_QUEUE_QUANTUM;
    flow->deficit -= (int)flow->first->len;
    if (flow->first->next != NULL && flow->deficit < (int)flow->first->next->len)
        self->round = flow->next; /* its turn is over; what is left it keeps */
    return take_oldest(self, flow);
}
