/* mesh-load LINK COUNT [SPREAD_MS]: simulated nodes of one network against a real mesh-server.
 *
 * Commands on standard input, one a line; each is answered by one line of JSON when it is done:
 *   join            all register and open their streams; done when all have all as peers
 *   enrol           all register, report and go; done when all have
 *   whole           done when all also have the endpoints of all and know them present
 *   report I        node I reports new endpoints; done when all others have them
 *   watch           from now on note when a delta comes
 *   changed T0 ACK  done when all have one; times (monotonic, seconds) of request and answer
 *   back T0         done when all have a stream again that was opened after T0
 *   equal           compares all maps with each other
 *   stats
 * Times in answers are milliseconds where the name says so, else seconds. */
#include "common/std/endpoint.h"
#include "common/std/hash.h"
#include "tests/load/node.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define S_US    1e6
#define SLOW_US 30000000 /* a goal not reached by then: what is missing is told, and so on */

typedef struct Rig Rig;
struct Rig {
    LoadCrowd crowd;
    bool (*goal)(Rig *self); /* reached: it has answered; NULL: idle */
    int64_t   began_us;      /* of the join */
    int64_t   asked_us, acked_us;
    int64_t   told_us; /* when the goal was set, or what it lacks was told */
    LoadNode *mover;
    GString  *input;
    bool      over;
};

static LoadNode *node_at(const Rig *self, guint i)
{
    return g_ptr_array_index(self->crowd.nodes, i);
}

static void answer(const char *format, ...) G_GNUC_PRINTF(1, 2);
static void answer(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    (void)vprintf(format, list);
    va_end(list);
    (void)putchar('\n');
    (void)fflush(stdout);
}

/* --- goals ----------------------------------------------------------------------------------- */

static bool all_mapped(const Rig *self, bool whole)
{
    const GPtrArray *nodes = self->crowd.nodes;

    for (guint i = nodes->len; i-- > 0;)
        if (!load_node_is_mapped(node_at(self, i), nodes->len - 1, whole))
            return false;
    return true;
}

static bool mapped(Rig *self)
{
    if (!all_mapped(self, false))
        return false;
    answer("{\"mapped_s\":%.3f}", (double)(g_get_monotonic_time() - self->began_us) / S_US);
    return true;
}

static bool whole(Rig *self)
{
    if (!all_mapped(self, true))
        return false;
    answer("{\"whole_s\":%.3f}", (double)(g_get_monotonic_time() - self->began_us) / S_US);
    return true;
}

/* A goal is long in coming: is the machine slow, or something lost? */
static void tell_missing(const Rig *self)
{
    const GPtrArray *nodes = self->crowd.nodes;
    unsigned         live = 0, peers = 0, endpoints = 0, absent = 0;

    for (guint i = 0; i < nodes->len; i++) {
        const LoadNode *node = node_at(self, i);
        unsigned        known = mesh_netmap_count(node->map);

        live += node->state == LOAD_LIVE;
        peers += nodes->len - 1 - MIN(known, nodes->len - 1);
        for (unsigned at = 0; at < known; at++) {
            const MeshPeer *peer = mesh_netmap_get_peer(node->map, at);

            endpoints += peer->e == NULL;
            absent += !peer->online;
        }
    }
    (void)fprintf(stderr,
                  "mesh-load: %u of %u nodes have a stream; in all maps together %u peers are "
                  "missing, %u lack endpoints, %u count as absent\n",
                  live, nodes->len, peers, endpoints, absent);
}

static bool enrolled(Rig *self)
{
    for (guint i = self->crowd.nodes->len; i-- > 0;)
        if (node_at(self, i)->state != LOAD_AWAY)
            return false;
    answer("{\"enrolled_s\":%.3f}", (double)(g_get_monotonic_time() - self->began_us) / S_US);
    return true;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void answer_times(GArray *times, int64_t asked_us, int64_t acked_us)
{
    g_array_sort(times, compare_times);
    (void)printf("{\"ack_ms\":%.3f,\"times_ms\":[", (double)(acked_us - asked_us) / 1000);
    for (guint i = 0; i < times->len; i++)
        (void)printf("%s%.2f", i > 0 ? "," : "",
                     (double)(g_array_index(times, int64_t, i) - asked_us) / 1000);
    answer("]}");
}

/* All but the mover have heard. */
static bool heard(Rig *self)
{
    g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(int64_t));

    for (guint i = 0; i < self->crowd.nodes->len; i++) {
        const LoadNode *node = node_at(self, i);

        if (node == self->mover)
            continue;
        if (node->heard_us == 0)
            return false;
        g_array_append_val(times, node->heard_us);
    }
    if (self->mover != NULL && (self->mover->report_sent || self->mover->report_again_us != 0))
        return false;
    if (self->mover != NULL) {
        self->asked_us = self->mover->report_sent_us;
        self->acked_us = self->mover->reported_us;
    }
    answer_times(times, self->asked_us, self->acked_us);
    self->crowd.watch_delta = false;
    g_clear_pointer(&self->crowd.watch_e, mesh_signed_unref);
    return true;
}

static bool back(Rig *self)
{
    g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(int64_t));

    for (guint i = 0; i < self->crowd.nodes->len; i++) {
        const LoadNode *node = node_at(self, i);

        if (node->state != LOAD_LIVE || node->mapped_us < self->asked_us ||
            mesh_netmap_count(node->map) != self->crowd.nodes->len - 1)
            return false;
        g_array_append_val(times, node->mapped_us);
    }
    answer_times(times, self->asked_us, self->asked_us);
    return true;
}

/* --- commands -------------------------------------------------------------------------------- */

/* Differences of a node's map from what the others hold; @seen: index → MeshPeer. */
static unsigned compare_map(const LoadNode *node, GHashTable *seen)
{
    unsigned different = 0;

    for (size_t i = 0; i < mesh_netmap_count(node->map); i++) {
        const MeshPeer *peer = mesh_netmap_get_peer(node->map, i);
        const MeshPeer *other = g_hash_table_lookup(seen, GUINT_TO_POINTER(peer->index));

        if (other == NULL)
            g_hash_table_insert(seen, GUINT_TO_POINTER(peer->index), (gpointer)peer);
        else if (!mesh_signed_equal(peer->m, other->m) || !mesh_signed_equal(peer->k, other->k) ||
                 !mesh_signed_equal(peer->e, other->e) || peer->online != other->online)
            different++;
    }
    return different;
}

static void do_equal(Rig *self)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    unsigned different = 0, own = 0, behind = 0;
    uint64_t ver = 0;

    for (guint i = 0; i < self->crowd.nodes->len; i++) {
        const LoadNode       *node = node_at(self, i);
        const MeshNetmapHead *head = mesh_netmap_get_head(node->map);

        different += compare_map(node, seen);
        ver = MAX(ver, head->ver);
    }
    for (guint i = 0; i < self->crowd.nodes->len; i++) {
        const LoadNode       *node = node_at(self, i);
        const MeshNetmapHead *head = mesh_netmap_get_head(node->map);
        const MeshPeer       *peer = NULL;
        uint32_t              index;

        behind += head->ver != ver;
        if (load_memo_find_index(self->crowd.memo, &node->id, &index))
            peer = g_hash_table_lookup(seen, GUINT_TO_POINTER(index));
        own += peer == NULL || !mesh_signed_equal(peer->m, head->m) ||
               !mesh_signed_equal(peer->k, node->k) || !mesh_signed_equal(peer->e, node->e) ||
               mesh_netmap_find_peer(node->map, index) != NULL;
    }
    answer("{\"nodes\":%u,\"known\":%u,\"different\":%u,\"own_wrong\":%u,\"behind\":%u}",
           self->crowd.nodes->len, g_hash_table_size(seen), different, own, behind);
}

static void do_stats(Rig *self)
{
    const LoadCrowd *crowd = &self->crowd;
    struct rusage    usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    answer("{\"cpu_s\":%.2f,\"bytes\":%" G_GUINT64_FORMAT ",\"lines\":%" G_GUINT64_FORMAT
           ",\"bad\":%u,\"refused\":%u,\"resyncs\":%u,\"gaps\":%u,\"ends\":%u}",
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / S_US,
           crowd->net.bytes, crowd->net.lines, crowd->bad, crowd->refused, crowd->resyncs,
           crowd->gaps, crowd->ends);
}

static void forget_heard(Rig *self)
{
    for (guint i = 0; i < self->crowd.nodes->len; i++)
        node_at(self, i)->heard_us = 0;
    self->mover = NULL;
}

static void do_join(Rig *self)
{
    self->began_us = g_get_monotonic_time();
    for (guint i = 0; i < self->crowd.nodes->len; i++)
        node_at(self, i)->retry_us = self->began_us;
    self->goal = mapped;
}

static void do_enrol(Rig *self)
{
    self->crowd.enrols = true;
    do_join(self);
    self->goal = enrolled;
}

static void do_report(Rig *self, const char *argument)
{
    forget_heard(self);
    self->mover = node_at(self, (guint)atoi(argument) % self->crowd.nodes->len);
    load_node_move(self->mover);
    self->crowd.watch_e = mesh_signed_ref(self->mover->e);
    self->goal = heard;
}

static void set_times(Rig *self, const char *text)
{
    double asked = 0, acked = 0;

    (void)sscanf(text, "%lf %lf", &asked, &acked);
    self->asked_us = (int64_t)(asked * S_US);
    self->acked_us = (int64_t)(acked * S_US);
}

static void command(Rig *self, char *text)
{
    char *argument = strchr(text, ' ');

    if (argument != NULL)
        *argument++ = '\0';
    if (strcmp(text, "join") == 0) {
        do_join(self);
    } else if (strcmp(text, "enrol") == 0) {
        do_enrol(self);
    } else if (strcmp(text, "whole") == 0) {
        self->goal = whole;
    } else if (strcmp(text, "report") == 0 && argument != NULL) {
        do_report(self, argument);
    } else if (strcmp(text, "watch") == 0) {
        forget_heard(self);
        self->crowd.watch_delta = true;
        answer("{}");
    } else if (strcmp(text, "changed") == 0 && argument != NULL) {
        set_times(self, argument);
        self->goal = heard;
    } else if (strcmp(text, "back") == 0 && argument != NULL) {
        set_times(self, argument);
        self->goal = back;
    } else if (strcmp(text, "equal") == 0) {
        do_equal(self);
    } else if (strcmp(text, "stats") == 0) {
        do_stats(self);
    } else {
        answer("{\"error\":\"no such command\"}");
    }
}

/* --- the loop -------------------------------------------------------------------------------- */

static void read_commands(Rig *self)
{
    char    bytes[256], *end;
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);

    if (n == 0)
        self->over = true;
    if (n > 0)
        g_string_append_len(self->input, bytes, n);
    end = strchr(self->input->str, '\n');
    if (end == NULL)
        return;
    *end = '\0';
    command(self, self->input->str);
    g_string_erase(self->input, 0, end - self->input->str + 1);
}

/* Returns how many still wait for their turn. */
static unsigned tick(Rig *self)
{
    int64_t  now_us = g_get_monotonic_time();
    unsigned waiting = 0;

    for (guint i = 0; i < self->crowd.nodes->len; i++) {
        LoadNode *node = node_at(self, i);

        load_node_tick(node, now_us);
        waiting += (node->state == LOAD_IDLE && node->retry_us != 0) || node->report_again_us != 0;
    }
    return waiting;
}

static void run(Rig *self)
{
    struct epoll_event event = { .events = EPOLLIN };

    if (epoll_ctl(self->crowd.net.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0)
        g_error("standard input: %s", strerror(errno));
    (void)fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    answer("{\"ready\":%u}", self->crowd.nodes->len);
    while (!self->over) {
        unsigned waiting = tick(self);

        load_link_run(&self->crowd.net, waiting > 0 || self->goal != NULL ? 5 : 1000);
        if (self->goal != NULL && self->goal(self))
            self->goal = NULL;
        if (self->goal == NULL) {
            self->told_us = g_get_monotonic_time();
            read_commands(self);
        } else if (g_get_monotonic_time() - self->told_us > SLOW_US) {
            self->told_us = g_get_monotonic_time();
            tell_missing(self);
        }
    }
}

static void init_crowd(LoadCrowd *crowd, const char *link_text, unsigned spread_ms)
{
    g_autoptr(GError) error = NULL;
    MeshEndpoint endpoint = { 0 };
    char         text[MESH_JOINLINK_HOST_SIZE + 8];

    if (!mesh_joinlink_parse(link_text, &crowd->link, &error))
        g_error("link: %s", error->message);
    (void)snprintf(text, sizeof text, "%s:%u", crowd->link.host, crowd->link.port);
    if (!crowd->link.has_secret || mesh_endpoint_parse(text, &endpoint) < 0)
        g_error("link: it needs k= and an IPv4 address");
    mesh_joinlink_make_pair(crowd->link.secret, &crowd->join_secret, &crowd->join_public);
    mesh_reqsign_fingerprint(&crowd->link.server, crowd->fingerprint);
    crowd->backoff = mesh_backoff_make();
    if (spread_ms != 0)
        crowd->backoff.first_max_ms = MAX(spread_ms, crowd->backoff.first_min_ms);
    crowd->max_shaking = 400;
    load_link_init_net(&crowd->net, &endpoint, &crowd->link.server);
    crowd->net.funcs = &load_node_funcs;
    crowd->memo = load_memo_new(&crowd->link);
    crowd->nodes = g_ptr_array_new_with_free_func((GDestroyNotify)load_node_free);
}

int main(int argc, char **argv)
{
    Rig      rig = { .input = g_string_new(NULL) };
    unsigned count = argc >= 3 ? (unsigned)atoi(argv[2]) : 0;

    if (count < 2 || count > 30000 || mesh_key_init() < 0 || mesh_hash_init() < 0) {
        (void)fputs("Usage: mesh-load LINK COUNT [SPREAD_MS]\n", stderr);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    init_crowd(&rig.crowd, argv[1], argc > 3 ? (unsigned)atoi(argv[3]) : 0);
    for (unsigned i = 0; i < count; i++)
        g_ptr_array_add(rig.crowd.nodes, load_node_new(&rig.crowd, i));
    run(&rig);
    g_ptr_array_unref(rig.crowd.nodes);
    load_link_reap(&rig.crowd.net);
    load_memo_free(rig.crowd.memo);
    SSL_CTX_free(rig.crowd.net.tls);
    g_string_free(rig.input, TRUE);
    return 0;
}
