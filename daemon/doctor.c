#include "daemon/doctor.h"

#include "common/glib/error.h"
#include "daemon/inside.h"
#include "daemon/portmap.h"

typedef struct {
    MeshdEngine    *engine; /* its Path tells us before it goes */
    MeshdDoctorDone done;
    void           *user_data;
} Wait;

static MeshdDoctorPortmap look_at_portmap(const MeshdEngine *engine, MeshdPortmapKind kind)
{
    MeshdDoctorPortmap found = { .at = meshd_portmap_get(engine, kind) };
    const char        *why;

    found.state = meshd_portmap_get_state(engine, kind, &why);
    g_strlcpy(found.why, why, sizeof found.why);
    return found;
}

static void on_checked(const PathNetcheckReport *found, void *user_data)
{
    g_autofree Wait  *wait = user_data;
    MeshdDoctorReport report = { .found = found };
    g_autoptr(GError) error = NULL;

    if (found == NULL) {
        error = g_error_new(MESH_ERROR, MESH_ERROR_NETWORK_DOWN, "the network went down");
        wait->done(NULL, error, wait->user_data);
        return;
    }
    report.n_relays = path_list_relays(meshd_parts_get_path(wait->engine->parts), report.relays);
    report.lifetime = path_get_lifetime(meshd_parts_get_path(wait->engine->parts));
    for (MeshdPortmapKind i = 0; i < MESHD_PORTMAPS; i++)
        report.portmaps[i] = look_at_portmap(wait->engine, i);
    wait->done(&report, NULL, wait->user_data);
}

void meshd_doctor_check(MeshdEngine *engine, MeshdDoctorDone done, void *user_data)
{
    Path *path = meshd_parts_get_path(engine->parts);
    Wait *wait;

    if (path == NULL) {
        g_autoptr(GError) error =
            g_error_new(MESH_ERROR, MESH_ERROR_NETWORK_DOWN, "the network is down");

        done(NULL, error, user_data);
        return;
    }
    wait = g_new0(Wait, 1);
    *wait = (Wait){ .engine = engine, .done = done, .user_data = user_data };
    path_netcheck_run(path_get_netcheck(path), on_checked, wait);
}

/* What may begin between two addresses, of each family that both have. */
static void add_allowed(const LockVerifiedHead *head, const MeshAddr *own, const MeshAddr *other,
                        bool allowed[2])
{
    if (own->family == 0 || other->family == 0)
        return;
    allowed[0] |= mesh_acl_may_pass(head->rows, head->n_rows, own, other);
    allowed[1] |= mesh_acl_may_pass(head->rows, head->n_rows, other, own);
}

static PathPolicy judge_policy(const LockVerifiedHead *head, const MeshMember *peer)
{
    bool allowed[2] = { false, false }; /* out, in */

    add_allowed(head, &head->self->ip4, &peer->ip4, allowed);
    add_allowed(head, &head->self->ip6, &peer->ip6, allowed);
    if (allowed[0])
        return allowed[1] ? PATH_POLICY_BOTH : PATH_POLICY_OUT;
    return allowed[1] ? PATH_POLICY_IN : PATH_POLICY_NONE;
}

const LockPeer *meshd_doctor_find(MeshdEngine *engine, const char *peer, GError **error)
{
    LockVerified   *map = meshd_parts_get_map(engine->parts);
    const LockPeer *found;
    MeshAddr        addr;

    if (map == NULL || meshd_parts_get_path(engine->parts) == NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_NETWORK_DOWN, "the network is down");
        return NULL;
    }
    found = mesh_ip_parse_addr(peer, &addr) == 0 ? lock_verified_find_addr(map, &addr)
                                                 : lock_verified_find_name(map, peer);
    if (found == NULL)
        g_set_error(error, MESH_ERROR, MESH_ERROR_NO_SUCH_PEER, "no peer has this name or address");
    return found;
}

bool meshd_doctor_explain(MeshdEngine *engine, const char *peer, PathWhy *out_why, char **out_name,
                          GError **error)
{
    const LockPeer         *found = meshd_doctor_find(engine, peer, error);
    const LockVerifiedHead *head;

    if (found == NULL)
        return false;
    head = lock_verified_get_head(meshd_parts_get_map(engine->parts));
    if (!path_doctor_explain(meshd_parts_get_path(engine->parts), &found->wg,
                             judge_policy(head, found->member), out_why)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_NO_SUCH_PEER, "this peer has no path yet");
        return false;
    }
    *out_name = g_strdup(found->member->name);
    return true;
}

const MeshdHistoryStep *meshd_doctor_recall(MeshdEngine *engine, const char *peer, size_t *out_n,
                                            GError **error)
{
    static const MeshdHistoryStep none = { 0 };
    const LockPeer               *found = meshd_doctor_find(engine, peer, error);
    const MeshdHistoryStep       *steps;

    if (found == NULL)
        return NULL;
    steps = meshd_history_get(engine->history, &found->wg, out_n);
    if (steps != NULL)
        return steps;
    *out_n = 0;
    return &none;
}
