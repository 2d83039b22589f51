#include "server/loop/loop.h"

#include "server/loop/accept.h"
#include "server/loop/region.h"
#include "server/loop/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void do_close(LoopMail *mail, LoopConn *conn)
{
    LoopShard *shard = ((LoopOrder *)mail)->shard;

    (void)conn;
    loop_accept_close(shard->acceptor);
}

static void do_stop(LoopMail *mail, LoopConn *conn)
{
    LoopOrder *order = (LoopOrder *)mail;
    LoopShard *shard = order->shard;

    (void)conn;
    if (shard->acceptor != NULL)
        loop_accept_close(shard->acceptor);
    shard->stopping = true;
    shard->stop_at_ms = shard->now_ms + order->grace_ms;
    for (uint32_t i = 0; i < shard->n_slots; i++) {
        if (shard->slots[i].conn != NULL)
            loop_conn_stop(shard->slots[i].conn);
    }
}

/* Each order is given once: the next would find its place in the mailbox's list taken. */
static void give_order(LoopShard *shard, LoopOrder *order, void (*deliver)(LoopMail *, LoopConn *))
{
    if (atomic_exchange(&order->given, true))
        return;
    order->mail.deliver = deliver;
    order->shard = shard;
    loop_mailbox_put(shard->mailbox, &order->mail);
}

static int check_config(const LoopConfig *config, char *out_why)
{
    if (config->shards >= 1 && config->shards <= LOOP_MAX_SHARDS && config->accept_rate >= 1 &&
        config->accept_burst >= 1 && config->max_connections >= 1 && config->handshake_ms >= 1 &&
        config->n_listen <= LOOP_MAX_LISTEN && config->n_inherited <= LOOP_MAX_LISTEN &&
        config->n_listen + config->n_inherited >= 1)
        return 0;
    (void)snprintf(out_why, LOOP_WHY_SIZE, "no listening socket, or a limit that is zero");
    return -EINVAL;
}

static int start_shards(Loop *self)
{
    int rc = 0;

    for (unsigned i = 0; i < self->config.shards && rc == 0; i++)
        rc = loop_shard_new(self, i, &self->shards[i]);
    if (rc == 0)
        rc = loop_accept_start(self->acceptor, self->shards[0]);
    if (rc < 0)
        return rc;
    self->shards[0]->acceptor = self->acceptor;
    /* From the last to the first: the one that accepts comes when all others run. */
    for (unsigned i = self->config.shards; i-- > 0 && rc == 0;)
        rc = loop_shard_run(self->shards[i]);
    return rc;
}

static int make_room(Loop *self, char *out_why)
{
    int rc = loop_slots_new(loop_conn_bytes, self->config.max_connections, &self->conns);

    if (rc < 0)
        (void)snprintf(out_why, LOOP_WHY_SIZE, "out of memory");
    return rc;
}

int loop_init_memory(void)
{
    return loop_region_install();
}

int loop_start(const LoopConfig *config, const uint8_t seed[LOOP_SEED_BYTES], Loop **out_loop,
               char *out_why)
{
    Loop *self;
    int   rc = check_config(config, out_why);

    if (rc < 0)
        return rc;
    self = calloc(1, sizeof(*self));
    if (self == NULL) {
        (void)snprintf(out_why, LOOP_WHY_SIZE, "out of memory");
        return -ENOMEM;
    }
    self->config = *config;
    rc = make_room(self, out_why);
    if (rc == 0)
        rc = loop_tls_new(seed, &self->tls, out_why);
    if (rc == 0)
        rc = loop_accept_new(self, &self->acceptor, out_why);
    if (rc == 0) {
        rc = start_shards(self);
        if (rc < 0)
            (void)snprintf(out_why, LOOP_WHY_SIZE, "start threads: %s", strerror(-rc));
    }
    if (rc < 0) {
        loop_stop(self, 0);
        loop_free(self);
        return rc;
    }
    *out_loop = self;
    return 0;
}

void loop_close_listeners(Loop *self)
{
    give_order(self->shards[0], &self->shards[0]->close_order, do_close);
}

void loop_stop(Loop *self, unsigned grace_ms)
{
    for (unsigned i = 0; i < self->config.shards; i++) {
        LoopShard *shard = self->shards[i];

        if (shard == NULL || shard->thread == NULL)
            continue;
        shard->stop_order.grace_ms = grace_ms;
        give_order(shard, &shard->stop_order, do_stop);
    }
    for (unsigned i = 0; i < self->config.shards; i++) {
        if (self->shards[i] == NULL)
            continue;
        mesh_thread_join(self->shards[i]->thread);
        self->shards[i]->thread = NULL;
    }
}

void loop_free(Loop *self)
{
    if (self == NULL)
        return;
    for (unsigned i = 0; i < self->config.shards; i++)
        loop_shard_free(self->shards[i]);
    loop_accept_free(self->acceptor);
    SSL_CTX_free(self->tls);
    loop_slots_free(self->conns);
    free(self);
}

void loop_post(Loop *self, LoopMail *mail)
{
    unsigned shard = (unsigned)(mail->to >> 18) & 63;

    loop_mailbox_put(self->shards[shard < self->config.shards ? shard : 0]->mailbox, mail);
}

void loop_get_stats(Loop *self, LoopStats *out_stats)
{
    out_stats->connections = atomic_load(&self->n_conns);
    out_stats->accepted = atomic_load(&self->accepted);
    out_stats->refused_limit = atomic_load(&self->refused_limit);
    out_stats->refused_rate = atomic_load(&self->refused_rate);
    out_stats->handshakes_failed = atomic_load(&self->handshakes_failed);
    out_stats->dozed = atomic_load(&self->dozed);
}

uint16_t loop_get_port(const Loop *self, unsigned index)
{
    return loop_accept_get_port(self->acceptor, index);
}
