/* daemon/wire/snapshot.c: a configuration made immutable; see snapshot.h. */
#include "daemon/wire/snapshot.h"

#include "daemon/wire/config-read.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What the callbacks of one build share. */
typedef struct {
    const WireConfig    *config;
    WireSnapshot        *snapshot;
    WireSnapshotFindPeer find_peer;
    void                *data;
    WirePeer            *owner; /* of the allowed IPs that are listed */
    int                  rc;    /* the first error */
} Build;

static void add_allowed_ip(const MeshPrefix *prefix, void *data)
{
    Build *build = data;

    if (build->rc == 0)
        build->rc = wire_allowedips_put(build->snapshot->allowed_ips, prefix, build->owner);
}

static void add_peer(const WirePeerSpec *spec, void *data)
{
    Build            *build = data;
    WireSnapshot     *snapshot = build->snapshot;
    WireSnapshotPeer *entry = &snapshot->peers[snapshot->n_peers];
    MeshKey          *preshared = &snapshot->preshared[snapshot->n_peers];
    WirePeer         *peer;

    if (build->rc < 0)
        return;
    peer = build->find_peer(spec, build->data);
    if (peer == NULL) {
        build->rc = -ENOMEM;
        return;
    }
    *preshared = spec->preshared_key;
    *entry = (WireSnapshotPeer){
        .public_key = spec->public_key,
        .preshared_key = preshared,
        .keepalive_s = spec->keepalive_s,
        .suite = spec->suite,
        .answers = spec->answers != 0 ? spec->answers : WIRE_SUITE_BIT(WIRE_SUITE_WG1),
        .peer = peer,
    };
    snapshot->n_peers++;
    build->owner = peer;
    wire_config_list_allowed_ips(build->config, &spec->public_key, add_allowed_ip, build);
}

static int compare(const void *a, const void *b)
{
    const WireSnapshotPeer *x = a, *y = b;

    return memcmp(x->public_key.bytes, y->public_key.bytes, MESH_KEY_BYTES);
}

static int fill(WireSnapshot *snapshot, Build *build)
{
    size_t               n_peers = wire_config_count_peers(build->config), n_rows;
    bool                 accept_rest;
    const WireFilterRow *rows = wire_config_get_filter(build->config, &n_rows, &accept_rest);

    if (wire_filter_new(rows, n_rows, accept_rest, &snapshot->filter) < 0 ||
        wire_allowedips_new(&snapshot->allowed_ips) < 0)
        return -ENOMEM;
    if (n_peers == 0)
        return 0;
    snapshot->peers = calloc(n_peers, sizeof *snapshot->peers);
    snapshot->preshared = mesh_key_alloc(n_peers * sizeof *snapshot->preshared);
    if (snapshot->peers == NULL || snapshot->preshared == NULL)
        return -ENOMEM;
    wire_config_list_peers(build->config, add_peer, build);
    wire_allowedips_settle(snapshot->allowed_ips);
    qsort(snapshot->peers, snapshot->n_peers, sizeof *snapshot->peers, compare);
    return build->rc;
}

int wire_snapshot_new(const WireConfig *config, WireSnapshotFindPeer find_peer, void *data,
                      WireSnapshot **out_snapshot)
{
    WireSnapshot *snapshot = calloc(1, sizeof *snapshot);
    Build build = { .config = config, .snapshot = snapshot, .find_peer = find_peer, .data = data };
    int   rc;

    if (snapshot == NULL)
        return -ENOMEM;
    snapshot->listen_port = wire_config_get_port(config);
    snapshot->fwmark = wire_config_get_fwmark(config);
    rc = fill(snapshot, &build);
    if (rc < 0) {
        wire_snapshot_free(snapshot);
        return rc;
    }
    *out_snapshot = snapshot;
    return 0;
}

const WireSnapshotPeer *wire_snapshot_find(const WireSnapshot *self, const MeshKey *public_key)
{
    WireSnapshotPeer like = { .public_key = *public_key };

    if (self->n_peers == 0)
        return NULL;
    return bsearch(&like, self->peers, self->n_peers, sizeof *self->peers, compare);
}

void wire_snapshot_free(WireSnapshot *self)
{
    if (self == NULL)
        return;
    wire_allowedips_free(self->allowed_ips);
    wire_filter_free(self->filter);
    free(self->peers);
    mesh_key_free(self->preshared);
    free(self);
}

static void free_retired(struct rcu_head *head)
{
    WIRE_RCU_ACQUIRE();
    wire_snapshot_free((WireSnapshot *)((char *)head - offsetof(WireSnapshot, rcu)));
}

void wire_snapshot_retire(WireSnapshot *self)
{
    if (self != NULL)
        wire_rcu_defer(&self->rcu, free_retired);
}
