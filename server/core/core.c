/* server/core/core.c: the control thread and its queue; start, drain, stop. */
#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/proto/member.h"
#include "common/std/base64.h"
#include "common/std/clock.h"
#include "common/std/hash.h"
#include "server/core/control.h"
#include "server/core/networks.h"
#include "server/core/nodes.h"
#include "server/core/pace.h"
#include "server/core/presence.h"
#include "server/core/users.h"
#include "server/core/vouch.h"
#include "server/core/waiters.h"

#include <string.h>

#define HOUSEKEEPING_MS 5000
#define VOUCH_MS        20
#define VOUCH_AT_ONCE   64 /* signatures: 3 ms of these 20 */
#define KEY_FILE        "server.key"
#define DATABASE_FILE   "mesh.db"

/* --- the queue ------------------------------------------------------------------------------- */

void core_control_push(Core *core, CoreCall *call)
{
    mesh_queue_push(core->queue, call);
}

CoreNetwork *core_control_find_network(Core *core, const MeshNetworkId *id)
{
    return g_hash_table_lookup(core->networks, id);
}

/* Storage thread. */
static bool run_job(StoreTx *tx, void *data, GError **error)
{
    CoreJob *job = data;

    core_change_init(&job->change, tx, job->core->signer, &job->net);
    return job->rule(job, error);
}

/* Storage thread, after the commit. */
static void post_job(void *data, GError *error)
{
    CoreJob *job = data;

    job->error = error;
    job->change.tx = NULL;
    core_control_push(job->core, &job->call);
}

static void answer_drain(Core *core)
{
    if (!core->drain_wanted || core->jobs > 0)
        return;
    core->drain_wanted = false;
    core_answer_send(core->drained, core_answer_new(200));
}

/* The storage cannot write. Why, with statement and cause, is for the log, not for nodes. */
static void note_failure(CoreJob *job)
{
    mesh_log_warning("core: %s", job->error->message);
    g_clear_error(&job->error);
    g_set_error_literal(&job->error, MESH_ERROR, MESH_ERROR_BUSY,
                        "the storage cannot be written now");
}

/* Control thread: the job is durable, or has failed. */
static void finish_job(Core *core, CoreCall *call)
{
    CoreJob *job = (CoreJob *)call;

    core->jobs--;
    if (job->error == NULL)
        core_networks_apply(core, &job->change);
    else if (job->answer == NULL || job->error->code == MESH_ERROR_BUSY)
        note_failure(job);
    if (job->answer != NULL)
        job->answer(core, job);
    core_change_done(&job->change);
    g_clear_error(&job->error);
    if (job->free != NULL)
        job->free(job);
    else
        g_free(job);
    answer_drain(core);
}

void core_control_submit(Core *core, CoreJob *job)
{
    StoreJob stored = { .run = run_job, .done = post_job, .data = job };

    job->core = core;
    job->call.run = finish_job;
    core->jobs++;
    store_submit(core->store, &stored);
}

/* --- housekeeping ---------------------------------------------------------------------------- */

static bool renew_rule(CoreJob *job, GError **error)
{
    return core_change_open(&job->change, error) && core_nodes_renew_due(&job->change, error);
}

static void renew(Core *core, CoreNetwork *network);

static void renew_done(Core *core, CoreJob *job)
{
    CoreNetwork *network = core_control_find_network(core, &job->net);

    if (network != NULL)
        network->renewing = false;
    if (job->error != NULL)
        mesh_log_warning("renewal: %s", job->error->message);
    else if (network != NULL && job->change.put->len > 0 && !core->draining)
        renew(core, network); /* there may be more: a few at a time under one version */
}

static void renew(Core *core, CoreNetwork *network)
{
    CoreJob *job = g_new0(CoreJob, 1);

    job->net = network->row.net.id;
    job->rule = renew_rule;
    job->answer = renew_done;
    network->renewing = true;
    core_control_submit(core, job);
}

static bool forget_rule(CoreJob *job, GError **error)
{
    return core_change_open(&job->change, error) && core_nodes_forget(&job->change, error);
}

static void forget(Core *core, const CoreNetwork *network)
{
    CoreJob *job = g_new0(CoreJob, 1);

    job->net = network->row.net.id;
    job->rule = forget_rule;
    core_control_submit(core, job);
}

/* Also when an M begins only later: our clock was ahead when it was made. */
static bool is_due(const Core *core, const CoreNodeRow *row, int64_t now)
{
    bool blocked = core_users_is_blocked(g_hash_table_lookup(core->users, &row->owner), now);

    if (row->state != CORE_NODE_ACTIVE)
        return row->suspended && !blocked;
    return blocked || core_rows_due(row) <= now || row->m_nbf > now + MESH_MEMBER_SKEW_S;
}

static void on_housekeeping(void *context, void *data)
{
    Core          *core = context;
    int64_t        now = mesh_clock_wall_s();
    GHashTableIter iter, nodes;
    gpointer       each, node;

    (void)data;
    g_hash_table_iter_init(&iter, core->networks);
    while (!core->draining && g_hash_table_iter_next(&iter, NULL, &each)) {
        CoreNetwork *network = each;

        if (!network->opened)
            core_model_forget_texts(network);
        network->opened = false;
        if (core_pace_is_forget_due(network))
            forget(core, network);
        g_hash_table_iter_init(&nodes, network->nodes);
        while (!network->renewing && g_hash_table_iter_next(&nodes, NULL, &node)) {
            const CoreNodeRow *row = ((CoreNode *)node)->row;

            if (is_due(core, row, now))
                renew(core, network);
        }
    }
    core_timers_arm(core->timers, &core->housekeeping, HOUSEKEEPING_MS);
}

/* After a start: whose M came from the database is looked at little by little. */
static void on_vouch(void *context, void *data)
{
    Core          *core = context;
    unsigned       budget = VOUCH_AT_ONCE;
    bool           done = true;
    GHashTableIter iter;
    gpointer       network;

    (void)data;
    g_hash_table_iter_init(&iter, core->networks);
    while (done && g_hash_table_iter_next(&iter, NULL, &network))
        done = core_vouch_look(network, &budget);
    if (!done && !core->draining)
        core_timers_arm(core->timers, &core->vouch, VOUCH_MS);
}

static void on_save_seen(void *context, void *data)
{
    Core *core = context;

    (void)data;
    core_presence_save(core);
    core_timers_arm(core->timers, &core->save_seen, CORE_PRESENCE_SAVE_MS);
}

/* --- the thread ------------------------------------------------------------------------------ */

static CoreCall *next_call(Core *core)
{
    int64_t wait_ms = core_timers_next_ms(core->timers);

    if (wait_ms == 0)
        return mesh_queue_pop_within(core->queue, 0);
    if (wait_ms < 0)
        return mesh_queue_pop(core->queue);
    return mesh_queue_pop_within(core->queue, wait_ms);
}

static void control_thread(void *user_data)
{
    Core *core = user_data;

    core->housekeeping.fire = on_housekeeping;
    core->save_seen.fire = on_save_seen;
    core->vouch.fire = on_vouch;
    core_timers_arm(core->timers, &core->vouch, VOUCH_MS);
    core_timers_arm(core->timers, &core->housekeeping, 0); /* what fell due while we were away */
    core_timers_arm(core->timers, &core->save_seen, CORE_PRESENCE_SAVE_MS);
    while (!core->stopping || core->jobs > 0) {
        CoreCall *call = next_call(core);

        if (call != NULL)
            call->run(core, call);
        core_timers_run(core->timers, core);
    }
}

/* --- start and stop -------------------------------------------------------------------------- */

static guint hash_id(gconstpointer id)
{
    guint hash; /* random already */

    memcpy(&hash, id, sizeof hash);
    return hash;
}

static gboolean equal_id(gconstpointer a, gconstpointer b)
{
    return mesh_network_equal_id(a, b);
}

static bool init_libraries(GError **error)
{
    int rc = mesh_key_init();

    if (rc == 0)
        rc = mesh_hash_init();
    if (rc < 0)
        mesh_error_set_errno(error, MESH_ERROR_FAILED, rc, "libsodium and OpenSSL");
    return rc == 0;
}

static bool open_files(Core *core, const CoreConfig *config, GError **error)
{
    g_autofree char *key_path = g_build_filename(config->state_dir, KEY_FILE, NULL);
    g_autofree char *database = g_build_filename(config->state_dir, DATABASE_FILE, NULL);

    core->signer = core_signer_load(key_path, config->create, error);
    if (core->signer == NULL)
        return false;
    core->store = store_open(database, config->create, error);
    return core->store != NULL;
}

static bool set_identity(Core *core, const CoreConfig *config)
{
    const MeshKey *key = core_signer_get_public(core->signer);

    core->identity.key = core->relays.config.own.sk = *key;
    mesh_reqsign_fingerprint(key, core->identity.fingerprint);
    core->link.server = *key;
    g_strlcpy(core->link.host, config->public_host != NULL ? config->public_host : "",
              sizeof core->link.host);
    core->link.port = config->public_port;
    return mesh_base64url_encode(MESH_SPAN(key->bytes, sizeof key->bytes), core->identity.key_text,
                                 sizeof core->identity.key_text) == 0;
}

static void core_free(Core *core)
{
    GHashTableIter iter;
    gpointer       network;

    store_close(core->store);
    g_hash_table_iter_init(&iter, core->networks);
    while (g_hash_table_iter_next(&iter, NULL, &network))
        core_model_free_network(network, core->timers);
    g_hash_table_unref(core->networks);
    g_hash_table_unref(core->users);
    g_hash_table_unref(core->streams);
    g_array_unref(core->relays.rows);
    core_timers_free(core->timers);
    mesh_queue_unref(core->queue);
    core_signer_free(core->signer);
    g_free(core);
}

Core *core_start(const CoreConfig *config, GError **error)
{
    Core *core;
    int   rc;

    if (!init_libraries(error))
        return NULL;
    core = g_new0(Core, 1);
    core->queue = mesh_queue_new();
    core->networks = g_hash_table_new(hash_id, equal_id);
    core->users = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    core->streams = g_hash_table_new(g_int64_hash, g_int64_equal);
    core->timers = core_timers_new();
    core->started_ms = mesh_clock_boot_ms();
    core->relays.config = config->relays;
    core->relays.rows = g_array_new(FALSE, TRUE, sizeof(CoreRelayRow));
    if (!open_files(core, config, error) || !set_identity(core, config) ||
        !core_networks_load(core, error)) {
        core_free(core);
        return NULL;
    }
    rc = mesh_thread_start("control", control_thread, core, &core->thread);
    if (rc < 0) {
        mesh_error_set_errno(error, MESH_ERROR_FAILED, rc, "control thread");
        core_free(core);
        return NULL;
    }
    return core;
}

const CoreIdentity *core_get_identity(const Core *self)
{
    return &self->identity;
}

void core_copy_seed(const Core *self, uint8_t out_seed[32])
{
    memcpy(out_seed, core_signer_get_secret(self->signer)->bytes, 32); /* seed ‖ public key */
}

static void run_stop(Core *core, CoreCall *call)
{
    core->draining = core->stopping = true;
    core_presence_save(core);
    g_free(call);
}

void core_stop(Core *self)
{
    CoreCall *call;

    if (self == NULL)
        return;
    call = g_new0(CoreCall, 1);
    call->run = run_stop;
    core_control_push(self, call);
    mesh_thread_join(self->thread);
    while ((call = mesh_queue_pop_within(self->queue, 0)) != NULL)
        call->run(self, call); /* came after the stop: is freed, and told that we stop */
    core_free(self);
}

typedef struct {
    CoreCall   call;
    unsigned   retry_in_s, spread_s;
    CoreReturn to;
} DrainCall;

static void run_drain(Core *core, CoreCall *call)
{
    DrainCall *drain = (DrainCall *)call;

    core->draining = core->drain_wanted = true;
    core->drained = drain->to;
    core->drain_retry_s = drain->retry_in_s;
    core->drain_spread_s = drain->spread_s;
    core_waiters_end_all(core);
    core_presence_save(core);
    answer_drain(core);
    g_free(drain);
}

void core_drain(Core *self, unsigned retry_in_s, unsigned spread_s, CoreReturn to)
{
    DrainCall *drain = g_new0(DrainCall, 1);

    drain->call.run = run_drain;
    drain->retry_in_s = retry_in_s;
    drain->spread_s = spread_s;
    drain->to = to;
    core_control_push(self, &drain->call);
}
