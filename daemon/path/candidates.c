#include "daemon/path/candidates.h"

#include "common/std/endpoint.h"

#include <stdlib.h>
#include <sys/socket.h>

/* Lower is better; candidates of one rank keep the order in which they were told. */
enum { RANK_STATIC, RANK_GLOBAL6, RANK_LOCAL4, RANK_LOCAL6, RANK_MAPPED, RANK_OBSERVED, N_RANKS };

static int get_rank(const MeshRecordEndpoint *told)
{
    const MeshAddr *addr = &told->endpoint.addr;

    if (told->kind == MESH_RECORD_STATIC)
        return RANK_STATIC;
    if (told->kind == MESH_RECORD_MAPPED)
        return RANK_MAPPED;
    if (told->kind == MESH_RECORD_OBSERVED)
        return RANK_OBSERVED;
    if (addr->family == AF_INET)
        return RANK_LOCAL4;
    return mesh_ip_class(addr) == MESH_IP_GLOBAL ? RANK_GLOBAL6 : RANK_LOCAL6;
}

static bool is_reachable(MeshIpClass class)
{
    return class == MESH_IP_GLOBAL || class == MESH_IP_PRIVATE || class == MESH_IP_SHARED;
}

static bool is_own(const MeshAddr *own, size_t n_own, const MeshAddr *addr)
{
    for (size_t i = 0; i < n_own; i++)
        if (mesh_ip_equal_addr(&own[i], addr))
            return true;
    return false;
}

static bool has_endpoint(const MeshRecordEndpoint *list, size_t n, const MeshEndpoint *endpoint)
{
    for (size_t i = 0; i < n; i++)
        if (mesh_endpoint_equal(&list[i].endpoint, endpoint))
            return true;
    return false;
}

bool path_candidates_has_family(const MeshAddr *own, size_t n_own, int family)
{
    for (size_t i = 0; i < n_own; i++)
        if (own[i].family == family && is_reachable(mesh_ip_class(&own[i])))
            return true;
    return false;
}

bool path_candidates_can_try(const MeshAddr *own, size_t n_own, const MeshEndpoint *to)
{
    return to->port != 0 && is_reachable(mesh_ip_class(&to->addr)) &&
           !is_own(own, n_own, &to->addr) &&
           path_candidates_has_family(own, n_own, to->addr.family);
}

bool path_candidates_is_public(const MeshRecordEndpoint *told)
{
    return told->kind == MESH_RECORD_STATIC ||
           (told->kind == MESH_RECORD_LOCAL &&
            mesh_ip_class(&told->endpoint.addr) == MESH_IP_GLOBAL);
}

size_t path_candidates_choose(const MeshAddr *own, size_t n_own, const MeshRecordEndpoint *told,
                              size_t n_told, MeshRecordEndpoint out[WIRE_MAX_CANDIDATES])
{
    bool   has4 = path_candidates_has_family(own, n_own, AF_INET);
    bool   has6 = path_candidates_has_family(own, n_own, AF_INET6);
    size_t n = 0;

    for (int rank = 0; rank < N_RANKS; rank++) {
        for (size_t i = 0; i < n_told && n < WIRE_MAX_CANDIDATES; i++) {
            const MeshAddr *addr = &told[i].endpoint.addr;

            if (get_rank(&told[i]) != rank || !(addr->family == AF_INET ? has4 : has6))
                continue;
            if (!is_reachable(mesh_ip_class(addr)) || is_own(own, n_own, addr) ||
                has_endpoint(out, n, &told[i].endpoint))
                continue;
            out[n++] = told[i];
        }
    }
    return n;
}

static size_t add_own(MeshRecordEndpoint *out, size_t n, MeshEndpoint endpoint, MeshRecordKind kind)
{
    if (n == MESH_RECORD_MAX_ENDPOINTS || has_endpoint(out, n, &endpoint))
        return n;
    out[n] = (MeshRecordEndpoint){ .endpoint = endpoint, .kind = kind };
    return n + 1;
}

size_t path_candidates_list_own(const PathOwn     *own,
                                MeshRecordEndpoint out[MESH_RECORD_MAX_ENDPOINTS])
{
    MeshEndpoint observed =
        own->seen.addr.family != 0 ? own->seen : mesh_endpoint_make(&own->observed, own->port);
    bool tell_observed = own->port != 0 && is_reachable(mesh_ip_class(&observed.addr)) &&
                         !is_own(own->addrs, own->n_addrs, &observed.addr);
    size_t n = 0;

    for (size_t i = 0; i < own->n_statics; i++)
        n = add_own(out, n, own->statics[i], MESH_RECORD_STATIC);
    if (own->port != 0 && own->mapped.addr.family != 0)
        n = add_own(out, n, own->mapped, MESH_RECORD_MAPPED);
    for (int rank = RANK_GLOBAL6; own->port != 0 && rank <= RANK_LOCAL6; rank++) {
        for (size_t i = 0; i < own->n_addrs; i++) {
            MeshRecordEndpoint local = { .endpoint = mesh_endpoint_make(&own->addrs[i], own->port),
                                         .kind = MESH_RECORD_LOCAL };

            if (n == MESH_RECORD_MAX_ENDPOINTS - (tell_observed ? 1u : 0u))
                break; /* the last place is the observed one's: often the only way in */
            if (get_rank(&local) == rank && is_reachable(mesh_ip_class(&own->addrs[i])))
                n = add_own(out, n, local.endpoint, MESH_RECORD_LOCAL);
        }
    }
    return tell_observed ? add_own(out, n, observed, MESH_RECORD_OBSERVED) : n;
}
