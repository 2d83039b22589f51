/* daemon/control/link.c: see link.h. TLS as docs/PROTOCOL.md §5 wants it. */
#include "daemon/control/link.h"

#include "common/glib/log.h"
#include "common/proto/proxy.h"
#include "common/std/base64.h"
#include "common/std/clock.h"
#include "common/std/hash.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

enum {
    CONNECT_TIMEOUT_MS = 10000,
    USER_TIMEOUT_MS = 15000,
    IDLE_CONNECTION_S = 10, /* a kept connection older than this is not used again */
};

/* SubjectPublicKeyInfo of an Ed25519 key up to the key's 32 bytes (RFC 8410 §4). */
static const uint8_t spki_begin[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                      0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };

struct ControlLink {
    MeshJoinlink          server;    /* without its secret */
    char                 *authority; /* "host:port" */
    char                  pin[80];   /* "sha256//…" */
    char                  fingerprint[MESH_REQSIGN_FINGERPRINT_SIZE];
    const MeshSignSecret *secret;
    MeshKey               node;
    MeshNonce             nonce;   /* of the last request */
    bool                  told;    /* the server said that our clock is off: */
    int64_t               ahead_s; /* its time minus our boot clock, which nobody sets; for
                                    * created alone */
    int64_t least;                 /* created may not be below */
    int64_t doubted_ms;            /* of the boot clock; 0: never */
};

static void make_pin(const MeshKey *key, char *out_text, size_t size)
{
    uint8_t  hash[MESH_HASH_BYTES];
    char     text[MESH_BASE64_SIZE(MESH_HASH_BYTES)];
    MeshSpan parts[] = { MESH_SPAN(spki_begin, sizeof(spki_begin)),
                         MESH_SPAN(key->bytes, sizeof(key->bytes)) };

    mesh_hash_sha256(parts, G_N_ELEMENTS(parts), hash);
    if (mesh_base64_encode(MESH_SPAN(hash, sizeof(hash)), text, sizeof(text)) < 0)
        g_assert_not_reached();
    g_snprintf(out_text, (gulong)size, "sha256//%s", text);
}

ControlLink *control_link_new(const MeshJoinlink *server, const MeshSignSecret *secret,
                              const MeshKey *node)
{
    ControlLink *self = g_new0(ControlLink, 1);

    self->server = *server;
    mesh_joinlink_wipe(&self->server);
    self->authority = mesh_joinlink_dup_authority(server);
    make_pin(&server->server, self->pin, sizeof(self->pin));
    mesh_reqsign_fingerprint(&server->server, self->fingerprint);
    self->secret = secret;
    self->node = *node;
    self->nonce = mesh_reqsign_make_nonce();
    return self;
}

void control_link_free(ControlLink *self)
{
    if (self == NULL)
        return;
    g_free(self->authority);
    g_free(self);
}

const MeshJoinlink *control_link_get_server(const ControlLink *self)
{
    return &self->server;
}

const MeshNetworkId *control_link_get_network(const ControlLink *self)
{
    return &self->server.network;
}

/* The server keeps a second certificate for browsers; only its Ed25519 one is asked for. */
static CURLcode on_ssl_context(CURL *easy, void *ssl_context, void *user_data)
{
    (void)easy;
    (void)user_data;
    return SSL_CTX_set1_sigalgs_list(ssl_context, "ed25519") == 1 ? CURLE_OK
                                                                  : CURLE_SSL_ENGINE_SETFAILED;
}

static int on_socket_made(void *user_data, curl_socket_t fd, curlsocktype purpose)
{
    int timeout = USER_TIMEOUT_MS;

    (void)user_data;
    (void)purpose;
    if (setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout)) < 0)
        mesh_log_debug("TCP_USER_TIMEOUT is not to be had: the watchdogs have to do");
    return CURL_SOCKOPT_OK;
}

static void set_tls(const ControlLink *self, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    if (self->server.webpki)
        return; /* curl's defaults: chain and name against the system's authorities */
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, self->pin);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_context);
}

/* Connections from before the doubt are closed, not used again: a request on one that is dead would
 * wait for USER_TIMEOUT_MS. */
static void set_age(const ControlLink *self, CURL *easy)
{
    int64_t since_ms = mesh_clock_boot_ms() - self->doubted_ms;

    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_CONNECTION_S);
    if (self->doubted_ms == 0)
        return;
    if (since_ms < 1000)
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    else
        curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN,
                         (long)MIN(since_ms / 1000, (int64_t)G_MAXINT));
}

void control_link_doubt(ControlLink *self)
{
    self->doubted_ms = mesh_clock_boot_ms();
}

static void set_transport(CURL *easy, const ControlRequest *request)
{
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket_made);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "mesh/" MESH_VERSION);
    if (request->body == NULL)
        return;
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body);
}

static void add_header(struct curl_slist **list, const char *name, const char *value)
{
    g_autofree char   *text = g_strdup_printf("%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(*list, text);

    if (longer == NULL)
        g_error("out of memory");
    *list = longer;
}

int64_t control_link_get_time(const ControlLink *self)
{
    return self->told ? mesh_clock_boot_ms() / 1000 + self->ahead_s : mesh_clock_wall_s();
}

static void sign(ControlLink *self, const ControlRequest *request, const char *path,
                 struct curl_slist **headers)
{
    MeshReqsignRequest signing = {
        .method = request->body != NULL ? "POST" : "GET",
        .path = path,
        .query = request->query,
        .body = MESH_SPAN(request->body, request->body_len),
        .fingerprint = self->fingerprint,
    };
    MeshReqsignParams  params = { .node = self->node };
    MeshReqsignHeaders values;

    mesh_reqsign_next(&self->nonce);
    params.nonce = self->nonce;
    params.created = MAX(control_link_get_time(self), self->least);
    mesh_reqsign_sign(&signing, &params, self->secret, &values);
    add_header(headers, "Content-Digest", values.content_digest);
    add_header(headers, "Mesh-Server", values.mesh_server);
    add_header(headers, "Signature-Input", values.signature_input);
    add_header(headers, "Signature", values.signature);
    if (request->body != NULL)
        add_header(headers, "Content-Type", "application/json");
    add_header(headers, "Expect", ""); /* curl would ask for leave before larger bodies */
}

/* Name and password of a proxy; by options that read no escapes in them. */
static void set_credentials(CURL *easy, const MeshProxy *proxy)
{
    uint8_t text[MESH_PROXY_AUTH_SIZE];
    char   *colon;
    size_t  len;

    if (mesh_base64_decode(proxy->basic, text, sizeof(text) - 1, &len) < 0 || len == 0)
        return;
    text[len] = '\0';
    colon = strchr((char *)text, ':');
    if (colon != NULL)
        *colon = '\0';
    curl_easy_setopt(easy, CURLOPT_PROXYAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_PROXYUSERNAME, (const char *)text); /* copied */
    curl_easy_setopt(easy, CURLOPT_PROXYPASSWORD, colon != NULL ? colon + 1 : "");
    mesh_key_wipe(text, sizeof(text));
}

/* What curl finds in the environment by itself may be of a kind that we do not know: left to it. */
static void set_proxy(const ControlLink *self, CURL *easy)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *url = NULL;
    MeshProxy        proxy;

    if (!mesh_proxy_find(self->server.host, &proxy, &error)) {
        if (error == NULL)
            curl_easy_setopt(easy, CURLOPT_PROXY, "");
        return;
    }
    url = g_strdup_printf(strchr(proxy.host, ':') != NULL ? "http://[%s]:%u" : "http://%s:%u",
                          proxy.host, proxy.port);
    curl_easy_setopt(easy, CURLOPT_PROXY, url);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    set_credentials(easy, &proxy);
    mesh_proxy_wipe(&proxy);
}

CURL *control_link_make(ControlLink *self, const ControlRequest *request,
                        struct curl_slist **out_headers, MeshNonce *out_nonce)
{
    CURL              *easy = curl_easy_init();
    struct curl_slist *headers = NULL;
    char               id[MESH_NETWORK_ID_TEXT_SIZE];
    g_autofree char   *path = NULL, *url = NULL;

    if (easy == NULL)
        g_error("out of memory");
    path = g_strdup_printf("/v1/networks/%s/%s", mesh_network_format_id(&self->server.network, id),
                           request->verb);
    url = g_strdup_printf("https://%s%s%s%s", self->authority, path,
                          request->query != NULL ? "?" : "",
                          request->query != NULL ? request->query : "");
    curl_easy_setopt(easy, CURLOPT_URL, url);
    set_tls(self, easy);
    set_transport(easy, request);
    set_proxy(self, easy);
    set_age(self, easy);
    sign(self, request, path, &headers);
    *out_headers = headers;
    *out_nonce = self->nonce;
    return easy;
}

bool control_link_take_hints(ControlLink *self, MeshErrorCode code, const MeshSessionHints *hints)
{
    if (code == MESH_ERROR_CLOCK && hints->time > 0) {
        mesh_log_info("our clock is %" G_GINT64_FORMAT " s off the server's: allowed for",
                      mesh_clock_wall_s() - hints->time);
        self->told = true;
        self->ahead_s = hints->time - mesh_clock_boot_ms() / 1000;
        self->least = 0;
        return true;
    }
    if (code == MESH_ERROR_REPLAYED) {
        self->nonce = mesh_reqsign_make_nonce();
        self->least = hints->after + 1;
        return true;
    }
    return false;
}
