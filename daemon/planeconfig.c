#include "daemon/planeconfig.h"

#include "daemon/lock/compare.h"
#include "daemon/path/path.h"

#include <sys/socket.h>

static bool add_allowed(WireConfig *config, const MeshKey *wg, const MeshAddr *addr)
{
    MeshPrefix host = { .addr = *addr, .bits = addr->family == AF_INET ? 32 : 128 };

    return addr->family == 0 || wire_config_add_allowed_ip(config, wg, &host) == 0;
}

static bool add_peer(WireConfig *config, const LockPeer *peer, const WirePeerSpec *spec, bool ip4)
{
    if (wire_config_put_peer(config, spec) < 0 ||
        !add_allowed(config, &peer->wg, &peer->member->ip6) ||
        (ip4 && !add_allowed(config, &peer->wg, &peer->member->ip4)))
        return false;
    for (size_t i = 0; i < peer->member->n_prefixes; i++)
        if ((ip4 || peer->member->prefixes[i].addr.family != AF_INET) &&
            wire_config_add_allowed_ip(config, &peer->wg, &peer->member->prefixes[i]) < 0)
            return false;
    return true;
}

static bool set_filter(WireConfig *config, const LockVerifiedHead *head)
{
    g_autofree WireFilterRow *rows = g_new0(WireFilterRow, head->n_rows + 1);

    for (size_t i = 0; i < head->n_rows; i++) {
        const MeshAclRow *row = &head->rows[i];

        rows[i] = (WireFilterRow){ .accept = row->accept,
                                   .protocol = row->protocol,
                                   .source = row->source,
                                   .destination = row->destination,
                                   .port_first = row->port_first,
                                   .port_last = row->port_last };
    }
    return wire_config_set_filter(config, rows, head->n_rows, false) == 0;
}

bool meshd_planeconfig_is_few(const MeshdPlaneWish *wish)
{
    size_t n = lock_verified_count(wish->map) + lock_verified_get_head(wish->map)->n_waiting;

    return n <= (wish->relayless ? PATH_MAX_EAGER : PATH_MAX_MET);
}

bool meshd_planeconfig_is_eager(const MeshdPlaneWish *wish, const LockPeer *peer, size_t *count)
{
    if (!meshd_planeconfig_is_few(wish) &&
        (!wish->relayless || !peer->online || *count >= PATH_MAX_EAGER))
        return false;
    (*count)++;
    return true;
}

/* Those without a relay are kept open. */
static bool is_kept(const MeshdPlaneWish *wish, const LockPeer *peer, size_t *count)
{
    return wish->relayless && meshd_planeconfig_is_eager(wish, peer, count);
}

static WirePeerSpec get_spec(const MeshdPlaneWish *wish, const LockPeer *peer, bool kept,
                             const MeshdTimestamps *timestamps)
{
    WirePeerSpec spec = { .public_key = peer->wg, .suite = WIRE_SUITE_WG1 };

    if (kept)
        spec.keepalive_s = PATH_KEEPALIVE_S;
    if (wish->offers_aes && peer->offers_aes)
        spec.suite = WIRE_SUITE_AESGCM1;
    if (wish->offers_aes)
        spec.answers = WIRE_SUITE_BIT(WIRE_SUITE_WG1) | WIRE_SUITE_BIT(WIRE_SUITE_AESGCM1);
    spec.taken_ns = meshd_timestamps_get(timestamps, &peer->wg);
    return spec;
}

WireConfig *meshd_planeconfig_make(const MeshdPlaneWish *wish, const MeshdTimestamps *timestamps)
{
    WireConfig *config = wire_config_new();
    size_t      n_eager = 0;
    bool        made = config != NULL;

    if (made)
        wire_config_set_listen(config, wish->port, 0);
    for (size_t i = 0; made && i < lock_verified_count(wish->map); i++) {
        const LockPeer *peer = lock_verified_get_peer(wish->map, i);
        WirePeerSpec    spec = get_spec(wish, peer, is_kept(wish, peer, &n_eager), timestamps);

        made = add_peer(config, peer, &spec, wish->ip4);
    }
    if (made && set_filter(config, lock_verified_get_head(wish->map)))
        return config;
    wire_config_free(config);
    return NULL;
}

/* Routes of one may be another's, too: whose they are hangs on the order in the map. */
static bool has_routes(const GPtrArray *peers)
{
    for (guint i = 0; i < peers->len; i++)
        if (((const LockPeer *)peers->pdata[i])->member->n_prefixes > 0)
            return true;
    return false;
}

/* A route that is but an address may be that of one who comes or goes: the same. */
static bool has_host_routes(const LockVerified *map)
{
    for (size_t i = 0; i < lock_verified_count(map); i++) {
        const MeshMember *member = lock_verified_get_peer(map, i)->member;

        for (size_t j = 0; j < member->n_prefixes; j++)
            if (member->prefixes[j].bits == (member->prefixes[j].addr.family == AF_INET ? 32 : 128))
                return true;
    }
    return false;
}

/* Does each peer's part follow from the peer and from what both wishes say alike? */
static bool is_change(const MeshdPlaneWish *told, const MeshdPlaneWish *wish)
{
    return told->map != NULL && told->ip4 == wish->ip4 && told->offers_aes == wish->offers_aes &&
           !told->relayless && !wish->relayless; /* else who is kept hangs on others */
}

WireConfig *meshd_planeconfig_change(const WireConfig *config, const MeshdPlaneWish *told,
                                     const MeshdPlaneWish *wish, const MeshdTimestamps *timestamps)
{
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    g_autoptr(GPtrArray) added = g_ptr_array_new();
    WireConfig *copy;
    bool        made;

    if (config == NULL || !is_change(told, wish))
        return NULL;
    lock_verified_compare(told->map, wish->map, gone, added);
    if (has_routes(gone) || has_routes(added) || has_host_routes(wish->map))
        return NULL;
    copy = wire_config_dup(config);
    made = copy != NULL;
    if (made)
        wire_config_set_listen(copy, wish->port, 0);
    for (guint i = 0; made && i < gone->len; i++)
        wire_config_remove_peer(copy, &((const LockPeer *)gone->pdata[i])->wg);
    for (guint i = 0; made && i < added->len; i++) {
        const LockPeer *peer = added->pdata[i];
        WirePeerSpec    spec = get_spec(wish, peer, false, timestamps);

        made = add_peer(copy, peer, &spec, wish->ip4);
    }
    if (made && (lock_verified_has_same_rows(told->map, wish->map) ||
                 set_filter(copy, lock_verified_get_head(wish->map))))
        return copy;
    wire_config_free(copy);
    return NULL;
}

static bool are_members_alike(const MeshMember *a, const MeshMember *b)
{
    if (a == b)
        return true;
    if (!mesh_ip_equal_addr(&a->ip4, &b->ip4) || !mesh_ip_equal_addr(&a->ip6, &b->ip6) ||
        a->n_prefixes != b->n_prefixes)
        return false;
    for (size_t i = 0; i < a->n_prefixes; i++)
        if (!mesh_ip_equal_prefix(&a->prefixes[i], &b->prefixes[i]))
            return false;
    return true;
}

bool meshd_planeconfig_is_alike(const MeshdPlaneWish *told, const MeshdPlaneWish *wanted)
{
    size_t n = lock_verified_count(wanted->map), kept_told = 0, kept = 0;

    if (told->map == NULL || told->port != wanted->port || told->ip4 != wanted->ip4 ||
        told->offers_aes != wanted->offers_aes || lock_verified_count(told->map) != n ||
        !lock_verified_has_same_rows(told->map, wanted->map))
        return false;
    for (size_t i = 0; i < n; i++) {
        const LockPeer *was = lock_verified_get_peer(told->map, i);
        const LockPeer *is = lock_verified_get_peer(wanted->map, i);

        if (is_kept(told, was, &kept_told) != is_kept(wanted, is, &kept) ||
            (was != is &&
             (!mesh_key_equal(&was->wg, &is->wg) || was->offers_aes != is->offers_aes ||
              !are_members_alike(was->member, is->member))))
            return false;
    }
    return true;
}
