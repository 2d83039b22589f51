/* daemon/lock/floors.c: see floors.h. The form on disk is in floorsfile.c. */
#include "daemon/lock/floors.h"

#include "common/glib/error.h"
#include "common/std/clock.h"
#include "daemon/lock/keyhash.h"

#include <stdlib.h>
#include <string.h>

#define NO_CLOCK_BEFORE INT64_C(1735689600) /* 2025: this program is younger */
#define MAX_AHEAD_S     86400               /* of a tip's time that is kept, before our own clock */

LockFloors *lock_floors_new(const MeshNetworkId *net)
{
    LockFloors *self = g_new0(LockFloors, 1);

    self->net = *net;
    self->moved = g_ptr_array_new();
    self->nodes = g_hash_table_new_full(lock_keyhash_hash, lock_keyhash_equal, NULL, g_free);
    return self;
}

void lock_floors_free(LockFloors *self)
{
    if (self == NULL)
        return;
    mesh_signed_unref(self->policy);
    g_ptr_array_unref(self->moved);
    g_hash_table_unref(self->nodes);
    g_free(self);
}

LockFloor *lock_floors_find(LockFloors *self, const MeshKey *node)
{
    return g_hash_table_lookup(self->nodes, node);
}

/* Something of @floor was raised, or it is new. */
static void note_move(LockFloors *self, LockFloor *floor)
{
    floor->moves++;
    self->changed = true;
    if (!floor->listed)
        g_ptr_array_add(self->moved, floor);
    floor->listed = true;
}

void lock_floors_note_stored(LockFloors *self)
{
    for (guint i = 0; i < self->moved->len; i++)
        ((LockFloor *)self->moved->pdata[i])->listed = false;
    g_ptr_array_set_size(self->moved, 0);
    self->changed = self->policy_moved = false;
}

/* NULL: the table is full. */
static LockFloor *get_floor(LockFloors *self, const MeshKey *node, GError **error)
{
    LockFloor *floor = lock_floors_find(self, node);

    if (floor != NULL)
        return floor;
    if (g_hash_table_size(self->nodes) >= LOCK_FLOORS_MAX_NODES) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_LIMIT, "more than %u nodes were seen",
                    LOCK_FLOORS_MAX_NODES);
        return NULL;
    }
    floor = g_new0(LockFloor, 1);
    floor->node = *node;
    g_hash_table_insert(self->nodes, &floor->node, floor);
    note_move(self, floor);
    return floor;
}

/* By the boot clock: the wall clock may be set at any time, and the server's word stands. */
static int64_t get_told(const LockFloors *self)
{
    return self->heard_s + (mesh_clock_boot_ms() - self->heard_boot_ms) / 1000;
}

int64_t lock_floors_now(const LockFloors *self)
{
    int64_t now = self->heard ? get_told(self) : mesh_clock_wall_s();
    int64_t least = self->time + (mesh_clock_boot_ms() - self->time_boot_ms) / 1000;

    return self->time > 0 ? MAX(now, least) : now;
}

static bool rollback(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool rollback(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (error != NULL)
        *error = g_error_new_valist(MESH_ERROR, MESH_ERROR_ROLLBACK, format, args);
    va_end(args);
    return false;
}

/* (epoch, ver) a is older than b. */
static bool is_older(uint64_t epoch_a, uint64_t ver_a, uint64_t epoch_b, uint64_t ver_b)
{
    return epoch_a < epoch_b || (epoch_a == epoch_b && ver_a < ver_b);
}

/* A floor is for ever: of a server whose clock is wrong for a moment it would end all memberships
 * for good. So it stays near our own clock, unless that one is none. */
static void take_time(LockFloors *self, int64_t time)
{
    int64_t wall = mesh_clock_wall_s();

    if (wall >= NO_CLOCK_BEFORE && time > wall + MAX_AHEAD_S)
        return;
    if (time <= self->time + (mesh_clock_boot_ms() - self->time_boot_ms) / 1000)
        return;
    self->time = time;
    self->time_boot_ms = mesh_clock_boot_ms();
}

bool lock_floors_take_tip(LockFloors *self, const MeshTip *tip, GError **error)
{
    if (is_older(tip->epoch, tip->ver, self->tip_epoch, self->tip_ver))
        return rollback(error,
                        "tip: version %" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT
                        " is older than %" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT ", seen before",
                        tip->epoch, tip->ver, self->tip_epoch, self->tip_ver);
    if (tip->pver < self->pver)
        return rollback(error,
                        "tip: policy version %" G_GUINT64_FORMAT " is older than %" G_GUINT64_FORMAT
                        ", seen before",
                        tip->pver, self->pver);
    if (tip->epoch != self->tip_epoch || tip->ver != self->tip_ver)
        self->changed = true;
    self->tip_epoch = tip->epoch;
    self->tip_ver = tip->ver;
    take_time(self, tip->time);
    return true;
}

bool lock_floors_take_map(LockFloors *self, const MeshNetmapHead *head, GError **error)
{
    uint64_t epoch = head->epoch, ver = head->ver;

    if (is_older(head->epoch, head->ver, self->map_epoch, self->map_ver))
        return rollback(error,
                        "map: version %" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT
                        " is older than %" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT ", used before",
                        head->epoch, head->ver, self->map_epoch, self->map_ver);
    if (is_older(self->tip_epoch, self->tip_ver, epoch, ver)) {
        epoch = self->tip_epoch; /* the cursor is not signed: no floor above what a tip said */
        ver = self->tip_ver;
    }
    if (!is_older(self->map_epoch, self->map_ver, epoch, ver))
        return true;
    self->map_epoch = epoch;
    self->map_ver = ver;
    self->changed = true;
    return true;
}

static bool is_blank(const LockHash *hash)
{
    static const LockHash zero;

    return memcmp(hash, &zero, sizeof(zero)) == 0;
}

/* One number and the body it came with: never lower, and equal only with the same bytes. */
typedef struct {
    LockFloor      *floor;
    uint64_t       *number;
    LockHash       *hash;
    const char     *what; /* "membership: serial" */
    uint64_t        value;
    const LockHash *with;
} Step;

static bool take_step(LockFloors *self, const Step *step, GError **error)
{
    if (step->value < *step->number)
        return rollback(error, "%s %" G_GUINT64_FORMAT " is older than %" G_GUINT64_FORMAT,
                        step->what, step->value, *step->number);
    if (step->value == *step->number && !is_blank(step->hash)) {
        if (memcmp(step->with, step->hash, sizeof(LockHash)) == 0)
            return true;
        return rollback(error, "%s %" G_GUINT64_FORMAT " came with other content before",
                        step->what, step->value);
    }
    *step->number = step->value;
    *step->hash = *step->with;
    note_move(self, step->floor);
    return true;
}

bool lock_floors_take_member(LockFloors *self, const MeshMember *member, const LockHash *hash,
                             GError **error)
{
    LockFloor *floor = get_floor(self, &member->node, error);
    Step       step;

    if (floor == NULL)
        return false;
    if (floor->gone > 0 && member->serial <= floor->gone)
        return rollback(error, "it was removed from the network");
    step =
        (Step){ floor, &floor->serial, &floor->m_hash, "membership: serial", member->serial, hash };
    return take_step(self, &step, error);
}

bool lock_floors_take_k(LockFloors *self, const MeshKey *node, uint64_t seq, const LockHash *hash,
                        GError **error)
{
    LockFloor *floor = get_floor(self, node, error);
    Step       step;

    if (floor == NULL)
        return false;
    step = (Step){ floor, &floor->k_seq, &floor->k_hash, "record: seq", seq, hash };
    return take_step(self, &step, error);
}

GBytes *lock_floors_list_proven(const LockFloors *self)
{
    size_t         room = 2 * (size_t)g_hash_table_size(self->nodes), n = 0;
    LockHash      *list = g_new0(LockHash, room + 1);
    GHashTableIter iter;
    gpointer       value;

    g_hash_table_iter_init(&iter, self->nodes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const LockFloor *floor = value;

        if (!is_blank(&floor->m_hash))
            list[n++] = floor->m_hash;
        if (!is_blank(&floor->k_hash))
            list[n++] = floor->k_hash;
    }
    qsort(list, n, sizeof(*list), lock_check_compare_hashes);
    return g_bytes_new_take(list, n * sizeof(*list));
}

void lock_floors_take_gone(LockFloors *self, const MeshGone *gone)
{
    LockFloor *floor = get_floor(self, &gone->node, NULL);

    if (floor == NULL || floor->gone >= gone->serial)
        return;
    floor->gone = gone->serial;
    note_move(self, floor);
}

bool lock_floors_take_policy(LockFloors *self, uint64_t ver, MeshSigned *p, GError **error)
{
    if (mesh_signed_equal(self->policy, p))
        return true;
    if (ver < self->pver)
        return rollback(error,
                        "policy: version %" G_GUINT64_FORMAT " is older than %" G_GUINT64_FORMAT,
                        ver, self->pver);
    if (ver == self->pver)
        return rollback(error,
                        "policy: version %" G_GUINT64_FORMAT " came with other content before",
                        ver);
    mesh_signed_unref(self->policy);
    self->policy = mesh_signed_ref(p);
    self->pver = ver;
    self->changed = self->policy_moved = true;
    return true;
}
