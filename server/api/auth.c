#include "server/api/auth.h"

#include "common/glib/error.h"
#include "common/std/clock.h"

#include <pthread.h>
#include <string.h>

enum {
    FIRST_CHAINS = 64,
};

/* The seats lie in their connections: a table of their own would leave a small piece a node in
 * pages that are empty otherwise. */
struct ApiAuth {
    pthread_mutex_t lock;     /* not GMutex: ThreadSanitizer knows this one */
    ApiAuthSeat   **chains;   /* under lock, as all below; of each node oldest first */
    size_t          n_chains; /* a power of two */
    size_t          n_seats;
};

static ApiAuthSeat **find_chain(const ApiAuth *self, const ApiAuthSeat *seat)
{
    size_t hash;

    /* A public key is as good as random, and who grinds one gains a longer chain of his own. */
    memcpy(&hash, seat->node.bytes, sizeof(hash));
    return &self->chains[hash & (self->n_chains - 1)];
}

static bool equal_seat(const ApiAuthSeat *one, const ApiAuthSeat *other)
{
    return mesh_network_equal_id(&one->network, &other->network) &&
           memcmp(&one->node, &other->node, sizeof(one->node)) == 0;
}

ApiAuth *api_auth_new(void)
{
    ApiAuth *self = g_new0(ApiAuth, 1);

    (void)pthread_mutex_init(&self->lock, NULL);
    self->n_chains = FIRST_CHAINS;
    self->chains = g_new0(ApiAuthSeat *, FIRST_CHAINS);
    return self;
}

void api_auth_free(ApiAuth *self)
{
    g_free(self->chains);
    (void)pthread_mutex_destroy(&self->lock);
    g_free(self);
}

bool api_auth_verify(const HttpHead *head, MeshSpan body, const CoreIdentity *identity,
                     MeshReqsignParams *out_params, GError **error)
{
    const MeshReqsignRequest request = {
        .method = head->method,
        .path = head->path,
        .query = head->query,
        .body = body,
        .fingerprint = identity->fingerprint,
    };
    const MeshReqsignInput input = {
        .content_digest = http_message_get_field(head, "content-digest"),
        .mesh_server = http_message_get_field(head, "mesh-server"),
        .signature_input = http_message_get_field(head, "signature-input"),
        .signature = http_message_get_field(head, "signature"),
    };
    MeshReqsignParams params;

    if (!mesh_reqsign_verify(&request, &input, &params, error) ||
        !mesh_reqsign_check_clock(&params, mesh_clock_wall_s(), error))
        return false;
    *out_params = params;
    return true;
}

MeshSessionHints api_auth_make_hints(const GError *error, const CoreIdentity *identity)
{
    MeshSessionHints hints = { 0 };

    if (g_error_matches(error, MESH_ERROR, MESH_ERROR_CLOCK))
        hints.time = mesh_clock_wall_s();
    if (g_error_matches(error, MESH_ERROR, MESH_ERROR_WRONG_SERVER)) {
        hints.has_key = true;
        hints.key = identity->key;
    }
    return hints;
}

static void append(ApiAuth *self, ApiAuthSeat *seat)
{
    ApiAuthSeat **at = find_chain(self, seat);

    while (*at != NULL)
        at = &(*at)->next;
    seat->next = NULL;
    *at = seat;
}

static void grow(ApiAuth *self)
{
    g_autofree ApiAuthSeat **old = self->chains;
    size_t                   n = self->n_chains;

    self->n_chains = n * 2;
    self->chains = g_new0(ApiAuthSeat *, self->n_chains);
    for (size_t i = 0; i < n; i++) {
        for (ApiAuthSeat *seat = old[i], *next; seat != NULL; seat = next) {
            next = seat->next;
            append(self, seat);
        }
    }
}

static void unlink_seat(ApiAuth *self, ApiAuthSeat *seat)
{
    ApiAuthSeat **at = find_chain(self, seat);

    if (!seat->linked)
        return;
    while (*at != seat)
        at = &(*at)->next;
    *at = seat->next;
    seat->linked = false;
    self->n_seats--;
}

/* Returns: the node's connection that has to go; 0: none. */
static LoopConnId link_seat(ApiAuth *self, ApiAuthSeat *seat)
{
    ApiAuthSeat *oldest = NULL;
    unsigned     n = 0;

    for (ApiAuthSeat *at = *find_chain(self, seat); at != NULL; at = at->next) {
        if (!equal_seat(at, seat))
            continue;
        oldest = oldest != NULL ? oldest : at;
        n++;
    }
    if (n < API_AUTH_MAX_CONNECTIONS)
        oldest = NULL;
    else
        unlink_seat(self, oldest); /* its connection learns of it by mail */
    if (self->n_seats >= self->n_chains)
        grow(self);
    append(self, seat);
    seat->linked = true;
    self->n_seats++;
    return oldest != NULL ? oldest->id : 0;
}

void api_auth_leave(ApiAuth *self, ApiAuthSeat *seat)
{
    if (!seat->taken)
        return;
    (void)pthread_mutex_lock(&self->lock);
    unlink_seat(self, seat);
    (void)pthread_mutex_unlock(&self->lock);
    seat->taken = false;
}

LoopConnId api_auth_sit(ApiAuth *self, ApiAuthSeat *seat, const CoreCaller *caller, LoopConnId id)
{
    const ApiAuthSeat wanted = {
        .network = caller->network, .node = caller->params.node, .id = id, .taken = true
    };
    LoopConnId oldest;

    if (seat->taken && equal_seat(seat, &wanted))
        return 0;
    api_auth_leave(self, seat);
    *seat = wanted;
    (void)pthread_mutex_lock(&self->lock);
    oldest = link_seat(self, seat);
    (void)pthread_mutex_unlock(&self->lock);
    return oldest;
}
