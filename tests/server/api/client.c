#include "tests/server/api/client.h"

#include "common/std/clock.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct Client {
    SSL_CTX       *context;
    SSL           *ssl;
    int            fd;
    GString       *input;
    MeshSignSecret secret;
    MeshKey        node;
    MeshNonce      nonce;
    int64_t        offset_s;
    char          *server;
};

Client *client_new(unsigned port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct timeval     limit = { .tv_sec = 10 }; /* only ends a hang */
    Client            *self = g_new0(Client, 1);
    uint8_t            seed[MESH_SIGN_SEED_BYTES];

    mesh_key_random(seed, sizeof(seed));
    mesh_sign_make_pair(seed, &self->secret, &self->node);
    self->nonce = mesh_reqsign_make_nonce();
    self->input = g_string_new(NULL);
    self->fd = socket(AF_INET, SOCK_STREAM, 0);
    g_assert_cmpint(setsockopt(self->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), ==, 0);
    g_assert_cmpint(connect(self->fd, (struct sockaddr *)&to, sizeof(to)), ==, 0);
    self->context = SSL_CTX_new(TLS_client_method());
    self->ssl = SSL_new(self->context);
    g_assert_cmpint(SSL_set_fd(self->ssl, self->fd), ==, 1);
    g_assert_cmpint(SSL_connect(self->ssl), ==, 1);
    return self;
}

void client_free(Client *self)
{
    SSL_free(self->ssl);
    SSL_CTX_free(self->context);
    close(self->fd);
    g_string_free(self->input, TRUE);
    g_free(self->server);
    g_free(self);
}

MeshKey client_get_node(const Client *self)
{
    return self->node;
}

void client_set_clock(Client *self, int64_t offset_s)
{
    self->offset_s = offset_s;
}

void client_set_server(Client *self, const char *fingerprint)
{
    g_free(self->server);
    self->server = g_strdup(fingerprint);
}

void client_send(Client *self, const char *bytes)
{
    g_assert_cmpint(SSL_write(self->ssl, bytes, (int)strlen(bytes)), ==, (int)strlen(bytes));
}

void client_ask(Client *self, const char *method, const char *target, const char *body)
{
    g_auto(GStrv) parts = g_strsplit(target, "?", 2);
    const MeshReqsignRequest request = { .method = method,
                                         .path = parts[0],
                                         .query = parts[1],
                                         .body = MESH_SPAN(body, strlen(body)),
                                         .fingerprint = self->server };
    MeshReqsignParams        params = { .created = mesh_clock_wall_s() + self->offset_s,
                                        .node = self->node };
    MeshReqsignHeaders       headers;
    g_autofree char         *text = NULL;

    mesh_reqsign_next(&self->nonce);
    params.nonce = self->nonce;
    mesh_reqsign_sign(&request, &params, &self->secret, &headers);
    text = g_strdup_printf("%s %s HTTP/1.1\r\nHost: test\r\nContent-Length: %zu\r\n"
                           "Content-Digest: %s\r\nMesh-Server: %s\r\nSignature-Input: %s\r\n"
                           "Signature: %s\r\n\r\n%s",
                           method, target, strlen(body), headers.content_digest,
                           headers.mesh_server, headers.signature_input, headers.signature, body);
    client_send(self, text);
}

/* More bytes; false: the connection has ended. */
static bool fill(Client *self)
{
    char buffer[16384];
    int  rc = SSL_read(self->ssl, buffer, sizeof(buffer));

    if (rc <= 0)
        return false;
    g_string_append_len(self->input, buffer, rc);
    return true;
}

/* Cuts off everything up to and with @mark. */
static char *cut_behind(Client *self, const char *mark)
{
    const char *at;
    char       *part;
    size_t      len;

    while ((at = strstr(self->input->str, mark)) == NULL)
        g_assert_true(fill(self));
    len = (size_t)(at - self->input->str) + strlen(mark);
    part = g_strndup(self->input->str, len);
    g_string_erase(self->input, 0, (gssize)len);
    return part;
}

static char *cut_bytes(Client *self, size_t len)
{
    char *part;

    while (self->input->len < len)
        g_assert_true(fill(self));
    part = g_strndup(self->input->str, len);
    g_string_erase(self->input, 0, (gssize)len);
    return part;
}

static unsigned status_of(const char *head)
{
    g_assert_true(g_str_has_prefix(head, "HTTP/1.1 "));
    return (unsigned)g_ascii_strtoull(head + 9, NULL, 10);
}

unsigned client_read_head(Client *self)
{
    g_autofree char *head = cut_behind(self, "\r\n\r\n");

    if (strstr(head, "Transfer-Encoding: chunked\r\n") == NULL)
        g_error("not a stream: %s", head);
    return status_of(head);
}

char *client_read_chunk(Client *self)
{
    g_autofree char *size = cut_behind(self, "\r\n");
    size_t           len = (size_t)g_ascii_strtoull(size, NULL, 16);
    char            *chunk = cut_bytes(self, len);
    g_autofree char *tail = cut_bytes(self, 2);

    g_assert_cmpstr(tail, ==, "\r\n");
    if (len == 0)
        g_clear_pointer(&chunk, g_free);
    return chunk;
}

Answer client_read(Client *self)
{
    Answer      answer = { .head = cut_behind(self, "\r\n\r\n") };
    const char *length = strstr(answer.head, "Content-Length: ");

    answer.status = status_of(answer.head);
    if (length != NULL) {
        answer.body = cut_bytes(self, (size_t)g_ascii_strtoull(length + 16, NULL, 10));
    } else {
        GString *all = g_string_new(NULL);

        for (char *chunk; (chunk = client_read_chunk(self)) != NULL; g_free(chunk))
            g_string_append(all, chunk);
        answer.body = g_string_free(all, FALSE);
    }
    return answer;
}

void answer_clear(Answer *answer)
{
    g_clear_pointer(&answer->head, g_free);
    g_clear_pointer(&answer->body, g_free);
}

bool client_read_end(Client *self)
{
    return self->input->len == 0 && !fill(self);
}
