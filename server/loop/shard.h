/* server/loop/shard.h: one thread with its epoll set, timers, mailbox and connections. Inside of
 * server/loop only. */
#pragma once

#include "common/std/thread.h"
#include "server/loop/loop.h"
#include "server/loop/mailbox.h"
#include "server/loop/slots.h"
#include "server/loop/socket.h"
#include "server/loop/timers.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

enum {
    LOOP_SCRATCH_BYTES = LOOP_RECORD_BYTES,
    /* One input of a bulk connection: what is read ahead, and what OpenSSL has of a record. */
    LOOP_BULK_BYTES = LOOP_AHEAD_BYTES + 2 * LOOP_SCRATCH_BYTES,
};

typedef struct LoopShard    LoopShard;
typedef struct LoopAcceptor LoopAcceptor;

/* First member of everything that stands in an epoll set. */
typedef struct LoopSource LoopSource;
struct LoopSource {
    void (*ready)(LoopSource *self, uint32_t events);
};

/* First member of everything with a deadline. */
typedef struct LoopAlarm LoopAlarm;
struct LoopAlarm {
    LoopTimer timer;
    void (*fire)(LoopAlarm *self);
};

typedef struct {
    LoopConn *conn; /* NULL: free */
    uint32_t  generation;
    uint32_t  next_free; /* index + 1; 0: none */
} LoopSlot;

/* A word to a whole shard. It lies in the shard: a server without memory must stop, too. */
typedef struct {
    LoopMail    mail; /* first member */
    LoopShard  *shard;
    unsigned    grace_ms; /* of the order to stop */
    atomic_bool given;
} LoopOrder;

struct LoopShard {
    Loop         *loop;
    unsigned      index;
    int           epoll;
    LoopSource    mail_source;
    LoopMailbox  *mailbox;
    LoopOrder     close_order, stop_order;
    LoopTimers    timers;
    LoopSlot     *slots;
    uint32_t      n_slots, first_free;
    LoopConn     *dirty;           /* have something to do before the next wait: conn.c's list */
    LoopConn     *oldest, *newest; /* open and awake, by last use: conn.c's list */
    LoopAcceptor *acceptor;        /* shard 0 only */
    MeshThread   *thread;
    int64_t       now_ms; /* of this round */
    int64_t       stop_at_ms;
    bool          stopping;
    bool          ended;      /* its thread has; read after that was joined */
    atomic_bool   takes_none; /* no connections of other shards any more */
    atomic_uint   n_conns;
    LoopWire      wire;
    uint8_t       scratch_in[LOOP_BULK_BYTES];
    uint8_t       scratch_out[LOOP_SCRATCH_BYTES];
};

struct Loop {
    LoopConfig           config;
    SSL_CTX             *tls;
    LoopSlots           *conns; /* all LoopConn */
    LoopShard           *shards[LOOP_MAX_SHARDS];
    LoopAcceptor        *acceptor;
    atomic_uint          n_conns;
    atomic_uint_fast64_t accepted, refused_limit, refused_rate, handshakes_failed, dozed;
};

/* Returns: 0; negative errno. The thread starts with loop_shard_run(). */
MESH_CHECKED int loop_shard_new(Loop *loop, unsigned index, LoopShard **out_shard);
void             loop_shard_free(LoopShard *self); /* its thread has ended; NULL is fine */
MESH_CHECKED int loop_shard_run(LoopShard *self);

/* The rest: on the shard's thread (or before it runs). */
MESH_CHECKED int loop_shard_watch(LoopShard *self, int fd, uint32_t events, LoopSource *source);
MESH_CHECKED int loop_shard_add(LoopShard *self, LoopConn *conn, LoopConnId *out_id);
void             loop_shard_remove(LoopShard *self, LoopConnId id);
void             loop_shard_set_alarm(LoopShard *self, LoopAlarm *alarm, unsigned ms); /* 0: off */

/* What conn.c offers to the shard. */
void loop_conn_adopt(LoopShard *shard, int fd, const MeshEndpoint *peer); /* takes fd */
extern const size_t loop_conn_bytes;                                      /* of a LoopConn */
void loop_conn_settle(LoopShard *shard); /* writes and reaps what the round made dirty */
void loop_conn_stop(LoopConn *self);
void loop_conn_doze(LoopShard *shard); /* what was not used for a while takes less memory */
int  loop_conn_get_doze_ms(const LoopShard *shard); /* until then; -1: nobody is awake */
