/* server/loop/socket.h: how OpenSSL reads and writes a connection's socket: many records a call.
 *
 * By itself it asks the kernel once for each record it writes, and each wakes the client; twice for
 * each one that it reads, and once more for nothing. Here what a connection of much traffic writes
 * is gathered until the flush, and what came for it is read ahead. Others keep to single records:
 * what the kernel does not take is a copy, and a thousand slow clients' would be 83 MB. The buffers
 * are the shard's; only what the kernel did not take is kept for a connection. Shard thread. */
#pragma once

#include "common/std/attr.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOOP_RECORD_BYTES = 16384,
    LOOP_WIRE_BYTES = 5 * (LOOP_RECORD_BYTES + 256), /* and what encryption adds */
    LOOP_AHEAD_BYTES = 65536,                        /* read by one call */
};

typedef struct LoopSocket LoopSocket;

/* Of a shard. */
typedef struct {
    LoopSocket *writer; /* whose bytes are in @out; NULL: nobody's */
    size_t      out_len;
    uint8_t     out[LOOP_WIRE_BYTES];
    size_t      in_at, in_len; /* of what was read ahead, for who reads now */
    uint8_t     in[LOOP_AHEAD_BYTES];
} LoopWire;

/* Of a connection. */
struct LoopSocket {
    LoopWire *wire;
    int       fd;      /* the connection's */
    bool      gathers; /* much is written: records go together */
    bool      corks;   /* what is written waits for the flush */
    bool      ahead;   /* what is read is in the shard's buffer */
    bool      lost;    /* bytes of it were: the connection is over */
    uint8_t  *rest;    /* what the kernel did not take; NULL: nothing */
    size_t    rest_at, rest_len;
};

/* Any thread, before the others; more often does no harm. Returns: 0; -ENOMEM. */
MESH_CHECKED int loop_socket_prepare(void);

/* Makes @ssl use @self, which stays where it is until the SSL is freed. Returns: 0; -ENOMEM. */
MESH_CHECKED int loop_socket_attach(LoopSocket *self, SSL *ssl);
void             loop_socket_done(LoopSocket *self);

/* Reads what is there, once; from here on to loop_socket_end_ahead() OpenSSL gets that and no more.
 * Returns: 0; -EPROTO: the connection is over. */
MESH_CHECKED int loop_socket_read_ahead(LoopSocket *self);
/* Returns: 0; -EPROTO: OpenSSL left some of it, which is lost. */
MESH_CHECKED int loop_socket_end_ahead(LoopSocket *self);

/* Makes room in the shard's buffer for records of @len bytes in all, so that they can be written
 * without an end in between: what is gathered there, of whomever, goes out before. False: that
 * cannot be. */
bool loop_socket_claim(LoopSocket *self, size_t len);

/* Returns: 0; -ENOBUFS: the kernel has no room; -EPROTO: the connection is over. */
MESH_CHECKED int loop_socket_flush(LoopSocket *self);
bool             loop_socket_waits(const LoopSocket *self); /* bytes for the next flush */
