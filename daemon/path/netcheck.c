#include "daemon/path/netcheck.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/path/candidates.h"
#include "daemon/path/stunask.h"
#include "daemon/wire/ways.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SOCKETS = 4, /* made for one check */
    JUDGES = 3,  /* relays that each of them asks */
    MAX_QUESTIONS = 80,
    MAX_WAITING = 16, /* callers */
    SENDS = 4,
    DEAF_MS = 3000,     /* nobody answered for so long: no UDP */
    PATIENCE_MS = 1000, /* for one answer where others come */
    PAUSE_MS = 5000,    /* from one check to the next that nobody asked for */
    PLANE = SOCKETS,    /* as number of a socket: the data plane's */
};

/* Of one question, since it was first put. */
static const int64_t sends_ms[SENDS] = { 0, 100, 300, 700 };

typedef enum { MAP, OTHER_PORT, HAIRPIN, DISTANCE } Purpose;

typedef struct {
    Purpose      purpose;
    unsigned     socket;
    size_t       relay; /* in the report */
    MeshEndpoint to;
    PathStunAsk  asks[SENDS]; /* one each time, so that an answer is timed by its own */
    unsigned     sent;        /* how often */
    int64_t      sent_us[SENDS];
    bool         answered;
    MeshEndpoint mapped;
} Question;

typedef struct {
    PathNetcheckDone done;
    void            *user_data;
} Waiting;

struct PathNetcheck {
    WirePlane         *plane; /* borrowed */
    PathNetcheckEvents events;
    void              *user_data;
    MeshProbeNat       shown;  /* by the last changed() */
    GArray            *relays; /* PathRelay */
    GArray            *addrs;  /* MeshAddr */
    GArray            *waiting;
    bool               running;
    int                fds[SOCKETS];
    guint              watches[SOCKETS];
    uint16_t           ports[SOCKETS];
    guint              timer;
    int64_t            began_ms;
    Question           questions[MAX_QUESTIONS];
    size_t             n_questions;
    PathNetcheckReport found, last; /* under way; of the last that ended */
};

static int64_t now_us(void)
{
    return mesh_clock_boot_ns() / 1000;
}

/* ---- questions ---- */

static Question *add_question(PathNetcheck *self, Purpose purpose, unsigned socket,
                              const MeshEndpoint *to)
{
    Question *question;

    if (self->n_questions >= MAX_QUESTIONS)
        return NULL;
    question = &self->questions[self->n_questions++];
    *question = (Question){ .purpose = purpose, .socket = socket, .to = *to };
    for (unsigned i = 0; i < SENDS; i++)
        question->asks[i] = path_stunask_make(purpose == OTHER_PORT ? MESH_STUN_CHANGE_PORT : 0);
    return question;
}

static void add_distance(PathNetcheck *self, size_t relay, const MeshEndpoint *to)
{
    Question *question =
        to->addr.family != 0 &&
                path_candidates_has_family((const MeshAddr *)(void *)self->addrs->data,
                                           self->addrs->len, to->addr.family)
            ? add_question(self, DISTANCE, PLANE, to)
            : NULL;

    if (question == NULL)
        return;
    question->relay = relay;
}

/* Whether strangers are let in, on a socket that asks nothing else: routers that take strays in let
 * them hold the port, and the next packet to where the stray came from leaves by another. */
static void add_filter(PathNetcheck *self, const MeshEndpoint *to)
{
    (void)add_question(self, MAP, 0, to);
    (void)add_question(self, OTHER_PORT, 0, to);
}

/* The other sockets ask both ports of a few relays, one after another. */
static void add_judges(PathNetcheck *self)
{
    const PathRelay *judges[JUDGES];
    size_t           n = 0;

    for (guint i = 0; i < self->relays->len && n < JUDGES; i++) {
        const PathRelay *relay = &g_array_index(self->relays, PathRelay, i);

        if (relay->at4.addr.family != 0 && relay->alt_port != 0)
            judges[n++] = relay;
    }
    if (n == 0 || self->fds[0] < 0)
        return;
    add_filter(self, &judges[0]->at4);
    for (unsigned socket = 1; socket < SOCKETS; socket++)
        for (size_t i = 0; i < n; i++) {
            MeshEndpoint alt = mesh_endpoint_make(&judges[i]->at4.addr, judges[i]->alt_port);

            (void)add_question(self, MAP, socket, &judges[i]->at4);
            (void)add_question(self, MAP, socket, &alt);
        }
}

static void send_question(PathNetcheck *self, Question *question)
{
    WireWay  way = { .endpoint = question->to };
    uint8_t  bytes[MESH_STUN_REQUEST_BYTES];
    MeshSpan request = path_stunask_write(&question->asks[question->sent], bytes);

    question->sent_us[question->sent++] = now_us();
    if (question->socket == PLANE) {
        if (wire_ways_send(self->plane, &way, 0, request) < 0)
            mesh_log_debug("a question to a relay could not be sent");
    } else {
        struct sockaddr_storage sa;
        socklen_t               size = mesh_endpoint_to_sockaddr(&question->to, &sa);

        if (sendto(self->fds[question->socket], request.data, request.len, MSG_NOSIGNAL,
                   (struct sockaddr *)&sa, size) < 0)
            mesh_log_debug("a question about the NAT could not be sent: %s", g_strerror(errno));
    }
}

/* ---- the sockets ---- */

static void close_sockets(PathNetcheck *self)
{
    for (unsigned i = 0; i < SOCKETS; i++) {
        g_clear_handle_id(&self->watches[i], g_source_remove);
        if (self->fds[i] >= 0)
            close(self->fds[i]);
        self->fds[i] = -1;
    }
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user_data);

static bool open_one(PathNetcheck *self, unsigned at)
{
    static const MeshAddr   any = { .family = AF_INET };
    MeshEndpoint            own = mesh_endpoint_make(&any, 0);
    struct sockaddr_storage sa;
    socklen_t               size = mesh_endpoint_to_sockaddr(&own, &sa);
    int                     fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return false;
    self->fds[at] = fd;
    if (bind(fd, (struct sockaddr *)&sa, size) < 0)
        return false;
    size = sizeof sa;
    if (getsockname(fd, (struct sockaddr *)&sa, &size) < 0 ||
        mesh_endpoint_from_sockaddr((struct sockaddr *)&sa, size, false, &own) < 0)
        return false;
    self->ports[at] = own.port;
    self->watches[at] = g_unix_fd_add(fd, G_IO_IN, on_readable, self);
    return true;
}

static void open_sockets(PathNetcheck *self)
{
    close_sockets(self);
    if (!path_candidates_has_family((const MeshAddr *)(void *)self->addrs->data, self->addrs->len,
                                    AF_INET))
        return;
    for (unsigned i = 0; i < SOCKETS; i++)
        if (!open_one(self, i)) {
            mesh_log_warning("cannot look at the NAT: %s", g_strerror(errno));
            close_sockets(self);
            return;
        }
}

/* ---- the end ---- */

static PathAnswer judge_family(const PathNetcheck *self, int family)
{
    bool asked = false;

    for (size_t i = 0; i < self->n_questions; i++) {
        const Question *question = &self->questions[i];

        if (question->to.addr.family != family || question->sent == 0 ||
            question->purpose == HAIRPIN)
            continue;
        if (question->answered)
            return PATH_YES;
        asked = true;
    }
    return asked ? PATH_NO : PATH_UNKNOWN;
}

/* @final: who has not answered by now will not. */
static void judge_nat(PathNetcheck *self, bool final)
{
    PathNatLook  looks[MAX_QUESTIONS];
    PathNatLooks seen = { .looks = looks,
                          .own = (const MeshAddr *)(void *)self->addrs->data,
                          .n_own = self->addrs->len };

    for (size_t i = 0; i < self->n_questions; i++) {
        const Question *question = &self->questions[i];

        PathAnswer no = final ? PATH_NO : PATH_UNKNOWN;

        if (question->purpose == OTHER_PORT)
            seen.other_port = question->answered ? PATH_YES : no;
        if (question->purpose == HAIRPIN)
            seen.hairpin = question->answered ? PATH_YES : no;
        if (question->purpose == MAP && question->answered)
            looks[seen.n++] = (PathNatLook){ .socket = question->socket,
                                             .local_port = self->ports[question->socket],
                                             .asked = question->to,
                                             .mapped = question->mapped };
    }
    path_natclass_judge(&seen, &self->found.nat);
}

static void tell_waiting(PathNetcheck *self, const PathNetcheckReport *report)
{
    g_autoptr(GArray) waiting = self->waiting;

    self->waiting = g_array_new(false, false, sizeof(Waiting));
    for (guint i = 0; i < waiting->len; i++) {
        const Waiting *one = &g_array_index(waiting, Waiting, i);

        one->done(report, one->user_data);
    }
}

static bool is_same_nat(const MeshProbeNat *a, const MeshProbeNat *b)
{
    return a->mapping == b->mapping && a->filtering == b->filtering && a->step == b->step &&
           a->block_first == b->block_first && a->block_last == b->block_last;
}

/* Who answered over either family, was told of already. */
static void tell_distances(PathNetcheck *self)
{
    for (size_t i = 0; self->n_questions > 0 && i < self->last.n_relays; i++)
        if (self->last.relays[i].udp4_us == 0 && self->last.relays[i].udp6_us == 0)
            self->events.met(self->last.relays[i].id, 0, self->user_data);
    if (self->n_questions > 0)
        self->events.ended(self->user_data);
}

static void end(PathNetcheck *self)
{
    static const char *const answers[] = { "not asked", "no", "yes" };
    g_autofree char         *words = NULL;

    self->found.udp4 = judge_family(self, AF_INET);
    self->found.udp6 = judge_family(self, AF_INET6);
    judge_nat(self, true);
    self->found.done = true;
    self->found.at_ms = mesh_clock_boot_ms();
    self->running = false;
    close_sockets(self);
    self->last = self->found;
    words = path_natclass_describe(&self->last.nat);
    if (self->n_questions > 0)
        mesh_log_info("relays answer over UDP: IPv4 %s, IPv6 %s; IPv4: %s",
                      answers[self->last.udp4], answers[self->last.udp6], words);
    tell_waiting(self, &self->last);
    if (self->n_questions > 0 && !is_same_nat(&self->shown, &self->last.nat.what)) {
        self->shown = self->last.nat.what;
        self->events.changed(self->user_data);
    }
    tell_distances(self);
}

/* What ports are given is known long before who may come in: that shows by what does not come. */
static void tell_ports(PathNetcheck *self)
{
    const MeshProbeNat *last = &self->last.nat.what, *found = &self->found.nat.what;

    for (size_t i = 0; i < self->n_questions; i++)
        if (self->questions[i].purpose == MAP && !self->questions[i].answered)
            return;
    judge_nat(self, false);
    if (last->mapping == found->mapping && last->step == found->step &&
        last->block_first == found->block_first && last->block_last == found->block_last)
        return;
    self->last.nat = self->found.nat;
    self->shown = *found;
    self->events.changed(self->user_data);
}

/* ---- the course of a check ---- */

static bool is_over(const Question *question, bool deaf)
{
    int64_t waited_ms = (now_us() - question->sent_us[0]) / 1000;

    if (question->answered)
        return true;
    return question->sent > 0 && waited_ms >= (deaf ? DEAF_MS : PATIENCE_MS);
}

static bool is_deaf(const PathNetcheck *self)
{
    for (size_t i = 0; i < self->n_questions; i++)
        if (self->questions[i].answered)
            return false;
    return true;
}

/* Puts again what is due. Returns: when to look again, in ms; 0: all is over. */
static int64_t work(PathNetcheck *self)
{
    int64_t next_ms = INT64_MAX, now_ms = now_us() / 1000;
    bool    deaf = is_deaf(self);

    for (size_t i = 0; i < self->n_questions; i++) {
        Question *question = &self->questions[i];
        int64_t   due_ms;

        if (is_over(question, deaf))
            continue;
        if (question->sent < SENDS &&
            (question->sent == 0 ||
             now_ms >= question->sent_us[0] / 1000 + sends_ms[question->sent]))
            send_question(self, question);
        due_ms = question->sent_us[0] / 1000 + (question->sent < SENDS ? sends_ms[question->sent]
                                                : deaf                 ? DEAF_MS
                                                                       : PATIENCE_MS);
        next_ms = MIN(next_ms, MAX(due_ms - now_ms, 1));
    }
    return next_ms == INT64_MAX ? 0 : next_ms;
}

static gboolean on_timer(gpointer user_data);
static void     start(PathNetcheck *self);

static void proceed(PathNetcheck *self)
{
    int64_t in_ms = work(self);

    g_clear_handle_id(&self->timer, g_source_remove);
    if (in_ms > 0)
        self->timer = g_timeout_add((guint)in_ms, on_timer, self);
    else
        end(self);
}

static gboolean on_timer(gpointer user_data)
{
    PathNetcheck *self = user_data;

    self->timer = 0;
    if (self->running)
        proceed(self);
    else
        start(self);
    return G_SOURCE_REMOVE;
}

static void start(PathNetcheck *self)
{
    self->found = (PathNetcheckReport){ .done = false };
    self->n_questions = 0;
    self->running = true;
    self->began_ms = mesh_clock_boot_ms();
    open_sockets(self);
    for (guint i = 0; i < self->relays->len && i < PATH_NETCHECK_MAX_RELAYS; i++) {
        const PathRelay   *relay = &g_array_index(self->relays, PathRelay, i);
        PathNetcheckRelay *row = &self->found.relays[self->found.n_relays++];

        row->id = relay->id;
        row->usable = relay->usable;
        g_strlcpy(row->name, relay->name, sizeof row->name);
        add_distance(self, i, &relay->at4);
        add_distance(self, i, &relay->at6);
    }
    add_judges(self);
    proceed(self);
}

/* Something changed. A link that flaps makes no more of them than one each PAUSE_MS. */
static void start_soon(PathNetcheck *self)
{
    int64_t in_ms = self->began_ms + PAUSE_MS - mesh_clock_boot_ms();

    if (self->began_ms == 0 || in_ms <= 0) {
        start(self);
        return;
    }
    self->running = false; /* what it found would be of the network before */
    close_sockets(self);
    g_clear_handle_id(&self->timer, g_source_remove);
    self->timer = g_timeout_add((guint)in_ms, on_timer, self);
}

/* ---- answers ---- */

static void note_distance(PathNetcheck *self, const Question *question, unsigned send)
{
    PathNetcheckRelay *row = &self->found.relays[question->relay];
    int64_t            took_us = MAX(now_us() - question->sent_us[send], 1);

    if (question->to.addr.family == AF_INET)
        row->udp4_us = took_us;
    else
        row->udp6_us = took_us;
    self->events.met(row->id,
                     row->udp4_us != 0 && row->udp6_us != 0 ? MIN(row->udp4_us, row->udp6_us)
                                                            : took_us,
                     self->user_data);
    if (self->found.mapped.addr.family == 0 && question->mapped.addr.family == AF_INET)
        self->found.mapped = question->mapped;
}

/* Ours comes back as a request where the NAT turns it round. */
static bool is_answer(Question *question, MeshSpan bytes, unsigned *out_send)
{
    for (unsigned i = 0; i < question->sent; i++) {
        *out_send = i;
        if (question->purpose == HAIRPIN
                ? path_stunask_is_echo(&question->asks[i], bytes)
                : path_stunask_read(&question->asks[i], bytes, &question->mapped))
            return true;
    }
    return false;
}

static void take(PathNetcheck *self, unsigned socket, const MeshEndpoint *from, MeshSpan bytes)
{
    if (!self->running)
        return;
    for (size_t i = 0; i < self->n_questions; i++) {
        Question *question = &self->questions[i];
        unsigned  send = 0;

        if (question->answered || question->socket != socket || question->sent == 0 ||
            !is_answer(question, bytes, &send))
            continue;
        if (question->purpose == OTHER_PORT && mesh_endpoint_equal(from, &question->to))
            return; /* it answered, but not from where we asked it to */
        question->answered = true;
        if (question->purpose == DISTANCE)
            note_distance(self, question, send);
        if (question->purpose == MAP &&
            socket == 0) /* our own outer address, from its own socket */
            (void)add_question(self, HAIRPIN, socket, &question->mapped);
        if (question->purpose == MAP)
            tell_ports(self);
        proceed(self);
        return;
    }
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    PathNetcheck           *self = user_data;
    uint8_t                 bytes[MESH_STUN_MAX_BYTES];
    struct sockaddr_storage sa;
    socklen_t               size = sizeof sa;
    ssize_t      len = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&sa, &size);
    MeshEndpoint from;

    (void)condition;
    if (len <= 0 || mesh_endpoint_from_sockaddr((struct sockaddr *)&sa, size, true, &from) < 0)
        return G_SOURCE_CONTINUE;
    for (unsigned i = 0; i < SOCKETS; i++)
        if (self->fds[i] == fd) {
            take(self, i, &from, (MeshSpan){ bytes, (size_t)len });
            break;
        }
    return G_SOURCE_CONTINUE; /* ends with its watch, if take() closed it */
}

bool path_netcheck_handle(PathNetcheck *self, const WireEvent *event)
{
    MeshSpan bytes = { event->data, event->n_data };

    if (!mesh_stun_is(bytes))
        return false;
    if (event->way.link == 0)
        take(self, PLANE, &event->endpoint, bytes);
    return true;
}

/* ---- front ---- */

PathNetcheck *path_netcheck_new(WirePlane *plane, const PathNetcheckEvents *events, void *user_data)
{
    PathNetcheck *self = g_new0(PathNetcheck, 1);

    self->plane = plane;
    self->events = *events;
    self->user_data = user_data;
    self->relays = g_array_new(false, false, sizeof(PathRelay));
    self->addrs = g_array_new(false, false, sizeof(MeshAddr));
    self->waiting = g_array_new(false, false, sizeof(Waiting));
    for (unsigned i = 0; i < SOCKETS; i++)
        self->fds[i] = -1;
    return self;
}

void path_netcheck_free(PathNetcheck *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->timer, g_source_remove);
    close_sockets(self);
    tell_waiting(self, NULL);
    g_array_unref(self->waiting);
    g_array_unref(self->relays);
    g_array_unref(self->addrs);
    g_free(self);
}

static bool is_same(const PathRelay *a, const PathRelay *b)
{
    return a->id == b->id && a->usable == b->usable && a->alt_port == b->alt_port &&
           strcmp(a->name, b->name) == 0 && mesh_endpoint_equal(&a->at4, &b->at4) &&
           mesh_endpoint_equal(&a->at6, &b->at6);
}

void path_netcheck_set_relays(PathNetcheck *self, const PathRelay *relays, size_t n_relays)
{
    bool same = n_relays == self->relays->len;

    for (size_t i = 0; same && i < n_relays; i++)
        same = is_same(&relays[i], &g_array_index(self->relays, PathRelay, i));
    if (same)
        return;
    g_array_set_size(self->relays, 0);
    if (n_relays > 0)
        g_array_append_vals(self->relays, relays, (guint)n_relays);
    if (!self->running)
        self->began_ms = 0; /* others to ask: at once */
    start_soon(self);
}

void path_netcheck_set_host(PathNetcheck *self, const MeshAddr *addrs, size_t n_addrs)
{
    bool same = n_addrs == self->addrs->len;

    for (size_t i = 0; same && i < n_addrs; i++)
        same = mesh_ip_equal_addr(&addrs[i], &g_array_index(self->addrs, MeshAddr, i));
    if (same)
        return;
    g_array_set_size(self->addrs, 0);
    if (n_addrs > 0)
        g_array_append_vals(self->addrs, addrs, (guint)n_addrs);
    self->last = (PathNetcheckReport){ .done = false };
    if (self->relays->len > 0)
        start_soon(self);
}

void path_netcheck_renew(PathNetcheck *self)
{
    if (self->relays->len > 0 && !self->running)
        start_soon(self);
}

void path_netcheck_again(PathNetcheck *self)
{
    if (self->running || self->timer != 0)
        return; /* a check comes anyway */
    g_clear_handle_id(&self->timer, g_source_remove);
    self->timer = g_timeout_add(PAUSE_MS, on_timer, self);
}

void path_netcheck_run(PathNetcheck *self, PathNetcheckDone done, void *user_data)
{
    Waiting waiting = { .done = done, .user_data = user_data };

    if (self->waiting->len >= MAX_WAITING) {
        done(&self->last, user_data);
        return;
    }
    g_array_append_val(self->waiting, waiting);
    if (!self->running)
        start(self);
}

const PathNetcheckReport *path_netcheck_get(const PathNetcheck *self)
{
    return &self->last;
}
