/* server/core/waiters.c: map streams and held registrations. Control thread only. */
#include "server/core/waiters.h"

#include "common/proto/register.h"
#include "server/core/clones.h"
#include "server/core/netmap.h"
#include "server/core/news.h"
#include "server/core/presence.h"

#include <string.h>

#define PENDING_RETRY_S 5

static void forget(Core *core, CoreStream *stream)
{
    CoreNode *node = stream->node;

    g_hash_table_remove(core->streams, &stream->id);
    g_ptr_array_remove_fast(node->network->streams, stream);
    node->stream = NULL;
    g_free(stream);
}

void core_waiters_end(Core *core, CoreStream *stream, GBytes *bytes)
{
    if (stream != NULL) {
        core_answer_send_line(stream->to, CORE_LINE_END, 0, g_bytes_ref(bytes));
        forget(core, stream);
    }
    g_bytes_unref(bytes);
}

void core_waiters_open(Core *core, CoreNode *node, const CoreCaller *caller,
                       const CoreMapArgs *args, CoreReturn to)
{
    CoreAnswer *answer = core_answer_new(200);
    CoreStream *stream = g_new0(CoreStream, 1);

    core_waiters_end(core, node->stream, core_netmap_encode_end(MESH_MAPLINE_REPLACED, false));
    stream->id = ++core->last_stream;
    stream->to = to;
    stream->node = node;
    memcpy(stream->start, caller->params.nonce.start, sizeof stream->start);
    node->stream = stream;
    g_hash_table_insert(core->streams, &stream->id, stream);
    g_ptr_array_add(node->network->streams, stream);
    core_presence_opened(core, node);

    answer->stream = stream->id;
    answer->hb_s = core_netmap_grant_hb(args->hb_s);
    answer->lines = core_netmap_new_lines();
    core_netmap_add_opening(answer->lines, node, caller, args);
    core_clones_add_line(node, answer->lines);
    stream->ver = node->network->row.ver;
    node->network->opened = true;
    core_answer_send(to, answer);
}

void core_waiters_close(Core *core, uint64_t id)
{
    CoreStream *stream = g_hash_table_lookup(core->streams, &id);
    CoreNode   *node;

    if (stream == NULL)
        return;
    node = stream->node;
    forget(core, stream);
    core_presence_closed(core, node);
}

/* --- held registrations ---------------------------------------------------------------------- */

static void send_active(const CoreNode *node, const MeshAddr *observed, CoreReturn to)
{
    MeshRegisterAnswer answer = {
        .active = true, .m = node->row->m, .network = node->network->row.net, .observed = *observed
    };
    size_t len;
    char  *text = mesh_register_encode_answer(&answer, &len);

    core_answer_send_body(to, 200, text, len);
}

static void send_pending(CoreReturn to)
{
    MeshRegisterAnswer answer = { .retry_in_s = PENDING_RETRY_S };
    size_t             len;
    char              *text = mesh_register_encode_answer(&answer, &len);

    core_answer_send_body(to, 202, text, len);
}

/* Takes the held registration off the node; the caller answers and frees it. NULL: none. */
static CoreWait *take_wait(Core *core, CoreNode *node)
{
    CoreWait *wait = node->wait;

    node->wait = NULL;
    if (wait != NULL)
        core_timers_disarm(core->timers, &wait->timer);
    return wait;
}

void core_waiters_release(Core *core, CoreNode *node)
{
    CoreWait *wait = take_wait(core, node);

    if (wait == NULL)
        return;
    if (node->row->state == CORE_NODE_ACTIVE)
        send_active(node, &wait->observed, wait->to);
    else
        send_pending(wait->to);
    g_free(wait);
}

void core_waiters_refuse(Core *core, CoreNode *node, MeshErrorCode code, const char *text)
{
    CoreWait *wait = take_wait(core, node);

    if (wait != NULL)
        core_answer_refuse(wait->to, code, text);
    g_free(wait);
}

static void on_wait_over(void *context, void *data)
{
    core_waiters_release(context, data);
}

void core_waiters_answer_register(Core *core, CoreNode *node, const CoreCaller *caller,
                                  unsigned wait_s, CoreReturn to)
{
    CoreWait *wait;

    core_waiters_release(core, node); /* one is held at a time */
    if (node->row->state == CORE_NODE_ACTIVE) {
        send_active(node, &caller->observed, to);
        return;
    }
    if (wait_s == 0 || core->draining) {
        send_pending(to);
        return;
    }
    wait = g_new0(CoreWait, 1);
    wait->to = to;
    wait->observed = caller->observed;
    wait->node = node;
    wait->timer.fire = on_wait_over;
    wait->timer.data = node;
    node->wait = wait;
    core_timers_arm(core->timers, &wait->timer, (int64_t)MIN(wait_s, CORE_WAIT_MAX_S) * 1000);
}

void core_waiters_end_all(Core *core)
{
    GHashTableIter iter, nodes;
    gpointer       network, node;

    g_hash_table_iter_init(&iter, core->networks);
    while (g_hash_table_iter_next(&iter, NULL, &network)) {
        core_news_flush(core, network);
        g_hash_table_iter_init(&nodes, ((CoreNetwork *)network)->nodes);
        while (g_hash_table_iter_next(&nodes, NULL, &node)) {
            CoreNode *held = node;

            core_waiters_end(core, held->stream,
                             core_netmap_encode_restart(core->drain_retry_s, core->drain_spread_s));
            core_waiters_release(core, held);
        }
    }
}
