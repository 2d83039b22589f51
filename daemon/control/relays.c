/* daemon/control/relays.c: GET relays: the network's relays and our token for them, after each
 * hello that names another version, and before the token ends. */
#include "daemon/control/relays.h"
#include "common/glib/log.h"
#include "common/proto/relaymap.h"
#include "common/proto/token.h"
#include "common/std/clock.h"

enum {
    TIMEOUT_MS = 20000,
    AGAIN_LEAST_S = 60, /* from one token to the next: half of the first one's life */
    AGAIN_MOST_S = 43200,
    AGAIN_WITHOUT_S = 1500, /* where the server has none */
};

static void ask(ControlClient *self);

void control_relays_stop(ControlClient *self)
{
    control_call_cancel(g_steal_pointer(&self->relays.call));
    g_clear_handle_id(&self->relays.timer_id, g_source_remove);
    self->relays.ver = self->relays.asked = 0;
}

static gboolean on_timer(gpointer user_data)
{
    ControlClient *self = user_data;

    self->relays.timer_id = 0;
    ask(self);
    return G_SOURCE_REMOVE;
}

static void wait(ControlClient *self, unsigned in_ms)
{
    g_clear_handle_id(&self->relays.timer_id, g_source_remove);
    self->relays.timer_id = g_timeout_add(in_ms, on_timer, self);
}

/* Each costs a connection with its handshake; one that ended costs the session at the relay. */
static void wait_for_half(ControlClient *self, MeshSigned *token)
{
    const MeshJoinlink *server = control_link_get_server(self->link);
    MeshToken           told;
    int64_t             half_s = 0;

    if (mesh_token_open(token, &server->network, &server->server, &told, NULL))
        half_s = (told.exp - control_link_get_time(self->link)) / 2;
    self->relays.again_ms = (unsigned)CLAMP(half_s, AGAIN_LEAST_S, AGAIN_MOST_S) * 1000;
    wait(self, self->relays.again_ms);
}

static void take_answer(ControlClient *self, const ControlResult *result)
{
    MeshRelayAnswer answer = { 0 };
    g_autoptr(GError) error = NULL;

    if (!mesh_relaymap_decode_answer(result->body, result->body_len, &answer, &error)) {
        mesh_log_warning("the server's answer about relays: %s", error->message);
        return;
    }
    if (self->relays.ver == self->relays.asked)
        wait_for_half(self, answer.t);
    control_client_hold(self);
    if (self->events.relays != NULL)
        self->events.relays(self, &answer, self->user_data);
    control_client_release(self);
    mesh_relaymap_clear_answer(&answer);
}

static void on_done(void *user_data, const ControlResult *result)
{
    ControlClient *self = user_data;

    self->relays.call = NULL;
    if (result->error == NULL) {
        mesh_backoff_reset(&self->relays.backoff);
        if (self->relays.ver != self->relays.asked)
            ask(self); /* the list changed meanwhile, perhaps after this was written */
        take_answer(self, result);
        return;
    }
    mesh_log_info("relays: %s", result->error->message);
    self->relays.again_ms = AGAIN_WITHOUT_S * 1000;
    if (result->status != 404) /* a server that has none */
        wait(self,
             MAX(mesh_backoff_next_ms(&self->relays.backoff), result->hints.retry_in_s * 1000));
}

static void ask(ControlClient *self)
{
    static const ControlCallFuncs funcs = { .done = on_done };
    ControlRequest                request = { .verb = "relays", .timeout_ms = TIMEOUT_MS };

    if (self->relays.call != NULL)
        return;
    self->relays.asked = self->relays.ver;
    self->relays.asked_ms = mesh_clock_boot_ms();
    self->relays.call = control_call_start(self->multi, self->link, &request, &funcs, self);
}

void control_relays_told(ControlClient *self, uint64_t ver)
{
    /* Timers stand still while the host sleeps, tokens do not. */
    if (ver == self->relays.ver &&
        (ver == 0 || mesh_clock_boot_ms() - self->relays.asked_ms < self->relays.again_ms))
        return;
    self->relays.ver = ver;
    ask(self);
}
