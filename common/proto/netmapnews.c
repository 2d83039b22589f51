/* common/proto/netmapnews.c: see netmapnews.h. The text is that of the whole (netmapcache.c) with
 * the peers that changed or came, and "gone" in its head: the indexes of who went. */
#include "common/proto/netmapnews.h"

#include "common/proto/netmapstore.h"

enum {
    SHARE = 8, /* of the peers: of more news the whole is the better text */
    LEAST = 64,
};

void mesh_netmapnews_note(MeshNetmap *self, uint32_t index)
{
    MeshNetmapNews *news = self->news;

    if (news->whole)
        return;
    g_hash_table_add(news->indexes, GUINT_TO_POINTER(index));
    if (g_hash_table_size(news->indexes) <= self->peers->len / SHARE + LEAST)
        return;
    news->whole = true;
    g_hash_table_remove_all(news->indexes);
}

void mesh_netmap_forget_news(const MeshNetmap *self)
{
    self->news->whole = self->news->head = false;
    g_hash_table_remove_all(self->news->indexes);
}

static int compare_indexes(gconstpointer a, gconstpointer b)
{
    guint x = *(const guint *)a, y = *(const guint *)b;

    return x < y ? -1 : x > y;
}

/* Owned, of guint. */
static GArray *list_indexes(const MeshNetmapNews *news)
{
    GArray        *list = g_array_new(FALSE, FALSE, sizeof(guint));
    GHashTableIter iter;
    gpointer       key;

    g_hash_table_iter_init(&iter, news->indexes);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        guint index = GPOINTER_TO_UINT(key);

        g_array_append_val(list, index);
    }
    g_array_sort(list, compare_indexes);
    return list;
}

char *mesh_netmap_encode_news(const MeshNetmap *self, size_t *out_len)
{
    g_autoptr(GArray) indexes = list_indexes(self->news);
    MeshJsonOut out;
    int64_t     n_put = 0;

    if (self->news->whole)
        return NULL;
    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_int(&out, "format", 2);
    mesh_jsonout_int(&out, "epoch", (int64_t)self->head.epoch);
    mesh_jsonout_int(&out, "ver", (int64_t)self->head.ver);
    if (self->news->head)
        mesh_netmapcache_put_head(self, &out);
    mesh_jsonout_open(&out, "gone", '[');
    for (guint i = 0; i < indexes->len; i++) {
        guint index = g_array_index(indexes, guint, i);

        if (mesh_netmap_find_peer(self, index) == NULL)
            mesh_jsonout_int(&out, NULL, index);
        else
            n_put++;
    }
    mesh_jsonout_close(&out, ']');
    mesh_jsonout_int(&out, "count", n_put);
    mesh_jsonout_close(&out, '}');
    g_string_append_c(out.text, '\n');
    for (guint i = 0; i < indexes->len; i++) {
        const MeshPeer *peer = mesh_netmap_find_peer(self, g_array_index(indexes, guint, i));

        if (peer != NULL)
            mesh_netmapcache_put_peer(peer, &out);
    }
    return mesh_jsonout_finish(&out, out_len);
}

bool mesh_netmap_take_news(MeshNetmap *self, const char *text, size_t len, GError **error)
{
    return mesh_netmapcache_read_change(self, text, len, error);
}
