/* tests/common/std/test-endpoint.c: endpoints as text and as socket addresses. */
#include "common/std/endpoint.h"

#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>

typedef struct {
    const char *name;
    const char *text;
    const char *want; /* NULL: refused */
} TextCase;

static const TextCase texts[] = {
    { "v4", "1.2.3.4:51820", "1.2.3.4:51820" },
    { "v6", "[2001:DB8::1]:1", "[2001:db8::1]:1" },
    { "v6-scope", "[fe80::1%3]:65535", "[fe80::1%3]:65535" },
    { "v6-longest", "[fe80:1111:1111:1111:1111:1111:1111:1111%4294967295]:65535",
      "[fe80:1111:1111:1111:1111:1111:1111:1111%4294967295]:65535" },
    { "bad-empty", "", NULL },
    { "bad-no-port", "1.2.3.4", NULL },
    { "bad-empty-port", "1.2.3.4:", NULL },
    { "bad-port-0", "1.2.3.4:0", NULL },
    { "bad-port-65536", "1.2.3.4:65536", NULL },
    { "bad-port-sign", "1.2.3.4:+5", NULL },
    { "bad-port-zero-first", "1.2.3.4:05", NULL },
    { "bad-port-long", "1.2.3.4:99999999999999999999", NULL },
    { "bad-v6-no-brackets", "2001:db8::1:51820", NULL },
    { "bad-v4-brackets", "[1.2.3.4]:5", NULL },
    { "bad-open-bracket", "[::1:5", NULL },
    { "bad-only-brackets", "[]:5", NULL },
    { "bad-name", "example.org:5", NULL },
    { "bad-scope-name", "[fe80::1%eth0]:5", NULL },
    { "bad-scope-empty", "[fe80::1%]:5", NULL },
    { "bad-scope-global", "[2001:db8::1%3]:5", NULL },
    { "bad-scope-v4", "169.254.0.1%3:5", NULL },
};

static void test_text(gconstpointer data)
{
    const TextCase *c = data;
    char            text[MESH_ENDPOINT_TEXT_SIZE];
    MeshEndpoint    endpoint = { 0 };

    g_assert_cmpint(mesh_endpoint_parse(c->text, &endpoint), ==, c->want != NULL ? 0 : -EINVAL);
    g_assert_cmpstr(mesh_endpoint_format(&endpoint, text), ==, c->want != NULL ? c->want : "-");
}

static void test_sockaddr(gconstpointer data)
{
    MeshEndpoint            endpoint, back = { 0 };
    struct sockaddr_storage sa;
    socklen_t               len;

    g_assert_cmpint(mesh_endpoint_parse(data, &endpoint), ==, 0);
    len = mesh_endpoint_to_sockaddr(&endpoint, &sa);
    g_assert_cmpuint(len, >, 0);
    g_assert_cmpint(mesh_endpoint_from_sockaddr((struct sockaddr *)&sa, len, false, &back), ==, 0);
    g_assert_true(mesh_endpoint_equal(&endpoint, &back));
    back = (MeshEndpoint){ 0 };
    g_assert_cmpint(mesh_endpoint_from_sockaddr((struct sockaddr *)&sa, len - 1, false, &back), ==,
                    -EINVAL);
    g_assert_cmpint(back.addr.family, ==, 0);
}

static void test_mapped(void)
{
    struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = htons(7) };
    MeshEndpoint        endpoint, want = mesh_endpoint_make4(0x0a000001, 7);
    char                text[MESH_ENDPOINT_TEXT_SIZE];

    sa.sin6_addr.s6_addr[10] = sa.sin6_addr.s6_addr[11] = 0xff;
    sa.sin6_addr.s6_addr[12] = 10;
    sa.sin6_addr.s6_addr[15] = 1;
    g_assert_cmpint(mesh_endpoint_from_sockaddr((struct sockaddr *)&sa, sizeof(sa), true,
                                                &endpoint),
                    ==, 0);
    g_assert_true(mesh_endpoint_equal(&endpoint, &want));
    g_assert_cmpint(mesh_endpoint_from_sockaddr((struct sockaddr *)&sa, sizeof(sa), false,
                                                &endpoint),
                    ==, 0);
    g_assert_cmpstr(mesh_endpoint_format(&endpoint, text), ==, "[::ffff:10.0.0.1]:7");
}

static void test_other_families(void)
{
    struct sockaddr         sa = { .sa_family = AF_UNIX };
    struct sockaddr_storage storage;
    MeshEndpoint            none = { 0 };

    g_assert_cmpint(mesh_endpoint_from_sockaddr(&sa, sizeof(sa), false, &none), ==, -EAFNOSUPPORT);
    g_assert_cmpint(mesh_endpoint_from_sockaddr(&sa, 1, false, &none), ==, -EINVAL);
    g_assert_cmpuint(mesh_endpoint_to_sockaddr(&none, &storage), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *path = g_strdup_printf("/endpoint/text/%s", texts[i].name);
        g_test_add_data_func(path, &texts[i], test_text);
    }
    g_test_add_data_func("/endpoint/sockaddr/v4", "1.2.3.4:5", test_sockaddr);
    g_test_add_data_func("/endpoint/sockaddr/v6", "[2001:db8::1]:5", test_sockaddr);
    g_test_add_data_func("/endpoint/sockaddr/scope", "[fe80::1%9]:5", test_sockaddr);
    g_test_add_func("/endpoint/sockaddr/mapped", test_mapped);
    g_test_add_func("/endpoint/sockaddr/other-families", test_other_families);
    return g_test_run();
}
