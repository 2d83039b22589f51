#include "server/http/message.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define HOST "Host: h\r\n"

typedef struct {
    const char *name;
    const char *text;
    int         want_rc;
    const char *want_path;
    int64_t     want_body; /* on success */
    bool        want_close;
} HeadCase;

static const HeadCase cases[] = {
    { "plain", "GET /v1/server HTTP/1.1\r\n" HOST "\r\n", 0, "/v1/server" },
    { "query", "GET /a?b=c HTTP/1.1\r\n" HOST "\r\n", 0, "/a" },
    { "length", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 12\r\n\r\n", 0, "/a", 12 },
    { "chunked", "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", -EBADMSG },
    { "escaped-path", "GET /%61 HTTP/1.1\r\n" HOST "\r\n", -EBADMSG },
    { "escaped-query", "GET /a?b=%61 HTTP/1.1\r\n" HOST "\r\n", 0, "/a" },
    { "close", "GET /a HTTP/1.1\r\n" HOST "Connection: Close\r\n\r\n", 0, "/a", 0, true },
    { "value-trimmed", "GET /a HTTP/1.1\r\nHost:\t h \t\r\nX:\r\n\r\n", 0, "/a" },
    { "both-lengths",
      "POST /a HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      -EBADMSG },
    { "two-lengths", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 1\r\ncontent-length: 1\r\n\r\n",
      -EBADMSG },
    { "length-list", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n", -EBADMSG },
    { "length-negative", "POST /a HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", -EBADMSG },
    { "length-plus", "POST /a HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n", -EBADMSG },
    { "length-empty", "POST /a HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", -EBADMSG },
    { "length-huge", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n",
      -EBADMSG },
    { "coding-twice",
      "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
      -EBADMSG },
    { "bare-lf", "GET /a HTTP/1.1\n" HOST "\r\n", -EBADMSG },
    { "bare-lf-end", "GET /a HTTP/1.1\r\n" HOST "\n", -EBADMSG },
    { "bare-cr", "GET /a HTTP/1.1\r\nHost: a\rb\r\n\r\n", -EBADMSG },
    { "folded", "GET /a HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", -EBADMSG },
    { "folded-first", "GET /a HTTP/1.1\r\n X: a\r\n" HOST "\r\n", -EBADMSG },
    { "space-before-colon", "GET /a HTTP/1.1\r\nHost : h\r\n\r\n", -EBADMSG },
    { "no-colon", "GET /a HTTP/1.1\r\n" HOST "X\r\n\r\n", -EBADMSG },
    { "no-name", "GET /a HTTP/1.1\r\n" HOST ": x\r\n\r\n", -EBADMSG },
    { "control-in-value", "GET /a HTTP/1.1\r\nHost: h\x01\r\n\r\n", -EBADMSG },
    { "no-host", "GET /a HTTP/1.1\r\nX: y\r\n\r\n", -EBADMSG },
    { "two-hosts", "GET /a HTTP/1.1\r\n" HOST HOST "\r\n", -EBADMSG },
    { "two-signatures", "GET /a HTTP/1.1\r\n" HOST "Signature: a\r\nSignature: b\r\n\r\n",
      -EBADMSG },
    { "http-1.0", "GET /a HTTP/1.0\r\n" HOST "\r\n", -EPROTONOSUPPORT },
    { "http-2", "PRI * HTTP/2.0\r\n\r\n", -EBADMSG },
    { "no-version", "GET /a\r\n" HOST "\r\n", -EBADMSG },
    { "two-spaces", "GET  /a HTTP/1.1\r\n" HOST "\r\n", -EBADMSG },
    { "space-in-path", "GET /a b HTTP/1.1\r\n" HOST "\r\n", -EBADMSG },
    { "absolute-form", "GET http://h/a HTTP/1.1\r\n" HOST "\r\n", -EBADMSG },
    { "fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", -EBADMSG },
    { "high-byte-in-path", "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", -EBADMSG },
    { "method-too-long", "GETGETGETGETGETGET /a HTTP/1.1\r\n" HOST "\r\n", -EBADMSG },
    { "method-malformed", "GE(T /a HTTP/1.1\r\n" HOST "\r\n", -EBADMSG },
    { "empty-line-first", "\r\nGET /a HTTP/1.1\r\n" HOST "\r\n", -EBADMSG },
    { "expect-other", "POST /a HTTP/1.1\r\n" HOST "Expect: magic\r\n\r\n", -ENOSYS },
};

static void check_parsed(const HeadCase *c, const uint8_t *data, size_t len)
{
    HttpHead *head = NULL;
    HttpWhy   why = NULL;
    int       rc = http_message_parse_head(data, len, &head, &why);

    g_assert_cmpint(rc, ==, c->want_rc);
    if (rc < 0) {
        g_assert_null(head);
        g_assert_nonnull(why);
        g_assert_cmpint(http_message_status_of(rc), >=, 400);
        return;
    }
    g_assert_cmpstr(head->path, ==, c->want_path);
    g_assert_cmpint(head->body_bytes, ==, c->want_body);
    g_assert_true(head->keep_alive == !c->want_close);
    http_message_free_head(head);
}

/* The bytes come in two parts, cut at every place: the verdict is always the same. */
static void test_head(gconstpointer data)
{
    const HeadCase *c = data;
    size_t          len = strlen(c->text);

    for (size_t cut = 0; cut <= len; cut++) {
        g_autofree uint8_t *copy = g_memdup2(c->text, len); /* no NUL behind: the sanitizer looks */
        size_t              scanned = 0;
        HttpWhy             why = NULL;
        int                 rc = http_message_find_end(copy, cut, &scanned, &why);

        if (rc == 0)
            rc = http_message_find_end(copy, len, &scanned, &why);
        g_assert_cmpint(rc, !=, 0);
        if (rc < 0)
            g_assert_cmpint(rc, ==, c->want_rc);
        else
            check_parsed(c, copy, (size_t)rc);
    }
}

static void test_byte_by_byte(void)
{
    const char text[] = "GET /a HTTP/1.1\r\n" HOST "\r\nNEXT";
    size_t     scanned = 0, end = sizeof(text) - 1 - 4;
    HttpWhy    why = NULL;

    for (size_t len = 0; len < end; len++)
        g_assert_cmpint(http_message_find_end((const uint8_t *)text, len, &scanned, &why), ==, 0);
    g_assert_cmpint(http_message_find_end((const uint8_t *)text, end + 4, &scanned, &why), ==,
                    (int)end);
}

static void test_head_too_long(void)
{
    g_autofree uint8_t *data = g_malloc(HTTP_MAX_HEAD_BYTES);
    size_t              scanned = 0;
    HttpWhy             why = NULL;

    memset(data, 'a', HTTP_MAX_HEAD_BYTES);
    g_assert_cmpint(http_message_find_end(data, HTTP_MAX_HEAD_BYTES - 1, &scanned, &why), ==, 0);
    g_assert_cmpint(http_message_find_end(data, HTTP_MAX_HEAD_BYTES, &scanned, &why), ==,
                    -EMSGSIZE);
    g_assert_cmpint(http_message_status_of(-EMSGSIZE), ==, 431);
}

static void test_field_count(void)
{
    for (unsigned extra = 63; extra <= 64; extra++) {
        g_autoptr(GString) text = g_string_new("GET /a HTTP/1.1\r\n" HOST);
        HttpHead *head = NULL;
        HttpWhy   why = NULL;
        int       rc;

        for (unsigned i = 0; i < extra; i++)
            g_string_append_printf(text, "X-%u: y\r\n", i);
        g_string_append(text, "\r\n");
        rc = http_message_parse_head((const uint8_t *)text->str, text->len, &head, &why);
        g_assert_cmpint(rc, ==, extra == 63 ? 0 : -EMSGSIZE);
        http_message_free_head(head);
    }
}

static void test_embedded_nul(void)
{
    const char text[] = "GET /a HTTP/1.1\r\nHost: h\0x\r\n\r\n";
    HttpHead  *head = NULL;
    HttpWhy    why = NULL;

    g_assert_cmpint(http_message_parse_head((const uint8_t *)text, sizeof(text) - 1, &head, &why),
                    ==, -EBADMSG);
}

static void test_fields(void)
{
    const char text[] = "GET /a?x=1&y=22&z= HTTP/1.1\r\nHost: h\r\nX-MiXed: a b\r\n\r\n";
    HttpHead  *head = NULL;
    HttpWhy    why = NULL;
    char       value[3];

    g_assert_cmpint(http_message_parse_head((const uint8_t *)text, sizeof(text) - 1, &head, &why),
                    ==, 0);
    g_assert_cmpstr(head->method, ==, "GET");
    g_assert_cmpstr(head->query, ==, "x=1&y=22&z=");
    g_assert_cmpstr(http_message_get_field(head, "x-mixed"), ==, "a b");
    g_assert_null(http_message_get_field(head, "x"));
    g_assert_cmpint(http_message_get_query(head->query, "y", value, sizeof(value)), ==, 0);
    g_assert_cmpstr(value, ==, "22");
    http_message_free_head(head);
}

typedef struct {
    const char *name;
    const char *query;
    int         want_rc;
    const char *want;
} QueryCase;

static const QueryCase query_cases[] = {
    { "none", NULL, -ENOENT },
    { "empty", "", -ENOENT },
    { "alone", "hb=60", 0, "60" },
    { "last", "a=1&hb=60", 0, "60" },
    { "no-value", "hb=", 0, "" },
    { "no-equals", "hb", -ENOENT },
    { "prefix-of-another", "hbx=1", -ENOENT },
    { "suffix-of-another", "xhb=1", -ENOENT },
    { "twice", "hb=1&hb=1", -EBADMSG },
    { "too-long", "hb=12345", -ENOSPC },
};

static void test_query(gconstpointer data)
{
    const QueryCase *c = data;
    char             value[4] = "?";

    g_assert_cmpint(http_message_get_query(c->query, "hb", value, sizeof(value)), ==, c->want_rc);
    g_assert_cmpstr(value, ==, c->want_rc == 0 ? c->want : "?");
}

static void test_response(void)
{
    HttpResponse response = { .status = 200,
                              .body_bytes = 2,
                              .content_type = "application/json",
                              .date_s = 784111777,
                              .keep_alive = true };
    char         head[HTTP_RESPONSE_HEAD_SIZE];
    size_t       len = 0;

    g_assert_cmpint(http_message_format_head(&response, head, &len), ==, 0);
    g_assert_cmpstr(head, ==,
                    "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                    "Content-Type: application/json\r\nContent-Length: 2\r\n"
                    "Cache-Control: no-store\r\n\r\n");
    g_assert_cmpuint(len, ==, strlen(head));
    response.body_bytes = -1;
    response.keep_alive = false;
    response.extra = "X-Accel-Buffering: no\r\n";
    g_assert_cmpint(http_message_format_head(&response, head, &len), ==, 0);
    g_assert_nonnull(strstr(head, "Transfer-Encoding: chunked\r\n"));
    g_assert_nonnull(strstr(head, "X-Accel-Buffering: no\r\nConnection: close\r\n\r\n"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/http/head/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_head);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(query_cases); i++) {
        g_autofree char *path = g_strdup_printf("/http/query/%s", query_cases[i].name);

        g_test_add_data_func(path, &query_cases[i], test_query);
    }
    g_test_add_func("/http/head/byte-by-byte", test_byte_by_byte);
    g_test_add_func("/http/head/too-long", test_head_too_long);
    g_test_add_func("/http/head/64-fields-and-no-more", test_field_count);
    g_test_add_func("/http/head/embedded-nul", test_embedded_nul);
    g_test_add_func("/http/head/fields", test_fields);
    g_test_add_func("/http/response", test_response);
    return g_test_run();
}
