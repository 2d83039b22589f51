#include "daemon/path/netask.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/wire/ways.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    JUDGES = 3,         /* relays that each of the own sockets asks */
    DEAF_MS = 3000,     /* nobody answered for so long: no UDP */
    PATIENCE_MS = 1000, /* for one answer where others come */
};

/* Of one question, since it was first put. */
static const int64_t sends_ms[PATH_NETASK_SENDS] = { 0, 100, 300, 700 };

static int64_t now_us(void)
{
    return mesh_clock_boot_ns() / 1000;
}

/* ---- questions ---- */

static PathNetaskQuestion *add_question(PathNetask *self, PathNetaskPurpose purpose,
                                        unsigned socket, const MeshEndpoint *to)
{
    PathNetaskQuestion *question;

    if (self->n_questions >= PATH_NETASK_MAX_QUESTIONS)
        return NULL;
    question = &self->questions[self->n_questions++];
    *question =
        (PathNetaskQuestion){ .purpose = purpose, .socket = socket, .ear = socket, .to = *to };
    for (unsigned i = 0; i < PATH_NETASK_SENDS; i++)
        question->asks[i] =
            path_stunask_make(purpose == PATH_NETASK_OTHER_PORT ? MESH_STUN_CHANGE_PORT : 0);
    return question;
}

void path_netask_add_distance(PathNetask *self, size_t relay, const MeshEndpoint *to)
{
    PathNetaskQuestion *question = add_question(self, PATH_NETASK_DISTANCE, PATH_NETASK_PLANE, to);

    if (question != NULL)
        question->relay = relay;
}

/* Whether strangers are let in, on a socket that asks nothing else: routers that take strays in let
 * them hold the port, and the next packet to where the stray came from leaves by another. */
static void add_filter(PathNetask *self, const MeshEndpoint *to)
{
    (void)add_question(self, PATH_NETASK_MAP, 0, to);
    (void)add_question(self, PATH_NETASK_OTHER_PORT, 0, to);
}

/* Socket 0 is told its outer address: now it can be written to. */
static void add_calls(PathNetask *self, const MeshEndpoint *mapped)
{
    PathNetaskQuestion *question;

    (void)add_question(self, PATH_NETASK_HAIRPIN, 0, mapped);
    if (self->stranger.addr.family == 0)
        return;
    question = add_question(self, PATH_NETASK_STRANGER, 1, &self->stranger);
    if (question == NULL)
        return;
    question->ear = 0;
    for (unsigned i = 0; i < PATH_NETASK_SENDS; i++)
        question->asks[i].response_port = mapped->port;
}

/* The other sockets ask both ports of a few relays, one after another. */
void path_netask_add_judges(PathNetask *self, const PathRelay *relays, size_t n_relays)
{
    const PathRelay *judges[JUDGES];
    size_t           n = 0;

    for (size_t i = 0; i < n_relays && n < JUDGES; i++)
        if (relays[i].at4.addr.family != 0 && relays[i].alt_port != 0)
            judges[n++] = &relays[i];
    if (n == 0 || self->fds[0] < 0)
        return;
    add_filter(self, &judges[0]->at4);
    for (size_t i = 1; i < n; i++)
        if (!mesh_ip_equal_addr(&judges[i]->at4.addr, &judges[0]->at4.addr))
            self->stranger = judges[i]->at4;
    for (unsigned socket = 1; socket < PATH_NETASK_SOCKETS; socket++)
        for (size_t i = 0; i < n; i++) {
            MeshEndpoint alt = mesh_endpoint_make(&judges[i]->at4.addr, judges[i]->alt_port);

            (void)add_question(self, PATH_NETASK_MAP, socket, &judges[i]->at4);
            (void)add_question(self, PATH_NETASK_MAP, socket, &alt);
        }
}

static void send_question(PathNetask *self, PathNetaskQuestion *question)
{
    WireWay  way = { .endpoint = question->to };
    uint8_t  bytes[MESH_STUN_REQUEST_BYTES];
    MeshSpan request = path_stunask_write(&question->asks[question->sent], bytes);

    question->sent_us[question->sent++] = now_us();
    if (question->socket == PATH_NETASK_PLANE) {
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

void path_netask_close(PathNetask *self)
{
    for (unsigned i = 0; i < PATH_NETASK_SOCKETS; i++) {
        g_clear_handle_id(&self->watches[i], g_source_remove);
        if (self->fds[i] >= 0)
            close(self->fds[i]);
        self->fds[i] = -1;
    }
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    PathNetask             *self = user_data;
    uint8_t                 bytes[MESH_STUN_MAX_BYTES];
    struct sockaddr_storage sa;
    socklen_t               size = sizeof sa;
    ssize_t      len = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&sa, &size);
    MeshEndpoint from;

    (void)condition;
    if (len <= 0 || mesh_endpoint_from_sockaddr((struct sockaddr *)&sa, size, true, &from) < 0)
        return G_SOURCE_CONTINUE;
    for (unsigned i = 0; i < PATH_NETASK_SOCKETS; i++)
        if (self->fds[i] == fd) {
            self->heard(i, &from, (MeshSpan){ bytes, (size_t)len }, self->user_data);
            break;
        }
    return G_SOURCE_CONTINUE; /* ends with its watch, if heard() closed it */
}

static bool open_one(PathNetask *self, unsigned at)
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

void path_netask_init(PathNetask *self, WirePlane *plane, PathNetaskHeard heard, void *user_data)
{
    *self = (PathNetask){ .plane = plane, .heard = heard, .user_data = user_data };
    for (unsigned i = 0; i < PATH_NETASK_SOCKETS; i++)
        self->fds[i] = -1;
}

void path_netask_open(PathNetask *self)
{
    path_netask_close(self);
    self->n_questions = 0;
    self->stranger = (MeshEndpoint){ .port = 0 };
    for (unsigned i = 0; i < PATH_NETASK_SOCKETS; i++)
        if (!open_one(self, i)) {
            mesh_log_warning("cannot look at the NAT: %s", g_strerror(errno));
            path_netask_close(self);
            return;
        }
}

/* ---- the course ---- */

static bool is_over(const PathNetaskQuestion *question, bool deaf)
{
    int64_t waited_ms = (now_us() - question->sent_us[0]) / 1000;

    if (question->answered)
        return true;
    return question->sent > 0 && waited_ms >= (deaf ? DEAF_MS : PATIENCE_MS);
}

static bool is_deaf(const PathNetask *self)
{
    for (size_t i = 0; i < self->n_questions; i++)
        if (self->questions[i].answered)
            return false;
    return true;
}

int64_t path_netask_work(PathNetask *self)
{
    int64_t next_ms = INT64_MAX, now_ms = now_us() / 1000;
    bool    deaf = is_deaf(self);

    for (size_t i = 0; i < self->n_questions; i++) {
        PathNetaskQuestion *question = &self->questions[i];
        int64_t             due_ms;

        if (is_over(question, deaf))
            continue;
        if (question->sent < PATH_NETASK_SENDS &&
            (question->sent == 0 ||
             now_ms >= question->sent_us[0] / 1000 + sends_ms[question->sent]))
            send_question(self, question);
        due_ms = question->sent_us[0] / 1000 + (question->sent < PATH_NETASK_SENDS
                                                    ? sends_ms[question->sent]
                                                : deaf ? DEAF_MS
                                                       : PATIENCE_MS);
        next_ms = MIN(next_ms, MAX(due_ms - now_ms, 1));
    }
    return next_ms == INT64_MAX ? 0 : next_ms;
}

/* Ours comes back as a request where the NAT turns it round. */
static bool is_answer(PathNetaskQuestion *question, MeshSpan bytes)
{
    for (unsigned i = 0; i < question->sent; i++)
        if (question->purpose == PATH_NETASK_HAIRPIN
                ? path_stunask_is_echo(&question->asks[i], bytes)
                : path_stunask_read(&question->asks[i], bytes, &question->mapped)) {
            question->took_us = MAX(now_us() - question->sent_us[i], 1);
            return true;
        }
    return false;
}

const PathNetaskQuestion *path_netask_take(PathNetask *self, unsigned socket,
                                           const MeshEndpoint *from, MeshSpan bytes)
{
    for (size_t i = 0; i < self->n_questions; i++) {
        PathNetaskQuestion *question = &self->questions[i];

        if (question->answered || question->ear != socket || question->sent == 0 ||
            !is_answer(question, bytes))
            continue;
        if (question->purpose == PATH_NETASK_OTHER_PORT && mesh_endpoint_equal(from, &question->to))
            return NULL; /* it answered, but not from where we asked it to */
        question->answered = true;
        if (question->purpose == PATH_NETASK_MAP && socket == 0)
            add_calls(self, &question->mapped);
        return question;
    }
    return NULL;
}

/* ---- what it means ---- */

PathAnswer path_netask_judge_family(const PathNetask *self, int family)
{
    bool asked = false;

    for (size_t i = 0; i < self->n_questions; i++) {
        const PathNetaskQuestion *question = &self->questions[i];

        if (question->to.addr.family != family || question->sent == 0 ||
            question->purpose == PATH_NETASK_HAIRPIN)
            continue;
        if (question->answered)
            return PATH_YES;
        asked = true;
    }
    return asked ? PATH_NO : PATH_UNKNOWN;
}

void path_netask_judge_nat(const PathNetask *self, const GArray *own, bool final, PathNat *out_nat)
{
    PathNatLook  looks[PATH_NETASK_MAX_QUESTIONS];
    PathNatLooks seen = { .looks = looks,
                          .own = (const MeshAddr *)(const void *)own->data,
                          .n_own = own->len };

    for (size_t i = 0; i < self->n_questions; i++) {
        const PathNetaskQuestion *question = &self->questions[i];

        PathAnswer no = final ? PATH_NO : PATH_UNKNOWN;

        if (question->purpose == PATH_NETASK_OTHER_PORT)
            seen.other_port = question->answered ? PATH_YES : no;
        if (question->purpose == PATH_NETASK_STRANGER)
            seen.stranger = question->answered ? PATH_YES : no;
        if (question->purpose == PATH_NETASK_HAIRPIN)
            seen.hairpin = question->answered ? PATH_YES : no;
        if (question->purpose == PATH_NETASK_MAP && question->answered)
            looks[seen.n++] = (PathNatLook){ .socket = question->socket,
                                             .local_port = self->ports[question->socket],
                                             .asked = question->to,
                                             .mapped = question->mapped };
    }
    path_natclass_judge(&seen, out_nat);
}
