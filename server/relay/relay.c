#include "server/relay/relay.h"

#include "common/std/clock.h"
#include "server/relay/forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    SWEEP_MS = 1000,
    BATCHES_A_ROUND = 8, /* then the others get their turn */
};

/* --- the mover ---------------------------------------------------------------------------------
 */

static void note_time(Relay *self)
{
    int64_t now_ns = mesh_clock_boot_ns();

    self->now_ms = now_ns / 1000000;
    self->outs[RELAY_MAIN].now_ns = self->outs[RELAY_ALT].now_ns = now_ns;
}

static void take_alt(Relay *self)
{
    RelayDatagrams *datagrams;
    unsigned        n = relay_udp_receive(self->receiver, self->fds[RELAY_ALT], &datagrams);

    for (unsigned i = 0; i < n; i++)
        for (size_t at = 0; at < datagrams[i].len; at += datagrams[i].segment) {
            size_t left = datagrams[i].len - at;

            relay_strangers_take(self, &datagrams[i],
                                 MESH_SPAN(datagrams[i].data + at, left < datagrams[i].segment
                                                                       ? left
                                                                       : datagrams[i].segment),
                                 RELAY_ALT);
        }
}

static void take_main(Relay *self)
{
    for (unsigned round = 0; round < BATCHES_A_ROUND; round++) {
        RelayDatagrams *datagrams;
        unsigned        n;

        n = relay_udp_receive(self->receiver, self->fds[RELAY_MAIN], &datagrams);
        if (n == 0)
            return;
        note_time(self);
        relay_table_read(self->table);
        for (unsigned i = 0; i < n; i++)
            relay_frames_take(self, &datagrams[i]);
        relay_out_flush(&self->outs[RELAY_MAIN]); /* what it borrows ends with the batch */
        relay_table_unlock(self->table);
    }
}

static void visit_old(RelaySession *session, void *data)
{
    Relay  *self = data;
    int64_t heard_ms = atomic_load_explicit(&session->heard_ms, memory_order_relaxed);

    if (session->exp_ms <= self->now_ms || self->now_ms - heard_ms >= RELAY_SILENCE_MS)
        relay_stream_end_session(self, session);
}

static void sweep(Relay *self)
{
    mesh_relaykey_jar_turn(&self->jar, self->now_ms);
    if (self->now_ms < self->sweep_at_ms)
        return;
    self->sweep_at_ms = self->now_ms + SWEEP_MS;
    relay_table_write(self->table);
    relay_table_each(self->table, visit_old, self);
    relay_table_unlock(self->table);
}

static void visit_drained(RelaySession *session, void *data)
{
    Relay               *self = data;
    const MeshRelayFrame frame = { .kind = MESH_RELAY_RESTART,
                                   .session = session->number,
                                   .arg = atomic_load(&self->drain_ms) };

    relay_forward_frame(self, &self->outs[RELAY_MAIN], session, &frame);
}

static void hear_owner(Relay *self)
{
    eventfd_t value;

    (void)eventfd_read(self->wake, &value);
    if (atomic_load(&self->drain_ms) == 0)
        return;
    relay_table_read(self->table);
    relay_table_each(self->table, visit_drained, self);
    relay_out_flush(&self->outs[RELAY_MAIN]);
    relay_table_unlock(self->table);
    atomic_store(&self->drain_ms, 0);
}

static int watch(Relay *self, int op, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data = { .fd = fd } };

    return epoll_ctl(self->epoll, op, fd, &event) < 0 ? -errno : 0;
}

static void take_event(Relay *self, const struct epoll_event *event)
{
    if (event->data.fd == self->wake)
        hear_owner(self);
    else if (event->data.fd == mesh_ring_fd(self->answered))
        relay_bind_take_answers(self);
    else if (event->data.fd == self->fds[RELAY_ALT])
        take_alt(self);
    else if (event->events & EPOLLIN)
        take_main(self);
    if (event->data.fd == self->fds[RELAY_MAIN] && event->events & EPOLLOUT)
        atomic_store(&self->blocked, false);
}

static void flush(Relay *self)
{
    for (int i = 0; i < RELAY_N_SOCKETS; i++) {
        relay_out_flush(&self->outs[i]);
        if (self->outs[i].refused > 0)
            relay_count(self, RELAY_COUNT_SOCKET, self->outs[i].refused);
        self->outs[i].refused = 0;
    }
}

static void run_mover(void *user_data)
{
    Relay             *self = user_data;
    struct epoll_event events[8];
    int                serve_ms = -1;
    bool               watches_out = false, blocked;

    while (!atomic_load(&self->stopping)) {
        int wait_ms = serve_ms >= 0 && serve_ms < SWEEP_MS ? serve_ms : SWEEP_MS;
        int n = epoll_wait(self->epoll, events, MESH_N_ELEMENTS(events), wait_ms);

        note_time(self);
        sweep(self);
        for (int i = 0; i < n; i++)
            take_event(self, &events[i]);
        serve_ms = relay_forward_serve(self);
        flush(self);
        blocked = atomic_load(&self->blocked);
        if (blocked != watches_out && watch(self, EPOLL_CTL_MOD, self->fds[RELAY_MAIN],
                                            blocked ? EPOLLIN | EPOLLOUT : EPOLLIN) == 0)
            watches_out = blocked;
    }
}

/* --- start and stop ----------------------------------------------------------------------------
 */

static int fail(char *out_why, int rc, const char *what, unsigned number)
{
    (void)snprintf(out_why, RELAY_WHY_SIZE, "%s %u: %s", what, number, strerror(-rc));
    return rc;
}

static int open_sockets(Relay *self, char *out_why)
{
    const uint16_t ports[RELAY_N_SOCKETS] = { self->config.udp, self->config.alt };

    for (int i = 0; i < RELAY_N_SOCKETS; i++) {
        int rc;

        if (i == RELAY_ALT && ports[i] == 0)
            continue;
        self->fds[i] = relay_udp_open(ports[i], &self->is_v6[i]);
        if (self->fds[i] < 0)
            return fail(out_why, self->fds[i], "UDP port", ports[i]);
        rc = watch(self, EPOLL_CTL_ADD, self->fds[i], EPOLLIN);
        if (rc < 0)
            return fail(out_why, rc, "UDP port", ports[i]);
        self->outs[i].fd = self->fds[i];
        self->outs[i].is_v6 = self->is_v6[i];
    }
    self->outs[RELAY_MAIN].blocked = relay_forward_blocked;
    self->outs[RELAY_MAIN].ring = relay_stream_ring;
    self->outs[RELAY_MAIN].user_data = self;
    return 0;
}

static int make_parts(Relay *self)
{
    int rc = relay_table_new(self->config.sessions, &self->table);

    if (rc == 0)
        rc = relay_udp_receiver_new(&self->receiver);
    if (rc == 0)
        rc = mesh_buckets_new(MESH_BUCKETS_BY_32, RELAY_STRANGER_RATE, RELAY_STRANGER_BURST,
                              &self->strangers);
    if (rc == 0)
        rc = mesh_ring_new(sizeof(RelayBinding *), RELAY_BINDINGS, &self->asked);
    if (rc == 0) /* one is in the signer's hands, one ends it */
        rc = mesh_ring_new(sizeof(RelayBinding *), 2 * RELAY_BINDINGS, &self->answered);
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    self->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (rc == 0 && (self->epoll < 0 || self->wake < 0))
        rc = -errno;
    if (rc == 0)
        rc = watch(self, EPOLL_CTL_ADD, self->wake, EPOLLIN);
    if (rc == 0)
        rc = watch(self, EPOLL_CTL_ADD, mesh_ring_fd(self->answered), EPOLLIN);
    return rc;
}

static int set_secret(Relay *self, const MeshKey *secret)
{
    self->secret = mesh_key_alloc(sizeof(*self->secret));
    if (self->secret == NULL)
        return -ENOMEM;
    *self->secret = *secret;
    mesh_key_make_public(self->secret, &self->rk);
    mesh_key_protect(self->secret, MESH_KEY_READONLY);
    mesh_key_wipe(&self->config.rk_secret, sizeof(self->config.rk_secret));
    return 0;
}

static int start_threads(Relay *self)
{
    int rc = mesh_thread_start("relay-sign", relay_bind_run_signer, self, &self->signer);

    return rc < 0 ? rc : mesh_thread_start("relay", run_mover, self, &self->mover);
}

int relay_start(const RelayConfig *config, Relay **out_relay, char *out_why)
{
    Relay *self = calloc(1, sizeof(*self));
    int    rc;

    if (self == NULL)
        return fail(out_why, -ENOMEM, "sessions", config->sessions);
    self->config = *config;
    self->fds[RELAY_MAIN] = self->fds[RELAY_ALT] = self->epoll = self->wake = -1;
    (void)pthread_mutex_init(&self->waiting_lock, NULL);
    rc = set_secret(self, &config->rk_secret);
    if (rc == 0)
        rc = make_parts(self);
    if (rc < 0)
        (void)fail(out_why, rc, "sessions", config->sessions);
    if (rc == 0)
        rc = open_sockets(self, out_why);
    if (rc == 0) {
        note_time(self);
        mesh_relaykey_jar_init(&self->jar, self->now_ms);
        rc = start_threads(self);
        if (rc < 0)
            (void)fail(out_why, rc, "threads", 2);
    }
    if (rc < 0) {
        relay_stop(self);
        return rc;
    }
    *out_relay = self;
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

static void free_ring(MeshRing *ring)
{
    RelayBinding *binding;

    while (ring != NULL && mesh_ring_pop(ring, &binding))
        free(binding);
    mesh_ring_free(ring);
}

void relay_stop(Relay *self)
{
    RelayBinding *end = NULL;

    if (self == NULL)
        return;
    atomic_store(&self->stopping, true);
    if (self->wake >= 0)
        (void)eventfd_write(self->wake, 1);
    mesh_thread_join(self->mover);
    if (self->signer != NULL) { /* the mover is gone: we may push now */
        while (!mesh_ring_push(self->asked, &end))
            (void)usleep(1000);
        mesh_thread_join(self->signer);
    }
    free_ring(self->asked);
    free_ring(self->answered);
    close_fd(self->fds[RELAY_MAIN]);
    close_fd(self->fds[RELAY_ALT]);
    close_fd(self->epoll);
    close_fd(self->wake);
    relay_table_free(self->table);
    relay_udp_receiver_free(self->receiver);
    mesh_buckets_free(self->strangers);
    free(self->waiting);
    (void)pthread_mutex_destroy(&self->waiting_lock);
    mesh_key_free(self->secret);
    free(self);
}

/* --- for the owner, from any thread
 * -------------------------------------------------------------*/

void relay_revoke(Relay *self, const RelayNode *node)
{
    RelaySession *session;

    relay_table_write(self->table);
    self->revoked[self->next_revoked] = (RelayRevoked){
        .server = node->server,
        .node = node->node,
        .exp_s = mesh_clock_wall_s() + RELAY_TOKEN_S,
    };
    self->next_revoked = (self->next_revoked + 1) % RELAY_REVOKED;
    if (self->n_revoked < RELAY_REVOKED)
        self->n_revoked++;
    session = relay_table_find_node(self->table, node, node->index);
    if (session != NULL)
        relay_stream_end_session(self, session);
    relay_table_unlock(self->table);
}

void relay_allow(Relay *self, const RelayNode *node)
{
    relay_table_write(self->table);
    for (unsigned i = 0; i < self->n_revoked; i++)
        if (self->revoked[i].server == node->server &&
            mesh_key_equal(&self->revoked[i].node, &node->node))
            self->revoked[i].exp_s = 0;
    relay_table_unlock(self->table);
}

void relay_drain(Relay *self, unsigned wait_ms)
{
    atomic_store(&self->drain_ms, wait_ms > 0 ? wait_ms : 1);
    (void)eventfd_write(self->wake, 1);
}

void relay_get_stats(Relay *self, RelayStats *out_stats)
{
    uint64_t n[RELAY_N_COUNTS];

    for (int i = 0; i < RELAY_N_COUNTS; i++)
        n[i] = atomic_load_explicit(&self->counts[i], memory_order_relaxed);
    *out_stats = (RelayStats){
        .packets = n[RELAY_COUNT_PACKETS],
        .bytes = n[RELAY_COUNT_BYTES],
        .bound = n[RELAY_COUNT_BOUND],
        .refused = n[RELAY_COUNT_REFUSED],
        .stun = n[RELAY_COUNT_STUN],
        .dropped_forged = n[RELAY_COUNT_FORGED],
        .dropped_unknown = n[RELAY_COUNT_UNKNOWN],
        .dropped_rate = n[RELAY_COUNT_RATE],
        .dropped_queue = n[RELAY_COUNT_QUEUE],
        .dropped_socket = n[RELAY_COUNT_SOCKET],
    };
    relay_table_read(self->table);
    out_stats->sessions = relay_table_count(self->table);
    relay_table_unlock(self->table);
}

const MeshKey *relay_get_key(const Relay *self)
{
    return &self->rk;
}

uint16_t relay_get_port(const Relay *self)
{
    return relay_udp_get_port(self->fds[RELAY_MAIN]);
}
