/* daemon/control/report.c: POST report: our E (and K, if new), two at once, else at most once a
 * second, the newest wins, again until it is answered. */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/proto/record.h"
#include "common/std/clock.h"
#include "daemon/control/inside.h"

#include <string.h>

enum {
    TIMEOUT_MS = 20000,
    LEAST_GAP_MS = 1000,
    AT_ONCE = 2, /* a relay binds a moment after the first, and without it no peer finds us */
};

static void send_report(ControlClient *self);

void control_report_stop(ControlClient *self)
{
    ControlReports *reports = &self->reports;

    control_call_cancel(g_steal_pointer(&reports->call));
    g_clear_handle_id(&reports->timer_id, g_source_remove);
    reports->due = false;
    g_clear_pointer(&reports->e, mesh_signed_unref);
    g_clear_pointer(&reports->k, mesh_signed_unref);
    g_clear_pointer(&reports->health, g_strfreev);
}

static gboolean on_timer(gpointer user_data)
{
    ControlClient *self = user_data;

    self->reports.timer_id = 0;
    send_report(self);
    return G_SOURCE_REMOVE;
}

/* Not before @wait_ms, nor less than a second after the last but one. Nothing is sent without a
 * stream: who cannot be heard is not asked, and a new stream reports anyway. */
static void schedule(ControlClient *self, unsigned wait_ms)
{
    ControlReports *reports = &self->reports;
    int64_t earliest = reports->spent_ms - (AT_ONCE - 1) * LEAST_GAP_MS - mesh_clock_boot_ms();

    if (!reports->due || reports->e == NULL || reports->call != NULL || !self->stream.greeted)
        return;
    if (earliest > (int64_t)wait_ms)
        wait_ms = (unsigned)MIN(earliest, LEAST_GAP_MS);
    g_clear_handle_id(&reports->timer_id, g_source_remove);
    reports->timer_id = g_timeout_add(wait_ms, on_timer, self);
}

static void on_answered(ControlClient *self, const ControlResult *result)
{
    ControlReports  *reports = &self->reports;
    MeshReportAnswer answer;
    g_autoptr(GError) error = NULL;

    mesh_backoff_reset(&reports->backoff);
    if (!mesh_session_decode_report_answer(result->body, result->body_len, &answer, &error)) {
        mesh_log_warning("the server's answer to report: %s", error->message);
        return;
    }
    if (!reports->due) /* nothing newer came in between */
        g_clear_pointer(&reports->k, mesh_signed_unref);
    schedule(self, 0);
    control_client_hold(self);
    control_client_set_observed(self, &answer.observed);
    if (!self->dead && answer.e_seq > reports->e_seq && self->events.seq != NULL)
        self->events.seq(self, answer.e_seq + 1, self->user_data);
    control_client_release(self);
}

/* A K of an older state of ours, from a backup perhaps: the server keeps the newer, and peers see
 * by E that it is not the one we go by. */
static bool give_up_k(ControlClient *self, const GError *why)
{
    ControlReports *reports = &self->reports;

    if (reports->k == NULL || !g_error_matches(why, MESH_ERROR, MESH_ERROR_CONFLICT))
        return false;
    mesh_log_warning("report: the server does not take our record: %s", why->message);
    if (!reports->due) /* nothing newer came in between */
        g_clear_pointer(&reports->k, mesh_signed_unref);
    reports->due = true;
    schedule(self, 0);
    return true;
}

static void on_done(void *user_data, const ControlResult *result)
{
    ControlClient  *self = user_data;
    ControlReports *reports = &self->reports;

    reports->call = NULL;
    if (result->error == NULL) {
        on_answered(self, result);
        return;
    }
    if (g_error_matches(result->error, MESH_ERROR,
                        MESH_ERROR_BAD_REQUEST)) { /* gives this one up */
        mesh_log_warning("report: the server refuses it: %s", result->error->message);
        schedule(self, mesh_backoff_next_ms(&reports->backoff)); /* if there is a newer one */
        return;
    }
    if (give_up_k(self, result->error))
        return;
    if (control_client_is_fatal(result->error)) {
        control_client_fail(self, result->error);
        return;
    }
    mesh_log_info("report: %s", result->error->message);
    reports->due = true;
    if (result->status == 0) { /* no answer at all: the stream is no better, most likely */
        control_stream_doubt(self);
        return;
    }
    schedule(self, MAX(mesh_backoff_next_ms(&reports->backoff), result->hints.retry_in_s * 1000));
}

static void send_report(ControlClient *self)
{
    static const ControlCallFuncs funcs = { .done = on_done };
    ControlReports               *reports = &self->reports;
    MeshReport                    report = { .e = reports->e, .k = reports->k };
    ControlRequest                request = { .verb = "report", .timeout_ms = TIMEOUT_MS };
    g_autofree char              *body = NULL;

    for (size_t i = 0; reports->health != NULL && reports->health[i] != NULL &&
                       report.n_health < MESH_SESSION_MAX_HEALTH;
         i++)
        g_strlcpy(report.health[report.n_health++], reports->health[i], MESH_SESSION_HEALTH_SIZE);
    body = mesh_session_encode_report(&report, &request.body_len);
    request.body = body;
    reports->due = false;
    reports->sent_ms = mesh_clock_boot_ms();
    reports->spent_ms = MAX(reports->spent_ms, reports->sent_ms) + LEAST_GAP_MS;
    reports->call = control_call_start(self->multi, self->link, &request, &funcs, self);
}

void control_report_again(ControlClient *self, bool forgotten)
{
    self->reports.due |= forgotten && self->reports.e != NULL;
    mesh_backoff_reset(&self->reports.backoff);
    schedule(self, 0);
}

/* The number inside our own E; 0 when it is not ours. */
static uint64_t read_seq(const ControlClient *self, MeshSigned *e)
{
    MeshRecordE record;

    return mesh_record_open_e(e, control_link_get_network(self->link), &self->node, &record, NULL)
               ? record.seq
               : 0;
}

static void replace(MeshSigned **slot, MeshSigned *object)
{
    mesh_signed_ref(object);
    mesh_signed_unref(*slot);
    *slot = object;
}

void control_client_report(ControlClient *self, MeshSigned *e, MeshSigned *k,
                           const char *const *health)
{
    ControlReports *reports = &self->reports;

    replace(&reports->e, e);
    reports->e_seq = read_seq(self, e);
    if (k != NULL)
        replace(&reports->k, k);
    g_strfreev(reports->health);
    reports->health = g_strdupv((char **)health);
    reports->due = true;
    schedule(self, 0);
}
