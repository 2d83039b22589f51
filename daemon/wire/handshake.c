/* daemon/wire/handshake.c: the handshake thread's loop: notes first, then messages, then timers; it
 * also listens to what the host says about the TUN. */
#include "daemon/wire/handshake.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/std/clock.h"
#include "common/std/thread.h"
#include "daemon/wire/deadlines.h"
#include "daemon/wire/exchange.h"
#include "daemon/wire/talk.h"

enum {
    MESSAGES_A_ROUND = 32, /* at most ~3 ms of curves between two looks at the notes */
    LOADED_MS = 1000,      /* under load stays true this long after it was */
};

struct WireHandshaker {
    WirePlane     *plane;
    MeshThread    *thread;
    WireExchange   exchange;
    WireDeadlines *deadlines;
    int64_t        loaded_until_ms;
};

static int64_t now_of(const WireHandshaker *self)
{
    return self->exchange.now_ms;
}

static uint16_t keepalive_of(const WirePeer *peer)
{
    return atomic_load_explicit(&peer->keepalive_s, memory_order_relaxed);
}

/* The next look at the peer. Whatever changed its timers ends here. */
static void arm(WireHandshaker *self, WirePeer *peer)
{
    if (peer->known)
        wire_deadlines_arm(self->deadlines, &peer->deadline,
                           wire_timers_next(&peer->timers, keepalive_of(peer)));
}

static void start_session(WireHandshaker *self, WirePeer *peer)
{
    if (wire_timers_request(&peer->timers, now_of(self)))
        wire_exchange_initiate(&self->exchange, peer, false);
}

/* What was in the way of an initiation may be so no more. */
static void resume(WireHandshaker *self, WirePeer *peer)
{
    if (peer->held)
        wire_exchange_initiate(&self->exchange, peer, false);
}

static bool has_session(const WireHandshaker *self, const WirePeer *peer)
{
    return now_of(self) < atomic_load_explicit(&peer->session_until_ms, memory_order_relaxed);
}

/* Handshakes with it are of another suite now: what is under way, or what it has, is replaced at
 * once; sooner than 5 s after the last initiation, for that one asked for something else. */
static void change_suite(WireHandshaker *self, WirePeer *peer)
{
    if (wire_exchange_is_other_suite(&self->exchange, peer))
        wire_exchange_initiate(&self->exchange, peer, false);
}

static bool has_way(WirePeer *peer)
{
    WireHop hop;

    return (peer->talk != NULL && peer->talk->n_candidates > 0) ||
           wire_route_get(&peer->route, &hop);
}

/* Out of memory: there are none until the next route. */
static void take_candidates(WirePeerTalk *talk, const WireRoute *route)
{
    size_t size = route->n_candidates * sizeof(*talk->candidates);

    free(talk->candidates);
    talk->candidates = size > 0 ? malloc(size) : NULL;
    talk->n_candidates = talk->candidates != NULL ? route->n_candidates : 0;
    if (talk->n_candidates > 0)
        memcpy(talk->candidates, route->candidates, size);
}

/* A route that says no more than where it is needs nothing but that. */
static bool needs_talk(const WirePeer *peer, const WireRoute *route)
{
    return peer->talk != NULL || route->n_candidates > 0 || route->pinned;
}

/* New candidates, or another way: an initiation that still waits is sent again at once, they had no
 * copy of it. */
static void take_route(WireHandshaker *self, WirePeer *peer)
{
    WireRoute *route = wire_peer_take_route(peer);
    bool       news;

    if (route == NULL)
        return;
    if (!needs_talk(peer, route) || !wire_talk_ready(peer)) {
        free(route);
        return;
    }
    news = route->n_candidates > 0 ||
           (route->pinned && !wire_way_equal(&route->way, &peer->talk->asked));
    peer->talk->asked = route->pinned ? route->way : (WireWay){ .link = 0 };
    take_candidates(peer->talk, route);
    free(route);
    if (news && wire_exchange_is_pending(peer) && !has_session(self, peer))
        wire_exchange_initiate(&self->exchange, peer, true);
}

/* A peer with persistent keepalive is called as soon as it is configured or its way is known. */
static bool wants_contact(const WireHandshaker *self, WirePeer *peer, uint32_t bits)
{
    return (bits & (WIRE_ASK_KEYS | WIRE_ASK_ROUTE)) != 0 && keepalive_of(peer) > 0 &&
           !has_session(self, peer) && has_way(peer);
}

static void call_peer(WirePeer *peer, void *data)
{
    WireHandshaker *self = data;

    if (!peer->known)
        return;
    resume(self, peer);
    if (keepalive_of(peer) > 0 && !has_session(self, peer) && has_way(peer))
        start_session(self, peer);
    arm(self, peer);
}

/* The interface came up, or there is a key now: peers that want to be reachable at any time are
 * called, and those that somebody tried to reach. */
static void call_peers(WireHandshaker *self)
{
    wire_snapshot_list_peers(self->exchange.snapshot, call_peer, self);
}

static void take_identity(WireHandshaker *self)
{
    WireIdentity *news = __atomic_exchange_n(&self->plane->identity_news, NULL, __ATOMIC_ACQ_REL);

    if (news == NULL)
        return;
    wire_exchange_set_identity(&self->exchange, news);
    call_peers(self);
}

static void end_peer(WireHandshaker *self, WirePeer *peer)
{
    peer->known = false;
    peer->ended = true;
    wire_deadlines_disarm(self->deadlines, &peer->deadline);
    wire_exchange_forget(&self->exchange, peer);
    wire_peer_tell(self->plane, peer, WIRE_TELL_DROP);
    wire_peer_retire(peer); /* readers of keypairs and of the old snapshot may still hold it */
}

static void obey(WireHandshaker *self, WirePeer *peer, uint32_t bits)
{
    if (peer->ended)
        return; /* marked by a packet thread that still saw it */
    if (bits & WIRE_ASK_END) {
        end_peer(self, peer);
        return;
    }
    peer->early_bits |= (uint8_t)bits;
    /* The first note about its keys makes it known: from then on it may be armed. What packet
     * threads asked for before that, having seen the snapshot first, is done then. */
    if (!peer->known && !(peer->early_bits & WIRE_ASK_KEYS))
        return;
    peer->known = true;
    bits = peer->early_bits;
    peer->early_bits = 0;
    if (bits & WIRE_ASK_CONFIRM)
        wire_exchange_complete(&self->exchange, peer);
    if (bits & WIRE_ASK_KEYS)
        wire_exchange_drop_secrets(&self->exchange, peer);
    if (bits & WIRE_ASK_ROUTE)
        take_route(self, peer);
    if (bits & (WIRE_ASK_KEYS | WIRE_ASK_ROUTE))
        resume(self, peer);
    if (bits & WIRE_ASK_SUITE)
        change_suite(self, peer);
    if ((bits & WIRE_ASK_SESSION) || wants_contact(self, peer, bits))
        start_session(self, peer);
    arm(self, peer);
}

/* The snapshot is read after the notes were taken: it is at least as new as what they speak of. */
static void read_notes(WireHandshaker *self)
{
    WireNote *note = wire_mailbox_take(&self->plane->to_handshake);

    self->exchange.snapshot = wire_rcu_load(&self->plane->snapshot);
    take_identity(self);
    while (note != NULL) {
        WirePeer *peer = wire_peer_of_handshake_note(note);
        uint32_t  bits;

        note = wire_mailbox_next(note, &bits);
        obey(self, peer, bits);
        wire_peer_unref(peer);
    }
}

static void look_at_load(WireHandshaker *self)
{
    uint32_t queued = atomic_load_explicit(&self->plane->n_messages, memory_order_relaxed);

    if (queued >= WIRE_LOADED)
        self->loaded_until_ms = now_of(self) + LOADED_MS;
    self->exchange.loaded = now_of(self) < self->loaded_until_ms;
    wire_screen_set_loaded(self->plane->screen, self->exchange.loaded);
}

/* Returns: true: there may be more. */
static bool read_ring(WireHandshaker *self, MeshRing *ring)
{
    WireQueuedMessage message;
    int               n;

    for (n = 0; n < MESSAGES_A_ROUND && mesh_ring_pop(ring, &message); n++) {
        WirePeer *peer;

        atomic_fetch_sub_explicit(&self->plane->n_messages, 1, memory_order_relaxed);
        peer = wire_exchange_take(&self->exchange, &message);
        if (peer != NULL)
            arm(self, peer);
    }
    return n == MESSAGES_A_ROUND;
}

/* Those whose senders are real first: what others send waits, whatever there is of it.
 * Returns: true: there may be more. */
static bool read_messages(WireHandshaker *self)
{
    bool more;

    look_at_load(self);
    more = read_ring(self, self->plane->proven);
    if (read_ring(self, self->plane->messages))
        more = true;
    wire_exchange_flush(&self->exchange);
    return more;
}

/* What is due at a peer. */
static void expire(WireHandshaker *self, WirePeer *peer)
{
    unsigned actions = wire_timers_expire(&peer->timers, keepalive_of(peer), now_of(self));

    if (actions & WIRE_TIMER_ZERO) {
        wire_exchange_forget(&self->exchange, peer);
        wire_exchange_report(&self->exchange, WIRE_EVENT_EXPIRED, peer);
    }
    if (actions & WIRE_TIMER_GIVE_UP) {
        wire_peer_tell(self->plane, peer, WIRE_TELL_DROP);
        wire_exchange_report(&self->exchange, WIRE_EVENT_GAVE_UP, peer);
    }
    if (actions & WIRE_TIMER_SILENT)
        wire_exchange_report(&self->exchange, WIRE_EVENT_SILENT, peer);
    if (actions & WIRE_TIMER_INITIATE)
        wire_exchange_initiate(&self->exchange, peer, true);
    if ((actions & WIRE_TIMER_KEEPALIVE) && wire_tun_up(self->plane->tun))
        wire_peer_tell(self->plane, peer, WIRE_TELL_KEEPALIVE);
    arm(self, peer);
}

static WirePeer *peer_of(WireDeadline *deadline)
{
    return (WirePeer *)(void *)((char *)deadline - offsetof(WirePeer, deadline));
}

static void run_timers(WireHandshaker *self)
{
    WireDeadline *due;

    while ((due = wire_deadlines_pop(self->deadlines, now_of(self))) != NULL)
        expire(self, peer_of(due));
}

/* Addresses or routes of the host changed: the kernel chooses our source again, until the peer's
 * next authentic packet tells ours. */
static void forget_source(WirePeer *peer, void *data)
{
    WireHop hop;

    (void)data;
    if (wire_route_get(&peer->route, &hop))
        wire_route_forget_source(&peer->route, &hop);
}

static void read_watch(WireHandshaker *self)
{
    WireEvent     event = { .kind = WIRE_EVENT_LINK, .time_ns = (uint64_t)mesh_clock_boot_ns() };
    WireTunChange change;

    wire_tun_watch_read(self->plane->tun, &change);
    if (change.routes)
        wire_snapshot_list_peers(self->exchange.snapshot, forget_source, NULL);
    if (!change.link)
        return;
    if (wire_tun_up(self->plane->tun))
        call_peers(self);
    if (!wire_events_push(&self->plane->events, WIRE_THREAD_HANDSHAKE, &event))
        wire_count_drop(self->exchange.counters, WIRE_DROP_EVENTS, 1);
}

/* Milliseconds until the earliest deadline, for poll. */
static int wait_ms(const WireHandshaker *self)
{
    int64_t next = wire_deadlines_next(self->deadlines);
    int64_t left;

    if (next == INT64_MAX)
        return -1;
    left = next - mesh_clock_boot_ms();
    return left <= 0 ? 0 : (int)(left > INT_MAX ? INT_MAX : left);
}

/* Returns: true: the watch has news. */
static bool wait(WireHandshaker *self, bool busy)
{
    struct pollfd fds[] = {
        { .fd = wire_mailbox_fd(&self->plane->to_handshake), .events = POLLIN },
        { .fd = mesh_ring_fd(self->plane->messages), .events = POLLIN },
        { .fd = mesh_ring_fd(self->plane->proven), .events = POLLIN },
        { .fd = wire_tun_watch_fd(self->plane->tun), .events = POLLIN },
    };
    int timeout_ms = busy ? 0 : wait_ms(self);

    wire_rcu_offline();
    (void)!poll(fds, MESH_N_ELEMENTS(fds), timeout_ms);
    wire_rcu_online();
    if (fds[0].revents != 0)
        wire_mailbox_hush(&self->plane->to_handshake);
    if (fds[1].revents != 0)
        mesh_ring_hush(self->plane->messages);
    if (fds[2].revents != 0)
        mesh_ring_hush(self->plane->proven);
    return fds[3].revents != 0;
}

static void run(void *user_data)
{
    WireHandshaker *self = user_data;
    WirePlane      *plane = self->plane;
    bool            busy, watch = false;

    wire_rcu_register();
    while (!atomic_load_explicit(&plane->stopping, memory_order_acquire)) {
        self->exchange.now_ms = mesh_clock_boot_ms();
        self->exchange.snapshot = wire_rcu_load(&plane->snapshot);
        /* First: after a sleep the keys of before are to be wiped, not the handshake that the first
         * packet begins, which a timer that is late would take with them. */
        run_timers(self);
        read_notes(self);
        busy = read_messages(self);
        if (watch)
            read_watch(self);
        self->exchange.snapshot = NULL;
        watch = wait(self, busy);
    }
    wire_rcu_unregister();
}

int wire_handshake_start(WirePlane *plane, WireHandshaker **out_self)
{
    WireHandshaker *self = calloc(1, sizeof(*self));
    int             rc;

    if (self == NULL)
        return -ENOMEM;
    self->plane = plane;
    rc = wire_deadlines_new(&self->deadlines);
    if (rc == 0)
        rc = wire_exchange_init(&self->exchange, plane);
    if (rc == 0) {
        rc = mesh_thread_start("mesh-handshake", run, self, &self->thread);
        if (rc == 0) {
            *out_self = self;
            return 0;
        }
        wire_exchange_done(&self->exchange);
    }
    wire_deadlines_free(self->deadlines);
    free(self);
    return rc;
}

void wire_handshake_stop(WireHandshaker *self)
{
    if (self == NULL)
        return;
    wire_mailbox_ring(&self->plane->to_handshake);
    mesh_thread_join(self->thread);
    wire_exchange_done(&self->exchange);
    wire_deadlines_free(self->deadlines);
    free(self);
}
