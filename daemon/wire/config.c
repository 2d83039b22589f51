/* daemon/wire/config.c: the builder of what the data plane is told; see config.h.
 *
 * Peers and allowed IPs are single objects in lists (a peer's IPs hang on it), found through two
 * hash sets, so that taking one IP from a peer of thousands costs no walk. */
#include "daemon/wire/config.h"

#include "daemon/wire/config-read.h"
#include "daemon/wire/hashset.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef struct Peer Peer;
typedef struct Ip   Ip;

struct Ip {
    MeshPrefix prefix;
    Peer      *peer;            /* borrowed: the owner of this object */
    Ip        *before, *behind; /* in the peer's list */
};

struct Peer {
    WirePeerSpec spec;
    Ip          *first_ip, *last_ip; /* owned list, in the order of addition */
    Peer        *before, *behind;    /* in the order of addition */
};

struct WireConfig {
    uint16_t       port;
    uint32_t       fwmark;
    Peer          *first, *last; /* owned list */
    WireHashSet    peers;        /* by public key */
    WireHashSet    ips;          /* by prefix; Ip, owned by its peer */
    WireFilterRow *rows;         /* owned */
    size_t         n_rows;
    bool           accept_rest;
};

/* Keys and prefixes come from outside: nobody shall choose them to collide. */
static const uint8_t *hash_seed(void)
{
    static uint8_t seed[crypto_shorthash_KEYBYTES];
    static bool    drawn; /* control thread only */

    if (!drawn) {
        crypto_shorthash_keygen(seed);
        drawn = true;
    }
    return seed;
}

static uint64_t hash_bytes(const void *bytes, size_t len)
{
    uint64_t value;

    crypto_shorthash((unsigned char *)&value, bytes, len, hash_seed());
    return value;
}

static uint64_t hash_peer(const void *member)
{
    const Peer *peer = member;

    return hash_bytes(peer->spec.public_key.bytes, MESH_KEY_BYTES);
}

static bool is_peer(const Peer *peer, const MeshKey *public_key)
{
    return memcmp(peer->spec.public_key.bytes, public_key->bytes, MESH_KEY_BYTES) == 0;
}

static int equal_peers(const void *a, const void *b)
{
    const Peer *x = a;

    return is_peer(b, &x->spec.public_key);
}

static uint64_t hash_ip(const void *member)
{
    const Ip *ip = member;
    uint8_t   bytes[18];

    memcpy(bytes, ip->prefix.addr.bytes, 16);
    bytes[16] = ip->prefix.bits;
    bytes[17] = ip->prefix.addr.family == AF_INET6;
    return hash_bytes(bytes, sizeof bytes);
}

static int equal_ips(const void *a, const void *b)
{
    const Ip *x = a, *y = b;

    return mesh_ip_equal_prefix(&x->prefix, &y->prefix);
}

static const WireHashKind peer_kind = { hash_peer, equal_peers };
static const WireHashKind ip_kind = { hash_ip, equal_ips };

WireConfig *wire_config_new(void)
{
    WireConfig *self = calloc(1, sizeof *self);

    if (self == NULL)
        return NULL;
    wire_hashset_init(&self->peers, &peer_kind);
    wire_hashset_init(&self->ips, &ip_kind);
    self->accept_rest = true;
    return self;
}

void wire_config_free(WireConfig *self)
{
    if (self == NULL)
        return;
    wire_hashset_done(&self->peers); /* first: nobody looks anything up any more */
    wire_hashset_done(&self->ips);
    wire_config_remove_peer(self, NULL);
    free(self->rows);
    free(self);
}

static int copy_peer(WireConfig *copy, const Peer *peer)
{
    int rc = wire_config_put_peer(copy, &peer->spec);

    for (const Ip *ip = peer->first_ip; rc == 0 && ip != NULL; ip = ip->behind)
        rc = wire_config_add_allowed_ip(copy, &peer->spec.public_key, &ip->prefix);
    return rc;
}

WireConfig *wire_config_dup(const WireConfig *self)
{
    WireConfig *copy = wire_config_new();

    if (copy == NULL)
        return NULL;
    wire_config_set_listen(copy, self->port, self->fwmark);
    if (wire_config_set_filter(copy, self->rows, self->n_rows, self->accept_rest) < 0)
        goto fail;
    for (const Peer *peer = self->first; peer != NULL; peer = peer->behind) {
        if (copy_peer(copy, peer) < 0)
            goto fail;
    }
    return copy;
fail:
    wire_config_free(copy);
    return NULL;
}

void wire_config_set_listen(WireConfig *self, uint16_t port, uint32_t fwmark)
{
    self->port = port;
    self->fwmark = fwmark;
}

static Peer *find_peer(const WireConfig *self, const MeshKey *public_key)
{
    Peer like = { .spec.public_key = *public_key };

    if (self->last != NULL && is_peer(self->last, public_key))
        return self->last; /* a peer's addresses follow it */
    return wire_hashset_find(&self->peers, &like);
}

static Ip *find_ip(const WireConfig *self, const MeshPrefix *prefix)
{
    Ip like = { .prefix = *prefix };

    return wire_hashset_find(&self->ips, &like);
}

static void append(WireConfig *self, Peer *peer)
{
    peer->before = self->last;
    if (self->last != NULL)
        self->last->behind = peer;
    else
        self->first = peer;
    self->last = peer;
}

int wire_config_put_peer(WireConfig *self, const WirePeerSpec *spec)
{
    Peer *peer = find_peer(self, &spec->public_key);

    if (peer != NULL) {
        peer->spec = *spec;
        return 0;
    }
    if (mesh_key_is_zero(&spec->public_key))
        return -EINVAL;
    if (self->peers.n >= WIRE_MAX_PEERS)
        return -ENOSPC;
    peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return -ENOMEM;
    peer->spec = *spec;
    if (wire_hashset_add(&self->peers, peer) < 0) {
        mesh_key_wipe(peer, sizeof *peer);
        free(peer);
        return -ENOMEM;
    }
    append(self, peer);
    return 0;
}

int wire_config_get_peer(const WireConfig *self, const MeshKey *public_key, WirePeerSpec *out_spec)
{
    const Peer *peer = find_peer(self, public_key);

    if (peer == NULL)
        return -ENOENT;
    *out_spec = peer->spec;
    return 0;
}

void wire_config_list_peers(const WireConfig *self,
                            void (*each)(const WirePeerSpec *spec, void *data), void *data)
{
    for (const Peer *peer = self->first; peer != NULL; peer = peer->behind)
        each(&peer->spec, data);
}

static void link_ip(Ip *ip, Peer *peer)
{
    ip->peer = peer;
    ip->before = peer->last_ip;
    ip->behind = NULL;
    if (ip->before != NULL)
        ip->before->behind = ip;
    else
        peer->first_ip = ip;
    peer->last_ip = ip;
}

static void unlink_ip(Ip *ip)
{
    if (ip->before != NULL)
        ip->before->behind = ip->behind;
    else
        ip->peer->first_ip = ip->behind;
    if (ip->behind != NULL)
        ip->behind->before = ip->before;
    else
        ip->peer->last_ip = ip->before;
}

static void free_ip(WireConfig *self, Ip *ip)
{
    unlink_ip(ip);
    wire_hashset_remove(&self->ips, ip);
    free(ip);
}

static void free_peer(WireConfig *self, Peer *peer)
{
    while (peer->first_ip != NULL)
        free_ip(self, peer->first_ip);
    if (peer->before != NULL)
        peer->before->behind = peer->behind;
    else
        self->first = peer->behind;
    if (peer->behind != NULL)
        peer->behind->before = peer->before;
    else
        self->last = peer->before;
    wire_hashset_remove(&self->peers, peer);
    mesh_key_wipe(peer, sizeof *peer);
    free(peer);
}

void wire_config_remove_peer(WireConfig *self, const MeshKey *public_key)
{
    Peer *peer;

    if (public_key == NULL) {
        while (self->first != NULL)
            free_peer(self, self->first);
        return;
    }
    peer = find_peer(self, public_key);
    if (peer != NULL)
        free_peer(self, peer);
}

static bool is_network(const MeshPrefix *prefix)
{
    MeshPrefix masked;

    if (prefix->addr.family != AF_INET && prefix->addr.family != AF_INET6)
        return false;
    if (prefix->bits > (prefix->addr.family == AF_INET ? 32 : 128))
        return false;
    masked = mesh_ip_mask_prefix(prefix);
    return mesh_ip_equal_prefix(&masked, prefix);
}

int wire_config_add_allowed_ip(WireConfig *self, const MeshKey *public_key,
                               const MeshPrefix *prefix)
{
    Peer *peer = find_peer(self, public_key);
    Ip   *ip;

    if (peer == NULL)
        return -ENOENT;
    if (!is_network(prefix))
        return -EINVAL;
    ip = find_ip(self, prefix);
    if (ip != NULL && ip->peer == peer)
        return 0;
    if (ip != NULL) { /* another's until now */
        unlink_ip(ip);
        link_ip(ip, peer);
        return 0;
    }
    if (self->ips.n >= WIRE_MAX_ALLOWED_IPS)
        return -ENOSPC;
    ip = calloc(1, sizeof *ip);
    if (ip == NULL)
        return -ENOMEM;
    ip->prefix = *prefix;
    if (wire_hashset_add(&self->ips, ip) < 0) {
        free(ip);
        return -ENOMEM;
    }
    link_ip(ip, peer);
    return 0;
}

void wire_config_remove_allowed_ip(WireConfig *self, const MeshKey *public_key,
                                   const MeshPrefix *prefix)
{
    Peer *peer = find_peer(self, public_key);
    Ip   *ip;

    if (peer == NULL)
        return;
    if (prefix == NULL) {
        while (peer->first_ip != NULL)
            free_ip(self, peer->first_ip);
        return;
    }
    ip = find_ip(self, prefix);
    if (ip != NULL && ip->peer == peer)
        free_ip(self, ip);
}

void wire_config_list_allowed_ips(const WireConfig *self, const MeshKey *public_key,
                                  void (*each)(const MeshPrefix *prefix, void *data), void *data)
{
    const Peer *peer = find_peer(self, public_key);

    for (const Ip *ip = peer == NULL ? NULL : peer->first_ip; ip != NULL; ip = ip->behind)
        each(&ip->prefix, data);
}

int wire_config_set_filter(WireConfig *self, const WireFilterRow *rows, size_t n_rows,
                           bool accept_rest)
{
    WireFilterRow *copy = NULL;

    if (n_rows > WIRE_MAX_FILTER_ROWS)
        return -ENOSPC;
    if (n_rows > 0) {
        copy = malloc(n_rows * sizeof *copy);
        if (copy == NULL)
            return -ENOMEM;
        memcpy(copy, rows, n_rows * sizeof *copy);
    }
    free(self->rows);
    self->rows = copy;
    self->n_rows = n_rows;
    self->accept_rest = accept_rest;
    return 0;
}

size_t wire_config_count_peers(const WireConfig *self)
{
    return self->peers.n;
}

uint16_t wire_config_get_port(const WireConfig *self)
{
    return self->port;
}

uint32_t wire_config_get_fwmark(const WireConfig *self)
{
    return self->fwmark;
}

const WireFilterRow *wire_config_get_filter(const WireConfig *self, size_t *out_n_rows,
                                            bool *out_accept_rest)
{
    *out_n_rows = self->n_rows;
    *out_accept_rest = self->accept_rest;
    return self->rows;
}
