/* tests/common/proto/test-proxy.c: what is a proxy's URL, and who goes without. */
#include "common/glib/error.h"
#include "common/proto/proxy.h"

#include <string.h>

typedef struct {
    const char *name, *url, *host;
    uint16_t    port; /* 0: refused */
    const char *basic;
} UrlCase;

static const UrlCase urls[] = {
    { "host-and-port", "http://proxy.example:3128", "proxy.example", 3128, "" },
    { "slash-at-the-end", "http://proxy.example:3128/", "proxy.example", 3128, "" },
    { "no-scheme", "proxy.example:80", "proxy.example", 80, "" },
    { "no-port", "http://proxy.example", "proxy.example", 1080, "" },
    { "upper-case-scheme", "HTTP://10.0.0.1:8080", "10.0.0.1", 8080, "" },
    { "ipv6", "http://[fd00::1]:8080", "fd00::1", 8080, "" },
    { "name-and-password", "http://mole:dig@p:1", "p", 1, "bW9sZTpkaWc=" },
    { "escapes", "http://m%40x:a%3Ab%2f@p:1", "p", 1, "bUB4OmE6Yi8=" },
    { "at-in-password", "http://m:a@b@p:1", "p", 1, "bTphQGI=" },
    { "name-alone", "http://mole@p:1", "p", 1, "bW9sZTo=" },
    { "https", "https://p:1", .port = 0 },
    { "socks", "socks5://p:1", .port = 0 },
    { "empty", "", .port = 0 },
    { "no-host", "http://:3128", .port = 0 },
    { "port-0", "http://p:0", .port = 0 },
    { "port-too-large", "http://p:65536", .port = 0 },
    { "port-is-no-number", "http://p:a", .port = 0 },
    { "path", "http://p:1/x", .port = 0 },
    { "line-break", "http://p\r\nx:1", .port = 0 },
    { "no-end-of-ipv6", "http://[fd00::1:80", .port = 0 },
    { "colon-in-name", "http://a%3Ab:c@p:1", .port = 0 },
};

static void test_url(gconstpointer data)
{
    const UrlCase *c = data;
    MeshProxy      proxy = { .port = 0 };
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(mesh_proxy_parse(c->url, &proxy, &error), ==, c->port != 0);
    g_assert_cmpuint(proxy.port, ==, c->port);
    if (c->port == 0) {
        g_assert_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT);
        return;
    }
    g_assert_cmpstr(proxy.host, ==, c->host);
    g_assert_cmpstr(proxy.basic, ==, c->basic);
}

/* A password is told to nobody, not even in what is wrong about it. */
static void test_silence(void)
{
    MeshProxy proxy;
    g_autoptr(GError) error = NULL;

    g_assert_false(mesh_proxy_parse("http://mole:verysecret@p:x", &proxy, &error));
    g_assert_null(strstr(error->message, "verysecret"));
}

typedef struct {
    const char *list, *host;
    bool        want;
} ExemptCase;

static const ExemptCase exempts[] = {
    { "example.org", "example.org", true },
    { "example.org", "a.example.org", true },
    { ".example.org", "a.example.org", true },
    { "*.example.org", "a.example.org", true },
    { "example.org", "badexample.org", false },
    { "example.org", "example.com", false },
    { "localhost, EXAMPLE.org", "example.org", true },
    { "*", "anything", true },
    { "10.0.0.0/8", "10.1.2.3", true },
    { "10.0.0.0/8", "11.1.2.3", false },
    { "10.1.2.3", "10.1.2.3", true },
    { "fd00::/8", "fd12::1", true },
    { "1", "10.0.0.1", false },
    { ",,", "x", false },
    { "", "x", false },
    { NULL, "x", false },
};

static void test_exempt(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(exempts); i++) {
        const ExemptCase *c = &exempts[i];

        if (mesh_proxy_is_exempt(c->list, c->host) != c->want)
            g_error("no_proxy \"%s\" and %s", c->list != NULL ? c->list : "", c->host);
    }
}

static void test_environment(void)
{
    MeshProxy proxy;
    g_autoptr(GError) error = NULL;

    g_unsetenv("HTTPS_PROXY");
    g_unsetenv("all_proxy");
    g_unsetenv("ALL_PROXY");
    g_unsetenv("NO_PROXY");
    g_setenv("https_proxy", "http://mole:dig@p:1", TRUE);
    g_setenv("no_proxy", "example.org", TRUE);
    g_assert_true(mesh_proxy_find("example.com", &proxy, &error));
    g_assert_cmpstr(proxy.host, ==, "p");
    g_assert_false(mesh_proxy_find("www.example.org", &proxy, &error));
    g_assert_no_error(error);
    mesh_proxy_configure(&(MeshProxy){ .host = "q", .port = 2 }, "example.com");
    g_assert_false(mesh_proxy_find("example.com", &proxy, &error));
    g_assert_true(mesh_proxy_find("example.org", &proxy, &error));
    g_assert_cmpstr(proxy.host, ==, "q");
    mesh_proxy_configure(&(MeshProxy){ .port = 0 }, NULL);
    g_assert_false(mesh_proxy_find("example.org", &proxy, &error));
    mesh_proxy_configure(NULL, NULL);
    g_setenv("https_proxy", "socks5://p", TRUE);
    g_assert_false(mesh_proxy_find("example.com", &proxy, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT);
    g_unsetenv("https_proxy");
    g_unsetenv("no_proxy");
}

static void test_connect(void)
{
    g_autofree char *plain =
        mesh_proxy_format_connect(&(MeshProxy){ .host = "p", .port = 1 }, "m.example", 443);
    g_autofree char *known =
        mesh_proxy_format_connect(&(MeshProxy){ .host = "p", .port = 1, .basic = "bW9sZTpkaWc=" },
                                  "fd00::1", 8443);

    g_assert_cmpstr(plain, ==, "CONNECT m.example:443 HTTP/1.1\r\nHost: m.example:443\r\n\r\n");
    g_assert_cmpstr(known, ==,
                    "CONNECT [fd00::1]:8443 HTTP/1.1\r\nHost: [fd00::1]:8443\r\n"
                    "Proxy-Authorization: Basic bW9sZTpkaWc=\r\n\r\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(urls); i++) {
        g_autofree char *name = g_strdup_printf("/proxy/url/%s", urls[i].name);

        g_test_add_data_func(name, &urls[i], test_url);
    }
    g_test_add_func("/proxy/silence", test_silence);
    g_test_add_func("/proxy/exempt", test_exempt);
    g_test_add_func("/proxy/environment", test_environment);
    g_test_add_func("/proxy/connect", test_connect);
    return g_test_run();
}
