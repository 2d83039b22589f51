/* server/core/presence.c: endpoints and presence. Control thread only. */
#include "server/core/presence.h"

#include "common/glib/error.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "server/core/news.h"

#define EXP_SLACK_S 300 /* clocks may differ by that much */

static void touch_seen(CoreNode *node)
{
    node->row->last_seen = mesh_clock_wall_s();
    node->seen = true;
}

/* --- online and offline ---------------------------------------------------------------------- */

static void set_online(Core *core, CoreNode *node, bool online)
{
    CoreNetwork *network = node->network;

    if (node->online == online)
        return;
    node->online = online;
    network->online = online ? network->online + 1 : network->online - 1;
    core_model_touch(node);
    core_news_present(core, node);
}

void core_presence_opened(Core *core, CoreNode *node)
{
    core_timers_disarm(core->timers, &node->offline);
    touch_seen(node);
    set_online(core, node, true);
}

static void on_grace_over(void *context, void *data)
{
    set_online(context, data, false);
}

void core_presence_closed(Core *core, CoreNode *node)
{
    touch_seen(node);
    node->offline.fire = on_grace_over;
    node->offline.data = node;
    core_timers_arm(core->timers, &node->offline, CORE_PRESENCE_GRACE_MS);
}

void core_presence_drop(Core *core, CoreNode *node)
{
    core_timers_disarm(core->timers, &node->offline);
    set_online(core, node, false);
}

/* --- endpoints ------------------------------------------------------------------------------- */

bool core_presence_allow_report(CoreNode *node)
{
    int64_t now_s = mesh_clock_boot_ms() / 1000;

    if (node->report_s != now_s) {
        node->report_s = now_s;
        node->reports = 0;
    }
    return ++node->reports <= CORE_PRESENCE_REPORTS_S;
}

bool core_presence_check_e(const CoreNode *node, MeshSigned *object, MeshRecordE *out_record,
                           GError **error)
{
    int64_t     now = mesh_clock_wall_s();
    MeshRecordE record;

    if (!mesh_record_open_e(object, &node->network->row.net.id, &node->row->node, &record, error)) {
        g_prefix_error(error, "e: ");
        return false;
    }
    if (record.exp <= now || record.exp > now + MESH_RECORD_E_LIFE_S + EXP_SLACK_S) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_REQUEST,
                    "e.exp: %" G_GINT64_FORMAT " is not within the next %d s (now %" G_GINT64_FORMAT
                    ")",
                    record.exp, MESH_RECORD_E_LIFE_S, now);
        return false;
    }
    *out_record = record;
    return true;
}

static char **format_endpoints(const MeshRecordE *record)
{
    GPtrArray *texts = g_ptr_array_new();
    char       text[MESH_ENDPOINT_TEXT_SIZE];

    for (size_t i = 0; i < record->n_endpoints; i++)
        g_ptr_array_add(texts,
                        g_strdup(mesh_endpoint_format(&record->endpoints[i].endpoint, text)));
    g_ptr_array_add(texts, NULL);
    return (char **)g_ptr_array_free(texts, FALSE);
}

void core_presence_set_e(Core *core, CoreNode *node, MeshSigned *object, const MeshRecordE *record)
{
    touch_seen(node);
    if (node->e != NULL && record->seq <= node->e_seq)
        return;
    mesh_signed_unref(node->e);
    node->e = mesh_signed_ref(object);
    node->e_seq = record->seq;
    node->e_exp = record->exp;
    g_strfreev(node->endpoints);
    node->endpoints = format_endpoints(record);
    core_model_touch(node);
    g_clear_pointer(&node->ep_line, g_bytes_unref);
    if (node->row->state == CORE_NODE_ACTIVE)
        core_news_moved(core, node);
}

/* --- last seen ------------------------------------------------------------------------------- */

uint32_t core_presence_get_seen(const CoreNode *node)
{
    return node->online ? 0 : (uint32_t)CLAMP(node->row->last_seen, 0, UINT32_MAX);
}

typedef struct {
    MeshNetworkId net;
    MeshKey       node;
    int64_t       at;
} Seen;

typedef struct {
    CoreJob job;
    GArray *seen; /* Seen; owned */
} SaveJob;

static bool save_rule(CoreJob *job, GError **error)
{
    GArray *seen = ((SaveJob *)job)->seen;
    bool    ok = true;

    for (guint i = 0; ok && i < seen->len; i++) {
        const Seen *one = &g_array_index(seen, Seen, i);
        StoreCall   call = { STORE_ARGS(STORE_ARG_BLOB(&one->net, sizeof one->net),
                                        STORE_ARG_BLOB(&one->node, sizeof one->node),
                                        STORE_ARG_INT(one->at)) };

        ok = store_query(job->change.tx, STORE_NODE_SEEN, &call, error);
    }
    return ok;
}

static void save_free(CoreJob *job)
{
    g_array_unref(((SaveJob *)job)->seen);
    g_free(job);
}

static void collect(CoreNetwork *network, GArray *seen)
{
    GHashTableIter iter;
    gpointer       data;

    g_hash_table_iter_init(&iter, network->nodes);
    while (g_hash_table_iter_next(&iter, NULL, &data)) {
        CoreNode *node = data;
        Seen      one = { .net = network->row.net.id,
                          .node = node->row->node,
                          .at = node->row->last_seen };

        if (node->stream != NULL)
            one.at = node->row->last_seen = mesh_clock_wall_s();
        else if (!node->seen)
            continue;
        node->seen = false;
        g_array_append_val(seen, one);
    }
}

void core_presence_save(Core *core)
{
    SaveJob       *save = g_new0(SaveJob, 1);
    GHashTableIter iter;
    gpointer       network;

    save->seen = g_array_new(FALSE, FALSE, sizeof(Seen));
    g_hash_table_iter_init(&iter, core->networks);
    while (g_hash_table_iter_next(&iter, NULL, &network))
        collect(network, save->seen);
    if (save->seen->len == 0) {
        save_free(&save->job);
        return;
    }
    save->job.rule = save_rule;
    save->job.free = save_free;
    core_control_submit(core, &save->job);
}
