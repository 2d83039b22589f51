/* daemon/wire/snapshot.c: a configuration made immutable; see snapshot.h. */
#include "daemon/wire/snapshot.h"

#include "daemon/wire/cards.h"
#include "daemon/wire/config-read.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

/* What the callbacks of one build share. */
typedef struct {
    WireSnapshotFindPeer find_peer;
    void                *data;
    int                  rc; /* the first error */
} Build;

static void set_peer(WireCard *was, WireCard *is, void *data)
{
    Build       *build = data;
    WirePeerSpec spec;
    WirePeer    *peer;

    if (build->rc < 0 || is == NULL)
        return;
    if (was != NULL) {
        peer = wire_owner_get_peer(was->owner);
    } else {
        wire_card_get_spec(is, &spec);
        peer = build->find_peer(&spec, build->data);
        mesh_key_wipe(&spec, sizeof spec);
    }
    if (peer == NULL)
        build->rc = -ENOMEM;
    else if (was == NULL || was->owner != is->owner)
        atomic_store_explicit(&is->owner->peer, peer, memory_order_release);
}

static int fill(WireSnapshot *snapshot, const WireSnapshot *old, Build *build)
{
    static const WireCards nobody;

    snapshot->listen_port = wire_config_get_port(snapshot->config);
    snapshot->fwmark = wire_config_get_fwmark(snapshot->config);
    snapshot->n_peers = wire_config_count_peers(snapshot->config);
    snapshot->allowed_ips = wire_config_get_allowed_ips(snapshot->config);
    snapshot->filter = wire_config_get_filter(snapshot->config);
    wire_cards_compare(old != NULL ? wire_config_get_cards(old->config) : &nobody,
                       wire_config_get_cards(snapshot->config), set_peer, build);
    return build->rc;
}

int wire_snapshot_new(const WireConfig *config, const WireSnapshot *old,
                      WireSnapshotFindPeer find_peer, void *data, WireSnapshot **out_snapshot)
{
    WireSnapshot *snapshot = calloc(1, sizeof *snapshot);
    Build         build = { .find_peer = find_peer, .data = data };
    int           rc = wire_config_get_error(config);

    if (snapshot == NULL)
        return -ENOMEM;
    snapshot->generation = old != NULL ? old->generation + 1 : 1;
    if (rc == 0)
        snapshot->config = wire_config_dup(config);
    if (rc == 0)
        rc = snapshot->config != NULL ? fill(snapshot, old, &build) : -ENOMEM;
    if (rc < 0) {
        wire_snapshot_free(snapshot);
        return rc;
    }
    *out_snapshot = snapshot;
    return 0;
}

void wire_snapshot_compare(const WireSnapshot *old, const WireSnapshot                 *news,
                           void (*each)(WireCard *was, WireCard *is, void *data), void *data)
{
    wire_cards_compare(wire_config_get_cards(old->config), wire_config_get_cards(news->config),
                       each, data);
}

const WireCard *wire_snapshot_find(const WireSnapshot *self, const MeshKey *public_key)
{
    return wire_cards_find(wire_config_get_cards(self->config), public_key);
}

WirePeer *wire_snapshot_get_peer(const WireSnapshot *self, const MeshKey *public_key)
{
    const WireCard *card = wire_snapshot_find(self, public_key);

    return card != NULL ? wire_owner_get_peer(card->owner) : NULL;
}

typedef struct {
    void (*each)(WirePeer *peer, void *data);
    void *data;
} Listing;

static void tell_peer(WireCard *card, void *data)
{
    const Listing *self = data;

    self->each(wire_owner_get_peer(card->owner), self->data);
}

void wire_snapshot_list_peers(const WireSnapshot *self, void (*each)(WirePeer *peer, void *data),
                              void               *data)
{
    Listing listing = { each, data };

    wire_cards_list(wire_config_get_cards(self->config), tell_peer, &listing);
}

void wire_snapshot_free(WireSnapshot *self)
{
    if (self == NULL)
        return;
    wire_config_free(self->config);
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
