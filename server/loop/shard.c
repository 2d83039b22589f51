#include "server/loop/shard.h"

#include "common/std/clock.h"
#include "server/loop/accept.h"
#include "server/loop/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* An id: generation, shard, slot; loop_post() reads the shard, too. */
enum {
    EVENTS_A_ROUND = 256,
    SLOT_BITS = 18,
    SHARD_BITS = 6,
    MAX_SLOTS = 1 << SLOT_BITS,
    GENERATION_MASK = 0xffffff,
};

static LoopConnId make_id(const LoopShard *self, uint32_t slot)
{
    return (LoopConnId)self->slots[slot].generation << (SLOT_BITS + SHARD_BITS) |
           (LoopConnId)self->index << SLOT_BITS | slot;
}

bool loop_conn_are_together(LoopConnId a, LoopConnId b)
{
    return ((a ^ b) >> SLOT_BITS & ((1 << SHARD_BITS) - 1)) == 0;
}

static LoopConn *find_conn(LoopShard *self, LoopConnId id)
{
    uint32_t slot = (uint32_t)(id & (MAX_SLOTS - 1));

    id &= ((LoopConnId)1 << LOOP_CONN_ID_BITS) - 1;
    if (slot >= self->n_slots || make_id(self, slot) != id)
        return NULL;
    return self->slots[slot].conn;
}

static int grow_slots(LoopShard *self)
{
    uint32_t  n = self->n_slots != 0 ? self->n_slots * 2 : 64;
    LoopSlot *grown;

    if (n > MAX_SLOTS)
        return -ENFILE;
    grown = realloc(self->slots, n * sizeof(*grown));
    if (grown == NULL)
        return -ENOMEM;
    for (uint32_t i = n; i-- > self->n_slots;) {
        grown[i] = (LoopSlot){ .generation = 1, .next_free = self->first_free };
        self->first_free = i + 1;
    }
    self->slots = grown;
    self->n_slots = n;
    return 0;
}

int loop_shard_add(LoopShard *self, LoopConn *conn, LoopConnId *out_id)
{
    uint32_t slot;

    if (self->first_free == 0) {
        int rc = grow_slots(self);

        if (rc < 0)
            return rc;
    }
    slot = self->first_free - 1;
    self->first_free = self->slots[slot].next_free;
    self->slots[slot].conn = conn;
    *out_id = make_id(self, slot);
    (void)atomic_fetch_add(&self->n_conns, 1);
    return 0;
}

void loop_shard_remove(LoopShard *self, LoopConnId id)
{
    LoopSlot *slot = &self->slots[id & (MAX_SLOTS - 1)];

    slot->conn = NULL;
    slot->generation = (slot->generation + 1) & GENERATION_MASK;
    if (slot->generation == 0) /* 0.0.0 would be the id that names nothing */
        slot->generation = 1;
    slot->next_free = self->first_free;
    self->first_free = (uint32_t)(id & (MAX_SLOTS - 1)) + 1;
    (void)atomic_fetch_sub(&self->n_conns, 1);
}

int loop_shard_watch(LoopShard *self, int fd, uint32_t events, LoopSource *source)
{
    struct epoll_event event = { .events = events, .data = { .ptr = source } };

    /* It comes once and is changed often. */
    if (epoll_ctl(self->epoll, EPOLL_CTL_MOD, fd, &event) == 0)
        return 0;
    if (errno == ENOENT && epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    return -errno;
}

void loop_shard_set_alarm(LoopShard *self, LoopAlarm *alarm, unsigned ms)
{
    if (ms == 0) {
        loop_timers_cancel(&self->timers, &alarm->timer);
        return;
    }
    /* Without memory for the deadline it is over at once: late is worse than early. */
    if (loop_timers_set(&self->timers, &alarm->timer, self->now_ms + ms) < 0)
        alarm->fire(alarm);
}

static void on_mail(LoopSource *source, uint32_t events)
{
    LoopShard *self = (LoopShard *)((char *)source - offsetof(LoopShard, mail_source));
    LoopMail  *mail = loop_mailbox_take(self->mailbox);

    (void)events;
    while (mail != NULL) {
        LoopMail *next = mail->next;

        mail->deliver(mail, find_conn(self, mail->to));
        mail = next;
    }
}

static void fire_alarms(LoopShard *self)
{
    LoopTimer *timer;

    while ((timer = loop_timers_pop(&self->timers, self->now_ms)) != NULL) {
        LoopAlarm *alarm = (LoopAlarm *)timer; /* its first member */

        alarm->fire(alarm);
    }
}

/* Of two waits, -1 without end, the shorter. */
static int sooner(int a, int b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

static int wait_ms(const LoopShard *self)
{
    int wait =
        sooner(loop_timers_wait_ms(&self->timers, self->now_ms), loop_conn_get_doze_ms(self));
    int64_t left;

    if (self->dirty != NULL)
        return 0;
    if (!self->stopping)
        return wait;
    left = self->stop_at_ms - self->now_ms;
    if (left < 0)
        left = 0;
    return sooner(wait, (int)left);
}

static bool is_over(LoopShard *self)
{
    if (!self->stopping)
        return false;
    atomic_store(&self->takes_none, true); /* before the count: who comes still is in it */
    return atomic_load(&self->n_conns) == 0 || self->now_ms >= self->stop_at_ms;
}

static void close_all(LoopShard *self)
{
    for (uint32_t i = 0; i < self->n_slots; i++) {
        if (self->slots[i].conn != NULL)
            loop_conn_abort(self->slots[i].conn);
    }
    while (self->dirty != NULL)
        loop_conn_settle(self);
}

static void run(void *user_data)
{
    LoopShard         *self = user_data;
    struct epoll_event events[EVENTS_A_ROUND];

    self->now_ms = mesh_clock_boot_ms();
    while (!is_over(self)) {
        int n = epoll_wait(self->epoll, events, EVENTS_A_ROUND, wait_ms(self));

        self->now_ms = mesh_clock_boot_ms();
        for (int i = 0; i < n; i++) {
            LoopSource *source = events[i].data.ptr;

            source->ready(source, events[i].events);
        }
        fire_alarms(self);
        loop_conn_settle(self);
        loop_conn_doze(self);
    }
    close_all(self);
    self->ended = true;
}

int loop_shard_new(Loop *loop, unsigned index, LoopShard **out_shard)
{
    LoopShard *self = calloc(1, sizeof(*self));
    int        rc;

    if (self == NULL)
        return -ENOMEM;
    self->loop = loop;
    self->index = index;
    self->mail_source.ready = on_mail;
    self->now_ms = mesh_clock_boot_ms();
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    rc = self->epoll < 0 ? -errno : loop_mailbox_new(&self->mailbox);
    if (rc == 0)
        rc =
            loop_shard_watch(self, loop_mailbox_get_fd(self->mailbox), EPOLLIN, &self->mail_source);
    if (rc < 0) {
        loop_shard_free(self);
        return rc;
    }
    *out_shard = self;
    return 0;
}

void loop_shard_free(LoopShard *self)
{
    if (self == NULL)
        return;
    if (self->mailbox != NULL)
        on_mail(&self->mail_source, 0); /* what came after the end of the thread */
    loop_mailbox_free(self->mailbox);
    loop_timers_done(&self->timers);
    if (self->epoll >= 0)
        (void)close(self->epoll);
    free(self->slots);
    free(self);
}

int loop_shard_run(LoopShard *self)
{
    char name[] = "shard-00";

    name[6] = (char)('0' + self->index / 10 % 10);
    name[7] = (char)('0' + self->index % 10);
    return mesh_thread_start(name, run, self, &self->thread);
}
