/* server/loop/tls.h: the TLS side of every connection: TLS 1.3 alone, the server's own key.
 * Everything OpenSSL needs for one lies in its region, see region.h. */
#pragma once

#include "common/std/attr.h"
#include "server/loop/loop.h"
#include "server/loop/region.h"
#include "server/loop/socket.h"

#include <openssl/ssl.h>

/* A context with a certificate of the Ed25519 key of @seed, signed by itself, made in memory: nodes
 * pin its key, nobody checks its name. Returns: 0; -ENOMEM, -EIO and @out_why. */
MESH_CHECKED int loop_tls_new(const uint8_t seed[LOOP_SEED_BYTES], SSL_CTX **out_tls,
                              char *out_why);

/* Adds a certificate beside those of other key types; OpenSSL chooses by what a client accepts.
 * Takes nothing. Returns: 0; -EINVAL: they do not belong together. */
MESH_CHECKED int loop_tls_add_certificate(SSL_CTX *tls, EVP_PKEY *key, X509 *certificate);

/* What kept OpenSSL from going on; static text or that of its error queue, which is emptied. */
const char *loop_tls_last_error(void);

/* One connection's; all zero: not open. Its shard's thread only. */
typedef struct {
    SSL        *ssl;
    LoopRegion *region; /* NULL: malloc() */
    LoopSocket  socket;
} LoopTls;

/* The server's side on the socket @fd, which stays the caller's, by way of its shard's @wire. @self
 * stays where it is until it is closed. Returns: 0; -ENOMEM. */
MESH_CHECKED int loop_tls_open(LoopTls *self, SSL_CTX *tls, int fd, LoopWire *wire);
/* Zeroed, for whom the connection serves; loop_region_give() takes it. NULL: out of memory. */
void *loop_tls_take(const LoopTls *self, size_t len);
void  loop_tls_close(LoopTls *self); /* not open is fine */

/* Does what the socket allows now. Returns: 0 (handshake), bytes (read, write); -EAGAIN: again when
 * something has come; -ENOBUFS: again when the socket has room; -EPROTO: the connection is over. */
MESH_CHECKED int loop_tls_shake_hands(LoopTls *self);
MESH_CHECKED int loop_tls_read(LoopTls *self, void *out, int size);
MESH_CHECKED int loop_tls_write(LoopTls *self, const void *data,
                                int len); /* needs the flush of @socket */

/* Our close_notify; the client's is not waited for. */
void loop_tls_shutdown(LoopTls *self);

/* Something was read from the socket that no event will tell of. */
bool loop_tls_has_pending(const LoopTls *self);

/* Nothing is under way for now: takes less memory until the next call of any of these, which costs
 * some 4 us. False: memory is out, or the SSL of this OpenSSL is larger than ours; all is as it
 * was.
 */
bool loop_tls_sleep(LoopTls *self);
