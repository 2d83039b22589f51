/* Tests of daemon/path/hardnat.c: who begins when, and that no search goes beyond its bounds. */
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "daemon/path/relayhome.h"
#include "daemon/wire/ways.h"
#include "tests/daemon/path/hardlab.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ATTEMPT_BYTES = 100000,
    ROUND_PAUSE_MS = 600000,
    LATE_MS = 50, /* what a search makes up for */
};

/* ---- the bounds ---- */

/* A whole round against a NAT of which nothing is known, in vain: the dearest there is. */
static void test_round(void)
{
    HardlabSide *hard = &lab.sides[0], *easy = &lab.sides[1];
    static bool  from[65536];
    int64_t      began_us = g_get_monotonic_time();
    size_t       n_bytes = 0;
    unsigned     n_sent = 0;

    hardlab_set_up(MESH_PROBE_BY_ADDRESS_AND_PORT, MESH_PROBE_INDEPENDENT);
    memset(from, 0, sizeof from);
    path_hardnat_consider(&hard->seek, 0);
    g_assert_nonnull(hard->seek.hard);
    while (hard->seek.hard != NULL || easy->seek.hard != NULL) {
        g_main_context_iteration(NULL, TRUE);
        n_sent += hardlab_count_far(from, &n_bytes);
        if (easy->n_pings >= PATH_HARDPORTS_MAX)
            lab.ahead_ms += 1000; /* what follows is listening */
    }
    n_bytes += hard->n_bytes + easy->n_bytes;
    g_test_message("%u sockets, %u pings, %zu bytes", hardlab_count_set(from), easy->n_pings,
                   n_bytes);
    g_assert_cmpuint(hardlab_count_set(from), >, 250);
    g_assert_cmpuint(hardlab_count_set(from), <=, PATH_HARDPORTS_MAX_SOCKETS);
    g_assert_cmpuint(n_sent, <=, PATH_HARDPORTS_MAX_SOCKETS + 4); /* STUN of the first */
    g_assert_cmpuint(easy->n_pings, ==, PATH_HARDPORTS_MAX);
    g_assert_cmpuint(hardlab_count_set(easy->pinged), ==, PATH_HARDPORTS_MAX);
    g_assert_false(easy->strayed);
    g_assert_cmpuint(n_bytes, <=, ATTEMPT_BYTES);
    /* At most a hundred a second: a lower bound of the time, whatever else the machine does. */
    g_assert_cmpint(g_get_monotonic_time() - began_us, >=,
                    (PATH_HARDPORTS_MAX - 1) * 10000 - LATE_MS * 1000);
    g_assert_cmpuint(hard->n_calls, <=, 4);
    hardlab_tear_down();
}

static unsigned begin_again(HardlabSide *side)
{
    unsigned before = side->n_calls;

    path_hardnat_consider(&side->seek, 8);
    if (side->seek.hard == NULL)
        return 0;
    wait_for(side->n_calls > before || side->seek.hard == NULL);
    return side->n_calls - before;
}

/* Nobody knows of a hard NAT. @peers_kept: nor does the peer's change the port. */
static void set_up_guess(bool peers_kept)
{
    hardlab_set_up(MESH_PROBE_INDEPENDENT, MESH_PROBE_INDEPENDENT);
    for (int i = 0; i < 2; i++) {
        lab.sides[i].look.seen = hardlab_at_loopback(peers_kept && i == 1 ? 51820 : 4);
        lab.sides[i].seek.local_port = 1;
    }
    if (peers_kept)
        lab.sides[0].seek.local_port = lab.sides[0].seek.seen.port;
}

/* Whether one of the sides begins a search now. */
static bool begins(void)
{
    for (int i = 0; i < 2; i++)
        path_hardnat_consider(&lab.sides[i].seek, 5);
    return lab.sides[0].seek.hard != NULL || lab.sides[1].seek.hard != NULL;
}

static void forget_turns(void)
{
    for (int i = 0; i < 2; i++)
        g_clear_handle_id(&lab.sides[i].seek.hard_timer, g_source_remove);
}

/* Both sides, until nothing is under way. @n_pings: after so many nobody sends any more. Returns:
 * bytes. */
static size_t run_attempt(unsigned n_pings)
{
    static bool from[65536];
    size_t      n_bytes = 0;

    g_assert_true(begins());
    while (lab.sides[0].seek.hard != NULL || lab.sides[1].seek.hard != NULL ||
           lab.sides[0].seek.hard_timer != 0 || lab.sides[1].seek.hard_timer != 0) {
        g_main_context_iteration(NULL, TRUE);
        (void)hardlab_count_far(from, &n_bytes);
        if (lab.sides[0].n_pings + lab.sides[1].n_pings >= n_pings)
            lab.ahead_ms += 1000; /* what follows is listening */
    }
    g_assert_false(begins()); /* nor does another one follow */
    forget_turns();
    g_assert_cmpuint(lab.sides[0].n_pings + lab.sides[1].n_pings, ==, n_pings);
    return n_bytes + lab.sides[0].n_bytes + lab.sides[1].n_bytes;
}

/* Each may be the hard side, and neither is: half of what one search costs is for each. */
static void test_shared_guess(void)
{
    size_t n_bytes;

    set_up_guess(false);
    n_bytes = run_attempt(2 * PATH_HARDPORTS_HALF);
    g_test_message("%u and %u pings, %zu bytes", lab.sides[0].n_pings, lab.sides[1].n_pings,
                   n_bytes);
    for (int i = 0; i < 2; i++) {
        g_assert_cmpuint(lab.sides[i].seek.n_hard[1], ==, 1);
        g_assert_cmpuint(lab.sides[i].n_pings, ==, PATH_HARDPORTS_HALF);
    }
    g_assert_cmpuint(n_bytes, <=, ATTEMPT_BYTES);
    hardlab_tear_down();
}

/* One of them rather is: it has the whole attempt; if that was wrong the next is the other's. */
static void test_wrong_guess(void)
{
    set_up_guess(true);
    g_assert_cmpuint(run_attempt(PATH_HARDPORTS_MAX), <=, ATTEMPT_BYTES);
    g_assert_cmpuint(lab.sides[0].seek.n_hard[1], ==, 1);
    g_assert_cmpuint(lab.sides[1].seek.n_hard[1], ==, 0);
    lab.ahead_ms += ROUND_PAUSE_MS;
    g_assert_true(begins());
    g_assert_nonnull(lab.sides[1].seek.hard);
    wait_for(lab.sides[1].seek.n_hard[1] == 1);
    hardlab_tear_down();
}

/* Two rounds, the second ten minutes later; then not before the network changes. */
static void test_rounds(void)
{
    HardlabSide *hard = &lab.sides[0];

    hardlab_set_up(MESH_PROBE_BY_ADDRESS_AND_PORT, MESH_PROBE_INDEPENDENT);
    hard->host.nat.step = 1; /* the shortest round */
    g_assert_cmpuint(begin_again(hard), >, 0);
    for (unsigned round = 1; round <= 2; round++) {
        wait_for(hard->seek.n_hard[1] == round);
        while (hard->seek.hard != NULL || lab.sides[1].seek.hard != NULL) {
            g_main_context_iteration(NULL, TRUE);
            if (lab.sides[1].n_pings > 0 && lab.sides[1].seek.hard == NULL)
                lab.ahead_ms += 1000; /* the hard side listens for longer */
        }
        g_assert_cmpuint(begin_again(hard), ==, 0);
        lab.ahead_ms += ROUND_PAUSE_MS;
        g_assert_cmpint(begin_again(hard) > 0, ==, round == 1);
    }
    path_hardnat_forget(&hard->seek);
    g_assert_cmpuint(begin_again(hard), >, 0);
    hardlab_tear_down();
}

/* A NAT with so small a block would have too little left for the others behind it. */
static void test_small_block(void)
{
    HardlabSide *hard = &lab.sides[0], *easy = &lab.sides[1];
    MeshProbe    call = { .type = MESH_PROBE_CALL, .flags = MESH_PROBE_HARD, .txid = 80 };

    hardlab_set_up(MESH_PROBE_BY_ADDRESS_AND_PORT, MESH_PROBE_INDEPENDENT);
    hard->host.nat.block_first = 20480;
    hard->host.nat.block_last = 20480 + 255;
    path_hardnat_consider(&hard->seek, 8);
    g_assert_null(hard->seek.hard);
    call.nat = hard->host.nat;
    path_hardnat_take_call(&easy->seek, &call); /* from one that does not mind */
    g_assert_null(easy->seek.hard);
    hardlab_tear_down();
}

/* One at a time a node: a second peer that wants one, too, is not answered. */
static void test_one_at_a_time(void)
{
    HardlabSide *hard = &lab.sides[0], *easy = &lab.sides[1];
    MeshProbe    call = { .type = MESH_PROBE_CALL, .flags = MESH_PROBE_HARD, .txid = 77 };
    PathSeek     other;
    unsigned     n_acks;

    hardlab_set_up(MESH_PROBE_BY_ADDRESS_AND_PORT, MESH_PROBE_INDEPENDENT);
    path_hardnat_consider(&hard->seek, 0);
    wait_for(easy->n_pings > 3);
    n_acks = easy->n_acks;
    other = easy->seek;
    other.hard = NULL;
    memset(other.n_hard, 0, sizeof other.n_hard);
    path_hardnat_take_call(&other, &call);
    g_assert_null(other.hard);
    path_hardnat_take_call(&easy->seek, &call); /* nor the same peer again */
    g_assert_cmpuint(easy->n_acks, ==, n_acks);
    hardlab_tear_down();
}

/* Only the address that the relay has seen is aimed at, and not one inside. */
static void test_target(void)
{
    HardlabSide *easy = &lab.sides[1];
    MeshProbe    call = { .type = MESH_PROBE_CALL,
                          .flags = MESH_PROBE_HARD,
                          .txid = 78,
                          .nat = { .mapping = MESH_PROBE_BY_ADDRESS_AND_PORT, .step = 1 },
                          .n_candidates = 1,
                          .candidates = { { .kind = MESH_PROBE_OBSERVED } } };

    hardlab_set_up(MESH_PROBE_BY_ADDRESS_AND_PORT, MESH_PROBE_INDEPENDENT);
    easy->seek.seen = (MeshEndpoint){ .port = 0 };
    path_hardnat_take_call(&easy->seek, &call);
    g_assert_null(easy->seek.hard);
    g_assert_cmpuint(easy->n_asked, ==, 1);
    g_assert_cmpint(mesh_ip_parse_addr("192.168.1.7", &easy->seek.seen.addr), ==, 0);
    path_hardnat_take_call(&easy->seek, &call);
    g_assert_null(easy->seek.hard);
    hardlab_tear_down();
}

/* The owner of either side may not want it. */
static void test_unwanted(void)
{
    HardlabSide *hard = &lab.sides[0], *easy = &lab.sides[1];

    hardlab_set_up(MESH_PROBE_BY_ADDRESS_AND_PORT, MESH_PROBE_INDEPENDENT);
    hard->host.no_hard = true;
    path_hardnat_consider(&hard->seek, 8);
    g_assert_null(hard->seek.hard);
    hard->host.no_hard = false;
    easy->host.no_hard = true;
    path_hardnat_consider(&hard->seek, 8);
    g_assert_nonnull(hard->seek.hard);
    wait_for(hard->seek.hard == NULL);
    g_assert_cmpuint(easy->n_acks, ==, 0);
    g_assert_cmpuint(hard->seek.n_hard[1], ==, 0); /* it was no round */
    hardlab_tear_down();
}

/* Both sides hard: 75 packets of each, which what an attempt may cost has to hold. */
static void test_both(void)
{
    static const unsigned cost = 2 * 75;
    HardlabSide          *side = &lab.sides[0], *other = &lab.sides[1];
    MeshProbe             call = { .type = MESH_PROBE_CALL,
                                   .flags = MESH_PROBE_HARD,
                                   .txid = 79,
                                   .nat = { .mapping = MESH_PROBE_BY_ADDRESS_AND_PORT,
                                            .step = 1,
                                            .block_first = 40000,
                                            .block_last = 40000 } };

    hardlab_set_up(MESH_PROBE_BY_ADDRESS_AND_PORT, MESH_PROBE_BY_ADDRESS_AND_PORT);
    lab.apart = true;
    for (int i = 0; i < 2; i++) {
        lab.sides[i].host.nat.step = lab.sides[i].seek.nat.step = 1;
        lab.sides[i].seek.hard_spent_ms = mesh_clock_boot_ms();
        lab.sides[i].seek.hard_spent = PATH_HARDPORTS_BUDGET - cost + 1;
    }
    path_hardnat_consider(&side->seek, 8);
    g_assert_null(side->seek.hard);
    path_hardnat_take_call(&other->seek, &call);
    g_assert_null(other->seek.hard);
    call.nat.block_first = call.nat.block_last = 65530; /* we would aim beyond its last port */
    other->seek.hard_spent--;
    path_hardnat_take_call(&other->seek, &call);
    g_assert_null(other->seek.hard);
    call.nat.block_first = call.nat.block_last = 40000;
    path_hardnat_take_call(&other->seek, &call);
    g_assert_nonnull(other->seek.hard);
    side->seek.hard_spent--;
    path_hardnat_consider(&side->seek, 8);
    g_assert_nonnull(side->seek.hard);
    hardlab_tear_down();
}

/* ---- the canary ---- */

static void test_canary(void)
{
    HardlabSide *hard = &lab.sides[0], *easy = &lab.sides[1];
    unsigned     n_looks;

    hardlab_set_up(MESH_PROBE_BY_ADDRESS_AND_PORT, MESH_PROBE_INDEPENDENT);
    path_hardnat_consider(&hard->seek, 0);
    wait_for(easy->n_looks >= 2);
    easy->look.unanswered_us = 1000000; /* one ping of the relay is lost: by chance, perhaps */
    n_looks = easy->n_looks;
    wait_for(easy->n_looks > n_looks);
    g_assert_nonnull(easy->seek.hard);
    easy->look.unanswered_us = 0;
    wait_for(easy->n_looks > n_looks + 2);
    g_assert_nonnull(easy->seek.hard);
    easy->look.rtt_us = 90000; /* it was 30 ms */
    wait_for(easy->seek.hard == NULL);
    g_assert_cmpuint(easy->n_pings, <, PATH_HARDPORTS_MAX);
    hardlab_tear_down();
}

/* ---- the end of a search ---- */

/* The easy side's ping comes to one of our sockets. */
static void hit(void)
{
    MeshProbe          probe = { .type = MESH_PROBE_PING, .length = MESH_PROBE_PING_BYTES };
    uint8_t            bytes[MESH_PROBE_MAX_BYTES], stun[2048];
    size_t             len;
    struct sockaddr_in name;
    socklen_t          name_len = sizeof name;
    ssize_t            n;

    do
        n = recvfrom(lab.far, stun, sizeof stun, 0, (struct sockaddr *)&name, &name_len);
    while (n > 0 && stun[0] != MESH_PROBE_FIRST_BYTE);
    g_assert_cmpint(n, >, 0);
    g_assert_cmpint(mesh_probe_seal(&lab.sides[1].seek.keys, &probe, bytes, sizeof bytes, &len), ==,
                    0);
    g_assert_cmpint(sendto(lab.far, bytes, len, 0, (struct sockaddr *)&name, name_len), ==,
                    (ssize_t)len);
}

static unsigned count_fds(void)
{
    unsigned n = 0;

    for (int fd = 3; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* The socket that was met is the plane's, the others are closed. */
static void test_won(void)
{
    HardlabSide *hard = &lab.sides[0], *easy = &lab.sides[1];
    unsigned     n_before;

    hardlab_set_up(MESH_PROBE_BY_ADDRESS_AND_PORT, MESH_PROBE_INDEPENDENT);
    n_before = count_fds();
    path_hardnat_consider(&hard->seek, 0);
    wait_for(easy->n_pings > 10);
    g_assert_cmpuint(count_fds(), >, n_before + 5);
    hit();
    wait_for(hard->adopted >= 0);
    g_assert_cmpuint(hard->seek.socket, ==, 3);
    lab.ahead_ms += 2500;
    wait_for(hard->seek.hard == NULL);
    g_assert_cmpint(fcntl(hard->adopted, F_GETFD), >=, 0);
    path_hardnat_forget(&easy->seek);
    path_hardnat_forget(&hard->seek); /* another network: the plane's is of no use any more */
    g_assert_cmpuint(hard->dropped, ==, 1);
    g_assert_cmpuint(count_fds(), ==, n_before);
    hardlab_tear_down();
}

/* The plane has no room for another socket: the search goes on, and nothing is lost. */
static void test_refused(void)
{
    HardlabSide *hard = &lab.sides[0], *easy = &lab.sides[1];
    unsigned     n_pings;

    hardlab_set_up(MESH_PROBE_BY_ADDRESS_AND_PORT, MESH_PROBE_INDEPENDENT);
    hard->adopts = -ENOSPC;
    path_hardnat_consider(&hard->seek, 0);
    wait_for(easy->n_pings > 10);
    hit();
    n_pings = easy->n_pings;
    wait_for(easy->n_pings > n_pings + 5);
    g_assert_nonnull(hard->seek.hard);
    g_assert_cmpuint(hard->seek.socket, ==, 0);
    hard->adopts = 3;
    hit();
    wait_for(hard->adopted >= 0);
    g_assert_cmpuint(hard->seek.socket, ==, 3);
    hardlab_tear_down();
}

/* A direct way by other means: nothing more is sent. */
static void test_superfluous(void)
{
    HardlabSide *hard = &lab.sides[0], *easy = &lab.sides[1];
    PathWay     *way;

    hardlab_set_up(MESH_PROBE_BY_ADDRESS_AND_PORT, MESH_PROBE_INDEPENDENT);
    path_hardnat_consider(&hard->seek, 0);
    wait_for(easy->n_pings > 3);
    way = path_ways_add(&easy->seek.ways, &(WireWay){ .endpoint = easy->seek.seen },
                        PATH_RANK_OBSERVED, NULL);
    easy->seek.active = way->to;
    wait_for(easy->seek.hard == NULL);
    g_assert_cmpuint(easy->n_pings, <, 20);
    hardlab_tear_down();
}

/* ---- who begins, and when ---- */

typedef struct {
    const char         *name;
    MeshProbeDependence own, peers;
    bool                silent;       /* nobody talks */
    bool                unclassified; /* our ports were not looked at yet */
    int16_t             step;         /* of our NAT */
    uint16_t            our_port;     /* as the relay sees it; 51820 is what we have */
    uint16_t            peers_port;   /* as it has it; that seen is another in each run */
    bool                peers_kept;   /* and it is the one that is seen */
    bool                independent;  /* several servers see ours as one port */
    size_t              n_bursts;
    bool                begins, waits; /* now; after the peer's turn */
} WhenCase;

#define UNKNOWN MESH_PROBE_UNKNOWN
#define EASY    MESH_PROBE_INDEPENDENT
#define ADDRESS MESH_PROBE_BY_ADDRESS
#define HARD    MESH_PROBE_BY_ADDRESS_AND_PORT

static const WhenCase whens[] = {
    { "known-at-once", HARD, EASY, .n_bursts = 0, .begins = true },
    { "known-by-address", ADDRESS, EASY, .n_bursts = 0, .begins = true },
    { "nobody-talks", HARD, EASY, .silent = true, .n_bursts = 8 },
    { "ports-not-known", HARD, EASY, .unclassified = true, .n_bursts = 3 },
    { "ports-never-known", HARD, EASY, .unclassified = true, .n_bursts = 4, .begins = true },
    { "peer-not-known", HARD, UNKNOWN, .n_bursts = 3 },
    { "peer-never-known", HARD, UNKNOWN, .n_bursts = 4, .begins = true },
    { "the-peers-turn", EASY, HARD, .n_bursts = 8 },
    { "both-count", HARD, HARD, .step = 1, .begins = true },
    { "both-draw", HARD, HARD, .n_bursts = 8 },
    { "guess-not-yet", EASY, EASY, .our_port = 4, .peers_kept = true, .n_bursts = 4 },
    { "guess-ours", EASY, EASY, .our_port = 4, .peers_kept = true, .n_bursts = 5, .begins = true },
    { "guess-peers", EASY, EASY, .our_port = 51820, .n_bursts = 5, .waits = true },
    { "guess-caller", EASY, EASY, .our_port = 4, .n_bursts = 5, .begins = true },
    { "surely-not-ours", EASY, EASY, .our_port = 4, .peers_kept = true, .independent = true,
      .n_bursts = 5 },
};

static void test_when(gconstpointer data)
{
    const WhenCase *c = data;
    HardlabSide    *side = &lab.sides[0];

    hardlab_set_up(c->own, c->peers);
    lab.apart = true;
    side->host.ports_known = !c->unclassified;
    side->host.nat.step = c->step;
    side->host.independent = c->independent;
    side->silent = c->silent;
    side->look.seen = hardlab_at_loopback(c->our_port);
    side->seek.local_port = c->peers_kept ? side->seek.seen.port : 1;
    path_hardnat_consider(&side->seek, c->n_bursts);
    g_assert_cmpint(side->seek.hard != NULL, ==, c->begins);
    g_assert_cmpint(side->seek.hard_timer != 0, ==, c->waits);
    hardlab_tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    hardlab_start();
    g_test_add_func("/hardnat/round", test_round);
    g_test_add_func("/hardnat/rounds", test_rounds);
    g_test_add_func("/hardnat/shared-guess", test_shared_guess);
    g_test_add_func("/hardnat/wrong-guess", test_wrong_guess);
    g_test_add_func("/hardnat/small-block", test_small_block);
    g_test_add_func("/hardnat/one-at-a-time", test_one_at_a_time);
    g_test_add_func("/hardnat/target", test_target);
    g_test_add_func("/hardnat/unwanted", test_unwanted);
    g_test_add_func("/hardnat/both", test_both);
    g_test_add_func("/hardnat/canary", test_canary);
    g_test_add_func("/hardnat/won", test_won);
    g_test_add_func("/hardnat/refused", test_refused);
    g_test_add_func("/hardnat/superfluous", test_superfluous);
    for (size_t i = 0; i < G_N_ELEMENTS(whens); i++) {
        g_autofree char *path = g_strdup_printf("/hardnat/when/%s", whens[i].name);

        g_test_add_data_func(path, &whens[i], test_when);
    }
    return g_test_run();
}
