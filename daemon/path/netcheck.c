#include "daemon/path/netcheck.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/path/candidates.h"
#include "daemon/path/netask.h"

#include <string.h>
#include <sys/socket.h>

enum {
    MAX_WAITING = 16, /* callers */
    PAUSE_MS = 5000,  /* from one check to the next that nobody asked for */
};

typedef struct {
    PathNetcheckDone done;
    void            *user_data;
} Waiting;

struct PathNetcheck {
    PathNetcheckEvents events;
    void              *user_data;
    MeshProbeNat       shown;  /* by the last changed() */
    GArray            *relays; /* PathRelay */
    GArray            *addrs;  /* MeshAddr */
    GArray            *waiting;
    bool               running;
    guint              timer;
    int64_t            began_ms;
    PathNetask         asked;
    PathNetcheckReport found, last; /* under way; of the last that ended */
};

/* ---- the end ---- */

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
    for (size_t i = 0; self->asked.n_questions > 0 && i < self->last.n_relays; i++)
        if (self->last.relays[i].udp4_us == 0 && self->last.relays[i].udp6_us == 0)
            self->events.met(self->last.relays[i].id, 0, self->user_data);
    if (self->asked.n_questions > 0)
        self->events.ended(self->user_data);
}

static void end(PathNetcheck *self)
{
    static const char *const answers[] = { "not asked", "no", "yes" };
    g_autofree char         *words = NULL;

    self->found.udp4 = path_netask_judge_family(&self->asked, AF_INET);
    self->found.udp6 = path_netask_judge_family(&self->asked, AF_INET6);
    path_netask_judge_nat(&self->asked, self->addrs, true, &self->found.nat);
    self->found.done = true;
    self->found.at_ms = mesh_clock_boot_ms();
    self->running = false;
    path_netask_close(&self->asked);
    self->last = self->found;
    words = path_natclass_describe(&self->last.nat);
    if (self->asked.n_questions > 0)
        mesh_log_info("relays answer over UDP: IPv4 %s, IPv6 %s; IPv4: %s",
                      answers[self->last.udp4], answers[self->last.udp6], words);
    tell_waiting(self, &self->last);
    if (self->asked.n_questions > 0 && !is_same_nat(&self->shown, &self->last.nat.what)) {
        self->shown = self->last.nat.what;
        self->events.changed(self->user_data);
    }
    tell_distances(self);
}

/* What ports are given is known long before who may come in: that shows by what does not come. */
static void tell_ports(PathNetcheck *self)
{
    const MeshProbeNat *last = &self->last.nat.what, *found = &self->found.nat.what;

    for (size_t i = 0; i < self->asked.n_questions; i++)
        if (self->asked.questions[i].purpose == PATH_NETASK_MAP &&
            !self->asked.questions[i].answered)
            return;
    path_netask_judge_nat(&self->asked, self->addrs, false, &self->found.nat);
    if (last->mapping == found->mapping && last->step == found->step &&
        last->block_first == found->block_first && last->block_last == found->block_last)
        return;
    self->last.nat = self->found.nat;
    self->shown = *found;
    self->events.changed(self->user_data);
}

/* ---- the course of a check ---- */

static gboolean on_timer(gpointer user_data);
static void     start(PathNetcheck *self);

static void proceed(PathNetcheck *self)
{
    int64_t in_ms = path_netask_work(&self->asked);

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

static bool has_family(const PathNetcheck *self, int family)
{
    return family != 0 && path_candidates_has_family((const MeshAddr *)(void *)self->addrs->data,
                                                     self->addrs->len, family);
}

static void start(PathNetcheck *self)
{
    self->found = (PathNetcheckReport){ .done = false };
    self->running = true;
    self->began_ms = mesh_clock_boot_ms();
    path_netask_open(&self->asked);
    for (guint i = 0; i < self->relays->len && i < PATH_NETCHECK_MAX_RELAYS; i++) {
        const PathRelay   *relay = &g_array_index(self->relays, PathRelay, i);
        PathNetcheckRelay *row = &self->found.relays[self->found.n_relays++];

        row->id = relay->id;
        row->usable = relay->usable;
        g_strlcpy(row->name, relay->name, sizeof row->name);
        if (has_family(self, relay->at4.addr.family))
            path_netask_add_distance(&self->asked, i, &relay->at4);
        if (has_family(self, relay->at6.addr.family))
            path_netask_add_distance(&self->asked, i, &relay->at6);
    }
    if (has_family(self, AF_INET))
        path_netask_add_judges(&self->asked, (const PathRelay *)(void *)self->relays->data,
                               self->relays->len);
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
    path_netask_close(&self->asked);
    g_clear_handle_id(&self->timer, g_source_remove);
    self->timer = g_timeout_add((guint)in_ms, on_timer, self);
}

/* ---- answers ---- */

static void note_distance(PathNetcheck *self, const PathNetaskQuestion *question)
{
    PathNetcheckRelay *row = &self->found.relays[question->relay];
    int64_t            took_us = question->took_us;

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

static void take(PathNetcheck *self, unsigned socket, const MeshEndpoint *from, MeshSpan bytes)
{
    const PathNetaskQuestion *answered =
        self->running ? path_netask_take(&self->asked, socket, from, bytes) : NULL;

    if (answered == NULL)
        return;
    if (answered->purpose == PATH_NETASK_DISTANCE)
        note_distance(self, answered);
    if (answered->purpose == PATH_NETASK_MAP)
        tell_ports(self);
    proceed(self);
}

static void on_heard(unsigned socket, const MeshEndpoint *from, MeshSpan bytes, void *user_data)
{
    take(user_data, socket, from, bytes);
}

bool path_netcheck_handle(PathNetcheck *self, const WireEvent *event)
{
    MeshSpan bytes = { event->data, event->n_data };

    if (!mesh_stun_is(bytes))
        return false;
    if (event->way.link == 0)
        take(self, PATH_NETASK_PLANE, &event->endpoint, bytes);
    return true;
}

/* ---- front ---- */

PathNetcheck *path_netcheck_new(WirePlane *plane, const PathNetcheckEvents *events, void *user_data)
{
    PathNetcheck *self = g_new0(PathNetcheck, 1);

    path_netask_init(&self->asked, plane, on_heard, self);
    self->events = *events;
    self->user_data = user_data;
    self->relays = g_array_new(false, false, sizeof(PathRelay));
    self->addrs = g_array_new(false, false, sizeof(MeshAddr));
    self->waiting = g_array_new(false, false, sizeof(Waiting));
    return self;
}

void path_netcheck_free(PathNetcheck *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->timer, g_source_remove);
    path_netask_close(&self->asked);
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
