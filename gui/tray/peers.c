/* gui/tray/peers.c: a bounded table of peers. */
#include "gui/tray/peers.h"

#include <string.h>

enum { PEERS_MAX = 32768 };

struct TrayPeers {
    GHashTable *by_node; /* owned node key → owned Entry */
};

typedef struct {
    bool is_online;
    char address[48];
    char name[]; /* nodes are many: one allocation each */
} Entry;

typedef struct {
    const Entry *entry;
    unsigned     age; /* place in the list of those copied; UINT_MAX: not there */
} Candidate;

TrayPeers *tray_peers_new(void)
{
    TrayPeers *self = g_new0(TrayPeers, 1);

    self->by_node = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return self;
}

void tray_peers_free(TrayPeers *self)
{
    if (self == NULL)
        return;
    g_hash_table_unref(self->by_node);
    g_free(self);
}

void tray_peers_clear(TrayPeers *self)
{
    g_hash_table_remove_all(self->by_node);
}

unsigned tray_peers_count(TrayPeers *self)
{
    return g_hash_table_size(self->by_node);
}

void tray_peers_put(TrayPeers *self, GVariant *peer)
{
    g_autofree const char **addresses = NULL;
    const char             *node = NULL, *name = NULL;
    gboolean                is_online = FALSE;
    size_t                  size;
    Entry                  *entry;

    if (!g_variant_lookup(peer, "node", "&s", &node) ||
        !g_variant_lookup(peer, "name", "&s", &name) ||
        !g_variant_lookup(peer, "addresses", "^a&s", &addresses) || addresses[0] == NULL)
        return;
    if (!g_hash_table_contains(self->by_node, node) && tray_peers_count(self) == PEERS_MAX)
        return;
    (void)g_variant_lookup(peer, "online", "b", &is_online);
    size = strlen(name) + 1;
    entry = g_malloc(sizeof *entry + size);
    entry->is_online = is_online;
    g_strlcpy(entry->address, addresses[0], sizeof entry->address);
    memcpy(entry->name, name, size);
    g_hash_table_replace(self->by_node, g_strdup(node), entry);
}

void tray_peers_remove(TrayPeers *self, const char *node)
{
    g_hash_table_remove(self->by_node, node);
}

static unsigned find_age(const char *const *copied, const char *address)
{
    for (unsigned i = 0; copied[i] != NULL; i++)
        if (strcmp(copied[i], address) == 0)
            return i;
    return G_MAXUINT;
}

static bool goes_before(const Candidate *a, const Candidate *b)
{
    if (a->age != b->age)
        return a->age < b->age;
    if (a->entry->is_online != b->entry->is_online)
        return a->entry->is_online;
    return strcmp(a->entry->name, b->entry->name) < 0;
}

/* Puts a candidate where it belongs among @n of at most @limit; returns how many there are then. */
static unsigned insert(Candidate *list, unsigned n, unsigned limit, Candidate candidate)
{
    unsigned at = n;

    if (n == limit && !goes_before(&candidate, &list[n - 1]))
        return n;
    if (n == limit)
        at = n - 1;
    for (; at > 0 && goes_before(&candidate, &list[at - 1]); at--)
        list[at] = list[at - 1];
    list[at] = candidate;
    return MIN(n + 1, limit);
}

unsigned tray_peers_pick(TrayPeers *self, const char *const *copied, TrayPeer *out, unsigned limit)
{
    g_autofree Candidate *list = g_new(Candidate, MAX(limit, 1));
    GHashTableIter        iter;
    gpointer              value;
    unsigned              n = 0;

    if (limit == 0)
        return 0;
    g_hash_table_iter_init(&iter, self->by_node);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Entry *entry = value;

        n = insert(list, n, limit, (Candidate){ entry, find_age(copied, entry->address) });
    }
    for (unsigned i = 0; i < n; i++)
        out[i] =
            (TrayPeer){ list[i].entry->name, list[i].entry->address, list[i].entry->is_online };
    return n;
}
