/* server/loop/loop.h: TLS connections of many clients on a few epoll threads. Front door.
 *
 * Plain C, no GLib. A shard is one thread that owns its connections: everything about a LoopConn
 * happens on its shard, in the callbacks of LoopEvents and in mail. Other threads name a connection
 * by its LoopConnId and post mail to it; the id of a connection that is gone names nothing. The
 * loop knows no protocol: it moves bytes, keeps deadlines and bounds what is queued for a client.
 * The process ignores SIGPIPE. */
#pragma once

#include "common/std/attr.h"
#include "common/std/ip.h"
#include "server/loop/bulk.h"
#include "server/loop/conn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOOP_MAX_SHARDS = 64,
    LOOP_MAX_LISTEN = 16,
    LOOP_SEED_BYTES = 32,
    LOOP_WHY_SIZE = 200,
};

/* Embedded in the sender's own value. @deliver takes @self, on the shard's thread, in the order of
 * posting; @conn is NULL when the connection is gone (or the loop is being freed). */
typedef struct LoopMail LoopMail;
struct LoopMail {
    LoopMail  *next; /* the mailbox's */
    LoopConnId to;
    void (*deliver)(LoopMail *self, LoopConn *conn);
};

/* What the owner of the connections does. All on the shard of @conn. @user_data: LoopConfig's. */
typedef struct {
    void (*opened)(LoopConn *conn, void *user_data);                /* the handshake is done */
    void (*input)(LoopConn *conn, const uint8_t *data, size_t len); /* takes all of it */
    void (*expired)(LoopConn *conn);  /* the deadline has passed; it is unset again */
    void (*stopping)(LoopConn *conn); /* loop_stop(): come to an end */
    void (*closed)(LoopConn *conn);   /* after opened: the last call */
} LoopEvents;

typedef struct {
    MeshEndpoint      listen[LOOP_MAX_LISTEN]; /* [::] takes IPv4 too, unless 0.0.0.0 is listed */
    unsigned          n_listen;
    int               inherited[LOOP_MAX_LISTEN]; /* listening sockets from outside; taken */
    unsigned          n_inherited;
    unsigned          shards;          /* threads, 1 … LOOP_MAX_SHARDS */
    unsigned          max_connections; /* of all shards together */
    unsigned          accept_rate;     /* new connections a second and /24 or /64, and how many */
    unsigned          accept_burst;    /*   may come at once */
    unsigned          handshake_ms;    /* limit for the TLS handshake */
    unsigned          doze_ms;         /* silent for so long, TLS takes less memory; 0: never */
    const LoopEvents *events;          /* static */
    void             *user_data;
} LoopConfig;

typedef struct {
    uint64_t connections; /* now */
    uint64_t accepted, refused_limit, refused_rate, handshakes_failed;
    uint64_t dozed; /* how often a connection went to sleep, see LoopConfig.doze_ms */
} LoopStats;

/* Once in the life of the process, before anything of OpenSSL is called: gives each connection's
 * TLS memory of its own, see region.h. Returns: 0; negative errno: malloc() serves all, as without.
 */
MESH_CHECKED int loop_init_memory(void);

/* Binds everything, makes the certificate of the Ed25519 @seed, starts the shards.
 * Returns: 0; negative errno and in @out_why (LOOP_WHY_SIZE bytes) what failed. */
MESH_CHECKED int loop_start(const LoopConfig *config, const uint8_t seed[LOOP_SEED_BYTES],
                            Loop **out_loop, char *out_why);

/* Any thread. Accepts nothing from now on; what is open stays. */
void loop_close_listeners(Loop *self);

/* Any thread but a shard's. Tells every connection to stop, waits until all are closed or @grace_ms
 * are over, closes the rest and ends the threads. */
void loop_stop(Loop *self, unsigned grace_ms);

/* After loop_stop(), when nobody posts any more. Mail still waiting is delivered to NULL. */
void loop_free(Loop *self);

/* Any thread. Takes @mail, addressed by the lower LOOP_CONN_ID_BITS of mail->to. Once the loop has
 * stopped it waits for loop_free(). */
void loop_post(Loop *self, LoopMail *mail);

void loop_get_stats(Loop *self, LoopStats *out_stats); /* any thread */

/* The port of the listening socket @index (in the order of inherited, then listen); 0: none. */
uint16_t loop_get_port(const Loop *self, unsigned index);
