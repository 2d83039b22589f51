/* server/relay/bind.c: BIND behind a valid cookie. Its signatures are checked on a thread of their
 * own, so that packets do not wait for them; the mover takes the verdict and makes the session. */
#include "common/std/clock.h"
#include "server/relay/inside.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

void relay_bind_ask(Relay *self, const RelayDatagrams *from, MeshSpan datagram)
{
    RelayBinding *binding = malloc(sizeof(*binding) + datagram.len);

    if (binding == NULL)
        return;
    *binding = (RelayBinding){ .from = from->from, .local = from->local, .len = datagram.len };
    memcpy(binding->datagram, datagram.data, datagram.len);
    if (mesh_ring_push(self->asked, &binding))
        return;
    relay_count(self, RELAY_COUNT_RATE, 1); /* it will be said again */
    free(binding);
}

/* --- the signing thread ------------------------------------------------------------------------
 */

static MeshRelayStatus judge(Relay *self, RelayBinding *binding, const MeshRelayBind *bind)
{
    MeshSpan        datagram = MESH_SPAN(binding->datagram, binding->len);
    MeshRelayStatus status;

    if (bind->version != MESH_RELAYBIND_VERSION)
        return MESH_RELAYBIND_VERSION_WRONG;
    status = self->config.open_token(bind, self->config.user_data, &binding->grant);
    if (status != MESH_RELAYBIND_OK)
        return status;
    if (mesh_relaybind_verify_bind(datagram, &self->rk, &binding->grant.node.node) < 0)
        return MESH_RELAYBIND_TOKEN_WRONG;
    return binding->grant.exp_s > mesh_clock_wall_s() ? MESH_RELAYBIND_OK
                                                      : MESH_RELAYBIND_TOKEN_EXPIRED;
}

/* False: nobody can be answered. */
static bool examine(Relay *self, RelayBinding *binding)
{
    MeshRelayPublics publics = { .relay = self->rk };
    MeshRelayBind    bind;

    if (mesh_relaybind_decode_bind(MESH_SPAN(binding->datagram, binding->len), &bind) < 0)
        return false;
    publics.ephemeral = binding->ephemeral = bind.ephemeral;
    memcpy(binding->nonce, bind.greeting.nonce, sizeof(binding->nonce));
    if (mesh_relaykey_derive(self->secret, true, &publics, &binding->keys) < 0)
        return false;
    binding->status = judge(self, binding, &bind);
    return true;
}

void relay_bind_run_signer(void *user_data)
{
    Relay        *self = user_data;
    struct pollfd bell = { .fd = mesh_ring_fd(self->asked), .events = POLLIN };

    for (;;) {
        RelayBinding *binding;

        (void)poll(&bell, 1, -1);
        mesh_ring_hush(self->asked);
        while (mesh_ring_pop(self->asked, &binding)) {
            if (binding == NULL)
                return;
            if (!examine(self, binding) || !mesh_ring_push(self->answered, &binding))
                free(binding);
        }
    }
}

/* --- the mover ---------------------------------------------------------------------------------
 */

/* A node that is let in again gets a token that ends later than any it had. */
bool relay_bind_is_revoked(const Relay *self, const RelayGrant *grant)
{
    const RelayNode *node = &grant->node;

    for (unsigned i = 0; i < self->n_revoked; i++) {
        const RelayRevoked *revoked = &self->revoked[i];

        if (grant->exp_s <= revoked->exp_s && revoked->server == node->server &&
            mesh_key_equal(&revoked->node, &node->node))
            return true;
    }
    return false;
}

/* The same BIND again, its answer was lost: the session stays as it is. */
static bool is_repeated(const RelaySession *session, const RelayBinding *binding)
{
    return mesh_key_equal(&session->ephemeral, &binding->ephemeral) &&
           session->remote.port == binding->from.port &&
           mesh_ip_equal_addr(&session->remote.addr, &binding->from.addr);
}

/* An older BIND than the session's, said again while its cookie counts: by who heard it. */
static bool is_replayed(const RelaySession *session, const RelayBinding *binding)
{
    for (size_t i = 0; i < sizeof(session->spent) / sizeof(session->spent[0]); i++)
        if (mesh_key_equal(&session->spent[i], &binding->ephemeral))
            return true;
    return false;
}

/* With the table's lock alone. */
static uint32_t make_session(Relay *self, RelayBinding *binding, int64_t life_s)
{
    const RelayNode *node = &binding->grant.node;
    RelaySession    *session = relay_table_find_node(self->table, node, node->index);
    MeshKey          spent[2] = { { { 0 } } };

    if (relay_bind_is_revoked(self, &binding->grant)) {
        binding->status = MESH_RELAYBIND_REVOKED;
        return 0;
    }
    if (session != NULL && session->stream == NULL && is_repeated(session, binding))
        return session->number;
    if (session != NULL && is_replayed(session, binding)) {
        binding->status = MESH_RELAYBIND_TOKEN_WRONG;
        return 0;
    }
    if (session != NULL) {
        spent[0] = session->ephemeral;
        spent[1] = session->spent[0];
        relay_stream_end_session(self, session);
    }
    session =
        relay_table_add(self->table, &binding->grant, self->now_ms, self->now_ms + life_s * 1000);
    if (session == NULL) {
        binding->status = MESH_RELAYBIND_BUSY;
        return 0;
    }
    session->keys = binding->keys;
    session->ephemeral = binding->ephemeral;
    memcpy(session->spent, spent, sizeof(spent));
    session->remote = binding->from;
    session->local = binding->local;
    return session->number;
}

static void finish(Relay *self, RelayBinding *binding)
{
    int64_t        life_s = binding->grant.exp_s - mesh_clock_wall_s();
    MeshRelayBound bound = { .seen = binding->from };
    RelayTarget    target = { .remote = &binding->from, .local = &binding->local };
    uint8_t        bytes[MESH_RELAYBIND_BOUND_BYTES];

    if (life_s > UINT32_MAX)
        life_s = UINT32_MAX;
    memcpy(bound.nonce, binding->nonce, sizeof(bound.nonce));
    if (binding->status == MESH_RELAYBIND_OK) {
        bound.session = make_session(self, binding, life_s);
        bound.life_s = bound.session != 0 ? (uint32_t)life_s : 0;
    }
    bound.status = binding->status;
    relay_count(self, bound.session != 0 ? RELAY_COUNT_BOUND : RELAY_COUNT_REFUSED, 1);
    mesh_relaybind_encode_bound(&bound, &binding->keys.down, bytes);
    relay_out_put_copy(&self->outs[RELAY_MAIN], &target, bytes, sizeof(bytes));
}

void relay_bind_take_answers(Relay *self)
{
    RelayBinding *binding;

    mesh_ring_hush(self->answered);
    relay_table_write(self->table);
    while (mesh_ring_pop(self->answered, &binding)) {
        finish(self, binding);
        mesh_key_wipe(&binding->keys, sizeof(binding->keys));
        free(binding);
    }
    relay_out_flush(&self->outs[RELAY_MAIN]);
    relay_table_unlock(self->table);
}
