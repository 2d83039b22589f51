/* tests/daemon/test-timestamps.c: what bounds initiations' timestamps over restarts, crashes, clock
 * jumps and damaged documents; the plane here only remembers what it was told. */
#include "common/std/clock.h"
#include "daemon/timestamps.h"
#include "daemon/wire/time.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define NOW      INT64_C(1700000000)
#define HOUR     3600
#define YEARS_10 (INT64_C(10) * 365 * 24 * HOUR)

/* ---- what the planes, gates and maps of this test are ---- */

static int64_t  wall_s, boot_s, true_offset_s; /* 0: the gate knows no time */
static WireTime told;
static int64_t  taken_ns, sent_s;
static LockPeer the_peer = { .wg = { { 1, 2, 3 } } };
static size_t   n_peers;

int64_t lock_gate_true_time(const LockGate *self)
{
    (void)self;
    return true_offset_s == 0 ? 0 : boot_s + true_offset_s;
}

size_t lock_verified_count(const LockVerified *self)
{
    (void)self;
    return n_peers;
}

const LockPeer *lock_verified_get_peer(const LockVerified *self, size_t index)
{
    (void)self;
    g_assert_cmpuint(index, ==, 0);
    return &the_peer;
}

void wire_time_set(WirePlane *self, const WireTime *time)
{
    (void)self;
    told = *time;
}

int wire_plane_get_peer(WirePlane *self, const MeshKey *peer, WirePeerInfo *out_info)
{
    (void)self;
    g_assert_true(mesh_key_equal(peer, &the_peer.wg));
    *out_info = (WirePeerInfo){ .taken_ns = taken_ns };
    return 0;
}

void wire_plane_get_info(WirePlane *self, WirePlaneInfo *out_info)
{
    (void)self;
    *out_info = (WirePlaneInfo){ .sent_ns = sent_s * 1000000000 };
}

static int64_t get_wall_ns(void *data)
{
    (void)data;
    return wall_s * 1000000000;
}

static int64_t get_boot_ns(void *data)
{
    (void)data;
    return boot_s * 1000000000;
}

/* ---- the fixture ---- */

typedef struct {
    char            *dir;
    MeshdState      *state;
    MeshNetworkId    net;
    MeshdTimestamps *self;
} Fixture;

static int some_plane, some_map; /* only their addresses are used */
#define PLANE ((WirePlane *)(void *)&some_plane)
#define MAP   ((LockVerified *)(void *)&some_map)

static void start(Fixture *f)
{
    f->self = meshd_timestamps_new(f->state, &f->net, NULL);
    meshd_timestamps_start(f->self, PLANE);
}

/* As after SIGKILL: what is on disk counts. */
static void crash(Fixture *f)
{
    meshd_timestamps_free(f->self);
    meshd_state_close(f->state); /* waits for what is being saved */
    f->state = meshd_state_open(f->dir, NULL);
    g_assert_nonnull(f->state);
    start(f);
}

static void restart(Fixture *f)
{
    meshd_timestamps_stop(f->self, PLANE, MAP);
    crash(f);
}

static void set_up(Fixture *f, gconstpointer data)
{
    static const MeshClockSource source = { .boot_ns = get_boot_ns, .wall_ns = get_wall_ns };

    (void)data;
    mesh_clock_set_source(&source);
    wall_s = NOW;
    boot_s = 1000;
    true_offset_s = taken_ns = sent_s = 0;
    n_peers = 1;
    f->dir = g_dir_make_tmp("mesh-timestamps-XXXXXX", NULL);
    f->net = (MeshNetworkId){ { 1, 2, 3, 4, 5, 6, 7, 8 } };
    f->state = meshd_state_open(f->dir, NULL);
    g_assert_nonnull(f->state);
    start(f);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", f->dir);

    (void)data;
    mesh_clock_set_source(NULL);
    meshd_timestamps_free(f->self);
    meshd_state_close(f->state);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    g_free(f->dir);
}

/* ---- tests ---- */

static void test_first_start(Fixture *f, gconstpointer data)
{
    (void)f;
    (void)data;
    g_assert_cmpint(told.true_s, ==, 0);
    g_assert_cmpint(told.from_s, ==, 0);
    g_assert_cmpint(told.until_s, ==, NOW + HOUR / 2 - 10);
}

/* A crash forgets at most half an hour: the next run begins where no timestamp was yet. */
static void test_crash(Fixture *f, gconstpointer data)
{
    (void)data;
    crash(f);
    g_assert_cmpint(told.from_s, ==, NOW + HOUR / 2);
    g_assert_cmpint(told.until_s, ==, NOW + HOUR / 2 + 15 - 10);
}

/* A crash in each minute of an hour pushes timestamps ahead less than peers refuse. */
static void test_many_crashes(Fixture *f, gconstpointer data)
{
    (void)data;
    for (int i = 0; i < 60; i++) {
        int64_t until_s = told.until_s;

        wall_s += 60;
        crash(f);
        g_assert_cmpint(told.from_s, >, until_s);
        g_assert_cmpint(told.until_s - wall_s, <, HOUR);
    }
}

static void test_clean_stop(Fixture *f, gconstpointer data)
{
    (void)data;
    restart(f); /* nothing was sent */
    g_assert_cmpint(told.from_s, ==, 1);
    sent_s = NOW + 7;
    restart(f);
    g_assert_cmpint(told.from_s, ==, NOW + 8);
    restart(f);
    g_assert_cmpint(told.from_s, ==, NOW + 8);
}

static void test_renewed_in_time(Fixture *f, gconstpointer data)
{
    (void)data;
    for (int minute = 0; minute < 300; minute++) {
        wall_s += 60;
        meshd_timestamps_keep(f->self, PLANE, MAP);
        g_assert_cmpint(told.until_s - wall_s, >=, HOUR / 4 - 60 - 10);
        g_assert_cmpint(told.until_s - wall_s, <=, HOUR / 2);
    }
    crash(f);
    g_assert_cmpint(told.from_s, >, wall_s);
}

/* A machine without a battery for its clock. */
static void test_clock_at_1970(Fixture *f, gconstpointer data)
{
    (void)data;
    sent_s = NOW + 9;
    meshd_timestamps_stop(f->self, PLANE, MAP);
    wall_s = 5;
    crash(f);
    g_assert_cmpint(told.from_s, ==, NOW + 10);
    g_assert_cmpint(told.until_s, ==, NOW + 10 + 15 - 10);
    wall_s = NOW + HOUR; /* NTP came */
    meshd_timestamps_keep(f->self, PLANE, MAP);
    g_assert_cmpint(told.until_s, ==, NOW + HOUR + HOUR / 2 - 10);
}

/* Ten years ahead for a day, with nobody who knows better; then the server is reached. */
static void test_clock_far_ahead(Fixture *f, gconstpointer data)
{
    (void)data;
    wall_s = NOW + YEARS_10;
    meshd_timestamps_keep(f->self, PLANE, MAP);
    g_assert_cmpint(told.until_s, >, NOW + YEARS_10);
    sent_s = wall_s;
    wall_s = NOW;
    restart(f);
    g_assert_cmpint(told.from_s, >=, NOW + YEARS_10); /* peers may have taken those */
    true_offset_s = NOW - boot_s;
    meshd_timestamps_keep(f->self, PLANE, MAP);
    g_assert_cmpint(told.true_s, ==, NOW);
    g_assert_cmpint(told.from_s, ==, 0);
    g_assert_cmpint(told.until_s, ==, NOW + HOUR / 2 - 10);
    crash(f);
    g_assert_cmpint(told.from_s, ==, NOW + HOUR / 2);
}

/* The clock is ahead, but less than anybody minds, so peers have taken those timestamps: what was
 * sent before the restart stays a bound, though this run's own bound lies further ahead. */
static void test_clock_ahead_in_trust(Fixture *f, gconstpointer data)
{
    (void)data;
    true_offset_s = NOW - boot_s;
    wall_s = NOW + 50 * 60;
    sent_s = wall_s;
    restart(f);
    g_assert_cmpint(told.from_s, ==, NOW + 50 * 60 + 1);
    g_assert_cmpint(told.until_s, >, NOW + HOUR);
    meshd_timestamps_keep(f->self, PLANE, MAP);
    g_assert_cmpint(told.from_s, ==, NOW + 50 * 60 + 1);
    wall_s = NOW; /* somebody sets it right before anything was sent */
    meshd_timestamps_keep(f->self, PLANE, MAP);
    g_assert_cmpint(told.from_s, ==, NOW + 50 * 60 + 1);
    g_assert_cmpint(told.until_s, >=, told.from_s);
}

/* The clock jumps while the server's time is known: timestamps follow the server. */
static void test_jump_with_true_time(Fixture *f, gconstpointer data)
{
    (void)data;
    true_offset_s = NOW - boot_s;
    for (int i = -1; i <= 1; i += 2) {
        wall_s = NOW + i * YEARS_10;
        meshd_timestamps_keep(f->self, PLANE, MAP);
        g_assert_cmpint(told.true_s, ==, NOW);
        g_assert_cmpint(told.until_s, ==, NOW + HOUR / 2 - 10);
    }
}

static void test_taken(Fixture *f, gconstpointer data)
{
    (void)data;
    g_assert_cmpint(meshd_timestamps_get(f->self, &the_peer.wg), ==, 0);
    taken_ns = NOW * 1000000000 + 16777216;
    restart(f);
    g_assert_cmpint(meshd_timestamps_get(f->self, &the_peer.wg), ==, taken_ns);
    taken_ns += 120 * INT64_C(1000000000);
    meshd_timestamps_keep(f->self, PLANE, MAP); /* each minute, for crashes */
    crash(f);
    g_assert_cmpint(meshd_timestamps_get(f->self, &the_peer.wg), ==, taken_ns);
    taken_ns = INT64_MAX; /* a peer may write what it likes */
    restart(f);
    g_assert_cmpint(meshd_timestamps_get(f->self, &the_peer.wg), ==, INT64_MAX);
    n_peers = 0; /* it left the network */
    restart(f);
    meshd_timestamps_keep(f->self, PLANE, MAP);
    g_assert_cmpint(meshd_timestamps_get(f->self, &the_peer.wg), ==, 0);
}

static void test_damaged(Fixture *f, gconstpointer data)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, strlen(data));

    meshd_timestamps_free(f->self);
    g_assert_true(meshd_state_save(f->state, &f->net, "timestamps", bytes, NULL));
    start(f);
    g_assert_cmpint(told.until_s, ==, NOW + HOUR / 2 - 10);
}

/* What the system refuses to read for a while is not replaced, and counts as soon as it is read. */
static void test_unread(Fixture *f, gconstpointer data)
{
    g_autofree char *path =
        g_build_filename(f->dir, "networks", "0102030405060708", "timestamps", NULL);
    g_autofree char *aside = g_strconcat(path, "-aside", NULL);

    (void)data;
    taken_ns = NOW * 1000000000 + 5;
    restart(f);
    g_assert_cmpint(g_rename(path, aside), ==, 0);
    g_assert_cmpint(symlink(path, path), ==, 0); /* ELOOP, for root as well */
    crash(f);
    g_assert_cmpint(told.from_s, ==, 0); /* the clock decides, meanwhile */
    g_assert_cmpint(meshd_timestamps_get(f->self, &the_peer.wg), ==, 0);
    taken_ns = 0;
    meshd_timestamps_keep(f->self, PLANE, MAP);
    restart(f);
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_SYMLINK));
    g_assert_cmpint(g_rename(aside, path), ==, 0);
    meshd_timestamps_keep(f->self, PLANE, MAP);
    g_assert_cmpint(told.from_s, ==, NOW + HOUR / 2);
    g_assert_cmpint(meshd_timestamps_get(f->self, &the_peer.wg), ==, NOW * 1000000000 + 5);
    crash(f);
    g_assert_cmpint(told.from_s, >, NOW + HOUR / 2); /* and it goes on from there */
}

static const char *const damaged[] = {
    "not JSON",
    "{}",
    "{\"sent-until\":-1,\"taken\":[]}",
    "{\"sent-until\":8589934593,\"taken\":[]}",
    "{\"sent-until\":1,\"taken\":[7]}",
    "{\"sent-until\":1,\"taken\":[{\"wg\":\"AA\",\"s\":1,\"ns\":0}]}",
};

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(Fixture *f, gconstpointer data);
    } tests[] = {
        { "first-start", test_first_start },
        { "crash", test_crash },
        { "many-crashes", test_many_crashes },
        { "clean-stop", test_clean_stop },
        { "renewed-in-time", test_renewed_in_time },
        { "clock-at-1970", test_clock_at_1970 },
        { "clock-far-ahead", test_clock_far_ahead },
        { "clock-ahead-in-trust", test_clock_ahead_in_trust },
        { "jump-with-true-time", test_jump_with_true_time },
        { "taken", test_taken },
        { "unread", test_unread },
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/timestamps/%s", tests[i].name);

        g_test_add(path, Fixture, NULL, set_up, tests[i].test, tear_down);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(damaged); i++) {
        g_autofree char *path = g_strdup_printf("/timestamps/damaged/%zu", i);

        g_test_add(path, Fixture, damaged[i], set_up, test_damaged, tear_down);
    }
    return g_test_run();
}
