/* daemon/wire/config.c: the builder of what the data plane is told; see config.h.
 *
 * Peers and allowed IPs are two tries whose parts copies share (cards.h, allowedips.h): to copy a
 * configuration of ten thousand peers, to change one of them and to find out what changed cost by
 * the change. */
#include "daemon/wire/config.h"

#include "daemon/wire/config-read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Of all configurations that share owners; which plane these are for. */
typedef struct {
    _Atomic uint32_t references;
    const void      *plane; /* NULL: none yet. Control thread */
} Family;

struct WireConfig {
    uint16_t        port;
    uint32_t        fwmark;
    uint32_t        next_order; /* of the peer added next */
    int             error;      /* a removal could not be made */
    size_t          n_peers, n_ips;
    WireCards       cards;
    WireAllowedIps *ips;    /* owned */
    WireFilter     *filter; /* a reference */
    Family         *family; /* a reference */
};

static Family *make_family(void)
{
    Family *family = calloc(1, sizeof *family);

    if (family != NULL)
        atomic_init(&family->references, 1);
    return family;
}

static void unref_family(Family *family)
{
    if (family != NULL &&
        atomic_fetch_sub_explicit(&family->references, 1, memory_order_acq_rel) == 1)
        free(family);
}

WireConfig *wire_config_new(void)
{
    WireConfig *self = calloc(1, sizeof *self);

    if (self == NULL)
        return NULL;
    self->family = make_family();
    if (self->family == NULL || wire_allowedips_new(&self->ips) < 0 ||
        wire_filter_new(NULL, 0, true, &self->filter) < 0) {
        wire_config_free(self);
        return NULL;
    }
    return self;
}

void wire_config_free(WireConfig *self)
{
    if (self == NULL)
        return;
    wire_cards_unref(&self->cards);
    wire_allowedips_free(self->ips);
    wire_filter_unref(self->filter);
    unref_family(self->family);
    free(self);
}

WireConfig *wire_config_dup(const WireConfig *self)
{
    WireConfig     *copy = malloc(sizeof *copy);
    WireAllowedIps *ips = wire_allowedips_dup(self->ips);

    if (copy == NULL || ips == NULL) {
        wire_allowedips_free(ips);
        free(copy);
        return NULL;
    }
    *copy = *self;
    copy->ips = ips;
    copy->cards = wire_cards_ref(&self->cards);
    copy->filter = wire_filter_ref(self->filter);
    atomic_fetch_add_explicit(&self->family->references, 1, memory_order_relaxed);
    return copy;
}

bool wire_config_claim(const WireConfig *self, const void *plane)
{
    if (self->family->plane == NULL)
        self->family->plane = plane;
    return self->family->plane == plane;
}

void wire_config_set_listen(WireConfig *self, uint16_t port, uint32_t fwmark)
{
    self->port = port;
    self->fwmark = fwmark;
}

/* ---- peers ---- */

static int change_peer(WireConfig *self, const WirePeerSpec *spec)
{
    WireCard *card;
    int       rc = wire_cards_own(&self->cards, &spec->public_key, 0, &card);

    if (rc == 0)
        rc = wire_card_set(card, spec);
    if (rc == 0)
        card->owner->taken_ns = spec->taken_ns;
    return rc;
}

static int add_peer(WireConfig *self, const WirePeerSpec *spec)
{
    WireOwner *owner = wire_owner_new(&spec->public_key, self->next_order);
    WireCard  *card;
    int        rc = -ENOMEM;

    if (owner == NULL)
        return -ENOMEM;
    owner->taken_ns = spec->taken_ns;
    card = wire_card_new(owner, spec);
    wire_owner_unref(owner);
    if (card != NULL)
        rc = wire_cards_add(&self->cards, card);
    if (rc < 0) {
        if (card != NULL)
            wire_card_unref(card);
        return rc;
    }
    self->next_order++;
    self->n_peers++;
    return 0;
}

int wire_config_put_peer(WireConfig *self, const WirePeerSpec *spec)
{
    if (wire_cards_find(&self->cards, &spec->public_key) != NULL)
        return change_peer(self, spec);
    if (mesh_key_is_zero(&spec->public_key))
        return -EINVAL;
    if (self->n_peers >= WIRE_MAX_PEERS)
        return -ENOSPC;
    return add_peer(self, spec);
}

int wire_config_get_peer(const WireConfig *self, const MeshKey *public_key, WirePeerSpec *out_spec)
{
    const WireCard *card = wire_cards_find(&self->cards, public_key);

    if (card == NULL)
        return -ENOENT;
    wire_card_get_spec(card, out_spec);
    return 0;
}

/* Cards in the order of their addition. */
typedef struct {
    WireCard **cards;
    size_t     n;
    uint64_t   from; /* without memory for an array: the next one is sought each time */
    WireCard  *found;
} Listing;

static void collect(WireCard *card, void *data)
{
    Listing *self = data;

    self->cards[self->n++] = card;
}

static void seek_next(WireCard *card, void *data)
{
    Listing *self = data;

    if (card->owner->order >= self->from &&
        (self->found == NULL || card->owner->order < self->found->owner->order))
        self->found = card;
}

static int compare_order(const void *a, const void *b)
{
    const WireCard *const *x = a, *const *y = b;

    return (*x)->owner->order < (*y)->owner->order ? -1 : (*x)->owner->order > (*y)->owner->order;
}

static void tell(const WireCard *card, void (*each)(const WirePeerSpec *spec, void *data),
                 void           *data)
{
    WirePeerSpec spec;

    wire_card_get_spec(card, &spec);
    each(&spec, data);
    mesh_key_wipe(&spec, sizeof spec);
}

void wire_config_list_peers(const WireConfig *self,
                            void (*each)(const WirePeerSpec *spec, void *data), void *data)
{
    Listing list = { .cards = calloc(self->n_peers + 1, sizeof(WireCard *)) };

    if (list.cards != NULL) {
        wire_cards_list(&self->cards, collect, &list);
        qsort(list.cards, list.n, sizeof *list.cards, compare_order);
        for (size_t i = 0; i < list.n; i++)
            tell(list.cards[i], each, data);
        free(list.cards);
        return;
    }
    for (size_t i = 0; i < self->n_peers; i++) {
        list.found = NULL;
        wire_cards_list(&self->cards, seek_next, &list);
        list.from = (uint64_t)list.found->owner->order + 1;
        tell(list.found, each, data);
    }
}

/* What could not be done is kept in mind, and nothing is applied that lacks it. */
static bool note(WireConfig *self, int rc)
{
    if (rc < 0)
        self->error = rc;
    return rc == 0;
}

static void remove_all(WireConfig *self)
{
    WireAllowedIps *empty;

    if (!note(self, wire_allowedips_new(&empty)))
        return;
    wire_cards_unref(&self->cards);
    wire_allowedips_free(self->ips);
    self->ips = empty;
    self->n_peers = self->n_ips = 0;
}

void wire_config_remove_peer(WireConfig *self, const MeshKey *public_key)
{
    if (public_key == NULL) {
        remove_all(self);
        return;
    }
    if (wire_cards_find(&self->cards, public_key) == NULL)
        return;
    wire_config_remove_allowed_ip(self, public_key, NULL);
    if (wire_cards_find(&self->cards, public_key)->n_ips > 0)
        return; /* refused, as noted: whoever has an address has a card */
    if (note(self, wire_cards_remove(&self->cards, public_key)))
        self->n_peers--;
}

/* ---- allowed IPs ---- */

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
    WireCard  *card = wire_cards_find(&self->cards, public_key), *loser = NULL;
    WireOwner *before;
    int        rc;

    if (card == NULL)
        return -ENOENT;
    if (!is_network(prefix))
        return -EINVAL;
    before = wire_allowedips_find(self->ips, prefix);
    if (before == card->owner)
        return 0;
    if (before == NULL && self->n_ips >= WIRE_MAX_ALLOWED_IPS)
        return -ENOSPC;
    rc = wire_cards_own(&self->cards, public_key, 1, &card);
    if (rc == 0 && before != NULL) /* another's until now */
        rc = wire_cards_own(&self->cards, &before->public_key, 0, &loser);
    if (rc == 0)
        rc = wire_allowedips_put(self->ips, prefix, card->owner);
    if (rc < 0)
        return rc; /* copies were made, nothing was changed in them */
    if (loser != NULL)
        wire_card_remove_ip(loser, prefix);
    else
        self->n_ips++;
    wire_card_add_ip(card, prefix);
    return 0;
}

static void remove_ip(WireConfig *self, WireCard *card, const MeshPrefix *prefix)
{
    MeshPrefix gone = *prefix; /* it may be the card's own */

    if (!note(self, wire_allowedips_remove(self->ips, &gone)))
        return;
    wire_card_remove_ip(card, &gone);
    self->n_ips--;
}

void wire_config_remove_allowed_ip(WireConfig *self, const MeshKey *public_key,
                                   const MeshPrefix *prefix)
{
    WireCard *card = wire_cards_find(&self->cards, public_key);

    if (card == NULL || card->n_ips == 0 ||
        (prefix != NULL && wire_allowedips_find(self->ips, prefix) != card->owner) ||
        !note(self, wire_cards_own(&self->cards, public_key, 0, &card)))
        return;
    if (prefix != NULL)
        remove_ip(self, card, prefix);
    for (uint32_t n = card->n_ips; prefix == NULL && n > 0; n--)
        remove_ip(self, card, &card->ips[n - 1]); /* from the end: nothing moves */
}

void wire_config_list_allowed_ips(const WireConfig *self, const MeshKey *public_key,
                                  void (*each)(const MeshPrefix *prefix, void *data), void *data)
{
    const WireCard *card = wire_cards_find(&self->cards, public_key);

    for (uint32_t i = 0; card != NULL && i < card->n_ips; i++)
        each(&card->ips[i], data);
}

/* ---- the rest ---- */

int wire_config_set_filter(WireConfig *self, const WireFilterRow *rows, size_t n_rows,
                           bool accept_rest)
{
    WireFilter *filter;
    int         rc;

    if (n_rows > WIRE_MAX_FILTER_ROWS)
        return -ENOSPC;
    rc = wire_filter_new(rows, n_rows, accept_rest, &filter);
    if (rc < 0)
        return rc;
    wire_filter_unref(self->filter);
    self->filter = filter;
    return 0;
}

int wire_config_get_error(const WireConfig *self)
{
    return self->error;
}

size_t wire_config_count_peers(const WireConfig *self)
{
    return self->n_peers;
}

uint16_t wire_config_get_port(const WireConfig *self)
{
    return self->port;
}

uint32_t wire_config_get_fwmark(const WireConfig *self)
{
    return self->fwmark;
}

const WireCards *wire_config_get_cards(const WireConfig *self)
{
    return &self->cards;
}

const WireAllowedIps *wire_config_get_allowed_ips(const WireConfig *self)
{
    return self->ips;
}

const WireFilter *wire_config_get_filter(const WireConfig *self)
{
    return self->filter;
}

/* What the callbacks of a copy share. */
typedef struct {
    const WireConfig *from;
    WireConfig       *copy;
    const MeshKey    *owner;
    int               rc; /* the first error */
} Copying;

static void copy_ip(const MeshPrefix *prefix, void *data)
{
    Copying *self = data;

    if (self->rc == 0)
        self->rc = wire_config_add_allowed_ip(self->copy, self->owner, prefix);
}

static void copy_peer(const WirePeerSpec *spec, void *data)
{
    Copying *self = data;

    if (self->rc == 0)
        self->rc = wire_config_put_peer(self->copy, spec);
    self->owner = &spec->public_key;
    if (self->rc == 0)
        wire_config_list_allowed_ips(self->from, self->owner, copy_ip, self);
}

WireConfig *wire_config_dup_apart(const WireConfig *self)
{
    Copying copying = { .from = self, .copy = wire_config_new(), .rc = self->error };

    if (copying.copy == NULL)
        return NULL;
    wire_config_set_listen(copying.copy, self->port, self->fwmark);
    wire_filter_unref(copying.copy->filter);
    copying.copy->filter = wire_filter_ref(self->filter);
    wire_config_list_peers(self, copy_peer, &copying);
    if (copying.rc == 0)
        return copying.copy;
    wire_config_free(copying.copy);
    return NULL;
}
