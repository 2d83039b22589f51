#include "daemon/path/path.h"

#include "common/glib/backoff.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "daemon/path/candidates.h"
#include "daemon/path/explain.h"

#include <string.h>

enum {
    FAILED_AFTER_MS = 15000, /* without an answer that long: shown as no way, still being tried */
    LOOK_AGAIN_MS = 60000,   /* events may be lost, so a settled peer is looked at now and then */
    SILENT_MS = 150000,      /* a session that heard nothing through a rekey is not a proof */
    RETRY_FIRST_MS = 1000,   /* after the data plane gave up */
    RETRY_CAP_MS = 60000,
};

typedef struct {
    PathPeer            told; /* its endpoints are ours */
    size_t              n_candidates;
    MeshRecordEndpoint *candidates; /* owned; of ten thousand peers most have few */
    bool                trying;     /* the data plane sends initiations for us */
    bool                failed;
    int64_t             due_ms; /* boot clock: when to look at it again; INT64_MAX: never */
    MeshBackoff         backoff;
    PathKind            shown; /* as told by the last changed() */
} Peer;

struct Path {
    WirePlane      *plane; /* borrowed */
    MeshAddr        inner; /* our own in the mesh */
    PathChangedFunc changed;
    void           *user_data;
    GHashTable     *peers; /* MeshKey * inside the Peer → owned Peer */
    GArray         *addrs; /* MeshAddr: the host's */
    bool            presence_known;
    guint           timer;   /* 0: none */
    int64_t         wake_ms; /* boot clock: when @timer fires */
};

static void arm(Path *self, int64_t due_ms);

static guint hash_key(gconstpointer key)
{
    guint hash;

    memcpy(&hash, ((const MeshKey *)key)->bytes, sizeof hash); /* public keys are random already */
    return hash;
}

static gboolean equal_key(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(MeshKey)) == 0;
}

static PathHost get_host(Path *self)
{
    return (PathHost){ .addrs = (const MeshAddr *)(void *)self->addrs->data,
                       .n_addrs = self->addrs->len,
                       .presence_known = self->presence_known };
}

static bool read_wire(Path *self, const Peer *peer, WirePeerInfo *out_info)
{
    memset(out_info, 0, sizeof *out_info);
    return wire_plane_get_peer(self->plane, &peer->told.wg, out_info) == 0;
}

static bool is_live(const WirePeerInfo *info)
{
    int64_t silent_ms = mesh_clock_boot_ms() - (int64_t)info->last_received_ms;

    return info->has_session && info->last_received_ms != 0 && silent_ms < SILENT_MS;
}

static PathKind judge(Path *self, const Peer *peer, const WirePeerInfo *info, char **out_reason)
{
    PathHost  host = get_host(self);
    PathFacts facts = { .peer = &peer->told,
                        .host = &host,
                        .candidates = peer->candidates,
                        .n_candidates = peer->n_candidates,
                        .live = is_live(info),
                        .trying = peer->trying || info->handshake_attempts > 0,
                        .failed = peer->failed };

    return path_explain_judge(&facts, out_reason);
}

/* Tells the owner when the kind is another than the one told last. */
static void show(Path *self, Peer *peer, bool always)
{
    WirePeerInfo     info;
    g_autofree char *reason = NULL;
    PathKind         kind;

    if (!read_wire(self, peer, &info))
        return;
    kind = judge(self, peer, &info, &reason);
    if (kind == peer->shown && !always)
        return;
    peer->shown = kind;
    self->changed(&peer->told.wg, self->user_data);
}

static void set_due(Path *self, Peer *peer, int64_t in_ms)
{
    peer->due_ms = mesh_clock_boot_ms() + in_ms;
    arm(self, peer->due_ms);
}

/* Hands the candidates to the data plane. @start: send initiations if there is no session. */
static void set_route(Path *self, Peer *peer, bool start)
{
    WireRoute    route = { .n_candidates = (uint8_t)peer->n_candidates };
    WirePeerInfo info;

    for (size_t i = 0; i < peer->n_candidates; i++)
        route.candidates[i] = peer->candidates[i].endpoint;
    if (!read_wire(self, peer, &info))
        return; /* no such peer any more: the next path_apply() says so too */
    start = start && (peer->n_candidates > 0 || info.endpoint.addr.family != 0);
    if (wire_plane_set_route(self->plane, &peer->told.wg, &route, start) < 0 || !start)
        return;
    if (is_live(&info)) {
        peer->trying = false;
        set_due(self, peer, LOOK_AGAIN_MS);
        return;
    }
    peer->trying = true;
    set_due(self, peer, peer->failed ? LOOK_AGAIN_MS : FAILED_AFTER_MS);
}

static bool wants_connection(Path *self, const Peer *peer)
{
    return peer->told.eager && (peer->told.online || !self->presence_known);
}

/* Something about the peer or the host is new: all earlier failure is forgotten. */
static void start_over(Path *self, Peer *peer)
{
    PathHost           host = get_host(self);
    MeshRecordEndpoint chosen[WIRE_MAX_CANDIDATES];

    peer->n_candidates = path_candidates_choose(host.addrs, host.n_addrs, peer->told.endpoints,
                                                peer->told.n_endpoints, chosen);
    g_free(peer->candidates);
    peer->candidates = g_memdup2(chosen, peer->n_candidates * sizeof chosen[0]);
    peer->trying = peer->failed = false;
    peer->due_ms = INT64_MAX;
    mesh_backoff_reset(&peer->backoff);
    set_route(self, peer, wants_connection(self, peer));
    show(self, peer, false);
}

static void retry(Path *self, Peer *peer)
{
    peer->due_ms = INT64_MAX;
    if (wants_connection(self, peer))
        set_route(self, peer, true);
}

static void look_at(Path *self, Peer *peer)
{
    WirePeerInfo info;

    peer->due_ms = INT64_MAX;
    if (!read_wire(self, peer, &info))
        return;
    if (is_live(&info)) {
        peer->trying = peer->failed = false;
        set_due(self, peer, LOOK_AGAIN_MS);
    } else if (peer->trying) {
        peer->failed = true; /* the plane goes on trying; GAVE_UP ends this round */
        set_due(self, peer, 2 * LOOK_AGAIN_MS);
        if (info.handshake_attempts == 0)
            peer->trying = false; /* its GAVE_UP was lost */
    } else {
        retry(self, peer);
    }
    show(self, peer, false);
}

static gboolean on_timer(gpointer user_data)
{
    Path          *self = user_data;
    int64_t        now_ms = mesh_clock_boot_ms(), next_ms = INT64_MAX;
    GHashTableIter iter;
    gpointer       value;

    self->timer = 0;
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Peer *peer = value;

        if (peer->due_ms <= now_ms)
            look_at(self, peer);
        next_ms = MIN(next_ms, peer->due_ms);
    }
    arm(self, next_ms);
    return G_SOURCE_REMOVE;
}

/* One timer for all peers, at the earliest due time. */
static void arm(Path *self, int64_t due_ms)
{
    int64_t in_ms = due_ms - mesh_clock_boot_ms();

    if (due_ms == INT64_MAX || (self->timer != 0 && self->wake_ms <= due_ms))
        return;
    g_clear_handle_id(&self->timer, g_source_remove);
    self->wake_ms = due_ms;
    self->timer = g_timeout_add((guint)CLAMP(in_ms, 1, G_MAXINT), on_timer, self);
}

static void free_peer(gpointer data)
{
    Peer *peer = data;

    g_free((gpointer)peer->told.endpoints);
    g_free(peer->candidates);
    g_free(peer);
}

Path *path_start(WirePlane *plane, const MeshAddr *inner, PathChangedFunc changed, void *user_data)
{
    Path *self = g_new0(Path, 1);

    self->plane = plane;
    self->inner = *inner;
    self->changed = changed;
    self->user_data = user_data;
    self->peers = g_hash_table_new_full(hash_key, equal_key, NULL, free_peer);
    self->addrs = g_array_new(false, true, sizeof(MeshAddr));
    return self;
}

void path_stop(Path *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->timer, g_source_remove);
    g_hash_table_unref(self->peers);
    g_array_unref(self->addrs);
    g_free(self);
}

static bool is_same(const PathPeer *a, const PathPeer *b)
{
    return a->online == b->online && a->eager == b->eager && a->e_seq == b->e_seq &&
           a->n_endpoints == MIN(b->n_endpoints, WIRE_MAX_CANDIDATES);
}

static Peer *put_peer(Path *self, const PathPeer *told)
{
    Peer *peer = g_hash_table_lookup(self->peers, &told->wg);

    if (peer != NULL && is_same(&peer->told, told))
        return peer;
    if (peer == NULL) {
        peer = g_new0(Peer, 1);
        peer->told.wg = told->wg;
        peer->backoff = (MeshBackoff){ .first_min_ms = RETRY_FIRST_MS,
                                       .first_max_ms = 5 * RETRY_FIRST_MS,
                                       .base_ms = 5 * RETRY_FIRST_MS,
                                       .cap_ms = RETRY_CAP_MS };
        g_hash_table_insert(self->peers, &peer->told.wg, peer);
    }
    g_free((gpointer)peer->told.endpoints);
    peer->told = *told;
    peer->told.n_endpoints = MIN(told->n_endpoints, WIRE_MAX_CANDIDATES);
    peer->told.endpoints =
        g_memdup2(told->endpoints, peer->told.n_endpoints * sizeof told->endpoints[0]);
    start_over(self, peer);
    return peer;
}

void path_apply(Path *self, const PathPeer *peers, size_t n_peers)
{
    g_autoptr(GHashTable) kept = g_hash_table_new(g_direct_hash, g_direct_equal);
    GHashTableIter iter;
    gpointer       value;

    for (size_t i = 0; i < n_peers; i++)
        g_hash_table_add(kept, put_peer(self, &peers[i]));
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (!g_hash_table_contains(kept, value))
            g_hash_table_iter_remove(&iter);
}

static bool is_same_host(Path *self, const PathHost *host)
{
    if (host->n_addrs != self->addrs->len || host->presence_known != self->presence_known)
        return false;
    for (size_t i = 0; i < host->n_addrs; i++)
        if (!mesh_ip_equal_addr(&host->addrs[i], &g_array_index(self->addrs, MeshAddr, i)))
            return false;
    return true;
}

void path_nudge(Path *self)
{
    GHashTableIter iter;
    gpointer       value;

    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Peer        *peer = value;
        WirePeerInfo info;

        if (!read_wire(self, peer, &info) || !info.has_session)
            continue;
        if (wire_plane_ping(self->plane, &self->inner, &peer->told.inner, PATH_NUDGE_ID, 0) < 0)
            mesh_log_debug("a peer will learn our new address with the next packet only");
    }
}

void path_set_host(Path *self, const PathHost *host)
{
    GHashTableIter iter;
    gpointer       value;

    if (is_same_host(self, host))
        return;
    g_array_set_size(self->addrs, 0);
    if (host->n_addrs > 0)
        g_array_append_vals(self->addrs, host->addrs, (guint)host->n_addrs);
    self->presence_known = host->presence_known;
    g_hash_table_iter_init(&iter, self->peers);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        start_over(self, value);
    path_nudge(self);
}

void path_handle_event(Path *self, const WireEvent *event)
{
    Peer *peer = g_hash_table_lookup(self->peers, &event->peer);

    if (peer == NULL)
        return;
    switch (event->kind) {
    case WIRE_EVENT_HANDSHAKE:
    case WIRE_EVENT_ROAMED:
        peer->trying = peer->failed = false;
        mesh_backoff_reset(&peer->backoff);
        set_due(self, peer, LOOK_AGAIN_MS);
        show(self, peer, event->kind == WIRE_EVENT_ROAMED);
        return;
    case WIRE_EVENT_GAVE_UP:
        peer->trying = false;
        peer->failed = true;
        set_due(self, peer, mesh_backoff_next_ms(&peer->backoff));
        show(self, peer, false);
        return;
    case WIRE_EVENT_EXPIRED:
        retry(self, peer);
        show(self, peer, false);
        return;
    default:
        return;
    }
}

bool path_connect(Path *self, const MeshKey *key)
{
    Peer *peer = g_hash_table_lookup(self->peers, key);

    if (peer == NULL)
        return false;
    if (!peer->trying)
        set_route(self, peer, true);
    return true;
}

bool path_explain(Path *self, const MeshKey *key, PathInfo *out_info)
{
    Peer    *peer = g_hash_table_lookup(self->peers, key);
    PathInfo info = { 0 };

    if (peer == NULL || !read_wire(self, peer, &info.wire))
        return false;
    info.kind = judge(self, peer, &info.wire, &info.reason);
    info.n_candidates = peer->n_candidates;
    if (info.n_candidates > 0)
        memcpy(info.candidates, peer->candidates, info.n_candidates * sizeof info.candidates[0]);
    *out_info = info;
    return true;
}

void path_clear_info(PathInfo *info)
{
    g_clear_pointer(&info->reason, g_free);
}

const char *path_kind_name(PathKind kind)
{
    static const char *const names[] = { "none", "idle", "connecting", "direct" };

    return names[kind];
}
