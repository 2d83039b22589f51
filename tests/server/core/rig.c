/* tests/server/core/rig.c: a core on a fresh state directory, and nodes that talk to it. */
#include "tests/server/core/rig.h"

#include "common/proto/register.h"
#include "common/proto/session.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "server/core/netmap.h"

#include <glib/gstdio.h>
#include <string.h>

#define LIMIT_US (60 * G_USEC_PER_SEC) /* ends a hang only */

static void deliver(void *mailbox, CoreAnswer *answer)
{
    mesh_queue_push(mailbox, answer);
}

CoreReturn rig_make_return(Rig *rig)
{
    return (CoreReturn){ .deliver = deliver, .mailbox = rig->mailbox, .ticket = ++rig->ticket };
}

static void start(Rig *rig, bool create)
{
    g_autoptr(GError) error = NULL;
    CoreConfig config = { .state_dir = rig->dir,
                          .public_host = "vpn.example.org",
                          .public_port = 443,
                          .create = create };

    rig->core = core_start(&config, &error);
    g_assert_no_error(error);
    g_assert_nonnull(rig->core);
}

void rig_start(Rig *rig, gconstpointer unused)
{
    (void)unused;
    rig->dir = g_dir_make_tmp("mesh-core-XXXXXX", NULL);
    rig->mailbox = mesh_queue_new();
    g_queue_init(&rig->early);
    start(rig, true);
}

void rig_stop(Rig *rig, gconstpointer unused)
{
    static const char *const names[] = { "server.key", "mesh.db", "mesh.db-wal", "mesh.db-shm" };
    CoreAnswer              *answer;

    (void)unused;
    core_stop(rig->core);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(rig->dir, names[i], NULL);

        g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(rig->dir), ==, 0); /* the core leaves nothing else behind */
    g_free(rig->dir);
    g_queue_clear_full(&rig->early, (GDestroyNotify)core_answer_free);
    while ((answer = mesh_queue_pop_within(rig->mailbox, 0)) != NULL)
        core_answer_free(answer);
    mesh_queue_unref(rig->mailbox);
}

void rig_restart(Rig *rig)
{
    core_stop(rig->core);
    start(rig, false);
}

static CoreAnswer *take_early(Rig *rig, uint64_t ticket)
{
    for (GList *at = rig->early.head; at != NULL; at = at->next) {
        CoreAnswer *answer = at->data;

        if (answer->ticket != ticket)
            continue;
        g_queue_delete_link(&rig->early, at);
        return answer;
    }
    return NULL;
}

static CoreAnswer *try_wait(Rig *rig, uint64_t ticket, gint64 limit_us)
{
    gint64      end = g_get_monotonic_time() + limit_us;
    CoreAnswer *answer = take_early(rig, ticket);

    while (answer == NULL) {
        gint64 left = end - g_get_monotonic_time();

        answer = mesh_queue_pop_within(rig->mailbox, left > 0 ? left / 1000 : 0);
        if (answer == NULL)
            return NULL;
        if (answer->ticket == ticket)
            return answer;
        g_queue_push_tail(&rig->early, answer);
        answer = NULL;
    }
    return answer;
}

/* Endpoints of many come in one piece: each line by itself. */
static void split_lines(CoreAnswer *answer)
{
    GArray *single = core_netmap_new_lines();

    for (guint i = 0; i < answer->lines->len; i++) {
        const CoreLine *line = &g_array_index(answer->lines, CoreLine, i);
        gsize           len;
        const char     *text = g_bytes_get_data(line->bytes, &len), *end = text + len;

        while (text < end) {
            const char *next = memchr(text, '\n', (size_t)(end - text));

            g_assert_nonnull(next);
            core_netmap_take(single, line->kind, line->index,
                             g_bytes_new(text, (gsize)(next + 1 - text)));
            text = next + 1;
        }
    }
    g_array_unref(answer->lines);
    answer->lines = single;
}

CoreAnswer *rig_wait(Rig *rig, uint64_t ticket)
{
    CoreAnswer *answer = try_wait(rig, ticket, LIMIT_US);

    g_assert_nonnull(answer);
    if (answer->lines != NULL)
        split_lines(answer);
    return answer;
}

bool rig_is_answered(Rig *rig, uint64_t ticket, unsigned ms)
{
    CoreAnswer *answer = try_wait(rig, ticket, (gint64)ms * 1000);

    if (answer == NULL)
        return false;
    g_queue_push_head(&rig->early, answer);
    return true;
}

CoreAnswer *rig_manage(Rig *rig, const CoreManage *request)
{
    CoreReturn to = rig_make_return(rig);

    core_manage(rig->core, request, to);
    return rig_wait(rig, to.ticket);
}

char *rig_network(Rig *rig, const char *name, const char *ip4, MeshNetworkId *out_id)
{
    CoreManage  request = { .verb = CORE_NETWORK_CREATE, .name = name, .ip4 = ip4 };
    CoreAnswer *answer = rig_manage(rig, &request);
    char       *id;

    g_assert_cmpuint(answer->status, ==, 200);
    id = g_strdup(((CoreNetworkInfo *)g_ptr_array_index(answer->result, 0))->id);
    g_assert_true(mesh_network_parse_id(id, out_id));
    core_answer_free(answer);
    return id;
}

MeshJoinlink rig_key(Rig *rig, const char *network, bool reusable)
{
    CoreManage request = {
        .verb = CORE_KEY_CREATE, .network = network, .reusable = reusable, .expires_in_s = 3600
    };
    CoreAnswer  *answer = rig_manage(rig, &request);
    MeshJoinlink link;

    g_assert_cmpuint(answer->status, ==, 200);
    g_assert_true(mesh_joinlink_parse(((CoreKeyInfo *)g_ptr_array_index(answer->result, 0))->link,
                                      &link, NULL));
    core_answer_free(answer);
    return link;
}

RigNode rig_node(const MeshNetworkId *net, const char *name)
{
    RigNode node = { .net = *net, .name = name, .k_seq = 1, .e_seq = 1 };
    uint8_t seed[MESH_SIGN_SEED_BYTES];
    MeshKey wg_private;

    mesh_key_random(seed, sizeof seed);
    mesh_sign_make_pair(seed, &node.secret, &node.key);
    mesh_key_make_private(&wg_private);
    mesh_key_make_public(&wg_private, &node.wg);
    node.nonce = mesh_reqsign_make_nonce();
    return node;
}

CoreCaller rig_caller(RigNode *node)
{
    CoreCaller caller = { .network = node->net };

    mesh_reqsign_next(&node->nonce);
    caller.params.node = node->key;
    caller.params.nonce = node->nonce;
    caller.params.created = mesh_clock_wall_s();
    g_assert_cmpint(mesh_ip_parse_addr("198.51.100.7", &caller.observed), ==, 0);
    return caller;
}

MeshSigned *rig_sign_k(const RigNode *node)
{
    MeshRecordK k = mesh_record_make_k(&node->key, &node->wg, node->k_seq);
    g_autoptr(GError) error = NULL;
    MeshSigned *object = mesh_record_sign_k(&k, &node->net, &node->secret, &error);

    g_assert_no_error(error);
    return object;
}

uint64_t rig_send_register(Rig *rig, RigNode *node, const MeshJoinlink *link, unsigned wait_s)
{
    CoreReturn   to = rig_make_return(rig);
    CoreCaller   caller = rig_caller(node);
    MeshRegister request = { .proto = 1, .k = rig_sign_k(node), .ip4 = !node->no_ip4 };
    g_autoptr(GBytes) body = NULL;
    size_t len;
    char  *text;

    g_strlcpy(request.name, node->name, sizeof request.name);
    g_strlcpy(request.os, "linux", sizeof request.os);
    g_strlcpy(request.version, "0.1.0", sizeof request.version);
    if (link != NULL) {
        MeshSignSecret secret;
        MeshKey        public_key;

        mesh_joinlink_make_pair(link->secret, &secret, &public_key);
        mesh_register_sign_join(&request, &node->net, &secret, &public_key);
        request.has_join = true;
    }
    text = mesh_register_encode(&request, &len);
    body = g_bytes_new_take(text, len);
    mesh_register_clear(&request);
    core_register(rig->core, &caller, body, wait_s, to);
    return to.ticket;
}

CoreAnswer *rig_register(Rig *rig, RigNode *node, const MeshJoinlink *link)
{
    return rig_wait(rig, rig_send_register(rig, node, link, 0));
}

uint64_t rig_open(Rig *rig, RigNode *node, uint64_t epoch, uint64_t ver)
{
    CoreReturn  to = rig_make_return(rig);
    CoreCaller  caller = rig_caller(node);
    CoreMapArgs args = { .epoch = epoch, .ver = ver };

    core_open_map(rig->core, &caller, &args, to);
    return to.ticket;
}

CoreAnswer *rig_report(Rig *rig, RigNode *node, const char *endpoint)
{
    CoreReturn  to = rig_make_return(rig);
    CoreCaller  caller = rig_caller(node);
    MeshRecordE e = { .node = node->key, .seq = node->e_seq++, .n_endpoints = 1 };
    MeshReport  report = { 0 };
    g_autoptr(GBytes) body = NULL;
    size_t len;
    char  *text;

    e.exp = mesh_clock_wall_s() + 3600;
    e.endpoints[0].kind = MESH_RECORD_LOCAL;
    g_assert_cmpint(mesh_endpoint_parse(endpoint, &e.endpoints[0].endpoint), ==, 0);
    report.e = mesh_record_sign_e(&e, &node->net, &node->secret, NULL);
    report.k = rig_sign_k(node);
    text = mesh_session_encode_report(&report, &len);
    body = g_bytes_new_take(text, len);
    mesh_session_clear_report(&report);
    core_report(rig->core, &caller, body, to);
    return rig_wait(rig, to.ticket);
}

MeshMapline *rig_line(const CoreAnswer *answer, guint i)
{
    g_autoptr(GError) error = NULL;
    const char  *text;
    gsize        len;
    MeshMapline *line;

    g_assert_nonnull(answer->lines);
    g_assert_cmpuint(i, <, answer->lines->len);
    text = g_bytes_get_data(g_array_index(answer->lines, CoreLine, i).bytes, &len);
    g_assert_cmpuint(len, >, 1);
    g_assert_cmpuint(len, <=, MESH_MAPLINE_MAX_BYTES + 1);
    g_assert_cmpint(text[len - 1], ==, '\n');
    line = mesh_mapline_decode(text, len - 1, &error);
    g_assert_no_error(error);
    return line;
}

MeshMapline *rig_next_line(Rig *rig, uint64_t ticket, MeshMaplineType type)
{
    MeshMapline *line = NULL;

    while (line == NULL) {
        CoreAnswer *answer = rig_wait(rig, ticket);

        for (guint i = 0; i < answer->lines->len && line == NULL; i++) {
            line = rig_line(answer, i);
            if (line->type != type)
                g_clear_pointer(&line, mesh_mapline_free);
        }
        core_answer_free(answer);
    }
    return line;
}

void rig_assert(CoreAnswer *answer, unsigned status, const char *code)
{
    if (answer->status != status)
        g_test_message("status %u: %s: %s", answer->status, answer->code, answer->message);
    g_assert_cmpuint(answer->status, ==, status);
    g_assert_cmpstr(answer->code, ==, code);
    core_answer_free(answer);
}

CoreAnswer *rig_leave(Rig *rig, RigNode *node)
{
    CoreReturn to = rig_make_return(rig);
    CoreCaller caller = rig_caller(node);

    core_ask(rig->core, CORE_ASK_LEAVE, &caller, to);
    return rig_wait(rig, to.ticket);
}

CoreAnswer *rig_send_raw(Rig *rig, RigNode *node, const char *body)
{
    CoreReturn to = rig_make_return(rig);
    CoreCaller caller = rig_caller(node);
    g_autoptr(GBytes) bytes = g_bytes_new(body, strlen(body));

    core_register(rig->core, &caller, bytes, 0, to);
    return rig_wait(rig, to.ticket);
}

CoreAnswer *rig_drain(Rig *rig, unsigned retry_in_s, unsigned spread_s)
{
    CoreReturn to = rig_make_return(rig);

    core_drain(rig->core, retry_in_s, spread_s, to);
    return rig_wait(rig, to.ticket);
}
