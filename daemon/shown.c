#include "daemon/shown.h"

#include "common/glib/keyset.h"
#include "common/std/clock.h"
#include "daemon/lock/compare.h"

enum {
    FEW = 512,       /* peers: looking at all of them takes half a millisecond */
    MAX_NOTED = 512, /* of more it is as well to look at all */
    ALL_AFTER_MS = 60000,
};

struct MeshdShown {
    LockVerified *map;   /* as it was shown; NULL: none */
    GHashTable   *noted; /* MeshKey, owned: a set */
    bool          all;
    int64_t       all_ms; /* boot clock: when all were looked at */
};

MeshdShown *meshd_shown_new(void)
{
    MeshdShown *self = g_new0(MeshdShown, 1);

    self->noted = g_hash_table_new_full(mesh_keyset_hash, mesh_keyset_equal, g_free, NULL);
    return self;
}

void meshd_shown_free(MeshdShown *self)
{
    if (self == NULL)
        return;
    lock_verified_unref(self->map);
    g_hash_table_unref(self->noted);
    g_free(self);
}

void meshd_shown_note(MeshdShown *self, const MeshKey *wg)
{
    if (wg == NULL || g_hash_table_size(self->noted) >= MAX_NOTED)
        self->all = true;
    else
        g_hash_table_add(self->noted, g_memdup2(wg, sizeof *wg));
}

static bool is_all_due(const MeshdShown *self, const LockVerified *map)
{
    return self->all || map == NULL || self->map == NULL || lock_verified_count(map) <= FEW ||
           mesh_clock_boot_ms() - self->all_ms >= ALL_AFTER_MS;
}

static void keep(MeshdShown *self, LockVerified *map)
{
    lock_verified_ref(map);
    lock_verified_unref(self->map);
    self->map = map;
    g_hash_table_remove_all(self->noted);
}

bool meshd_shown_take(MeshdShown *self, LockVerified *map, GPtrArray *changed, GPtrArray *gone)
{
    g_autoptr(GPtrArray) missing = g_ptr_array_new();
    GHashTableIter iter;
    gpointer       wg;

    if (is_all_due(self, map)) {
        self->all = false;
        self->all_ms = mesh_clock_boot_ms();
        keep(self, map);
        return false;
    }
    lock_verified_compare(self->map, map, missing, changed);
    for (guint i = 0; i < missing->len; i++) {
        const MeshKey *node = &((const LockPeer *)missing->pdata[i])->member->node;

        if (lock_verified_find_node(map, node) == NULL)
            g_ptr_array_add(gone, g_memdup2(node, sizeof *node));
    }
    g_hash_table_iter_init(&iter, self->noted);
    while (g_hash_table_iter_next(&iter, &wg, NULL)) {
        const LockPeer *peer = lock_verified_find_wg(map, wg);

        if (peer != NULL)
            g_ptr_array_add(changed, (gpointer)peer);
    }
    keep(self, map);
    return true;
}
