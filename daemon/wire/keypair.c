/* daemon/wire/keypair.c: session keys, their counters and limits; see keypair.h. */
#include "daemon/wire/keypair.h"

#include "daemon/wire/noise.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

static void free_contexts(WireKeypair *keypair)
{
    for (unsigned i = 0; i < 2 * keypair->n_lanes; i++)
        keypair->engine->context_free(keypair->contexts[i]);
}

static int make_contexts(WireKeypair *keypair, const WireKeypairInit *init)
{
    const WireAead *engine = keypair->engine;

    for (unsigned lane = 0; lane < keypair->n_lanes; lane++) {
        keypair->contexts[2 * lane] = engine->context_new(init->send_key, true);
        keypair->contexts[2 * lane + 1] = engine->context_new(init->receive_key, false);
        if (keypair->contexts[2 * lane] == NULL || keypair->contexts[2 * lane + 1] == NULL)
            return -ENOMEM;
    }
    return 0;
}

int wire_keypair_new(const WireAead *engine, const WireKeypairInit *init, WireKeypair **out_keypair)
{
    unsigned     n_lanes = init->n_lanes == 0 ? 1 : init->n_lanes;
    WireKeypair *keypair;

    if (engine->is_shared)
        n_lanes = 1;
    if (n_lanes > WIRE_KEYPAIR_MAX_LANES)
        n_lanes = WIRE_KEYPAIR_MAX_LANES;
    keypair = calloc(1, sizeof *keypair + 2 * n_lanes * sizeof keypair->contexts[0]);
    if (keypair == NULL)
        return -ENOMEM;
    keypair->engine = engine;
    keypair->peer = init->peer;
    keypair->local_index = init->local_index;
    keypair->remote_index = init->remote_index;
    keypair->born_ms = init->now_ms;
    keypair->initiator = init->initiator;
    keypair->type = wire_suite_type(engine->suite, WIRE_MESSAGE_DATA);
    keypair->limits = wire_suite_get_limits(engine->suite);
    keypair->n_lanes = n_lanes;
    if (make_contexts(keypair, init) < 0) {
        free_contexts(keypair);
        free(keypair);
        return -ENOMEM;
    }
    *out_keypair = keypair;
    return 0;
}

static void free_retired(struct rcu_head *head)
{
    WireKeypair *keypair = (WireKeypair *)((char *)head - offsetof(WireKeypair, rcu));

    WIRE_RCU_ACQUIRE();
    free_contexts(keypair);
    free(keypair);
}

void wire_keypair_retire(WireKeypair *keypair)
{
    if (keypair != NULL)
        wire_rcu_defer(&keypair->rcu, free_retired);
}

int wire_keypair_take(WireKeypair *keypair, unsigned n, int64_t now_ms, uint64_t *out_first)
{
    uint64_t first = atomic_load_explicit(&keypair->send_counter, memory_order_relaxed);

    if (now_ms - keypair->born_ms >= WIRE_REJECT_AFTER_MS)
        return -EKEYEXPIRED;
    /* Looked at before adding, so that a dead key's counter cannot be pushed around to zero; the
     * 2^13 counters in reserve are more than all threads can add between look and addition; what
     * AES-GCM may seal is far from the end of its counters anyway. */
    if (first >= keypair->limits.reject_after - n)
        return -EKEYEXPIRED;
    first = atomic_fetch_add_explicit(&keypair->send_counter, n, memory_order_relaxed);
    if (first >= keypair->limits.reject_after - n)
        return -EKEYEXPIRED;
    *out_first = first;
    return 0;
}

bool wire_keypair_may_receive(const WireKeypair *keypair, int64_t now_ms)
{
    return now_ms - keypair->born_ms < WIRE_REJECT_AFTER_MS;
}

bool wire_keypair_wants_rekey_sending(const WireKeypair *keypair, int64_t now_ms)
{
    if (atomic_load_explicit(&keypair->send_counter, memory_order_relaxed) >=
        keypair->limits.rekey_after)
        return true;
    return keypair->initiator && now_ms - keypair->born_ms >= WIRE_REKEY_AFTER_MS;
}

bool wire_keypair_wants_rekey_receiving(const WireKeypair *keypair, int64_t now_ms)
{
    const int64_t last_chance_ms =
        WIRE_REJECT_AFTER_MS - WIRE_KEEPALIVE_MS - WIRE_REKEY_TIMEOUT_MS; /* paper §6.2 */

    return keypair->initiator && now_ms - keypair->born_ms >= last_chance_ms;
}
