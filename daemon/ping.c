#include "daemon/ping.h"

#include "common/glib/error.h"
#include "common/std/clock.h"
#include "daemon/path/doctor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { MAX_PINGS = 64, DEFAULT_TIMEOUT_MS = 5000, MAX_TIMEOUT_MS = 30000 };

typedef struct {
    MeshdPings   *owner;
    MeshKey       wg;
    MeshAddr      source, address;
    uint16_t      id;
    int64_t       sent_ns; /* boot clock */
    guint         timer;
    MeshdPingDone done;
    void         *user_data;
} Ping;

struct MeshdPings {
    MeshdParts *parts;   /* borrowed */
    GPtrArray  *pending; /* owned Pings */
    uint16_t    next_id;
};

static void free_ping(gpointer data)
{
    Ping *ping = data;

    g_clear_handle_id(&ping->timer, g_source_remove);
    g_free(ping);
}

MeshdPings *meshd_ping_new(MeshdParts *parts)
{
    MeshdPings *self = g_new0(MeshdPings, 1);

    self->parts = parts;
    self->pending = g_ptr_array_new();
    mesh_key_random(&self->next_id, sizeof self->next_id);
    return self;
}

void meshd_ping_free(MeshdPings *self)
{
    if (self == NULL)
        return;
    meshd_ping_cancel_all(self);
    g_ptr_array_unref(self->pending);
    g_free(self);
}

static void fail(Ping *ping, int code, const char *text)
{
    g_autoptr(GError) error = g_error_new_literal(MESH_ERROR, code, text);

    g_ptr_array_remove_fast(ping->owner->pending, ping);
    ping->done(NULL, error, ping->user_data);
    free_ping(ping);
}

void meshd_ping_cancel_all(MeshdPings *self)
{
    while (self->pending->len > 0)
        fail(self->pending->pdata[0], MESH_ERROR_NETWORK_DOWN, "the network went down");
}

static gboolean on_timeout(gpointer user_data)
{
    Ping            *ping = user_data;
    Path            *path = meshd_parts_get_path(ping->owner->parts);
    PathInfo         info = { 0 };
    g_autofree char *text = NULL;

    ping->timer = 0;
    if (path != NULL && path_explain(path, &ping->wg, &info) && info.kind != PATH_DIRECT)
        text = g_strdup(info.reason);
    path_clear_info(&info);
    if (text != NULL)
        fail(ping, MESH_ERROR_NO_WAY, text);
    else
        fail(ping, MESH_ERROR_TIMEOUT, "no answer in time, though the path to the peer is up");
    return G_SOURCE_REMOVE;
}

void meshd_ping_handle_pong(MeshdPings *self, const WireEvent *event)
{
    Path *path = meshd_parts_get_path(self->parts);

    for (unsigned i = 0; i < self->pending->len; i++) {
        Ping           *ping = self->pending->pdata[i];
        MeshdPingAnswer answer = { .address = ping->address, .path = PATH_DIRECT, .relay = "" };

        if (ping->id != (uint16_t)event->id || !mesh_key_equal(&ping->wg, &event->peer))
            continue;
        answer.rtt_us = (uint64_t)MAX((int64_t)event->time_ns - ping->sent_ns, 0) / 1000;
        answer.endpoint = event->endpoint;
        if (event->way.link != 0) {
            answer.path = PATH_RELAY;
            if (path != NULL)
                answer.relay = path_get_link(path, event->way.link, &answer.path, &answer.endpoint);
        }
        g_ptr_array_remove_index_fast(self->pending, i);
        ping->done(&answer, NULL, ping->user_data);
        free_ping(ping);
        return;
    }
}

static const LockPeer *find_peer(LockVerified *map, const char *text, MeshAddr *out_addr)
{
    if (mesh_ip_parse_addr(text, out_addr) == 0)
        return lock_verified_find_addr(map, out_addr);
    *out_addr = (MeshAddr){ 0 };
    return lock_verified_find_name(map, text);
}

/* The pair of inner addresses to use. */
static bool choose_addrs(MeshdPings *self, const LockPeer *peer, unsigned family, Ping *ping,
                         GError **error)
{
    const MeshMember *own = lock_verified_get_head(meshd_parts_get_map(self->parts))->self;
    bool              both4 = meshd_parts_has_ip(self->parts, AF_INET) && own->ip4.family != 0 &&
                 peer->member->ip4.family != 0;

    if (ping->address.family == 0)
        ping->address =
            family == 6 || (family == 0 && !both4) ? peer->member->ip6 : peer->member->ip4;
    else if (family != 0 && ping->address.family != (family == 4 ? AF_INET : AF_INET6)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    "the address is not of the family asked for");
        return false;
    }
    if (ping->address.family != AF_INET6 && !both4) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_NO_WAY, "%s has no IPv4 address in this network",
                    peer->member->ip4.family == 0 ? peer->member->name : "this host");
        return false;
    }
    ping->source = ping->address.family == AF_INET ? own->ip4 : own->ip6;
    return true;
}

/* No way at all: said at once instead of after the timeout. */
static bool check_path(MeshdPings *self, const LockPeer *peer, GError **error)
{
    Path    *path = meshd_parts_get_path(self->parts);
    PathInfo info = { 0 };
    bool     open = true;

    if (path == NULL || !path_explain(path, &peer->wg, &info))
        return true;
    if (info.kind == PATH_NONE) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_NO_WAY, "no way to %s: %s", peer->member->name,
                    info.reason);
        open = false;
    }
    path_clear_info(&info);
    (void)path_connect(path, &peer->wg); /* asked for by a person: try now in any case */
    return open;
}

static bool send_ping(MeshdPings *self, Ping *ping, GError **error)
{
    int rc;

    if (self->next_id == PATH_NUDGE_ID)
        self->next_id++;
    ping->id = self->next_id++;
    ping->sent_ns = mesh_clock_boot_ns();
    rc = wire_plane_ping(meshd_parts_get_plane(self->parts), &ping->source, &ping->address,
                         ping->id, 1);
    if (rc == 0)
        return true;
    mesh_error_set_errno(error, MESH_ERROR_FAILED, rc, "cannot send the echo");
    return false;
}

static Ping *prepare(MeshdPings *self, const MeshdPingRequest *request, GError **error)
{
    LockVerified    *map = meshd_parts_get_map(self->parts);
    g_autofree Ping *ping = g_new0(Ping, 1);
    const LockPeer  *peer;

    ping->owner = self;
    if (map == NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_NETWORK_DOWN, "the network is down");
        return NULL;
    }
    if (self->pending->len >= MAX_PINGS) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_LIMIT, "%d pings are under way already",
                    MAX_PINGS);
        return NULL;
    }
    peer = find_peer(map, request->peer, &ping->address);
    if (peer == NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_NO_SUCH_PEER, "no peer has this name or address");
        return NULL;
    }
    ping->wg = peer->wg;
    if (!choose_addrs(self, peer, request->family, ping, error) || !check_path(self, peer, error) ||
        !send_ping(self, ping, error))
        return NULL;
    return g_steal_pointer(&ping);
}

void meshd_ping_start(MeshdPings *self, const MeshdPingRequest *request, MeshdPingDone done,
                      void *user_data)
{
    g_autoptr(GError) error = NULL;
    unsigned timeout_ms = request->timeout_ms != 0 ? request->timeout_ms : DEFAULT_TIMEOUT_MS;
    Ping    *ping = prepare(self, request, &error);

    if (ping == NULL) {
        done(NULL, error, user_data);
        return;
    }
    ping->done = done;
    ping->user_data = user_data;
    ping->timer = g_timeout_add(MIN(timeout_ms, MAX_TIMEOUT_MS), on_timeout, ping);
    g_ptr_array_add(self->pending, ping);
}
