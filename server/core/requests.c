/* server/core/requests.c: what nodes ask: register, map, report, relays, leave. Control thread, but
 * for the rules that run inside a transaction (nodes.h). */
#include "common/proto/session.h"
#include "common/std/clock.h"
#include "server/core/clones.h"
#include "server/core/control.h"
#include "server/core/nodes.h"
#include "server/core/pace.h"
#include "server/core/presence.h"
#include "server/core/waiters.h"

/* Any of the calls, on its way to the control thread. */
typedef struct {
    CoreCall    call;
    CoreCaller  caller;
    CoreReturn  to;
    GBytes     *body; /* owned; NULL: none */
    unsigned    wait_s;
    CoreMapArgs args;
    uint64_t    stream;
} NodeCall;

static NodeCall *new_call(void (*run)(Core *, CoreCall *), const CoreCaller *caller, GBytes *body,
                          CoreReturn to)
{
    NodeCall *self = g_new0(NodeCall, 1);

    self->call.run = run;
    self->to = to;
    if (caller != NULL)
        self->caller = *caller;
    if (body != NULL)
        self->body = g_bytes_ref(body);
    return self;
}

static void free_call(NodeCall *self)
{
    g_clear_pointer(&self->body, g_bytes_unref);
    g_free(self);
}

/* --- who asks -------------------------------------------------------------------------------- */

/* No request from so far ahead would have been taken: our clock went back since, and no start of
 * the node would be new until it is there again. */
static void forget_future(MeshReqsignWindow *window)
{
    if (window->created > mesh_clock_wall_s() + MESH_REQSIGN_SKEW_S)
        *window = (MeshReqsignWindow){ 0 };
}

/* Takes @error: replayed or cloned. */
static void refuse_nonce(const CoreNode *node, CoreReturn to, GError *error)
{
    const MeshErrorInfo *info = mesh_error_get_info(error->code);
    CoreAnswer          *answer = core_answer_new(info->status);

    answer->code = info->wire;
    answer->message = g_strdup(error->message);
    if (error->code == MESH_ERROR_CLONED)
        answer->retry_in_s = CORE_CLONES_RETRY_S;
    else
        answer->after = node->window.created;
    g_error_free(error);
    core_answer_send(to, answer);
}

/* The network, if the server takes calls and the nonce of a node it knows is new; otherwise the
 * call is answered. @out_node: NULL when it is not a member. */
static CoreNetwork *admit(Core *core, const NodeCall *self, CoreNode **out_node)
{
    CoreNetwork *network = core_control_find_network(core, &self->caller.network);
    GError      *error = NULL;

    *out_node = NULL;
    if (core->draining) {
        core_answer_refuse(self->to, MESH_ERROR_BUSY, "the server stops");
        return NULL;
    }
    if (network == NULL) {
        core_answer_refuse(self->to, MESH_ERROR_NO_NETWORK, "no such network here");
        return NULL;
    }
    *out_node = core_model_find(network, &self->caller.params.node);
    if (*out_node != NULL)
        forget_future(&(*out_node)->window);
    if (*out_node == NULL || core_clones_accept(core, *out_node, &self->caller.params, &error))
        return network;
    refuse_nonce(*out_node, self->to, error);
    return NULL;
}

/* The same for an active member. */
static CoreNode *admit_member(Core *core, const NodeCall *self)
{
    CoreNode    *node;
    CoreNetwork *network = admit(core, self, &node);

    if (network == NULL)
        return NULL;
    if (node != NULL && node->row->state == CORE_NODE_ACTIVE)
        return node;
    if (core_model_is_removed(network, &self->caller.params.node))
        core_answer_refuse(self->to, MESH_ERROR_REMOVED, "this node was removed from the network");
    else if (node != NULL && node->row->state == CORE_NODE_EXPIRED)
        core_answer_refuse(self->to, MESH_ERROR_EXPIRED, "the membership has ended");
    else if (node != NULL)
        core_answer_refuse(self->to, MESH_ERROR_NOT_MEMBER, "this node waits for approval");
    else
        core_answer_refuse(self->to, MESH_ERROR_NOT_MEMBER,
                           "this node is not a member of the network");
    return NULL;
}

/* --- register -------------------------------------------------------------------------------- */

typedef struct {
    CoreJob      job;
    CoreCaller   caller;
    unsigned     wait_s;
    MeshRegister request; /* owned content */
    MeshRecordK  k;
    bool         was_new; /* not known when it asked */
} RegisterJob;

static bool register_rule(CoreJob *job, GError **error)
{
    RegisterJob *self = (RegisterJob *)job;

    return core_change_open(&job->change, error) &&
           core_nodes_register(&job->change, &self->request, &self->k, error);
}

static void answer_member(Core *core, const RegisterJob *self, CoreNode *node)
{
    if (self->was_new)
        core_pace_count_join(node->network);
    core_waiters_answer_register(core, node, &self->caller, self->wait_s, self->job.to);
}

static void register_answer(Core *core, CoreJob *job)
{
    RegisterJob *self = (RegisterJob *)job;
    CoreNetwork *network = core_control_find_network(core, &job->net);
    CoreNode    *node = network != NULL ? core_model_find(network, &self->k.node) : NULL;
    bool         full = job->error != NULL && job->error->code == MESH_ERROR_LIMIT;

    if (full)
        core_answer_send_limit(job->to, job->error->message, 60);
    else if (job->error != NULL)
        core_answer_send_error(job->to, g_steal_pointer(&job->error));
    else if (node == NULL) /* removed again before the answer */
        core_answer_refuse(job->to, MESH_ERROR_REMOVED, "this node was removed from the network");
    else
        answer_member(core, self, node);
}

static void register_free(CoreJob *job)
{
    RegisterJob *self = (RegisterJob *)job;

    mesh_register_clear(&self->request);
    g_free(self);
}

/* Decodes and verifies all that needs no state. */
static bool read_register(RegisterJob *self, GBytes *body, GError **error)
{
    gsize       len = 0;
    const void *text = body != NULL ? g_bytes_get_data(body, &len) : NULL;

    if (!mesh_register_decode(text != NULL ? text : "", len, &self->request, error))
        return false;
    if (self->request.proto != 1) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_PROTO, "proto: %u is not spoken here, only 1",
                    self->request.proto);
        return false;
    }
    if (!mesh_record_open_k(self->request.k, &self->caller.network, &self->caller.params.node,
                            &self->k, error)) {
        g_prefix_error(error, "k: ");
        return false;
    }
    return !self->request.has_join ||
           mesh_register_verify_join(&self->request, &self->caller.network, error);
}

static void run_register(Core *core, CoreCall *call)
{
    NodeCall    *self = (NodeCall *)call;
    GError      *error = NULL;
    CoreNode    *node;
    RegisterJob *job;

    CoreNetwork *network = admit(core, self, &node);
    unsigned     retry_in_s = network != NULL ? core_pace_register(network, node) : 0;

    if (retry_in_s > 0) {
        core_answer_send_limit(self->to, "registrations come too fast", retry_in_s);
    } else if (network != NULL) {
        job = g_new0(RegisterJob, 1);
        job->caller = self->caller;
        job->wait_s = self->wait_s;
        job->was_new = node == NULL;
        job->job.net = self->caller.network;
        job->job.to = self->to;
        job->job.rule = register_rule;
        job->job.answer = register_answer;
        job->job.free = register_free;
        if (read_register(job, self->body, &error)) {
            core_control_submit(core, &job->job);
        } else {
            core_answer_send_error(self->to, error);
            register_free(&job->job);
        }
    }
    free_call(self);
}

void core_register(Core *self, const CoreCaller *caller, GBytes *body, unsigned wait_s,
                   CoreReturn to)
{
    NodeCall *call = new_call(run_register, caller, body, to);

    call->wait_s = wait_s;
    core_control_push(self, &call->call);
}

/* --- map ------------------------------------------------------------------------------------- */

static void run_open_map(Core *core, CoreCall *call)
{
    NodeCall *self = (NodeCall *)call;
    CoreNode *node = admit_member(core, self);

    if (node != NULL)
        core_waiters_open(core, node, &self->caller, &self->args, self->to);
    free_call(self);
}

void core_open_map(Core *self, const CoreCaller *caller, const CoreMapArgs *args, CoreReturn to)
{
    NodeCall *call = new_call(run_open_map, caller, NULL, to);

    call->args = *args;
    core_control_push(self, &call->call);
}

static void run_close_map(Core *core, CoreCall *call)
{
    NodeCall *self = (NodeCall *)call;

    core_waiters_close(core, self->stream);
    free_call(self);
}

void core_close_map(Core *self, uint64_t stream)
{
    NodeCall *call = new_call(run_close_map, NULL, NULL, (CoreReturn){ 0 });

    call->stream = stream;
    core_control_push(self, &call->call);
}

/* --- report ---------------------------------------------------------------------------------- */

typedef struct {
    CoreJob     job;
    CoreCaller  caller;
    MeshReport  report; /* owned content */
    MeshRecordE e;
    MeshRecordK k;
} ReportJob;

static bool report_rule(CoreJob *job, GError **error)
{
    ReportJob *self = (ReportJob *)job;

    return core_change_open(&job->change, error) &&
           core_nodes_set_k(&job->change, self->report.k, &self->k, error);
}

static void send_report_answer(Core *core, CoreNode *node, const ReportJob *self)
{
    MeshReportAnswer answer = { .time = mesh_clock_wall_s(), .observed = self->caller.observed };
    size_t           len;
    char            *text;

    core_presence_set_e(core, node, self->report.e, &self->e);
    answer.e_seq = node->e_seq;
    text = mesh_session_encode_report_answer(&answer, &len);
    core_answer_send_body(self->job.to, 200, text, len);
}

static void report_answer(Core *core, CoreJob *job)
{
    ReportJob   *self = (ReportJob *)job;
    CoreNetwork *network = core_control_find_network(core, &job->net);
    CoreNode *node = network != NULL ? core_model_find(network, &self->caller.params.node) : NULL;

    if (job->error != NULL)
        core_answer_send_error(job->to, g_steal_pointer(&job->error));
    else if (node == NULL)
        core_answer_refuse(job->to, MESH_ERROR_REMOVED, "this node was removed from the network");
    else
        send_report_answer(core, node, self);
}

static void report_free(CoreJob *job)
{
    ReportJob *self = (ReportJob *)job;

    mesh_session_clear_report(&self->report);
    g_free(self);
}

static bool read_report(ReportJob *self, const CoreNode *node, GBytes *body, GError **error)
{
    gsize       len = 0;
    const void *text = body != NULL ? g_bytes_get_data(body, &len) : NULL;

    if (!mesh_session_decode_report(text != NULL ? text : "", len, &self->report, error) ||
        !core_presence_check_e(node, self->report.e, &self->e, error))
        return false;
    if (self->report.k == NULL || mesh_record_open_k(self->report.k, &self->caller.network,
                                                     &node->row->node, &self->k, error))
        return true;
    g_prefix_error(error, "k: ");
    return false;
}

/* A K that we hold already needs no transaction. */
static void handle_report(Core *core, CoreNode *node, ReportJob *job)
{
    if (job->report.k != NULL && !mesh_signed_equal(job->report.k, node->row->k)) {
        core_control_submit(core, &job->job);
        return;
    }
    send_report_answer(core, node, job);
    report_free(&job->job);
}

static void run_report(Core *core, CoreCall *call)
{
    NodeCall  *self = (NodeCall *)call;
    CoreNode  *node = admit_member(core, self);
    GError    *error = NULL;
    ReportJob *job;

    if (node != NULL && !core_presence_allow_report(node)) {
        core_answer_send_limit(self->to, "more than 5 reports a second", 1);
    } else if (node != NULL) {
        job = g_new0(ReportJob, 1);
        job->caller = self->caller;
        job->job.net = self->caller.network;
        job->job.to = self->to;
        job->job.rule = report_rule;
        job->job.answer = report_answer;
        job->job.free = report_free;
        if (read_report(job, node, self->body, &error)) {
            handle_report(core, node, job);
        } else {
            core_answer_send_error(self->to, error);
            report_free(&job->job);
        }
    }
    free_call(self);
}

void core_report(Core *self, const CoreCaller *caller, GBytes *body, CoreReturn to)
{
    core_control_push(self, &new_call(run_report, caller, body, to)->call);
}

/* --- relays ---------------------------------------------------------------------------------- */

static void run_relays(Core *core, CoreCall *call)
{
    NodeCall *self = (NodeCall *)call;
    CoreNode *node = admit_member(core, self);

    if (node != NULL)
        core_relays_answer(core, node, &self->caller, self->to);
    free_call(self);
}

/* --- leave ----------------------------------------------------------------------------------- */

typedef struct {
    CoreJob job;
    MeshKey node;
} LeaveJob;

static bool leave_rule(CoreJob *job, GError **error)
{
    return core_change_open(&job->change, error) &&
           core_nodes_remove(&job->change, &((LeaveJob *)job)->node, true, error);
}

static void leave_answer(Core *core, CoreJob *job)
{
    (void)core;
    if (job->error != NULL)
        core_answer_send_error(job->to, g_steal_pointer(&job->error));
    else
        core_answer_send_body(job->to, 200, g_strdup("{}"), 2);
}

static void run_leave(Core *core, CoreCall *call)
{
    NodeCall    *self = (NodeCall *)call;
    CoreNode    *node;
    CoreNetwork *network = admit(core, self, &node);

    if (network != NULL) { /* pending and expired ones may leave too */
        LeaveJob *job = g_new0(LeaveJob, 1);

        job->node = self->caller.params.node;
        job->job.net = self->caller.network;
        job->job.to = self->to;
        job->job.rule = leave_rule;
        job->job.answer = leave_answer;
        core_control_submit(core, &job->job);
    }
    free_call(self);
}

void core_ask(Core *self, CoreQuestion what, const CoreCaller *caller, CoreReturn to)
{
    core_control_push(
        self, &new_call(what == CORE_ASK_LEAVE ? run_leave : run_relays, caller, NULL, to)->call);
}
