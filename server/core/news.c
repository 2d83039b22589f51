/* server/core/news.c: see news.h. */
#include "server/core/news.h"

#include "common/std/clock.h"
#include "server/core/delta.h"
#include "server/core/netmap.h"
#include "server/core/presence.h"
#include "server/core/waiters.h"

#include <string.h>

/* One flush in the making. */
typedef struct {
    CoreNetwork *network;
    GHashTable  *encoded; /* CoreNode → owned text: peers in deltas */
    GHashTable *shared; /* version told last → owned GArray of CoreLine, for all of that version */
    GArray     *on, *off; /* indexes */
    GArray     *seen;     /* of off: when */
} Flush;

/* --- when ------------------------------------------------------------------------------------ */

static void on_flush(void *context, void *data)
{
    core_news_flush(context, data);
}

static void want_flush(Core *core, CoreNetwork *network, int64_t delay_ms)
{
    int64_t now = mesh_clock_boot_ms();
    int64_t gap = MIN(network->streams->len / CORE_NEWS_STREAMS_A_MS, CORE_NEWS_MAX_GAP_MS);
    int64_t due = MAX(now + delay_ms, network->flushed_ms + gap);

    if (network->flush.armed && network->flush.due_ms <= due)
        return;
    network->flush.fire = on_flush;
    network->flush.data = network;
    core_timers_arm(core->timers, &network->flush, due - now);
}

void core_news_changed(Core *core, CoreNetwork *network)
{
    want_flush(core, network, CORE_NEWS_WINDOW_MS);
}

void core_news_moved(Core *core, CoreNode *node)
{
    if (!node->moved)
        g_ptr_array_add(node->network->endpoint_news, node);
    node->moved = true;
    want_flush(core, node->network, CORE_NEWS_WINDOW_MS);
}

void core_news_present(Core *core, CoreNode *node)
{
    if (!node->in_news)
        g_ptr_array_add(node->network->presence_news, node);
    node->in_news = true;
    want_flush(core, node->network, CORE_NEWS_PRESENCE_MS);
}

void core_news_relays(Core *core, CoreNetwork *network)
{
    network->relay_news = true;
    want_flush(core, network, CORE_NEWS_WINDOW_MS);
}

/* --- what ------------------------------------------------------------------------------------ */

/* Also of who changed and changed back: a stream that was opened between was told of the middle. */
static void collect_presence(Flush *flush)
{
    GPtrArray *news = flush->network->presence_news;

    for (guint i = 0; i < news->len; i++) {
        CoreNode *node = g_ptr_array_index(news, i);

        uint32_t seen = core_presence_get_seen(node);

        node->in_news = false;
        if (node->row->state != CORE_NODE_ACTIVE)
            continue;
        g_array_append_val(node->online ? flush->on : flush->off, node->row->index);
        if (!node->online)
            g_array_append_val(flush->seen, seen);
    }
    g_ptr_array_set_size(news, 0);
}

static void add_endpoints(const Flush *flush, GArray *lines, const CoreNode *viewer)
{
    const GPtrArray *news = flush->network->endpoint_news;

    for (guint i = 0; i < news->len; i++) {
        CoreNode *node = g_ptr_array_index(news, i);

        if (node != viewer && node->e != NULL && node->row->state == CORE_NODE_ACTIVE)
            core_netmap_add(lines, CORE_LINE_EP, node->row->index, core_netmap_get_ep(node));
    }
}

static void add_relays(GArray *lines, const CoreNetwork *network)
{
    MeshMapline line = { .type = MESH_MAPLINE_RELAYS, .relays = network->relays->ver };

    if (network->relay_news)
        core_netmap_take(lines, CORE_LINE_PRESENCE, 0, core_netmap_encode(&line));
}

/* All that is new since @ver. @viewer: who is among it; NULL: nobody who gets this. Owned; NULL:
 * one change alone is too long for a line. */
static GArray *make_lines(Flush *flush, const CoreNode *viewer, uint64_t ver)
{
    GArray *lines = core_netmap_new_lines();

    if (ver < flush->network->row.ver &&
        !core_delta_add(lines, flush->network, viewer, ver, flush->encoded)) {
        g_array_unref(lines);
        return NULL;
    }
    add_relays(lines, flush->network);
    add_endpoints(flush, lines, viewer);
    core_netmap_add_presence(lines, flush->on, NULL);
    core_netmap_add_presence(lines, flush->off, flush->seen);
    return lines;
}

/* The lines of @stream: its own where the news are about its node too. Owned. */
static GArray *take_lines(Flush *flush, const CoreStream *stream)
{
    uint64_t key = stream->ver;
    GArray  *lines;

    if (stream->node->moved || stream->node->item.ver > stream->ver)
        return make_lines(flush, stream->node, stream->ver);
    lines = g_hash_table_lookup(flush->shared, &key);
    if (lines == NULL) {
        lines = make_lines(flush, NULL, stream->ver);
        if (lines == NULL)
            return NULL;
        g_hash_table_insert(flush->shared, g_memdup2(&key, sizeof key), lines);
    }
    return g_array_ref(lines);
}

static void tell(Core *core, Flush *flush, CoreStream *stream)
{
    GArray     *lines = take_lines(flush, stream);
    CoreAnswer *answer;

    if (lines == NULL) { /* the snapshot it asks for then has room for everything */
        core_waiters_end(core, stream, core_netmap_encode_end(MESH_MAPLINE_RESYNC, false));
        return;
    }
    stream->ver = flush->network->row.ver;
    if (lines->len == 0) {
        g_array_unref(lines);
        return;
    }
    answer = core_answer_new(200);
    answer->lines = lines;
    core_answer_send(stream->to, answer);
}

static void free_lines(gpointer lines)
{
    g_array_unref(lines);
}

void core_news_flush(Core *core, CoreNetwork *network)
{
    Flush flush = { .network = network };

    core_timers_disarm(core->timers, &network->flush);
    flush.encoded = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    flush.shared = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, free_lines);
    flush.on = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    flush.off = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    flush.seen = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    collect_presence(&flush);
    for (guint i = network->streams->len; i-- > 0;) /* backwards: one may end */
        tell(core, &flush, g_ptr_array_index(network->streams, i));
    for (guint i = 0; i < network->endpoint_news->len; i++)
        ((CoreNode *)g_ptr_array_index(network->endpoint_news, i))->moved = false;
    g_ptr_array_set_size(network->endpoint_news, 0);
    network->relay_news = false;
    network->flushed_ms = mesh_clock_boot_ms();
    g_hash_table_unref(flush.encoded);
    g_hash_table_unref(flush.shared);
    g_array_unref(flush.on);
    g_array_unref(flush.off);
    g_array_unref(flush.seen);
}
