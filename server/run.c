#include "server/run.h"

#include "common/glib/error.h"
#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "server/admin/admin.h"
#include "server/api/router.h"
#include "server/core/core.h"
#include "server/keyfile.h"
#include "server/relays.h"
#include "server/reply.h"
#include "server/sandbox.h"
#include "server/statedir.h"
#include "server/systemd.h"

#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
    DRAIN_S = 10,    /* until what was accepted is on disk and answered */
    GRACE_MS = 5000, /* until the clients have taken their last lines */
    RETRY_IN_S = 1,  /* when clients come back, and over how long they are spread */
    SPREAD_S = 5,
    DOZE_MS = 2000, /* a client that is silent for so long takes less memory */
    TRIM_EVERY_S = 10,
    TRIM_AFTER = 100,
    TRIM_QUIET = 50,        /* seconds; connections */
    SPARE_DESCRIPTORS = 64, /* database, admin socket, epoll, bells */
};

typedef struct {
    ServerRelays *relays;
    Core         *core;
    Api          *api;
    Loop         *loop;
    Admin        *admin;
} Parts;

static void set_descriptor_limit(const ServerConfig *config)
{
    struct rlimit limit;
    rlim_t        wanted = config->connections + SPARE_DESCRIPTORS;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < config->connections)
        mesh_log_warning("%s: [limits] connections: only %llu descriptors may be open",
                         config->path, (unsigned long long)limit.rlim_cur);
}

static Core *start_core(const ServerConfig *config, Parts *parts, GError **error)
{
    CoreConfig core_config = {
        .state_dir = config->state_dir,
        .public_host = config->public_host,
        .public_port = config->public_port,
    };
    Core *core;

    parts->relays = server_relays_start(config, &core_config.relays, error);
    core = parts->relays != NULL ? core_start(&core_config, error) : NULL;
    if (core != NULL)
        server_relays_serve(parts->relays, &core_get_identity(core)->key);
    return core;
}

/* One a core that this process may use, unless the file says how many. */
static unsigned count_shards(const ServerConfig *config)
{
    unsigned cores = g_get_num_processors();

    return config->threads != 0 ? config->threads : MIN(cores, LOOP_MAX_SHARDS);
}

/* The key of a lone relay's certificate. */
static bool copy_identity(const ServerConfig *config, uint8_t out_seed[LOOP_SEED_BYTES],
                          GError **error)
{
    MeshKey seed;

    G_STATIC_ASSERT(sizeof seed == LOOP_SEED_BYTES);
    if (!server_keyfile_prepare(config->state_dir, SERVER_KEYFILE_IDENTITY, &seed, error))
        return false;
    memcpy(out_seed, seed.bytes, LOOP_SEED_BYTES);
    mesh_key_wipe(&seed, sizeof seed);
    return true;
}

static Loop *start_loop(const ServerConfig *config, Parts *parts, GError **error)
{
    LoopConfig loop_config = {
        .shards = count_shards(config),
        .max_connections = config->connections,
        .accept_rate = config->accept_rate,
        .accept_burst = config->accept_burst,
        .handshake_ms = config->handshake_ms,
        .doze_ms = DOZE_MS,
        .events = api_router_get_events(),
        .user_data = parts->api,
    };
    uint8_t seed[LOOP_SEED_BYTES];
    char    why[LOOP_WHY_SIZE] = "";
    Loop   *loop = NULL;
    int     count = server_systemd_take_sockets(loop_config.inherited, LOOP_MAX_LISTEN, error);
    int     rc;

    if (count < 0)
        return NULL;
    loop_config.n_inherited = (unsigned)count;
    if (count == 0) { /* with sockets from outside the file's addresses are theirs to name */
        memcpy(loop_config.listen, config->listen, sizeof(config->listen));
        loop_config.n_listen = config->n_listen;
    }
    if (parts->core == NULL && !copy_identity(config, seed, error))
        return NULL;
    if (parts->core != NULL)
        core_copy_seed(parts->core, seed);
    rc = loop_start(&loop_config, seed, &loop, why);
    mesh_key_wipe(seed, sizeof(seed));
    if (rc == 0)
        return loop;
    g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "%s%s%s", count == 0 ? config->path : "",
                count == 0 ? ": [server] listen: " : "", why);
    return NULL;
}

static Admin *start_admin(const ServerConfig *config, Parts *parts, GError **error)
{
    return admin_start(parts->core, config->admin_socket, error);
}

static bool start(const ServerConfig *config, Parts *parts, GError **error)
{
    ApiConfig api_config = {
        .header_ms = config->header_ms,
        .body_ms = config->body_ms,
        .idle_ms = config->idle_ms,
        .behind_proxy = config->behind_proxy,
    };

    if (!server_statedir_lock(config->state_dir, error))
        return false;
    if (config->alone)
        parts->relays = server_relays_start_alone(config, error);
    else
        parts->core = start_core(config, parts, error);
    if (config->alone ? parts->relays == NULL : parts->core == NULL)
        return false;
    api_config.core = parts->core;
    api_config.upgrade = server_relays_make_upgrade(parts->relays);
    parts->api = api_router_new(&api_config);
    parts->loop = start_loop(config, parts, error);
    if (parts->loop == NULL)
        return false;
    if (config->alone)
        return true;
    parts->admin = start_admin(config, parts, error);
    return parts->admin != NULL;
}

/* Every stream is told to come back, everything accepted is committed and answered. */
static void drain(Core *core)
{
    static ServerReply reply; /* until core_stop() */
    CoreAnswer        *answer;

    server_reply_init(&reply);
    core_drain(core, RETRY_IN_S, SPREAD_S, server_reply_make_return(&reply));
    answer = server_reply_wait(&reply, DRAIN_S);
    if (answer == NULL)
        mesh_log_warning("stopping: the storage did not finish in time");
    core_answer_free(answer);
}

/* In the reverse order of who calls whom: clients, administrators, rules; then the memory that
 * late answers may still go to. */
static void stop(Parts *parts)
{
    if (parts->loop != NULL) {
        loop_close_listeners(parts->loop);
        server_relays_drain(parts->relays, RETRY_IN_S * 1000);
        if (parts->core != NULL)
            drain(parts->core);
        loop_stop(parts->loop, GRACE_MS);
        api_router_detach(parts->api);
    }
    admin_stop(parts->admin);
    core_stop(parts->core);
    server_relays_stop(parts->relays);
    loop_free(parts->loop);
    api_router_free(parts->api);
}

static void log_start(const ServerConfig *config, const Parts *parts)
{
    unsigned port = loop_get_port(parts->loop, 0);

    if (config->alone)
        mesh_log_notice("mesh-server %s is a relay on UDP port %u and TCP port %u for %u server%s, "
                        "keys in %s",
                        MESH_VERSION, config->relay_udp, port, config->n_relay_trust,
                        config->n_relay_trust == 1 ? "" : "s", config->state_dir);
    else
        mesh_log_notice("mesh-server %s runs on port %u, key %s, state in %s", MESH_VERSION, port,
                        core_get_identity(parts->core)->key_text, config->state_dir);
}

/* Until a signal comes. After many clients came, and quiet has come back, the memory that their
 * handshakes and first maps took goes back to the system: the C library would keep it. */
static int wait_for_signal(const sigset_t *signals, Loop *loop)
{
    const struct timespec period = { .tv_sec = TRIM_EVERY_S };
    uint64_t              trimmed_at = 0, before = 0;
    LoopStats             stats;
    int                   got;

    while ((got = sigtimedwait(signals, NULL, &period)) < 0) {
        loop_get_stats(loop, &stats);
        if (stats.accepted - trimmed_at >= TRIM_AFTER && stats.accepted - before < TRIM_QUIET) {
            (void)malloc_trim(0);
            trimmed_at = stats.accepted;
        }
        before = stats.accepted;
    }
    return got;
}

bool server_run(const ServerConfig *config, GError **error)
{
    Parts    parts = { 0 };
    sigset_t signals;
    int      got = 0;
    bool     started;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL); /* before threads: they inherit it */
    (void)signal(SIGPIPE, SIG_IGN);
    set_descriptor_limit(config);
    started = server_sandbox_enter(config, error) && start(config, &parts, error);
    if (started) {
        log_start(config, &parts);
        server_systemd_notify("READY=1");
        got = wait_for_signal(&signals, parts.loop);
        mesh_log_notice("stopping: signal %d", got);
        server_systemd_notify("STOPPING=1");
    }
    stop(&parts);
    return started;
}
