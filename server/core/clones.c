/* server/core/clones.c: see clones.h. */
#include "server/core/clones.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "server/core/netmap.h"
#include "server/core/waiters.h"

#include <string.h>

typedef struct {
    uint8_t bytes[8];
} Start;

/* From the second start id of a node on. */
struct CoreClones {
    Start    starts[CORE_CLONES_STARTS]; /* in the order in which they were first seen */
    unsigned n;
    int64_t  heard_ms; /* boot time: the last request that was taken */
    int64_t  proof_ms, told_ms;
    int64_t  proof_s; /* wall clock; 0: never */
};

static int find(const CoreClones *self, const uint8_t start[8])
{
    for (unsigned i = 0; i < self->n; i++)
        if (memcmp(self->starts[i].bytes, start, sizeof(Start)) == 0)
            return (int)i;
    return -1;
}

static void append(CoreClones *self, const uint8_t start[8])
{
    if (self->n == CORE_CLONES_STARTS) /* the oldest one is given up for good, most likely */
        memmove(self->starts, self->starts + 1, --self->n * sizeof(Start));
    memcpy(self->starts[self->n++].bytes, start, sizeof(Start));
}

static GBytes *encode_line(void)
{
    return core_netmap_encode_end(MESH_MAPLINE_CLONED, false);
}

/* The one that keeps the node hears of it. */
static void tell(CoreNode *node, int64_t now_ms)
{
    CoreClones *clones = node->clones;

    if (node->stream == NULL || now_ms - clones->told_ms < CORE_CLONES_TELL_S * 1000)
        return;
    clones->told_ms = now_ms;
    core_answer_send_line(node->stream->to, CORE_LINE_PRESENCE, 0, encode_line());
}

static void note_proof(CoreNode *node, int64_t now_ms)
{
    CoreClones *clones = node->clones;

    if (clones->proof_s == 0)
        mesh_log_warning("node %s of network %s: two hosts use its key", node->row->name,
                         node->network->row.net.name);
    clones->proof_ms = now_ms;
    clones->proof_s = mesh_clock_wall_s();
    if (clones->told_ms == 0)
        clones->told_ms = now_ms - CORE_CLONES_TELL_S * 1000;
}

static bool is_alive(const CoreNode *node)
{
    return node->stream != NULL ||
           mesh_clock_boot_ms() - node->clones->heard_ms < CORE_CLONES_ALIVE_S * 1000;
}

/* @start had been followed by @current, and is back. True: it is taken. */
static bool judge_return(Core *core, CoreNode *node, int start, int current)
{
    CoreClones *clones = node->clones;
    int64_t     now_ms = mesh_clock_boot_ms();
    bool alive = node->stream != NULL || now_ms - clones->heard_ms < CORE_CLONES_ALIVE_S * 1000;

    if (start > current && !alive)
        return true;
    note_proof(node, now_ms);
    if (start > current) {
        tell(node, now_ms);
        return false;
    }
    if (node->stream != NULL &&
        memcmp(node->stream->start, clones->starts[start].bytes, sizeof(Start)) != 0)
        core_waiters_end(core, node->stream, core_netmap_encode_end(MESH_MAPLINE_REPLACED, false));
    tell(node, now_ms);
    return true;
}

/* A start id other than that of the request before, in an otherwise good request. */
static bool judge_change(Core *core, CoreNode *node, const MeshReqsignWindow *before)
{
    CoreClones *clones = node->clones;
    int         current, start;

    if (clones == NULL) {
        clones = node->clones = g_new0(CoreClones, 1);
        append(clones, before->start);
    }
    current = find(clones, before->start);
    start = find(clones, node->window.start);
    if (start >= 0 && current >= 0)
        return judge_return(core, node, start, current);
    if (start < 0)
        append(clones, node->window.start);
    return true;
}

/* Whether @start was proven to be the one that does not keep the node. Its clock may be behind the
 * other one's: told "replayed" it would come back as a new start. */
static bool is_kept_out(const CoreNode *node, const uint8_t start[8])
{
    const CoreClones *clones = node->clones;

    return clones != NULL && clones->proof_s != 0 && is_alive(node) &&
           find(clones, start) > find(clones, node->window.start);
}

static bool refuse(GError **error)
{
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_CLONED,
                        "another host uses the key of this node: its state was copied");
    return false;
}

bool core_clones_accept(Core *core, CoreNode *node, const MeshReqsignParams *params, GError **error)
{
    MeshReqsignWindow before = node->window;

    if (is_kept_out(node, params->nonce.start)) {
        note_proof(node, mesh_clock_boot_ms());
        tell(node, mesh_clock_boot_ms());
        return refuse(error);
    }
    if (!mesh_reqsign_accept(&node->window, params, error))
        return false;
    if (before.seen != 0 && memcmp(before.start, node->window.start, sizeof before.start) != 0 &&
        !judge_change(core, node, &before)) {
        node->window = before; /* whom it keeps out leaves no trace: the other one's clock counts */
        return refuse(error);
    }
    if (node->clones != NULL)
        node->clones->heard_ms = mesh_clock_boot_ms();
    return true;
}

void core_clones_add_line(CoreNode *node, GArray *lines)
{
    CoreClones *clones = node->clones;
    int64_t     now_ms = mesh_clock_boot_ms();

    if (clones == NULL || clones->proof_s == 0 ||
        now_ms - clones->proof_ms > CORE_CLONES_RECENT_S * 1000)
        return;
    clones->told_ms = now_ms;
    core_netmap_take(lines, CORE_LINE_PRESENCE, 0, encode_line());
}

int64_t core_clones_get_proof(const CoreNode *node)
{
    const CoreClones *clones = node->clones;

    if (clones == NULL || clones->proof_s == 0 ||
        mesh_clock_boot_ms() - clones->proof_ms > INT64_C(1000) * CORE_CLONES_SHOWN_S)
        return 0;
    return clones->proof_s;
}
