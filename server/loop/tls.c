#include "server/loop/tls.h"

#include "common/std/tlsgcm.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

const char *loop_tls_last_error(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return reason != NULL ? reason : "unknown error";
}

static bool fill_certificate(X509 *certificate, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    uint64_t   serial;

    if (RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1)
        return false;
    /* Valid for good: what makes it trusted is the key in the join link, not a date. */
    return X509_set_version(certificate, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1) == 1 &&
           ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "20200101000000Z") == 1 &&
           ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "99991231235959Z") == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"mesh-server", -1,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
           X509_sign(certificate, key, NULL) != 0;
}

int loop_tls_add_certificate(SSL_CTX *tls, EVP_PKEY *key, X509 *certificate)
{
    if (SSL_CTX_use_certificate(tls, certificate) != 1 || SSL_CTX_use_PrivateKey(tls, key) != 1 ||
        SSL_CTX_check_private_key(tls) != 1)
        return -EINVAL;
    return 0;
}

static int add_own(SSL_CTX *tls, const uint8_t seed[LOOP_SEED_BYTES])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, LOOP_SEED_BYTES);
    X509     *certificate = X509_new();
    int       rc = -ENOMEM;

    if (key != NULL && certificate != NULL && fill_certificate(certificate, key))
        rc = loop_tls_add_certificate(tls, key, certificate);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return rc;
}

static bool has_aes(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("aes") != 0;
#elif defined(__aarch64__)
    return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
    return false;
#endif
}

/* 128 bits are enough for what is sealed from end to end, and signed, once more; with AES in the
 * processor they cost the least. A client without it says so by naming ChaCha20 first, and gets it.
 * If OpenSSL refuses, its own order stays. */
static void prefer_fast(SSL_CTX *tls)
{
    const char *order = has_aes() ? "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                    "TLS_CHACHA20_POLY1305_SHA256"
                                  : "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:"
                                    "TLS_AES_256_GCM_SHA384";

    if (SSL_CTX_set_ciphersuites(tls, order) == 1)
        (void)SSL_CTX_set_options(tls, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    ERR_clear_error();
}

int loop_tls_new(const uint8_t seed[LOOP_SEED_BYTES], SSL_CTX **out_tls, char *out_why)
{
    SSL_CTX *tls = SSL_CTX_new_ex(NULL, mesh_tlsgcm_get_query(), TLS_server_method());
    int      rc = -EIO;

    if (tls != NULL && SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_num_tickets(tls, 0) == 1 && loop_socket_prepare() == 0)
        rc = add_own(tls, seed);
    if (rc < 0) {
        (void)snprintf(out_why, LOOP_WHY_SIZE, "TLS: %s", loop_tls_last_error());
        SSL_CTX_free(tls);
        return rc;
    }
    prefer_fast(tls);
    (void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    /* Buffers only while bytes are under way: an idle connection costs 10 KB instead of 43. The
     * write buffer is the shard's, so a retry offers the same bytes from another address. */
    (void)SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    *out_tls = tls;
    return 0;
}

/* What this thread keeps of OpenSSL's errors is taken before, so that it lies in no region. */
static void enter(const LoopTls *self)
{
    ERR_clear_error();
    loop_region_wake(self->region);
    loop_region_enter(self->region);
}

/* Returns @rc when it is good, else what it means. */
static int leave(const LoopTls *self, int rc)
{
    int error;

    loop_region_enter(NULL);
    if (rc > 0)
        return rc;
    error = SSL_get_error(self->ssl, rc);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ)
        return -EAGAIN;
    return error == SSL_ERROR_WANT_WRITE ? -ENOBUFS : -EPROTO;
}

int loop_tls_open(LoopTls *self, SSL_CTX *tls, int fd, LoopWire *wire)
{
    bool ok;

    self->socket = (LoopSocket){ .wire = wire, .fd = fd };
    self->region = loop_region_new();
    enter(self);
    self->ssl = SSL_new(tls);
    ok = self->ssl != NULL && loop_socket_attach(&self->socket, self->ssl) == 0;
    if (ok)
        SSL_set_accept_state(self->ssl);
    ERR_clear_error();
    loop_region_enter(NULL);
    if (ok)
        return 0;
    loop_tls_close(self);
    return -ENOMEM;
}

void *loop_tls_take(const LoopTls *self, size_t len)
{
    void *piece;

    loop_region_enter(self->region);
    piece = loop_region_take(len);
    loop_region_enter(NULL);
    return piece != NULL ? memset(piece, 0, len) : NULL;
}

void loop_tls_close(LoopTls *self)
{
    loop_region_wake(self->region);
    SSL_free(self->ssl);
    ERR_clear_error();
    loop_region_free(self->region);
    loop_socket_done(&self->socket);
    *self = (LoopTls){ 0 };
}

int loop_tls_shake_hands(LoopTls *self)
{
    int rc;

    enter(self);
    rc = leave(self, SSL_accept(self->ssl));
    if (rc < 0)
        return rc;
    loop_region_trim(self->region);
    return 0;
}

int loop_tls_read(LoopTls *self, void *out, int size)
{
    enter(self);
    return leave(self, SSL_read(self->ssl, out, size));
}

int loop_tls_write(LoopTls *self, const void *data, int len)
{
    enter(self);
    self->socket.corks = self->socket.gathers;
    return leave(self, SSL_write(self->ssl, data, len));
}

void loop_tls_shutdown(LoopTls *self)
{
    enter(self);
    (void)SSL_shutdown(self->ssl);
    ERR_clear_error();
    loop_region_enter(NULL);
}

bool loop_tls_has_pending(const LoopTls *self)
{
    loop_region_wake(self->region);
    return SSL_pending(self->ssl) > 0;
}

bool loop_tls_sleep(LoopTls *self)
{
    return loop_region_sleep(self->region, self->ssl);
}
