/* daemon/control/stream.c: GET map: the streaming long poll with a cursor, its watchdogs, and the
 * plain long poll where a proxy buffers streams (docs/PROTOCOL.md §5, §6). */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "daemon/control/inside.h"
#include "daemon/control/relays.h"

#include <string.h>

enum {
    HB_S = 60,        /* wished heartbeat */
    HB_MOST_S = 300,  /* what it may grow to: each one doubles the time to the next */
    OPEN_MS = 25000,  /* connection and headers */
    HELLO_MS = 10000, /* hello after the headers */
    POLL_WAIT_S = 55,
    POLL_MARGIN_MS = 20000,     /* beyond that wait */
    POLL_FOR_MS = 86400 * 1000, /* a path that buffers streams is left alone for so long */
    POLL_REPORT_MS = 120 * 1000,
    REPLACED_MIN_MS = 5000, /* two nodes with one key must not take turns quickly */
    REPLACED_MAX_MS = 30000,
    ATTEMPT_GAP_MS = 1000, /* between two attempts, however good the reason of the second */
    DOUBT_GAP_MS = 5000,   /* doubts come in flocks: one new connection for all */
};

static void attempt(ControlClient *self);

/* ---- ends and new attempts ---- */

static void close_call(ControlClient *self)
{
    ControlStream *s = &self->stream;

    control_call_cancel(g_steal_pointer(&s->call));
    g_clear_handle_id(&s->watch_id, g_source_remove);
    s->greeted = false;
}

void control_stream_stop(ControlClient *self)
{
    ControlStream *s = &self->stream;

    close_call(self);
    s->hb_most_s = 0;
    g_clear_handle_id(&s->retry_id, g_source_remove);
    g_clear_handle_id(&s->doubt_id, g_source_remove);
    s->wanted = false;
    s->ends = s->fatal = false;
    g_clear_error(&s->why);
}

static gboolean on_retry(gpointer user_data)
{
    ControlClient *self = user_data;

    self->stream.retry_id = 0;
    attempt(self);
    return G_SOURCE_REMOVE;
}

static void retry_in(ControlClient *self, unsigned wait_ms)
{
    g_clear_handle_id(&self->stream.retry_id, g_source_remove);
    self->stream.retry_id = g_timeout_add(wait_ms, on_retry, self);
}

/* The connection is over: tells why, if anything is wrong, and comes again. */
static void end_attempt(ControlClient *self, const GError *why, unsigned wait_ms)
{
    int64_t since_ms = mesh_clock_boot_ms() - self->stream.opened_ms;

    close_call(self);
    retry_in(self, since_ms < ATTEMPT_GAP_MS ? MAX(wait_ms, (unsigned)(ATTEMPT_GAP_MS - since_ms))
                                             : wait_ms);
    if (why != NULL)
        control_client_set_state(self, CONTROL_OFFLINE, why);
}

static void end_with_backoff(ControlClient *self, const GError *why, unsigned least_ms)
{
    unsigned wait_ms = mesh_backoff_next_ms(&self->stream.backoff);

    end_attempt(self, why, MAX(wait_ms, least_ms));
}

/* ---- watchdogs ---- */

static gboolean on_silence(gpointer user_data)
{
    ControlClient *self = user_data;
    ControlStream *s = &self->stream;
    g_autoptr(GError) why = NULL;

    s->watch_id = 0;
    if (!s->polling && !s->greeted) { /* headers, but no hello */
        s->poll_until_ms = mesh_clock_boot_ms() + POLL_FOR_MS;
        mesh_log_info("something on the way holds streams back: plain long poll from now on");
        end_attempt(self, NULL, 0);
        return G_SOURCE_REMOVE;
    }
    why = g_error_new(MESH_ERROR, MESH_ERROR_UNREACHABLE, "the server is silent");
    if (s->greeted) /* something on the way may cut what is silent for so long */
        s->hb_most_s = MAX(s->hb_s / 2, (unsigned)HB_S);
    end_with_backoff(self, why, 0);
    return G_SOURCE_REMOVE;
}

static gboolean on_never_opened(gpointer user_data)
{
    ControlClient *self = user_data;
    g_autoptr(GError) why =
        g_error_new(MESH_ERROR, MESH_ERROR_UNREACHABLE, "the server does not answer in time");

    self->stream.watch_id = 0;
    end_with_backoff(self, why, 0);
    return G_SOURCE_REMOVE;
}

static void watch(ControlClient *self, unsigned limit_ms, GSourceFunc func)
{
    g_clear_handle_id(&self->stream.watch_id, g_source_remove);
    self->stream.watch_id = g_timeout_add(limit_ms, func, self);
}

/* Something was heard. */
static void watch_silence(ControlClient *self)
{
    ControlStream *s = &self->stream;

    if (s->polling)
        watch(self, POLL_WAIT_S * 1000 + POLL_MARGIN_MS, on_silence);
    else if (s->greeted)
        watch(self, (2 * s->hb_s + 5) * 1000, on_silence);
}

/* ---- lines ---- */

/* Ends the connection after the lines of this batch; the first reason counts. */
static bool end_after(ControlStream *s, unsigned wait_ms, GError *why)
{
    if (!s->ends) {
        s->ends = true;
        s->wait_ms = wait_ms;
        s->why = why;
    } else {
        g_clear_error(&why);
    }
    return false;
}

static bool take_revoked(ControlStream *s, const MeshMapline *line)
{
    MeshErrorCode code = line->expired ? MESH_ERROR_EXPIRED : MESH_ERROR_REMOVED;

    s->fatal = true;
    return end_after(s, 0,
                     g_error_new_literal(MESH_ERROR, (int)code,
                                         mesh_error_get_info((int)code)->text));
}

static bool take_change(ControlClient *self, const MeshMapline *line)
{
    ControlStream   *s = &self->stream;
    MeshNetmapChange change = MESH_NETMAP_NOTHING;
    g_autoptr(GError) error = NULL;

    if (!mesh_netmap_apply(self->map, line, &change, &error))
        return end_after(s, mesh_backoff_next_ms(&s->backoff), g_steal_pointer(&error));
    if (change == MESH_NETMAP_GAP) {
        s->full = true;
        return end_after(s, 0, NULL);
    }
    if (line->type == MESH_MAPLINE_SNAP_END)
        s->full = false;
    if (change == MESH_NETMAP_CHANGED || s->change == MESH_NETMAP_NOTHING)
        s->change = change;
    return true;
}

static bool take_line(ControlClient *self, const MeshMapline *line)
{
    ControlStream *s = &self->stream;

    if (!s->greeted && line->type != MESH_MAPLINE_HELLO)
        return end_after(s, mesh_backoff_next_ms(&s->backoff),
                         g_error_new(MESH_ERROR, MESH_ERROR_BAD_ANSWER,
                                     "map: the first line is \"%s\", not hello",
                                     mesh_mapline_type_name(line->type)));
    switch (line->type) {
    case MESH_MAPLINE_RESTART:
        return end_after(s,
                         line->retry_in_s * 1000 + mesh_backoff_uniform(0, line->spread_s * 1000),
                         g_error_new(MESH_ERROR, MESH_ERROR_BUSY, "the server restarts"));
    case MESH_MAPLINE_REPLACED:
        return end_after(s, mesh_backoff_uniform(REPLACED_MIN_MS, REPLACED_MAX_MS),
                         g_error_new(MESH_ERROR, MESH_ERROR_FAILED,
                                     "another connection of this node took over: is its state in "
                                     "use on two machines?"));
    case MESH_MAPLINE_RESYNC:
        return end_after(s, 0, NULL);
    case MESH_MAPLINE_CLONED:
        s->cloned = true;
        return true;
    case MESH_MAPLINE_RELAYS:
        s->relays = line->relays;
        return true;
    case MESH_MAPLINE_REVOKED:
        return take_revoked(s, line);
    case MESH_MAPLINE_HELLO:
        s->greeted = true;
        s->hb_s = MAX(line->hb_s, 1U);
        s->observed = line->observed;
        s->relays = line->relays;
        return take_change(self, line);
    default:
        return take_change(self, line);
    }
}

static bool on_line(const char *text, size_t len, void *user_data)
{
    ControlClient *self = user_data;
    ControlStream *s = &self->stream;
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshMapline) line = NULL;

    if (len == 0) { /* a heartbeat */
        s->hb_s = MAX(s->hb_s, MIN(2 * s->hb_s, s->hb_most_s));
        return true;
    }
    line = mesh_mapline_decode(text, len, &error);
    if (line != NULL)
        return take_line(self, line);
    return end_after(s, mesh_backoff_next_ms(&s->backoff),
                     g_error_new(MESH_ERROR, MESH_ERROR_BAD_ANSWER, "map: %s", error->message));
}

/* ---- a batch of lines ---- */

static void tell_map(ControlClient *self)
{
    MeshNetmapChange change = self->stream.change;

    self->stream.change = MESH_NETMAP_NOTHING;
    if (change == MESH_NETMAP_NOTHING || mesh_netmap_get_head(self->map)->m == NULL)
        return;
    if (self->events.map != NULL)
        self->events.map(self, self->map, change, self->user_data);
}

/* A server keeps our endpoints in memory, and may have been started anew. A stream sees that as its
 * end; between two polls nobody sees it, so there they are told again from time to time. */
static bool may_have_forgotten(const ControlClient *self)
{
    return !self->stream.polling || self->state != CONTROL_CONNECTED ||
           mesh_clock_boot_ms() - self->reports.sent_ms > POLL_REPORT_MS;
}

static void tell_greeting(ControlClient *self, bool first, const MeshAddr *observed)
{
    if (!first)
        return;
    mesh_backoff_reset(&self->stream.backoff);
    control_report_again(self, may_have_forgotten(self));
    control_client_set_state(self, CONTROL_CONNECTED, NULL);
    if (!self->dead && observed->family != 0)
        control_client_set_observed(self, observed);
}

static void tell_cloned(ControlClient *self)
{
    bool cloned = self->stream.cloned;

    self->stream.cloned = false;
    if (cloned && self->events.cloned != NULL)
        self->events.cloned(self, self->user_data);
}

/* What the batch means for the connection. */
static void settle(ControlClient *self)
{
    ControlStream *s = &self->stream;
    g_autoptr(GError) why = g_steal_pointer(&s->why);
    bool fatal = s->fatal;

    if (!s->ends)
        return;
    s->ends = s->fatal = false;
    if (fatal)
        control_client_fail(self, why);
    else
        end_attempt(self, why, s->wait_ms);
}

/* Callbacks may stop, restart or free the client: after each, is this still the same connection? */
static bool goes_on(const ControlClient *self, const ControlCall *call)
{
    return !self->dead && self->stream.call == call;
}

static void on_data(void *user_data, const char *bytes, size_t len)
{
    ControlClient     *self = user_data;
    ControlStream     *s = &self->stream;
    const ControlCall *call = s->call;
    bool               greeted = s->greeted;

    control_client_hold(self);
    if (!control_lines_feed(&s->lines, bytes, len, on_line, self) && !s->ends)
        end_after(s, mesh_backoff_next_ms(&s->backoff),
                  g_error_new(MESH_ERROR, MESH_ERROR_BAD_ANSWER, "map: a line is over 64 KiB"));
    watch_silence(self);
    tell_greeting(self, !greeted && s->greeted, &s->observed);
    if (goes_on(self, call))
        tell_map(self);
    if (goes_on(self, call))
        tell_cloned(self);
    if (goes_on(self, call) && s->greeted)
        control_relays_told(self, s->relays);
    if (goes_on(self, call))
        settle(self);
    control_client_release(self);
}

static void on_opened(void *user_data, const MeshNonce *nonce)
{
    ControlClient *self = user_data;

    mesh_netmap_begin(self->map, nonce);
    self->stream.address = control_call_get_address(self->stream.call);
    if (!self->stream.polling)
        watch(self, HELLO_MS, on_silence);
}

/* A poll that came to its end is asked again at once, as long as it told something. */
static void on_done(void *user_data, const ControlResult *result)
{
    ControlClient *self = user_data;
    ControlStream *s = &self->stream;
    bool           fine = s->polling && s->greeted && result->error == NULL;

    s->call = NULL;
    if (result->error != NULL && control_client_is_fatal(result->error)) {
        control_client_fail(self, result->error);
        return;
    }
    if (fine) {
        end_attempt(self, NULL, 0);
        return;
    }
    if (result->error != NULL) {
        end_with_backoff(self, result->error, result->hints.retry_in_s * 1000);
        return;
    }
    g_autoptr(GError) why =
        g_error_new(MESH_ERROR, MESH_ERROR_UNREACHABLE, "the server closed the connection");
    end_with_backoff(self, why, 0);
}

static void attempt(ControlClient *self)
{
    static const ControlCallFuncs funcs = { on_opened, on_data, on_done };
    ControlStream                *s = &self->stream;
    const MeshNetmapHead         *head = mesh_netmap_get_head(self->map);
    ControlRequest                request = { .verb = "map" };
    g_autofree char              *query = NULL;
    char                          most[32];

    s->polling = mesh_clock_boot_ms() < s->poll_until_ms;
    if (s->hb_most_s == 0)
        s->hb_most_s = HB_MOST_S;
    g_snprintf(most, sizeof most, "&hbmax=%u", s->hb_most_s);
    s->greeted = false;
    s->hb_s = 0;
    s->change = MESH_NETMAP_NOTHING;
    g_string_truncate(s->lines.part, 0);
    query = g_strdup_printf("cursor=%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT "&hb=%u%s",
                            s->full ? 0 : head->epoch, s->full ? 0 : head->ver, (unsigned)HB_S,
                            s->polling ? "&wait=55" : most);
    request.query = query;
    s->opened_ms = mesh_clock_boot_ms();
    s->call = control_call_start(self->multi, self->link, &request, &funcs, self);
    watch(self, s->polling ? POLL_WAIT_S * 1000 + POLL_MARGIN_MS : OPEN_MS, on_never_opened);
    /* between polls the server is not away; and while it is away, attempts are no news */
    if (self->state != CONTROL_OFFLINE && (self->state != CONTROL_CONNECTED || !s->polling))
        control_client_set_state(self, CONTROL_CONNECTING, NULL);
}

void control_stream_start(ControlClient *self)
{
    ControlStream *s = &self->stream;

    close_call(self);
    s->wanted = true;
    mesh_backoff_reset(&s->backoff);
    retry_in(self, 0); /* no callback from inside the caller's call */
}

static gboolean on_doubt(gpointer user_data)
{
    ControlClient *self = user_data;

    self->stream.doubt_id = 0;
    control_stream_doubt(self);
    return G_SOURCE_REMOVE;
}

void control_stream_doubt(ControlClient *self)
{
    ControlStream *s = &self->stream;
    int64_t        since_ms = mesh_clock_boot_ms() - s->opened_ms;

    if (!s->wanted)
        return;
    control_link_doubt(self->link);
    g_clear_handle_id(&s->doubt_id, g_source_remove);
    if (s->opened_ms > 0 && since_ms < DOUBT_GAP_MS) {
        s->doubt_id = g_timeout_add((guint)(DOUBT_GAP_MS - since_ms), on_doubt, self);
        return;
    }
    close_call(self);
    mesh_backoff_reset(&s->backoff);
    retry_in(self, 0);
}
