/* tests/fuzz/fuzz-floors.c: the stored floors of a network: refused, or floors that refuse the same
 * after they were written back. */
#include "common/std/clock.h"
#include "daemon/lock/floorsfile.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

static const MeshNetworkId net = { { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef } };

static int64_t stand_still(void *data)
{
    (void)data;
    return INT64_C(1790000000) * 1000000000;
}

static void check_floor(gpointer key, gpointer value, gpointer data)
{
    LockFloor *floor = value, *other = lock_floors_find(data, key);

    assert(other != NULL && memcmp(floor, other, sizeof *floor) == 0);
}

/* What lies below a floor is refused, and told so. */
static void check_refusal(LockFloors *floors)
{
    MeshTip tip = { .epoch = floors->tip_epoch, .ver = floors->tip_ver, .pver = floors->pver };
    g_autoptr(GError) error = NULL;

    if (tip.epoch == 0)
        return;
    tip.epoch--;
    assert(!lock_floors_take_tip(floors, &tip, &error));
    fuzz_refused(&error);
}

/* A blank behind it, and the nodes are read by the table of their fields, not by the scanner for
 * our own form: that must make no difference. */
static void check_reader(const char *text, size_t len, LockFloors *floors, bool good)
{
    g_autofree char *loose = g_malloc(len + 1);
    LockFloors      *other = lock_floors_new(&net);

    memcpy(loose, text, len);
    loose[len] = ' ';
    assert(lock_floors_decode(other, loose, len + 1, NULL) == good);
    if (good) {
        assert(g_hash_table_size(floors->nodes) == g_hash_table_size(other->nodes));
        g_hash_table_foreach(floors->nodes, check_floor, other);
        assert(floors->map_ver == other->map_ver && floors->pver == other->pver);
        assert(mesh_signed_equal(floors->policy, other->policy));
    }
    lock_floors_free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const MeshClockSource clock = { .boot_ns = stand_still, .wall_ns = stand_still };
    LockFloors                  *floors = lock_floors_new(&net), *again = lock_floors_new(&net);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    bool             good;

    mesh_clock_set_source(&clock);
    good = lock_floors_decode(floors, (const char *)data, len, &error);
    check_reader((const char *)data, len, floors, good);
    if (fuzz_outcome(good, &error)) {
        text = lock_floors_encode(floors, &len);
        assert(lock_floors_decode(again, text, len, &error));
        assert(g_hash_table_size(floors->nodes) == g_hash_table_size(again->nodes));
        g_hash_table_foreach(floors->nodes, check_floor, again);
        assert(floors->map_epoch == again->map_epoch && floors->map_ver == again->map_ver);
        assert(floors->tip_epoch == again->tip_epoch && floors->tip_ver == again->tip_ver);
        assert(floors->pver == again->pver && floors->time == again->time);
        assert(mesh_signed_equal(floors->policy, again->policy));
        check_refusal(again);
    }
    lock_floors_free(floors);
    lock_floors_free(again);
    return 0;
}
