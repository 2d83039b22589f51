/* tests/daemon/path/test-portmap.c: the asking of routers, with one of our own on the loopback
 * address, and seconds that take a millisecond. */
#include "common/std/endpoint.h"
#include "daemon/path/tech-portmap.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 41000, LIMIT_S = 60 };

/* What the router does with a request of a protocol. */
typedef enum { SILENT, GRANT, REFUSE, VERSION } Reaction;

typedef struct {
    int      fd;
    guint    watch;
    uint16_t port;
    Reaction pcp, natpmp;
    MeshAddr external;
    uint16_t external_port; /* 0: as asked */
    uint32_t life_s, epoch_s;
    bool     other_nonce, tcp, six;
    unsigned n_pcp, n_address, n_natpmp, n_ends; /* requests seen; mappings given back */
    uint16_t wished;                             /* external port asked for last */
} Router;

typedef struct {
    Router       router;
    PathPortmap *map;
    unsigned     n_changed;
    bool         late;
} Rig;

static const uint8_t nonce[MESH_PCP_NONCE_BYTES] = "0123456789ab";

static MeshAddr addr(const char *text)
{
    MeshAddr found = { 0 };

    g_assert_cmpint(mesh_ip_parse_addr(text, &found), ==, 0);
    return found;
}

static void put32(uint8_t *at, uint32_t value)
{
    value = GUINT32_TO_BE(value);
    memcpy(at, &value, sizeof value);
}

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static size_t answer_pcp(Router *self, uint8_t *bytes, bool end)
{
    self->n_pcp++;
    g_assert_cmpmem(bytes + 24, sizeof nonce, nonce, sizeof nonce);
    g_assert_cmpuint(get16(bytes + 40), ==, PORT);
    g_assert_cmpuint(bytes[36], ==, self->tcp ? 6 : 17);
    self->wished = get16(bytes + 42);
    bytes[1] |= 0x80;
    bytes[3] = self->pcp == REFUSE ? 8 : self->pcp == VERSION ? 1 : 0;
    put32(bytes + 4, end ? 0 : self->life_s);
    put32(bytes + 8, self->epoch_s);
    memset(bytes + 12, 0, 12);
    if (self->other_nonce)
        bytes[24] ^= 1;
    if (self->external_port != 0) {
        bytes[42] = (uint8_t)(self->external_port >> 8);
        bytes[43] = (uint8_t)self->external_port;
    }
    if (self->six)
        memcpy(bytes + 44, self->external.bytes, 16);
    else
        memcpy(bytes + 56, self->external.bytes, 4);
    return MESH_PCP_MAP_BYTES;
}

static size_t answer_natpmp(Router *self, uint8_t *bytes)
{
    uint8_t asked[MESH_NATPMP_MAP_BYTES];

    memcpy(asked, bytes, sizeof asked);
    bytes[1] |= 0x80;
    bytes[2] = 0;
    bytes[3] = self->natpmp == REFUSE ? 2 : 0;
    put32(bytes + 4, self->epoch_s);
    if (asked[1] == 0) {
        self->n_address++;
        memcpy(bytes + 8, self->external.bytes, 4);
        return 12;
    }
    self->n_natpmp++;
    g_assert_cmpuint(asked[1], ==, self->tcp ? 2 : 1);
    memcpy(bytes + 8, asked + 4, 4); /* both ports as asked */
    put32(bytes + 12, self->life_s);
    return 16;
}

static gboolean on_request(gint fd, GIOCondition condition, gpointer user_data)
{
    Router                 *self = user_data;
    uint8_t                 bytes[128] = { 0 };
    struct sockaddr_storage from;
    socklen_t               from_len = sizeof from;
    ssize_t n = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_len);
    bool    pcp = bytes[0] == 2;
    bool    end = pcp ? memcmp(bytes + 4, "\0\0\0\0", 4) == 0
                      : bytes[1] != 0 && memcmp(bytes + 8, "\0\0\0\0", 4) == 0;
    size_t  len;

    (void)condition;
    g_assert_cmpint(n, ==, pcp ? MESH_PCP_MAP_BYTES : bytes[1] == 0 ? 2 : MESH_NATPMP_MAP_BYTES);
    self->n_ends += end ? 1 : 0;
    len = pcp ? answer_pcp(self, bytes, end) : answer_natpmp(self, bytes);
    if ((pcp ? self->pcp : self->natpmp) == SILENT || end)
        return G_SOURCE_CONTINUE;
    if (pcp && self->pcp == VERSION) { /* of NAT-PMP alone */
        bytes[0] = 0;
        bytes[2] = 0;
        len = 8;
    }
    g_assert_cmpint(sendto(fd, bytes, len, 0, (struct sockaddr *)&from, from_len), ==, len);
    return G_SOURCE_CONTINUE;
}

static void start_router(Router *self)
{
    MeshAddr                own = addr(self->six ? "::1" : "127.0.0.1");
    MeshEndpoint            at = mesh_endpoint_make(&own, 0);
    struct sockaddr_storage sa;
    socklen_t               len = mesh_endpoint_to_sockaddr(&at, &sa);

    self->fd = socket(own.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(self->fd, (struct sockaddr *)&sa, len), ==, 0);
    len = sizeof sa;
    g_assert_cmpint(getsockname(self->fd, (struct sockaddr *)&sa, &len), ==, 0);
    g_assert_cmpint(mesh_endpoint_from_sockaddr((struct sockaddr *)&sa, len, false, &at), ==, 0);
    self->port = at.port;
    self->watch = g_unix_fd_add(self->fd, G_IO_IN, on_request, self);
}

static void on_changed(void *user_data)
{
    ((Rig *)user_data)->n_changed++;
}

static void wish(Rig *rig, bool on, const char *foreign)
{
    MeshPrefix      prefix = { 0 };
    PathPortmapWish wish = { .on = on, .port = PORT, .gateway = addr("127.0.0.1") };

    if (rig->router.six)
        wish.gateway = wish.client = addr("::1");

    if (foreign != NULL) {
        g_assert_cmpint(mesh_ip_parse_prefix(foreign, &prefix), ==, 0);
        wish.foreign = &prefix;
        wish.n_foreign = 1;
    }
    path_portmap_set(rig->map, &wish);
}

static Rig *make_rig_for(bool tcp, bool six)
{
    Rig               *rig = g_new0(Rig, 1);
    PathPortmapOptions options = {
        .tcp = tcp, .six = six, .changed = on_changed, .user_data = rig, .second_ms = 1
    };

    rig->router.tcp = tcp;
    rig->router.six = six;
    rig->router.external = addr(six ? "::1" : "5.5.5.1");
    rig->router.life_s = 7200;
    rig->router.pcp = rig->router.natpmp = GRANT;
    start_router(&rig->router);
    memcpy(options.nonce, nonce, sizeof nonce);
    options.server_port = rig->router.port;
    rig->map = path_portmap_new(&options);
    return rig;
}

static Rig *make_rig(void)
{
    return make_rig_for(false, false);
}

static void free_rig(Rig *rig)
{
    path_portmap_free(rig->map);
    g_source_remove(rig->router.watch);
    close(rig->router.fd);
    g_free(rig);
}

static gboolean on_late(gpointer late)
{
    *(bool *)late = true;
    return G_SOURCE_REMOVE;
}

/* Turns the main loop until the state is @state; the limit only ends a hang. */
static void wait_state(Rig *rig, const char *state)
{
    bool        late = false;
    guint       timer = g_timeout_add_seconds(LIMIT_S, on_late, &late);
    const char *why;

    while (!late && g_strcmp0(path_portmap_get_state(rig->map, &why), state) != 0)
        g_main_context_iteration(NULL, true);
    g_assert_cmpstr(path_portmap_get_state(rig->map, &why), ==, state);
    if (!late)
        g_source_remove(timer);
}

static void wait_count(const unsigned *count, unsigned least)
{
    bool  late = false;
    guint timer = g_timeout_add_seconds(LIMIT_S, on_late, &late);

    while (!late && *count < least)
        g_main_context_iteration(NULL, true);
    g_assert_cmpuint(*count, >=, least);
    if (!late)
        g_source_remove(timer);
}

static void assert_mapped(Rig *rig, const char *want)
{
    MeshEndpoint found = path_portmap_get(rig->map);
    char         text[MESH_ENDPOINT_TEXT_SIZE];

    g_assert_cmpstr(mesh_endpoint_format(&found, text), ==, want);
}

static void test_pcp(void)
{
    Rig *rig = make_rig();

    wish(rig, true, NULL);
    wait_state(rig, "pcp");
    assert_mapped(rig, "5.5.5.1:41000");
    wait_count(&rig->n_changed, 1);
    g_assert_cmpuint(rig->router.n_pcp, ==, 1);
    wish(rig, true, NULL); /* the same: nothing is asked */
    g_assert_cmpuint(rig->router.n_pcp, ==, 1);
    wish(rig, false, NULL);
    wait_state(rig, "off");
    assert_mapped(rig, "-");
    wait_count(&rig->router.n_ends, 1);
    free_rig(rig);
}

static void test_renewal(void)
{
    Rig *rig = make_rig();

    rig->router.life_s = 100; /* 100 ms here */
    rig->router.external_port = 50000;
    wish(rig, true, NULL);
    wait_count(&rig->router.n_pcp, 3);
    wait_state(rig, "pcp");
    assert_mapped(rig, "5.5.5.1:50000");
    g_assert_cmpuint(rig->router.wished, ==, 50000); /* what it gave before */
    rig->router.pcp = SILENT; /* the router is gone: the mapping ends with its lease */
    rig->router.natpmp = SILENT;
    wait_state(rig, "none");
    assert_mapped(rig, "-");
    rig->router.pcp = GRANT;
    wait_state(rig, "pcp");
    free_rig(rig);
}

static void test_natpmp(void)
{
    Rig *rig = make_rig();

    rig->router.pcp = VERSION;
    wish(rig, true, NULL);
    wait_state(rig, "nat-pmp");
    assert_mapped(rig, "5.5.5.1:41000");
    g_assert_cmpuint(rig->router.n_pcp, ==, 1); /* one answer settles it */
    g_assert_cmpuint(rig->router.n_address, ==, 1);
    path_portmap_free(g_steal_pointer(&rig->map));
    wait_count(&rig->router.n_ends, 1);
    free_rig(rig);
}

static void test_tcp(void)
{
    Rig *rig = make_rig_for(true, false);

    wish(rig, true, NULL);
    wait_state(rig, "pcp");
    assert_mapped(rig, "5.5.5.1:41000");
    rig->router.pcp = VERSION;
    path_portmap_ask_again(rig->map);
    wait_state(rig, "nat-pmp");
    assert_mapped(rig, "5.5.5.1:41000");
    path_portmap_free(g_steal_pointer(&rig->map));
    wait_count(&rig->router.n_ends, 1);
    free_rig(rig);
}

/* Over IPv6 a router opens what is ours or nothing, and nobody is asked in another way. The
 * loopback address stands for one that is no public one. */
static void test_six(void)
{
    static const char *const offered[] = { "::1", "2001:db8::5", "5.5.5.1" };
    const char              *why;

    for (size_t i = 0; i < G_N_ELEMENTS(offered); i++) {
        Rig *rig = make_rig_for(false, true);

        rig->router.external = addr(offered[i]);
        wish(rig, true, NULL);
        wait_state(rig, "none");
        assert_mapped(rig, "-");
        path_portmap_get_state(rig->map, &why);
        g_assert_nonnull(strstr(why, "address"));
        g_assert_cmpuint(rig->router.n_pcp, ==, 1);
        g_assert_cmpuint(rig->router.n_address, ==, 0);
        free_rig(rig);
    }
}

static void test_silent(void)
{
    Rig *rig = make_rig();

    rig->router.pcp = rig->router.natpmp = SILENT;
    wish(rig, true, NULL);
    wait_count(&rig->router.n_address, 3); /* three tries of each, then the next */
    g_assert_cmpuint(rig->router.n_pcp, ==, 3);
    wait_state(rig, "none");
    g_assert_cmpuint(rig->router.n_natpmp, ==, 0);
    free_rig(rig);
}

/* Nothing listens on the port: known at once by the ICMP message. */
static void test_closed(void)
{
    Rig *rig = make_rig();

    g_source_remove(rig->router.watch);
    close(rig->router.fd);
    wish(rig, true, NULL);
    wait_state(rig, "none");
    start_router(&rig->router);
    free_rig(rig);
}

typedef struct {
    const char *name, *external;
    uint32_t    life_s;
    const char *foreign, *want; /* NULL: nothing is mapped */
    bool        other_nonce;
} OfferCase;

static const OfferCase offers[] = {
    { "good", "5.5.5.1", 7200, NULL, "5.5.5.1:41000" },
    { "longest-lease", "5.5.5.1", UINT32_MAX, NULL, "5.5.5.1:41000" },
    { "no-lease", "5.5.5.1", 0, NULL, NULL },
    { "second-of-lease", "5.5.5.1", 1, NULL, NULL },
    { "private", "192.168.1.1", 7200, NULL, NULL },
    { "carrier", "100.64.1.1", 7200, NULL, NULL },
    { "loopback", "127.0.0.1", 7200, NULL, NULL },
    { "link-local", "169.254.1.1", 7200, NULL, NULL },
    { "multicast", "224.0.0.1", 7200, NULL, NULL },
    { "nowhere", "0.0.0.0", 7200, NULL, NULL },
    { "of-our-mesh", "5.5.5.1", 7200, "5.5.0.0/16", NULL },
    { "other-nonce", "5.5.5.1", 7200, NULL, NULL, .other_nonce = true },
};

static void test_offer(gconstpointer data)
{
    const OfferCase *c = data;
    Rig             *rig = make_rig();
    const char      *why;

    rig->router.external = addr(c->external);
    rig->router.life_s = c->life_s;
    rig->router.other_nonce = c->other_nonce;
    rig->router.natpmp = REFUSE;
    wish(rig, true, c->foreign);
    wait_state(rig, c->want != NULL ? "pcp" : "none");
    assert_mapped(rig, c->want != NULL ? c->want : "-");
    path_portmap_get_state(rig->map, &why);
    g_assert_true((why[0] == '\0') == (c->want != NULL));
    free_rig(rig);
}

/* A mesh is joined whose prefix holds what was granted. */
static void test_foreign_later(void)
{
    Rig *rig = make_rig();

    wish(rig, true, NULL);
    wait_state(rig, "pcp");
    rig->router.natpmp = REFUSE;
    wish(rig, true, "5.5.0.0/16");
    assert_mapped(rig, "-");
    wait_state(rig, "none");
    g_assert_cmpuint(rig->router.n_ends, ==, 1);
    free_rig(rig);
}

static void test_no_gateway(void)
{
    Rig            *rig = make_rig();
    PathPortmapWish nowhere = { .on = true, .port = PORT };
    const char     *why;

    path_portmap_set(rig->map, &nowhere);
    g_assert_cmpstr(path_portmap_get_state(rig->map, &why), ==, "none");
    g_assert_cmpstr(why, !=, "");
    path_portmap_ask_again(rig->map);
    wish(rig, true, NULL);
    wait_state(rig, "pcp");
    path_portmap_set(rig->map, &nowhere);
    assert_mapped(rig, "-");
    free_rig(rig);
}

typedef struct {
    const char *name, *url;
    bool        want;
} UrlCase;

static const UrlCase urls[] = {
    { "plain", "http://192.168.1.1/", true },
    { "port", "http://192.168.1.1:5000/rootDesc.xml", true },
    { "no-path", "http://192.168.1.1:80", true },
    { "neighbour", "http://192.168.1.2:5000/d.xml", false },
    { "longer-number", "http://192.168.1.11/", false },
    { "name-behind", "http://192.168.1.1.example.com/", false },
    { "user", "http://192.168.1.1@10.0.0.1/", false },
    { "user-and-port", "http://192.168.1.1:80@10.0.0.1/", false },
    { "port-0", "http://192.168.1.1:0/", false },
    { "port-65536", "http://192.168.1.1:65536/", false },
    { "port-huge", "http://192.168.1.1:99999999999999999999/", false },
    { "no-port", "http://192.168.1.1:/", false },
    { "tls", "https://192.168.1.1/", false },
    { "file", "file:///etc/passwd", false },
    { "line-break", "http://192.168.1.1/a\r\nHost: x", false },
    { "blank", "http://192.168.1.1/ a", false },
    { "beyond-ascii", "http://192.168.1.1/\xc3\xa4", false },
    { "empty", "", false },
};

static void test_url(gconstpointer data)
{
    const UrlCase *c = data;
    MeshAddr       gateway = addr("192.168.1.1"), none = { 0 };

    g_assert_cmpint(path_upnp_is_of_gateway(c->url, &gateway), ==, c->want);
    g_assert_false(path_upnp_is_of_gateway(c->url, &none));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/portmap/pcp", test_pcp);
    g_test_add_func("/portmap/renewed-at-half-ends-with-its-lease", test_renewal);
    g_test_add_func("/portmap/natpmp-alone", test_natpmp);
    g_test_add_func("/portmap/tcp", test_tcp);
    g_test_add_func("/portmap/six", test_six);
    g_test_add_func("/portmap/silent", test_silent);
    g_test_add_func("/portmap/closed", test_closed);
    g_test_add_func("/portmap/foreign-later", test_foreign_later);
    g_test_add_func("/portmap/no-gateway", test_no_gateway);
    for (size_t i = 0; i < G_N_ELEMENTS(offers); i++) {
        g_autofree char *path = g_strdup_printf("/portmap/offer/%s", offers[i].name);

        g_test_add_data_func(path, &offers[i], test_offer);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(urls); i++) {
        g_autofree char *path = g_strdup_printf("/portmap/url/%s", urls[i].name);

        g_test_add_data_func(path, &urls[i], test_url);
    }
    return g_test_run();
}
