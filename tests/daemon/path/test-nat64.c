/* tests/daemon/path/test-nat64.c: finding a NAT64 and our place behind it, with a resolver and a
 * data plane of our own. */
#include "daemon/path/tech-nat64.h"

#include "common/codec/stun.h"
#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "daemon/wire/ways.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>

#define LIMIT_US (60 * G_USEC_PER_SEC) /* ends a hang only */

/* ---- what DNS says ---- */

static struct {
    const char *answer; /* NULL: @error */
    int         error;  /* GResolverError */
    unsigned    n_asked;
} dns;

typedef GResolver      FakeResolver;
typedef GResolverClass FakeResolverClass;
GType                  fake_resolver_get_type(void);
G_DEFINE_TYPE(FakeResolver, fake_resolver, G_TYPE_RESOLVER)

static void look_up(GResolver *self, const char *name, GResolverNameLookupFlags flags,
                    GCancellable *cancel, GAsyncReadyCallback done, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(self, cancel, done, user_data);

    g_assert_cmpstr(name, ==, "ipv4only.arpa");
    g_assert_cmpint(flags, ==, G_RESOLVER_NAME_LOOKUP_FLAGS_IPV6_ONLY);
    dns.n_asked++;
    if (dns.answer != NULL)
        g_task_return_pointer(task,
                              g_list_prepend(NULL, g_inet_address_new_from_string(dns.answer)),
                              NULL);
    else
        g_task_return_new_error(task, G_RESOLVER_ERROR, dns.error, "it says no");
}

static GList *look_up_finish(GResolver *self, GAsyncResult *result, GError **error)
{
    (void)self;
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void fake_resolver_class_init(FakeResolverClass *class)
{
    class->lookup_by_name_with_flags_async = look_up;
    class->lookup_by_name_with_flags_finish = look_up_finish;
}

static void fake_resolver_init(FakeResolver *self)
{
    (void)self;
}

/* ---- the data plane ---- */

static struct {
    unsigned     n;
    MeshEndpoint to[2]; /* the last question to the first port, the second */
    uint8_t      txids[2][MESH_STUN_TXID_BYTES];
} sent;

int wire_ways_send(WirePlane *self, const WireWay *way, uint8_t ttl, MeshSpan bytes)
{
    MeshStunMessage message;
    size_t          i = way->endpoint.port == 3479;

    (void)self;
    g_assert_cmpuint(way->link, ==, 0);
    g_assert_cmpuint(ttl, ==, 0);
    g_assert_cmpint(mesh_stun_decode(bytes, &message), ==, 0);
    sent.n++;
    sent.to[i] = way->endpoint;
    memcpy(sent.txids[i], message.txid, sizeof message.txid);
    return 0;
}

/* ---- the rig ---- */

typedef struct {
    PathNat64 *nat64;
    unsigned   n_changed;
} Rig;

static void on_changed(void *user_data)
{
    ((Rig *)user_data)->n_changed++;
}

static MeshEndpoint endpoint(const char *text, uint16_t port)
{
    MeshAddr addr = { 0 };

    g_assert_cmpint(mesh_ip_parse_addr(text, &addr), ==, 0);
    return mesh_endpoint_make(&addr, port);
}

static void start(Rig *rig, gconstpointer data)
{
    PathRelay relays[] = { { .id = 1, .at6 = endpoint("2001:db8::1", 3478), .alt_port = 3479 },
                           { .id = 2, .at4 = endpoint("203.0.113.7", 3478), .alt_port = 3479 } };

    (void)data;
    memset(&dns, 0, sizeof dns);
    memset(&sent, 0, sizeof sent);
    dns.answer = "64:ff9b::c000:aa";
    rig->nat64 = path_nat64_new(NULL, on_changed, rig);
    path_nat64_set_relays(rig->nat64, relays, G_N_ELEMENTS(relays));
}

static void stop(Rig *rig, gconstpointer data)
{
    (void)data;
    path_nat64_free(rig->nat64);
    while (g_main_context_iteration(NULL, false)) /* what was cancelled comes back */
        continue;
}

static void wait_changed(Rig *rig, unsigned n)
{
    gint64 end = g_get_monotonic_time() + LIMIT_US;

    while (rig->n_changed < n) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_main_context_iteration(NULL, false);
    }
    g_assert_cmpuint(rig->n_changed, ==, n);
}

static void wait_asked(unsigned n)
{
    gint64 end = g_get_monotonic_time() + LIMIT_US;

    while (dns.n_asked < n) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_main_context_iteration(NULL, false);
    }
}

/* The relay's answer to the last question to its port @i: it sees us at @text. */
static bool answer(Rig *rig, size_t i, const char *text, uint16_t port)
{
    MeshStunMessage message = { .mapped = endpoint(text, port) };
    WireEvent       event = { .kind = WIRE_EVENT_RAW };
    uint8_t         bytes[MESH_STUN_MAX_BYTES];
    size_t          len = 0;

    memcpy(message.txid, sent.txids[i], sizeof message.txid);
    g_assert_cmpint(mesh_stun_encode_answer(&message, bytes, sizeof bytes, &len), ==, 0);
    g_assert_cmpuint(len, <=, sizeof event.data);
    memcpy(event.data, bytes, len);
    event.n_data = (uint16_t)len;
    return path_nat64_take(rig->nat64, &event);
}

/* ---- the tests ---- */

static void test_not_wanted(Rig *rig, gconstpointer data)
{
    (void)data;
    path_nat64_set_host(rig->nat64, false, true);
    while (g_main_context_iteration(NULL, false))
        continue;
    g_assert_cmpuint(dns.n_asked + sent.n + rig->n_changed, ==, 0);
    g_assert_cmpuint(path_nat64_get_prefix(rig->nat64)->bits, ==, 0);
}

/* Prefix, then our place there, by both ports of the first relay that has IPv4. */
static void test_found(Rig *rig, gconstpointer data)
{
    MeshEndpoint seen;
    MeshProbeNat nat;
    char         text[MESH_ENDPOINT_TEXT_SIZE];

    (void)data;
    path_nat64_set_host(rig->nat64, true, false);
    wait_changed(rig, 1);
    g_assert_cmpuint(path_nat64_get_prefix(rig->nat64)->bits, ==, 96);
    g_assert_false(path_nat64_get_seen(rig->nat64, &seen, &nat));
    g_assert_cmpstr(mesh_endpoint_format(&sent.to[0], text), ==, "[64:ff9b::cb00:7107]:3478");
    g_assert_cmpstr(mesh_endpoint_format(&sent.to[1], text), ==, "[64:ff9b::cb00:7107]:3479");
    g_assert_true(answer(rig, 0, "198.51.100.1", 7));
    g_assert_false(answer(rig, 0, "198.51.100.1", 8)); /* once */
    wait_changed(rig, 2);
    g_assert_true(path_nat64_get_seen(rig->nat64, &seen, &nat));
    g_assert_cmpstr(mesh_endpoint_format(&seen, text), ==, "198.51.100.1:7");
    g_assert_cmpint(nat.mapping, ==, MESH_PROBE_UNKNOWN);
    g_assert_true(answer(rig, 1, "198.51.100.1", 7));
    wait_changed(rig, 3);
    g_assert_true(path_nat64_get_seen(rig->nat64, &seen, &nat));
    g_assert_cmpint(nat.mapping, ==, MESH_PROBE_INDEPENDENT);
    path_nat64_ask(rig->nat64); /* just done */
    g_assert_cmpuint(sent.n, ==, 2);
}

static void test_hard(Rig *rig, gconstpointer data)
{
    MeshEndpoint seen;
    MeshProbeNat nat;

    (void)data;
    path_nat64_set_host(rig->nat64, true, false);
    wait_changed(rig, 1);
    g_assert_true(answer(rig, 0, "198.51.100.1", 7));
    g_assert_true(answer(rig, 1, "198.51.100.1", 8));
    wait_changed(rig, 2);
    g_assert_true(path_nat64_get_seen(rig->nat64, &seen, &nat));
    g_assert_cmpint(nat.mapping, ==, MESH_PROBE_BY_ADDRESS_AND_PORT);
}

/* What is not answered is asked again, a few times; foreign answers are not ours. */
static void test_lost(Rig *rig, gconstpointer data)
{
    gint64 end = g_get_monotonic_time() + LIMIT_US;

    (void)data;
    path_nat64_set_host(rig->nat64, true, false);
    wait_changed(rig, 1);
    sent.txids[0][0] ^= 1;
    g_assert_false(answer(rig, 0, "198.51.100.1", 7));
    sent.txids[0][0] ^= 1;
    g_assert_false(answer(rig, 0, "2001:db8::5", 7)); /* as no NAT64 shows anybody */
    g_assert_true(answer(rig, 1, "198.51.100.1", 7));
    while (sent.n < 5) { /* the first port's alone */
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_main_context_iteration(NULL, true);
    }
    g_assert_true(answer(rig, 0, "198.51.100.1", 7));
    wait_changed(rig, 2);
}

/* What a router announced counts, and DNS is asked only without it. */
static void test_announced(Rig *rig, gconstpointer data)
{
    MeshPrefix announced = { .bits = 0 }, none = { .bits = 0 };
    gint64     end = g_get_monotonic_time() + LIMIT_US;

    (void)data;
    g_assert_cmpint(mesh_ip_parse_prefix("2001:db8:64::/64", &announced), ==, 0);
    path_nat64_announce(rig->nat64, &announced);
    g_assert_cmpuint(path_nat64_get_prefix(rig->nat64)->bits, ==, 0); /* nobody wants it yet */
    path_nat64_set_host(rig->nat64, true, false);
    wait_changed(rig, 1);
    g_assert_cmpuint(path_nat64_get_prefix(rig->nat64)->bits, ==, 64);
    path_nat64_set_host(rig->nat64, true, true);
    path_nat64_announce(rig->nat64, &announced);
    g_assert_cmpuint(dns.n_asked, ==, 0);
    path_nat64_announce(rig->nat64, &none);
    g_assert_cmpuint(path_nat64_get_prefix(rig->nat64)->bits, ==, 0);
    while (path_nat64_get_prefix(rig->nat64)->bits != 96) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_main_context_iteration(NULL, false);
    }
    g_assert_cmpuint(dns.n_asked, ==, 1);
    path_nat64_announce(rig->nat64, &announced);
    g_assert_cmpuint(path_nat64_get_prefix(rig->nat64)->bits, ==, 64);
    path_nat64_set_host(rig->nat64, false, true);
    g_assert_cmpuint(path_nat64_get_prefix(rig->nat64)->bits, ==, 0);
}

/* A name server that is silent takes nothing back; "there is none" does, and IPv4 of our own. */
static void test_gone(Rig *rig, gconstpointer data)
{
    (void)data;
    path_nat64_set_host(rig->nat64, true, false);
    wait_changed(rig, 1);
    dns.answer = NULL;
    dns.error = G_RESOLVER_ERROR_TEMPORARY_FAILURE;
    path_nat64_set_host(rig->nat64, true, true);
    wait_asked(2);
    while (g_main_context_iteration(NULL, false))
        continue;
    g_assert_cmpuint(path_nat64_get_prefix(rig->nat64)->bits, ==, 96);
    dns.error = G_RESOLVER_ERROR_NOT_FOUND;
    path_nat64_set_host(rig->nat64, true, true);
    wait_changed(rig, 2);
    g_assert_cmpuint(path_nat64_get_prefix(rig->nat64)->bits, ==, 0);
    dns.answer = "2001:db8::c000:aa"; /* it comes back by itself */
    wait_changed(rig, 3);
    g_assert_cmpuint(path_nat64_get_prefix(rig->nat64)->bits, ==, 96);
    path_nat64_set_host(rig->nat64, false, true);
    wait_changed(rig, 4);
    g_assert_cmpuint(path_nat64_get_prefix(rig->nat64)->bits, ==, 0);
}

#define ADD(name, func) g_test_add("/nat64/" name, Rig, NULL, start, func, stop)

int main(int argc, char **argv)
{
    g_autoptr(GResolver) fake = NULL;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    fake = g_object_new(fake_resolver_get_type(), NULL);
    g_resolver_set_default(fake);
    ADD("not-wanted", test_not_wanted);
    ADD("found", test_found);
    ADD("another-port-for-each-destination", test_hard);
    ADD("lost-answers", test_lost);
    ADD("announced", test_announced);
    ADD("gone", test_gone);
    return g_test_run();
}
