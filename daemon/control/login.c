/* daemon/control/login.c: POST register until it is answered: retries, waits for approval. */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "daemon/control/inside.h"

enum {
    ATTEMPT_TIMEOUT_MS = 20000,
    WAIT_S = 55, /* how long the server may hold a pending answer */
    WAIT_MARGIN_MS = 15000,
    FIRST_RETRY_MAX_MS = 2000, /* somebody looks at the terminal */
};

#define WAIT_QUERY "wait=55"

static void attempt(ControlClient *self);

void control_login_stop(ControlClient *self)
{
    ControlLogin *login = &self->login;

    control_call_cancel(g_steal_pointer(&login->call));
    g_clear_handle_id(&login->timer_id, g_source_remove);
    g_clear_pointer(&login->body, g_free);
}

static gboolean on_retry(gpointer user_data)
{
    ControlClient *self = user_data;

    self->login.timer_id = 0;
    attempt(self);
    return G_SOURCE_REMOVE;
}

static void retry_in(ControlClient *self, unsigned wait_ms)
{
    g_clear_handle_id(&self->login.timer_id, g_source_remove);
    self->login.timer_id = g_timeout_add(wait_ms, on_retry, self);
}

static void on_refused(ControlClient *self, const ControlResult *result)
{
    ControlLogin *login = &self->login;
    bool          given_up = login->tries > 0 && !login->pending && ++login->tried >= login->tries;
    unsigned      wait_ms = mesh_backoff_next_ms(&login->backoff);

    if (control_client_is_fatal(result->error) || given_up ||
        g_error_matches(result->error, MESH_ERROR, MESH_ERROR_SERVER_KEY) ||
        g_error_matches(result->error, MESH_ERROR, MESH_ERROR_NOT_FOUND)) {
        control_client_fail(self, result->error);
        return;
    }
    retry_in(self, MAX(wait_ms, result->hints.retry_in_s * 1000));
    control_client_set_state(self, CONTROL_OFFLINE, result->error);
}

static void on_answer(ControlClient *self, const MeshRegisterAnswer *answer)
{
    ControlLogin *login = &self->login;

    mesh_backoff_reset(&login->backoff);
    if (!answer->active) {
        login->pending = true;
        retry_in(self, CLAMP(answer->retry_in_s, 1U, 60U) * 1000);
        control_client_set_state(self, CONTROL_PENDING, NULL);
        return;
    }
    control_login_stop(self);
    control_client_hold(self);
    control_client_set_state(self, CONTROL_OFF, NULL);
    if (!self->dead && self->events.registered != NULL)
        self->events.registered(self, answer, self->user_data);
    control_client_release(self);
}

static void on_done(void *user_data, const ControlResult *result)
{
    ControlClient     *self = user_data;
    MeshRegisterAnswer answer;
    g_autoptr(GError) error = NULL;

    self->login.call = NULL;
    if (result->error != NULL) {
        on_refused(self, result);
        return;
    }
    if (!mesh_register_decode_answer(result->body, result->body_len, &answer, &error)) {
        g_autoptr(GError) bad = g_error_new(MESH_ERROR, MESH_ERROR_BAD_ANSWER,
                                            "the server's answer to register: %s", error->message);

        control_client_fail(self, bad);
        return;
    }
    on_answer(self, &answer);
    mesh_register_clear_answer(&answer);
}

static void attempt(ControlClient *self)
{
    static const ControlCallFuncs funcs = { .done = on_done };
    ControlLogin                 *login = &self->login;
    ControlRequest                request = { .verb = "register",
                                              .body = login->body,
                                              .body_len = login->body_len,
                                              .timeout_ms = ATTEMPT_TIMEOUT_MS };

    if (login->pending) { /* only then: a first answer is wanted at once */
        request.query = WAIT_QUERY;
        request.timeout_ms = WAIT_S * 1000 + WAIT_MARGIN_MS;
    }
    login->call = control_call_start(self->multi, self->link, &request, &funcs, self);
}

void control_client_register(ControlClient *self, const MeshRegister *request, unsigned tries)
{
    ControlLogin *login = &self->login;

    control_login_stop(self);
    control_stream_stop(self);
    login->body = mesh_register_encode(request, &login->body_len);
    login->tries = tries;
    login->tried = 0;
    login->pending = false;
    login->backoff = mesh_backoff_make();
    login->backoff.first_max_ms = FIRST_RETRY_MAX_MS;
    self->state = CONTROL_CONNECTING; /* who asks for it knows */
    attempt(self);
}
