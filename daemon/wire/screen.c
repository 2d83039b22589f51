/* daemon/wire/screen.c: see screen.h. Order as in the paper's §5.3: mac1, then mac2, then the rate
 * of the source, which is real once mac2 was right. Whoever shows none is not looked at: data waits
 * in this thread, too. */
#include "daemon/wire/screen.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "common/std/hash.h"
#include "daemon/wire/limiter.h"
#include "daemon/wire/noise.h"
#include "daemon/wire/rcu.h"

enum { LIMITER_SOURCES = 4096 };

typedef struct {
    struct rcu_head   rcu;
    WireCookieChecker checker;
} Copy; /* guarded memory */

struct WireScreen {
    _Atomic(Copy *) copy; /* owned; NULL: judge nothing */
    _Atomic bool    loaded;
    WireLimiter    *limiter; /* in thread */
};

int wire_screen_new(WireScreen **out_screen)
{
    WireScreen *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return -ENOMEM;
    if (wire_limiter_new(LIMITER_SOURCES, &self->limiter) < 0) {
        free(self);
        return -ENOMEM;
    }
    *out_screen = self;
    return 0;
}

void wire_screen_free(WireScreen *self)
{
    if (self == NULL)
        return;
    mesh_key_free(atomic_load(&self->copy));
    wire_limiter_free(self->limiter);
    free(self);
}

/* liburcu's thread. */
static void end_copy(struct rcu_head *head)
{
    WIRE_RCU_ACQUIRE();
    mesh_key_free((Copy *)(void *)((char *)head - offsetof(Copy, rcu)));
}

void wire_screen_set(WireScreen *self, const WireCookieChecker *checker)
{
    Copy *copy = checker == NULL ? NULL : mesh_key_alloc(sizeof(*copy));

    if (copy != NULL)
        copy->checker = *checker;
    copy = atomic_exchange_explicit(&self->copy, copy, memory_order_acq_rel);
    if (copy != NULL)
        wire_rcu_defer(&copy->rcu, end_copy);
}

void wire_screen_set_loaded(WireScreen *self, bool loaded)
{
    atomic_store_explicit(&self->loaded, loaded, memory_order_relaxed);
}

/* Or claims to. */
static bool shows_cookie(const WirePacket *packet)
{
    return !sodium_is_zero(packet->data + packet->len - MESH_HASH_MAC_BYTES, MESH_HASH_MAC_BYTES);
}

WireDrop wire_screen_judge(WireScreen *self, const WirePacket *packet, const MeshEndpoint *source,
                           int64_t now_ms, WireMac *out_mac)
{
    const Copy *copy = wire_rcu_load(&self->copy);

    *out_mac = WIRE_MAC_UNJUDGED;
    if (copy == NULL || packet->len == WIRE_COOKIE_BYTES || !shows_cookie(packet))
        return WIRE_DROP_NONE;
    *out_mac = wire_cookie_check(&copy->checker, packet->data, packet->len, source, now_ms);
    if (*out_mac == WIRE_MAC_INVALID)
        return WIRE_DROP_FORGED;
    if (*out_mac == WIRE_MAC_WITH_COOKIE &&
        atomic_load_explicit(&self->loaded, memory_order_relaxed) &&
        !wire_limiter_allow(self->limiter, &source->addr, now_ms))
        return WIRE_DROP_HANDSHAKES;
    return WIRE_DROP_NONE;
}
