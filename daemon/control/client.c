/* daemon/control/client.c: see client.h. Life of a client, state, leaving; the conversation itself
 * is in login.c, stream.c and report.c. */
#include "daemon/control/client.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/proto/netmaplearn.h"
#include "daemon/control/inside.h"
#include "daemon/control/relays.h"

#include <string.h>

static const char *const state_names[] = {
    [CONTROL_OFF] = "off",
    [CONTROL_CONNECTING] = "connecting",
    [CONTROL_CONNECTED] = "connected",
    [CONTROL_PENDING] = "pending",
    [CONTROL_OFFLINE] = "offline",
};

const char *control_client_state_name(ControlState state)
{
    return state_names[state];
}

ControlClient *control_client_new(const ControlOptions *options, const ControlEvents *events,
                                  void *user_data)
{
    ControlClient *self = g_new0(ControlClient, 1);
    g_autoptr(GError) error = NULL;

    g_ref_count_init(&self->refs);
    self->events = *events;
    self->user_data = user_data;
    self->link = control_link_new(options->server, options->secret, &options->node);
    self->multi = control_multi_new(&error);
    if (self->multi == NULL)
        g_error("%s", error->message); /* a broken installation: nothing works without it */
    self->node = options->node;
    self->map = mesh_netmap_new();
    self->login.backoff = mesh_backoff_make();
    self->stream.backoff = mesh_backoff_make();
    self->reports.backoff = mesh_backoff_make();
    self->relays.backoff = mesh_backoff_make();
    control_lines_init(&self->stream.lines, MESH_MAPLINE_MAX_BYTES);
    return self;
}

void control_client_hold(ControlClient *self)
{
    g_ref_count_inc(&self->refs);
}

void control_client_release(ControlClient *self)
{
    if (!g_ref_count_dec(&self->refs))
        return;
    control_link_free(self->link);
    mesh_netmap_free(self->map);
    control_lines_done(&self->stream.lines);
    g_clear_error(&self->stream.why);
    g_free(self);
}

void control_client_free(ControlClient *self)
{
    if (self == NULL)
        return;
    self->dead = true;
    memset(&self->events, 0, sizeof(self->events));
    control_login_stop(self);
    control_stream_stop(self);
    control_report_stop(self);
    control_relays_stop(self);
    control_call_cancel(g_steal_pointer(&self->leave_call));
    control_multi_free(g_steal_pointer(&self->multi));
    control_client_release(self);
}

void control_client_set_state(ControlClient *self, ControlState state, const GError *why)
{
    if (self->state == state && state != CONTROL_OFFLINE)
        return;
    self->state = state;
    if (self->events.state != NULL)
        self->events.state(self, state, why, self->user_data);
}

void control_client_set_observed(ControlClient *self, const MeshAddr *observed)
{
    if (observed->family == 0 || mesh_ip_equal_addr(observed, &self->observed))
        return;
    self->observed = *observed;
    if (self->events.observed != NULL)
        self->events.observed(self, &self->observed, self->user_data);
}

bool control_client_is_fatal(const GError *error)
{
    static const int codes[] = { MESH_ERROR_BAD_REQUEST, MESH_ERROR_BAD_SIGNATURE,
                                 MESH_ERROR_PROTO,       MESH_ERROR_KEY_UNKNOWN,
                                 MESH_ERROR_KEY_USED,    MESH_ERROR_KEY_EXPIRED,
                                 MESH_ERROR_KEY_REVOKED, MESH_ERROR_NOT_MEMBER,
                                 MESH_ERROR_REMOVED,     MESH_ERROR_EXPIRED,
                                 MESH_ERROR_NO_NETWORK,  MESH_ERROR_CONFLICT,
                                 MESH_ERROR_FULL,        MESH_ERROR_WRONG_SERVER };

    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++)
        if (g_error_matches(error, MESH_ERROR, codes[i]))
            return true;
    return false;
}

void control_client_fail(ControlClient *self, const GError *why)
{
    g_autoptr(GError) copy = g_error_copy(why); /* it may belong to what is stopped here */

    control_login_stop(self);
    control_stream_stop(self);
    control_report_stop(self);
    control_relays_stop(self);
    control_client_hold(self);
    control_client_set_state(self, CONTROL_OFF, copy);
    if (!self->dead && self->events.fatal != NULL)
        self->events.fatal(self, copy, self->user_data);
    control_client_release(self);
}

void control_client_start(ControlClient *self, const MeshNetmap *map)
{
    if (map != NULL) {
        mesh_netmap_free(self->map);
        self->map = mesh_netmap_copy(map);
    }
    control_login_stop(self);
    control_stream_start(self);
}

void control_client_stop(ControlClient *self)
{
    control_login_stop(self);
    control_stream_stop(self);
    control_report_stop(self);
    control_relays_stop(self);
    self->state = CONTROL_OFF; /* who asks for it knows: no callback from inside a call */
}

void control_client_kick(ControlClient *self)
{
    if (self->stream.wanted)
        control_stream_doubt(self);
}

static void on_left(void *user_data, const ControlResult *result)
{
    ControlClient *self = user_data;
    ControlDone    done = self->leave_done;
    const GError  *error = result->error;

    self->leave_call = NULL;
    self->leave_done = NULL;
    if (g_error_matches(error, MESH_ERROR, MESH_ERROR_REMOVED) ||
        g_error_matches(error, MESH_ERROR, MESH_ERROR_NOT_MEMBER) ||
        g_error_matches(error, MESH_ERROR, MESH_ERROR_NO_NETWORK))
        error = NULL; /* the server knows */
    if (done != NULL)
        done(self, error, self->leave_data);
}

void control_client_leave(ControlClient *self, unsigned timeout_ms, ControlDone done,
                          void *user_data)
{
    static const ControlCallFuncs funcs = { .done = on_left };
    ControlRequest                request = {
                       .verb = "leave", .body = "{}", .body_len = 2, .timeout_ms = timeout_ms
    };

    control_call_cancel(self->leave_call);
    self->leave_done = done;
    self->leave_data = user_data;
    self->leave_call = control_call_start(self->multi, self->link, &request, &funcs, self);
}

bool control_client_learn(ControlClient *self, uint32_t index, MeshSigned *k, MeshSigned *e)
{
    return mesh_netmap_learn(self->map, index, k, e);
}

const MeshNetmap *control_client_get_map(const ControlClient *self)
{
    return self->map;
}

ControlState control_client_get_state(const ControlClient *self, MeshAddr *out_address)
{
    if (out_address != NULL)
        *out_address = self->stream.address;
    return self->state;
}
