/* server/loop/tls.h: the TLS side of every connection: TLS 1.3 alone, the server's own key. */
#pragma once

#include "common/std/attr.h"
#include "server/loop/loop.h"

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
