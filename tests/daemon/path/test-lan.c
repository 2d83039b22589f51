/* tests/daemon/path/test-lan.c: announcements on a link, which is the loopback here: what goes out,
 * what is handed on of what comes, and how much of it. */
#include "daemon/path/lan.h"

#include "common/std/hash.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT_US (60 * G_USEC_PER_SEC) /* ends a hang only */

enum { QUICK_MS = 20, NEVER_MS = 3600 * 1000 }; /* how long a second takes */

typedef struct {
    PathLan    *lan;
    MeshKey     secret, key, node;
    MeshSigned *k, *e;
    unsigned    link;
    int         fd; /* a neighbour's socket */
    unsigned    n_heard;
    MeshKey     last; /* the node heard last */
    bool        news; /* what heard() answers */
} Rig;

static const MeshNetworkId net = { { 1, 2, 3, 4, 5, 6, 7, 8 } };

static bool on_heard(const MeshLanhello *hello, void *user_data)
{
    Rig *rig = user_data;

    g_assert_cmpmem(hello->k.body.data, hello->k.body.len, "K of another", 12);
    g_assert_cmpmem(hello->e.body.data, hello->e.body.len, "E of another", 12);
    rig->n_heard++;
    rig->last = hello->node;
    return rig->news;
}

static MeshSigned *make_object(const char *body)
{
    uint8_t signature[MESH_SIGN_BYTES];

    memset(signature, 's', sizeof signature);
    return mesh_signed_new(body, strlen(body), signature, NULL);
}

static struct sockaddr_in group(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PATH_LAN_PORT) };

    g_assert_cmpint(inet_pton(AF_INET, "239.77.83.72", &at.sin_addr), ==, 1);
    return at;
}

static void open_neighbour(Rig *rig)
{
    struct sockaddr_in at = group();
    struct ip_mreqn    member = { .imr_multiaddr = at.sin_addr, .imr_ifindex = (int)rig->link };
    int                on = 1, bytes = 1 << 20;

    rig->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_cmpint(setsockopt(rig->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), ==, 0);
    g_assert_cmpint(setsockopt(rig->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), ==, 0);
    g_assert_cmpint(bind(rig->fd, (struct sockaddr *)&at, sizeof at), ==, 0);
    g_assert_cmpint(setsockopt(rig->fd, IPPROTO_IP, IP_MULTICAST_IF, &member, sizeof member), ==,
                    0);
    g_assert_cmpint(setsockopt(rig->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member), ==,
                    0);
}

static void set(Rig *rig, const MeshKey *secret)
{
    PathLanWish wish = { .lan = *secret,
                         .node = rig->node,
                         .k = rig->k,
                         .e = rig->e,
                         .links = &rig->link,
                         .n_links = 1 };

    path_lan_set(rig->lan, &wish);
}

static void start(Rig *rig, unsigned second_ms)
{
    PathLanOptions options = {
        .net = net, .heard = on_heard, .user_data = rig, .second_ms = second_ms
    };

    memset(rig->secret.bytes, 0x5a, MESH_KEY_BYTES);
    memset(rig->node.bytes, 'a', MESH_KEY_BYTES);
    mesh_lanhello_derive(&rig->secret, net.bytes, &rig->key);
    rig->link = if_nametoindex("lo");
    rig->k = make_object("K");
    rig->e = make_object("E");
    open_neighbour(rig);
    rig->lan = path_lan_new(&options);
}

static void stop(Rig *rig)
{
    path_lan_free(rig->lan);
    close(rig->fd);
    mesh_signed_unref(rig->k);
    mesh_signed_unref(rig->e);
}

/* The next announcement of the rig's that the neighbour hears. */
static void expect(Rig *rig, MeshLanhello *out, uint8_t plain[MESH_LANHELLO_MAX_BYTES])
{
    uint8_t bytes[MESH_LANHELLO_MAX_BYTES];
    gint64  end = g_get_monotonic_time() + LIMIT_US;

    for (;;) {
        ssize_t n = recv(rig->fd, bytes, sizeof bytes, 0);

        g_assert_cmpint(g_get_monotonic_time(), <, end);
        if (n < 0) {
            g_main_context_iteration(NULL, false);
            g_usleep(100);
            continue;
        }
        if (mesh_lanhello_open(&rig->key, MESH_SPAN(bytes, (size_t)n), plain, out) == 0 &&
            mesh_key_equal(&out->node, &rig->node))
            return;
    }
}

static void say_times(Rig *rig, const MeshKey *key, char node, int times)
{
    MeshLanhello       hello = { .k.body = MESH_SPAN_TEXT("K of another"),
                                 .e.body = MESH_SPAN_TEXT("E of another") };
    struct sockaddr_in at = group();
    uint8_t            bytes[MESH_LANHELLO_MAX_BYTES];
    size_t             len = 0;

    memset(hello.node.bytes, node, MESH_KEY_BYTES);
    g_assert_cmpint(mesh_lanhello_seal(key, &hello, bytes, sizeof bytes, &len), ==, 0);
    while (times-- > 0)
        g_assert_cmpint(sendto(rig->fd, bytes, len, 0, (struct sockaddr *)&at, sizeof at), ==, len);
}

static void say(Rig *rig, const MeshKey *key, char node)
{
    say_times(rig, key, node, 1);
}

static void wait_heard(Rig *rig, char node)
{
    gint64 end = g_get_monotonic_time() + LIMIT_US;

    while (rig->n_heard == 0 || rig->last.bytes[0] != (uint8_t)node) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_main_context_iteration(NULL, false);
    }
}

/* All that waits in the sockets is read. */
static void drain(void)
{
    for (unsigned idle = 0; idle < 100; idle = g_main_context_iteration(NULL, false) ? 0 : idle + 1)
        continue;
}

/* What is new goes out, and again; also what is new later. */
static void test_announces(void)
{
    Rig          rig = { 0 };
    MeshLanhello hello;
    uint8_t      plain[MESH_LANHELLO_MAX_BYTES];

    start(&rig, QUICK_MS);
    set(&rig, &rig.secret);
    g_assert_cmpuint(path_lan_count(rig.lan), ==, 1);
    for (int i = 0; i < 3; i++) {
        expect(&rig, &hello, plain);
        g_assert_cmpmem(hello.k.body.data, hello.k.body.len, "K", 1);
        g_assert_cmpmem(hello.e.body.data, hello.e.body.len, "E", 1);
    }
    expect(&rig, &hello, plain); /* after "a minute", by itself */
    mesh_signed_unref(rig.e);
    rig.e = make_object("E, newer");
    set(&rig, &rig.secret);
    do
        expect(&rig, &hello, plain);
    while (hello.e.body.len == 1);
    g_assert_cmpmem(hello.e.body.data, hello.e.body.len, "E, newer", 8);
    stop(&rig);
}

/* What is news is answered, in its time. */
static void test_answers(void)
{
    Rig          rig = { .news = true };
    MeshLanhello hello;
    uint8_t      plain[MESH_LANHELLO_MAX_BYTES];

    start(&rig, 1000); /* the next one by itself is 50 s away */
    set(&rig, &rig.secret);
    for (int i = 0; i < 3; i++)
        expect(&rig, &hello, plain);
    say(&rig, &rig.key, 'b');
    expect(&rig, &hello, plain);
    g_assert_cmpuint(rig.n_heard, ==, 1);
    stop(&rig);
}

/* Strangers, ourselves, and a network of another secret are not handed on. */
static void test_others(void)
{
    Rig     rig = { 0 };
    MeshKey other;

    start(&rig, NEVER_MS);
    other = rig.secret;
    other.bytes[0] ^= 1;
    set(&rig, &rig.secret);
    say(&rig, &other, 'x');
    say(&rig, &rig.key, 'a'); /* our own node */
    say(&rig, &rig.key, 'b');
    wait_heard(&rig, 'b');
    g_assert_cmpuint(rig.n_heard, ==, 1);
    stop(&rig);
}

/* In one second no more are opened, and noise does not count for that. */
static void test_bounded(void)
{
    Rig     rig = { 0 };
    MeshKey other = { { 1 } };

    start(&rig, NEVER_MS);
    set(&rig, &rig.secret);
    for (int i = 0; i < 100; i++)
        say(&rig, &other, 'x');
    drain();
    g_assert_cmpuint(rig.n_heard, ==, 0);
    for (int i = 0; i < 40; i++)
        say(&rig, &rig.key, 'b');
    wait_heard(&rig, 'b');
    drain();
    g_assert_cmpuint(rig.n_heard, ==, 20);
    stop(&rig);
}

/* Who repeats what he recorded spends nothing of the second: others are heard. */
static void test_repeated(void)
{
    Rig rig = { 0 };

    start(&rig, NEVER_MS);
    set(&rig, &rig.secret);
    say_times(&rig, &rig.key, 'b', 100);
    wait_heard(&rig, 'b');
    drain();
    g_assert_cmpuint(rig.n_heard, ==, 1);
    say(&rig, &rig.key, 'c');
    wait_heard(&rig, 'c');
    g_assert_cmpuint(rig.n_heard, ==, 2);
    stop(&rig);
}

/* A flood is read for a while, and then no more in this second. */
static void test_flood(void)
{
    Rig     rig = { 0 };
    MeshKey other = { { 1 } };

    start(&rig, NEVER_MS);
    set(&rig, &rig.secret);
    for (int i = 0; i < 300; i++) {
        say(&rig, &other, 'x');
        drain();
    }
    say(&rig, &rig.key, 'b');
    drain();
    g_assert_cmpuint(rig.n_heard, ==, 0);
    stop(&rig);
    rig = (Rig){ 0 };
    start(&rig, QUICK_MS); /* seconds end */
    set(&rig, &rig.secret);
    for (int i = 0; i < 300; i++) {
        say(&rig, &other, 'x');
        drain();
    }
    while (rig.n_heard == 0) { /* until the second is over */
        say(&rig, &rig.key, 'b');
        g_main_context_iteration(NULL, true);
    }
    stop(&rig);
}

/* Without a secret nothing is opened and nothing said. */
static void test_off(void)
{
    Rig           rig = { 0 };
    const MeshKey none = { { 0 } };

    start(&rig, QUICK_MS);
    set(&rig, &none);
    g_assert_cmpuint(path_lan_count(rig.lan), ==, 0);
    say(&rig, &rig.key, 'b');
    drain();
    g_assert_cmpuint(rig.n_heard, ==, 0);
    set(&rig, &rig.secret);
    say(&rig, &rig.key, 'b');
    wait_heard(&rig, 'b');
    path_lan_renew(rig.lan);
    g_assert_cmpuint(path_lan_count(rig.lan), ==, 1);
    say(&rig, &rig.key, 'c');
    wait_heard(&rig, 'c');
    set(&rig, &none);
    g_assert_cmpuint(path_lan_count(rig.lan), ==, 0);
    stop(&rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_assert_cmpint(mesh_hash_init(), ==, 0);
    g_test_add_func("/lan/announces", test_announces);
    g_test_add_func("/lan/answers", test_answers);
    g_test_add_func("/lan/others-are-not-heard", test_others);
    g_test_add_func("/lan/bounded", test_bounded);
    g_test_add_func("/lan/repeated", test_repeated);
    g_test_add_func("/lan/flood", test_flood);
    g_test_add_func("/lan/off", test_off);
    return g_test_run();
}
