#include "server/api/auth.h"

#include "common/glib/error.h"
#include "common/std/clock.h"

#include <pthread.h>
#include <string.h>

/* The connections of one node, oldest first. */
typedef struct {
    ApiAuthSeat key;
    unsigned    n;
    LoopConnId  ids[API_AUTH_MAX_CONNECTIONS];
} Table;

struct ApiAuth {
    pthread_mutex_t lock;   /* not GMutex: ThreadSanitizer knows this one */
    GHashTable     *tables; /* under lock; owned Table, its own key; never more than connections */
};

static guint hash_seat(gconstpointer data)
{
    const ApiAuthSeat *seat = data;
    guint              hash;

    /* A public key is as good as random, and who grinds one gains a longer chain of his own. */
    memcpy(&hash, seat->node.bytes, sizeof(hash));
    return hash;
}

static gboolean equal_seat(gconstpointer a, gconstpointer b)
{
    const ApiAuthSeat *one = a, *other = b;

    return mesh_network_equal_id(&one->network, &other->network) &&
           memcmp(&one->node, &other->node, sizeof(one->node)) == 0;
}

ApiAuth *api_auth_new(void)
{
    ApiAuth *self = g_new0(ApiAuth, 1);

    (void)pthread_mutex_init(&self->lock, NULL);
    self->tables = g_hash_table_new_full(hash_seat, equal_seat, NULL, g_free);
    return self;
}

void api_auth_free(ApiAuth *self)
{
    g_hash_table_unref(self->tables);
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

static void drop_id(ApiAuth *self, Table *table, LoopConnId id)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < table->n; i++) {
        if (table->ids[i] != id)
            table->ids[kept++] = table->ids[i];
    }
    table->n = kept;
    if (kept == 0)
        g_hash_table_remove(self->tables, &table->key);
}

void api_auth_leave(ApiAuth *self, ApiAuthSeat *seat, LoopConnId id)
{
    Table *table;

    if (!seat->taken)
        return;
    (void)pthread_mutex_lock(&self->lock);
    table = g_hash_table_lookup(self->tables, seat);
    if (table != NULL)
        drop_id(self, table, id);
    (void)pthread_mutex_unlock(&self->lock);
    seat->taken = false;
}

static LoopConnId add_id(ApiAuth *self, const ApiAuthSeat *seat, LoopConnId id)
{
    Table     *table = g_hash_table_lookup(self->tables, seat);
    LoopConnId oldest = 0;

    if (table == NULL) {
        table = g_new0(Table, 1);
        table->key = *seat;
        g_hash_table_insert(self->tables, &table->key, table);
    }
    if (table->n == API_AUTH_MAX_CONNECTIONS) {
        oldest = table->ids[0];
        drop_id(self, table, oldest);
    }
    table->ids[table->n++] = id;
    return oldest;
}

LoopConnId api_auth_sit(ApiAuth *self, ApiAuthSeat *seat, const CoreCaller *caller, LoopConnId id)
{
    const ApiAuthSeat wanted = { .network = caller->network,
                                 .node = caller->params.node,
                                 .taken = true };
    LoopConnId        oldest;

    if (seat->taken && equal_seat(seat, &wanted))
        return 0;
    api_auth_leave(self, seat, id);
    *seat = wanted;
    (void)pthread_mutex_lock(&self->lock);
    oldest = add_id(self, seat, id);
    (void)pthread_mutex_unlock(&self->lock);
    return oldest;
}
