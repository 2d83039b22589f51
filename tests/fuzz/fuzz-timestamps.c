/* tests/fuzz/fuzz-timestamps.c: the stored timestamps of a network, damaged or from another time:
 * whatever the document says, the plane gets a span to send in that lies ahead, what is stored
 * holds on the next start, and nothing that was taken is forgotten.
 *
 * Input: our clock, what the server's clock says (8 bytes each, signed seconds), the document. */
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "daemon/timestamps.h"
#include "daemon/wire/time.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

#define YEAR_2200 INT64_C(7258118400)

/* ---- what stands around it ---- */

static int64_t  wall_s, true_s;
static WireTime told;
static GBytes  *stored; /* the only document */

int64_t lock_gate_true_time(const LockGate *self)
{
    (void)self;
    return true_s;
}

size_t lock_verified_count(const LockVerified *self)
{
    (void)self;
    return 0;
}

const LockPeer *lock_verified_get_peer(const LockVerified *self, size_t index)
{
    (void)self;
    (void)index;
    abort(); /* there are none */
}

void wire_time_set(WirePlane *self, const WireTime *time)
{
    (void)self;
    told = *time;
}

int wire_plane_get_peer(WirePlane *self, const MeshKey *peer, WirePeerInfo *out_info)
{
    (void)self;
    (void)peer;
    (void)out_info;
    abort();
}

void wire_plane_get_info(WirePlane *self, WirePlaneInfo *out_info)
{
    (void)self;
    *out_info = (WirePlaneInfo){ .sent_ns = 0 };
}

GBytes *meshd_state_load(MeshdState *self, const MeshNetworkId *net, const char *name,
                         GError **error)
{
    (void)self;
    (void)net;
    (void)error;
    assert(strcmp(name, "timestamps") == 0);
    return stored == NULL ? NULL : g_bytes_ref(stored);
}

bool meshd_state_save(MeshdState *self, const MeshNetworkId *net, const char *name, GBytes *bytes,
                      GError **error)
{
    (void)self;
    (void)net;
    (void)name;
    (void)error;
    g_clear_pointer(&stored, g_bytes_unref);
    stored = g_bytes_ref(bytes);
    return true;
}

void meshd_state_save_later(MeshdState *self, const MeshNetworkId *net, const char *name,
                            GBytes *bytes)
{
    (void)meshd_state_save(self, net, name, bytes, NULL);
}

static int64_t get_wall_ns(void *data)
{
    (void)data;
    return wall_s * 1000000000;
}

/* ---- the promises ---- */

/* A span that is not behind us, and on disk before the plane hears of it. */
static void check_told(void)
{
    assert(told.true_s == true_s);
    assert(told.until_s == 0 || told.until_s > told.from_s);
    assert(told.until_s == 0 || stored != NULL);
    assert(told.from_s >= 0);
}

static void check_again(MeshdTimestamps *first, const MeshNetworkId *net)
{
    static const MeshKey zero, some = { { 1, 2, 3 } };
    const MeshKey       *keys[] = { &zero, &some };
    WireTime             before = told;
    MeshdTimestamps     *next = meshd_timestamps_new(NULL, net, NULL);

    meshd_timestamps_keep(first, NULL, NULL);
    check_told();
    meshd_timestamps_stop(first, NULL, NULL);
    meshd_timestamps_start(next, NULL);
    check_told();
    assert(told.from_s == 0 || told.from_s >= before.from_s); /* 0: our clock was absurd */
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        assert(meshd_timestamps_get(first, keys[i]) >= 0);
        assert(meshd_timestamps_get(first, keys[i]) == meshd_timestamps_get(next, keys[i]));
    }
    meshd_timestamps_free(next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const MeshNetworkId   net = { { 1 } };
    static const MeshClockSource clock = { .boot_ns = get_wall_ns, .wall_ns = get_wall_ns };
    FuzzInput                    in = fuzz_make_input(data, len);
    MeshdTimestamps             *self = meshd_timestamps_new(NULL, &net, NULL);

    mesh_clock_set_source(&clock);
    mesh_log_init("fuzz", MESH_LOG_ERROR); /* what is of no use is said each time */
    wall_s = (int64_t)(fuzz_take_u64(&in) % YEAR_2200);
    true_s = (int64_t)(fuzz_take_u64(&in) % YEAR_2200);
    g_clear_pointer(&stored, g_bytes_unref);
    stored = g_bytes_new(in.at, in.left);
    told = (WireTime){ .true_s = 0 };
    meshd_timestamps_start(self, NULL);
    check_told();
    check_again(self, &net);
    meshd_timestamps_free(self);
    g_clear_pointer(&stored, g_bytes_unref);
    return 0;
}
