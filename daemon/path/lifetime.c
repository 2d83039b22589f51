#include "daemon/path/lifetime.h"

#include "common/glib/log.h"
#include "common/std/endpoint.h"
#include "daemon/path/stunask.h"

#include <glib-unix.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TRIALS = 3,
    OPENINGS = 3, /* questions that make the mapping one in use: Linux wants it to be 2 s old */
    ASKS = 3,     /* for the late answer: one may be lost */
    ASK_EACH_MS = 1000,
    SAFE_PERCENT = 80, /* of a silence that was outlived */
};

static const unsigned openings_ms[OPENINGS] = { 1000, 2000, 0 }; /* to the next */
static const unsigned silences_s[TRIALS] = { 45, 75, 138 };      /* 36, 60 and 110 s are safe */

typedef struct {
    PathLifetime *owner;
    unsigned      silence_s;
    unsigned      step;      /* openings sent, then asks */
    int           fd, asker; /* -1: closed */
    guint         watch, timer;
    PathStunAsk   question;
    MeshEndpoint  mapped; /* family 0: not answered yet */
    bool          kept;   /* the mapping, through the silence */
    bool          lost;   /* silent for so long, it was forgotten */
} Trial;

struct PathLifetime {
    MeshEndpoint stun, seen; /* family 0: nothing is looked for */
    unsigned     safe_ms;
    Trial        trials[TRIALS];
};

static void end(Trial *self)
{
    g_clear_handle_id(&self->watch, g_source_remove);
    g_clear_handle_id(&self->timer, g_source_remove);
    if (self->fd >= 0)
        close(self->fd);
    if (self->asker >= 0)
        close(self->asker);
    self->fd = self->asker = -1;
}

/* Connected: the kernel leaves out who else may write to it. Returns: -1: none. */
static int open_socket(const MeshEndpoint *to)
{
    struct sockaddr_storage addr;
    socklen_t               len = mesh_endpoint_to_sockaddr(to, &addr);
    int fd = socket(to->addr.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, len) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void ask(const Trial *self, int fd, uint16_t response_port)
{
    uint8_t     bytes[MESH_STUN_REQUEST_BYTES];
    PathStunAsk question = self->question;
    MeshSpan    request;

    question.response_port = response_port;
    request = path_stunask_write(&question, bytes);
    if (send(fd, request.data, request.len, MSG_NOSIGNAL) < 0)
        mesh_log_debug("a question about the NAT was not sent");
}

static gboolean on_timer(gpointer user_data);

static void continue_in(Trial *self, unsigned in_ms)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    self->timer = g_timeout_add(in_ms, on_timer, self);
}

/* The silence is over: does anything get in? */
static void knock(Trial *self)
{
    if (self->step == OPENINGS) {
        self->question = path_stunask_make(0);
        self->asker = open_socket(&self->owner->stun);
    }
    if (self->asker < 0 || self->mapped.addr.family == 0 || self->step >= OPENINGS + ASKS) {
        self->lost = self->step >= OPENINGS + ASKS;
        end(self); /* forgotten, or nobody answers */
        return;
    }
    ask(self, self->asker, self->mapped.port);
    self->step++;
    continue_in(self, ASK_EACH_MS);
}

static gboolean on_timer(gpointer user_data)
{
    Trial   *self = user_data;
    unsigned pause_ms;

    self->timer = 0;
    if (self->step >= OPENINGS) {
        knock(self);
        return G_SOURCE_REMOVE;
    }
    ask(self, self->fd, 0);
    pause_ms = openings_ms[self->step++];
    continue_in(self, pause_ms != 0 ? pause_ms : self->silence_s * 1000);
    return G_SOURCE_REMOVE;
}

static void outlived(Trial *self)
{
    unsigned safe_ms = self->silence_s * 10 * SAFE_PERCENT;

    self->kept = true;
    if (safe_ms > self->owner->safe_ms) {
        self->owner->safe_ms = safe_ms;
        mesh_log_info("the network lets a UDP port be silent for %u s", self->silence_s);
    }
    end(self);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    Trial       *self = user_data;
    uint8_t      bytes[MESH_STUN_MAX_BYTES];
    ssize_t      n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    MeshEndpoint mapped;

    (void)condition;
    if (n < 0 || !path_stunask_read(&self->question, (MeshSpan){ bytes, (size_t)n }, &mapped))
        return G_SOURCE_CONTINUE;
    if (self->asker < 0) {
        self->mapped = mapped;
        return G_SOURCE_CONTINUE;
    }
    self->watch = 0;
    outlived(self);
    return G_SOURCE_REMOVE;
}

static void begin(PathLifetime *owner, Trial *self, unsigned silence_s)
{
    *self = (Trial){ .owner = owner, .silence_s = silence_s, .asker = -1 };
    self->fd = open_socket(&owner->stun);
    if (self->fd < 0)
        return;
    self->question = path_stunask_make(0);
    self->watch = g_unix_fd_add(self->fd, G_IO_IN, on_readable, self);
    continue_in(self, 0);
}

PathLifetime *path_lifetime_new(void)
{
    PathLifetime *self = g_new0(PathLifetime, 1);

    self->safe_ms = PATH_LIFETIME_UNKNOWN_MS;
    for (size_t i = 0; i < TRIALS; i++)
        self->trials[i] = (Trial){ .fd = -1, .asker = -1 };
    return self;
}

void path_lifetime_free(PathLifetime *self)
{
    if (self == NULL)
        return;
    path_lifetime_forget(self);
    g_free(self);
}

void path_lifetime_forget(PathLifetime *self)
{
    for (size_t i = 0; i < TRIALS; i++) {
        end(&self->trials[i]);
        self->trials[i].lost = self->trials[i].kept = false;
    }
    self->seen = (MeshEndpoint){ .port = 0 };
    self->safe_ms = PATH_LIFETIME_UNKNOWN_MS;
}

void path_lifetime_begin(PathLifetime *self, const MeshEndpoint *stun, const MeshEndpoint *seen)
{
    if (mesh_endpoint_equal(stun, &self->stun) && mesh_endpoint_equal(seen, &self->seen))
        return;
    path_lifetime_forget(self);
    self->stun = *stun;
    self->seen = *seen;
    for (size_t i = 0; i < TRIALS; i++)
        begin(self, &self->trials[i], silences_s[i]);
}

PathLifetimeBounds path_lifetime_get_bounds(const PathLifetime *self)
{
    PathLifetimeBounds bounds = { .kept_s = 0 };

    for (size_t i = 0; i < TRIALS; i++)
        if (self->trials[i].kept)
            bounds.kept_s = self->trials[i].silence_s; /* the longest comes last */
    for (size_t i = TRIALS; i-- > 0;)
        if (self->trials[i].lost && self->trials[i].silence_s > bounds.kept_s)
            bounds.lost_s = self->trials[i].silence_s;
    return bounds;
}

unsigned path_lifetime_get_ms(const PathLifetime *self)
{
    return self->safe_ms;
}
