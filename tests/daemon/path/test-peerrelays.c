/* Tests of daemon/path/peerrelays.c: whom a pair meets at, and how long it holds him. */
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "daemon/path/peerrelays.h"
#include "daemon/wire/ways.h"

#include <string.h>
#include <sys/socket.h>

enum { KEEPERS = 12 };

static unsigned n_sent;
static int64_t  now_ms;

static int64_t get_boot_ns(void *user_data)
{
    (void)user_data;
    return now_ms * 1000000;
}

static const MeshClockSource clock_source = { .boot_ns = get_boot_ns, .wall_ns = get_boot_ns };

int wire_ways_adopt_stream(WirePlane *self, uint8_t link, struct ssl_st *ssl, bool websocket)
{
    (void)self;
    (void)link;
    (void)ssl;
    (void)websocket;
    g_assert_not_reached(); /* relays that nodes keep have no TLS port */
}

int wire_ways_send(WirePlane *self, const WireWay *way, uint8_t ttl, MeshSpan bytes)
{
    (void)self, (void)way, (void)ttl, (void)bytes;
    n_sent++;
    return 0;
}

int wire_ways_put_link(WirePlane *self, uint8_t link, const WireLink *what)
{
    (void)self, (void)link, (void)what;
    g_assert_not_reached(); /* nothing answers here */
}

void wire_ways_remove_link(WirePlane *self, uint8_t link)
{
    (void)self;
    g_assert_cmpuint(link, >=, PATH_FIRST_PEER_LINK);
    g_assert_cmpuint(link, <=, PATH_LAST_PEER_LINK);
}

static void on_changed(void *user_data)
{
    (void)user_data;
}

typedef struct {
    PathPeerRelays    *relays;
    MeshRecordRelay    kept[KEEPERS];
    MeshRecordEndpoint at[KEEPERS];
    char               names[KEEPERS][8];
    PathPeer           peers[KEEPERS]; /* each keeps a relay */
} Fixture;

static MeshKey make_key(unsigned n)
{
    MeshKey key = { { (uint8_t)(n * 7 + 1), (uint8_t)n } };

    return key;
}

static void set_up(Fixture *f, gconstpointer data)
{
    PathPeerRelaysEvents events = { on_changed, NULL };
    MeshAddr             addr;

    (void)data;
    now_ms = 1000000;
    f->relays = path_peerrelays_new(NULL, &events);
    path_peerrelays_set_reach(f->relays, &(PathReach){ .has4 = true });
    for (unsigned i = 0; i < KEEPERS; i++) {
        g_snprintf(f->names[i], sizeof f->names[i], "k%u", i);
        g_assert_cmpint(mesh_ip_parse_addr("192.0.2.1", &addr), ==, 0);
        f->kept[i] = (MeshRecordRelay){ .port = 700, .key = make_key(100 + i) };
        f->at[i].endpoint = mesh_endpoint_make(&addr, 51820);
        f->peers[i] = (PathPeer){ .wg = make_key(i),
                                  .probe_key = make_key(50 + i),
                                  .online = true,
                                  .n_endpoints = 1,
                                  .endpoints = &f->at[i],
                                  .relay = &f->kept[i],
                                  .name = f->names[i] };
    }
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    path_peerrelays_free(f->relays);
}

/* The names of the relays where it meets @peer a while later, and lets go of them. */
static char *meet(Fixture *f, const MeshKey *own, const PathPeer *peer)
{
    uint8_t  links[PATH_PAIR_RELAYS];
    size_t   n = path_peerrelays_hold(f->relays, peer, own, links);
    GString *text = g_string_new(NULL);

    now_ms += 5000;
    for (size_t i = 0; i < n; i++) {
        g_string_append_printf(text, "%s ", path_peerrelays_name(f->relays, links[i]));
        g_assert_false(path_peerrelays_is_bound(f->relays, links[i]));
    }
    for (size_t i = 0; i < n; i++)
        path_peerrelays_release(f->relays, links[i]);
    for (size_t i = 0; i < n; i++)
        g_assert_null(path_peerrelays_name(f->relays, links[i]));
    return g_string_free(text, FALSE);
}

/* Both ends come to the same relays, whoever asks; neither to one that an end of the pair keeps. */
static void test_same_for_both(Fixture *f, gconstpointer data)
{
    unsigned different = 0;

    (void)data;
    g_assert_true(path_peerrelays_offer(f->relays, f->peers, KEEPERS));
    for (unsigned a = 200; a < 232; a++) {
        MeshKey          one = make_key(a), two = make_key(a + 1);
        PathPeer         to_two = { .wg = make_key(240), .probe_key = two };
        PathPeer         to_one = { .wg = make_key(241), .probe_key = one };
        g_autofree char *here = meet(f, &one, &to_two), *there = meet(f, &two, &to_one);

        g_assert_cmpstr(here, ==, there);
        g_assert_cmpuint(strlen(here), >, 3);
        different += !g_str_has_prefix(here, "k0 ");
    }
    g_assert_cmpuint(different, >, 16); /* and pairs spread over what there is */
}

static void test_not_the_peers_own(Fixture *f, gconstpointer data)
{
    MeshKey own = make_key(90);

    (void)data;
    g_assert_true(path_peerrelays_offer(f->relays, f->peers, 2));
    for (unsigned i = 0; i < 2; i++) {
        g_autofree char *text = meet(f, &own, &f->peers[i]);

        g_assert_cmpstr(text, ==, i == 0 ? "k1 " : "k0 ");
    }
}

static void test_offers(Fixture *f, gconstpointer data)
{
    MeshKey          own = make_key(90);
    PathPeer         peer = { .wg = make_key(240), .probe_key = make_key(91) };
    g_autofree char *none = NULL, *one = NULL;

    (void)data;
    f->peers[0].online = false;
    f->peers[1].relay = NULL;
    g_assert_false(path_peerrelays_offer(f->relays, f->peers, 2));
    none = meet(f, &own, &peer);
    g_assert_cmpstr(none, ==, "");
    f->peers[0].online = true;
    g_assert_true(path_peerrelays_offer(f->relays, f->peers, 2));
    g_assert_false(path_peerrelays_offer(f->relays, f->peers, 2)); /* nothing more */
    one = meet(f, &own, &peer);
    g_assert_cmpstr(one, ==, "k0 ");
}

/* More pairs than links: the rest goes on by the server's relay. A link is another's only when the
 * last who held it has let go. */
static void test_bound(Fixture *f, gconstpointer data)
{
    uint8_t  links[64][PATH_PAIR_RELAYS];
    size_t   n[64], held = 0, first = 0;
    MeshKey  own = make_key(90);
    PathPeer peer = { .wg = make_key(240) };

    (void)data;
    g_assert_true(path_peerrelays_offer(f->relays, f->peers, KEEPERS));
    for (unsigned i = 0; i < 64; i++) {
        peer.probe_key = make_key(120 + i);
        n[i] = path_peerrelays_hold(f->relays, &peer, &own, links[i]);
        held += n[i];
        for (size_t k = 0; k < n[i]; k++)
            g_assert_cmpuint(links[i][k], <=, PATH_LAST_PEER_LINK);
        first += n[i] > 0 && links[i][0] == links[0][0];
    }
    g_assert_cmpuint(held, <, 64 * PATH_PAIR_RELAYS);
    g_assert_cmpuint(first, >, 1);
    path_peerrelays_release(f->relays, links[0][0]);
    g_assert_nonnull(path_peerrelays_name(f->relays, links[0][0]));
    for (unsigned i = 0; i < 64; i++)
        for (size_t k = i == 0 ? 1 : 0; k < n[i]; k++)
            path_peerrelays_release(f->relays, links[i][k]);
    for (uint8_t link = PATH_FIRST_PEER_LINK; link <= PATH_LAST_PEER_LINK; link++)
        g_assert_null(path_peerrelays_name(f->relays, link));
    g_assert_null(path_peerrelays_name(f->relays, 1));
    g_assert_null(path_peerrelays_name(f->relays, PATH_LAST_PEER_LINK + 1));
}

/* Members who name ever new relays, at whatever address: nobody is sent more than a little. */
static void test_aimed(Fixture *f, gconstpointer data)
{
    MeshKey  own = make_key(90);
    PathPeer peer = { .wg = make_key(240), .probe_key = make_key(91) };
    uint8_t  links[PATH_PAIR_RELAYS];

    (void)data;
    n_sent = 0;
    for (unsigned i = 0; i < 1000; i++) {
        size_t n;

        for (unsigned k = 0; k < KEEPERS; k++)
            f->kept[k].key.bytes[2 + i / 250]++;
        g_assert_true(path_peerrelays_offer(f->relays, f->peers, KEEPERS));
        n = path_peerrelays_hold(f->relays, &peer, &own, links);
        while (n > 0)
            path_peerrelays_release(f->relays, links[--n]);
        now_ms += 10;
    }
    g_assert_cmpuint(n_sent, >=, 4);
    g_assert_cmpuint(n_sent, <=, 4 + 10); /* one a second */
}

#define ADD(path, function) g_test_add(path, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mesh_clock_set_source(&clock_source);
    ADD("/path/peerrelays/same-for-both", test_same_for_both);
    ADD("/path/peerrelays/not-the-peers-own", test_not_the_peers_own);
    ADD("/path/peerrelays/offers", test_offers);
    ADD("/path/peerrelays/aimed", test_aimed);
    ADD("/path/peerrelays/bound", test_bound);
    return g_test_run();
}
