#include "daemon/problem.h"

#include "common/glib/error.h"
#include "common/std/clock.h"
#include "daemon/inside.h"

#include <stdlib.h>

enum { CLOCK_OFF_S = 300 }; /* as far as a server takes requests */

typedef struct {
    MeshErrorCode code;
    const char   *word;
} Row;

/* Of everything but the conversation with the server. */
static const Row rows[] = {
    { MESH_ERROR_REMOVED, "removed" },
    { MESH_ERROR_EXPIRED, "expired" },
    { MESH_ERROR_NOT_MEMBER, "unknown-node" },
    { MESH_ERROR_NO_NETWORK, "no-network" },
    { MESH_ERROR_CLONED, "cloned" },
    { MESH_ERROR_PENDING, "pending" },
    { MESH_ERROR_ADDRESS_CLASH, "clash" },
    { MESH_ERROR_NO_TUN, "no-tun" },
    { MESH_ERROR_NO_PERMISSION, "no-permission" },
    { MESH_ERROR_HOST, "host-refused" },
    { MESH_ERROR_STATE, "state-damaged" },
    { MESH_ERROR_UNREAD, "state-damaged" },
    { MESH_ERROR_DISK_FULL, "disk-full" },
    { MESH_ERROR_UNVERIFIED, "unverified" },
    { MESH_ERROR_ROLLBACK, "unverified" },
    { MESH_ERROR_CLOCK, "clock-wrong" },
    { MESH_ERROR_WRONG_SERVER, "wrong-server" },
    { MESH_ERROR_SERVER_KEY, "wrong-server" },
    { MESH_ERROR_UNREACHABLE, "server-unreachable" },
    { MESH_ERROR_TIMEOUT, "server-unreachable" },
    { MESH_ERROR_PROTO, "server-version" },
};

static const char *find(const GError *why, const char *other)
{
    if (why == NULL)
        return "";
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_error_matches(why, MESH_ERROR, (int)rows[i].code))
            return rows[i].word;
    return other;
}

const char *meshd_problem_name(const GError *why)
{
    return find(why, "failed");
}

const char *meshd_problem_name_server(const GError *why)
{
    return find(why, "server-failed");
}

bool meshd_problem_is_host(const GError *why)
{
    return g_error_matches(why, MESH_ERROR, MESH_ERROR_HOST) ||
           g_error_matches(why, MESH_ERROR, MESH_ERROR_NO_TUN) ||
           g_error_matches(why, MESH_ERROR, MESH_ERROR_NO_PERMISSION);
}

int64_t meshd_problem_get_clock(MeshdEngine *engine)
{
    int64_t server_s = lock_gate_true_time(engine->gate);
    int64_t ahead_s = server_s != 0 ? mesh_clock_wall_s() - server_s : 0;

    return llabs(ahead_s) >= CLOCK_OFF_S ? ahead_s : 0;
}

static const char *judge_state(MeshdEngine *engine)
{
    switch (engine->state) {
    case MESHD_ENGINE_PENDING:
        return "pending";
    case MESHD_ENGINE_REMOVED:
        return "removed";
    case MESHD_ENGINE_EXPIRED:
        return "expired";
    default:
        return "";
    }
}

static const char *judge_disk(MeshdEngine *engine)
{
    static const char *const words[] = {
        [MESHD_STATE_FINE] = "",
        [MESHD_STATE_DAMAGED] = "state-damaged",
        [MESHD_STATE_UNSAVED] = "state-unsaved",
        [MESHD_STATE_FULL] = "disk-full",
    };

    MeshdStateHealth worst;
    g_auto(GStrv) troubles =
        meshd_state_list_troubles(engine->host->state, &engine->profile->server.network, &worst);

    return words[worst];
}

static const char *judge_names(MeshdEngine *engine)
{
    const char *why;
    const char *state = meshd_names_get_state(engine->names, &why);

    return g_strcmp0(state, "error") == 0 ? "dns" : "";
}

const char *meshd_problem_judge(MeshdEngine *engine)
{
    const char *const found[] = {
        judge_state(engine),
        engine->problem != NULL ? engine->problem : "",
        engine->server_problem != NULL ? engine->server_problem : "",
        judge_disk(engine),
        engine->cloned_ms != 0 ? "cloned" : "",
        meshd_problem_get_clock(engine) != 0 ? "clock-wrong" : "",
        engine->clash != NULL ? "clash" : "",
        judge_names(engine),
    };

    for (size_t i = 0; i < G_N_ELEMENTS(found); i++)
        if (found[i][0] != '\0')
            return found[i];
    return "";
}
