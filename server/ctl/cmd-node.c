/* server/ctl/cmd-node.c: mesh-server node list|show|approve|set|rename|expire|remove. */
#include "common/glib/error.h"
#include "common/glib/jsonout.h"
#include "server/ctl/command.h"
#include "server/ctl/table.h"

#include <stdio.h>
#include <string.h>

static const char *text(JsonObject *object, const char *name)
{
    return json_object_get_string_member_with_default(object, name, "");
}

static int64_t number(JsonObject *object, const char *name)
{
    return json_object_get_int_member_with_default(object, name, 0);
}

static const char *const headings[] = { "NAME", "STATE",     "ONLINE",  "IP4", "IP6",
                                        "USER", "LAST SEEN", "EXPIRES", "KEY", NULL };

static void add_row(CtlTable *table, JsonObject *node)
{
    ctl_table_add(table, text(node, "name"));
    ctl_table_add(table, number(node, "cloned") != 0 ? "cloned" : text(node, "state"));
    ctl_table_add(table, json_object_get_boolean_member_with_default(node, "online", FALSE) ? "yes"
                                                                                            : "no");
    ctl_table_add(table, text(node, "ip4"));
    ctl_table_add(table, text(node, "ip6"));
    ctl_table_add(table, text(node, "user"));
    ctl_table_add_time(table, number(node, "last_seen"), "never");
    ctl_table_add_time(table, number(node, "expires"), "never");
    ctl_table_add(table, text(node, "node"));
}

static bool run_list(const CtlCall *call, GError **error)
{
    return ctl_cmd_list(call, &(CtlList){ "nodes", headings, add_row }, error);
}

static void warn_cloned(const CtlCall *call, JsonObject *node)
{
    int64_t          at = number(node, "cloned");
    g_autofree char *when = at != 0 ? ctl_table_format_time(at) : NULL;

    if (at != 0 && !call->json)
        (void)
            printf("\nTwo hosts use the key of this node, seen last at %s: its state was copied.\n"
                   "Delete the state of the copy (not with mesh leave: that removes both) and let\n"
                   "it join with a link of its own.\n",
                   when);
}

/* By name or key; among all of them, the server has no path for one. */
static bool run_show(const CtlCall *call, GError **error)
{
    g_autofree char *network = NULL, *path = NULL;
    CtlRequest       request = { .method = "GET" };
    g_auto(CtlAnswer) answer = { 0 };
    JsonArray *nodes = NULL;

    if (!ctl_client_check_name("NODE", call->argv[0], error))
        return false;
    network = ctl_cmd_network_dup_ref(call, error);
    if (network == NULL)
        return false;
    request.path = path = g_strdup_printf("networks/%s/nodes", network);
    if (!ctl_client_ask(call->socket, &request, &answer, error))
        return false;
    if (json_object_has_member(answer.object, "nodes"))
        nodes = json_object_get_array_member(answer.object, "nodes");
    for (guint i = 0; nodes != NULL && i < json_array_get_length(nodes); i++) {
        JsonObject *one = json_array_get_object_element(nodes, i);

        if (strcmp(text(one, "name"), call->argv[0]) == 0 ||
            strcmp(text(one, "node"), call->argv[0]) == 0) {
            ctl_table_print_object(one, call->json);
            warn_cloned(call, one);
            return true;
        }
    }
    g_set_error(error, MESH_ERROR, MESH_ERROR_NOT_FOUND, "no node %s in network %s", call->argv[0],
                network);
    return false;
}

/* What a verb sends about call->argv[0]. */
typedef struct {
    const char *method, *suffix, *body;
    const char *done; /* printed behind "node NAME " */
} Change;

static bool apply(const CtlCall *call, const Change *change, GError **error)
{
    g_autofree char *network = NULL, *path = NULL;
    CtlRequest       request = { .method = change->method, .body = change->body };
    g_auto(CtlAnswer) answer = { 0 };

    if (!ctl_client_check_name("NODE", call->argv[0], error))
        return false;
    network = ctl_cmd_network_dup_ref(call, error);
    if (network == NULL)
        return false;
    request.path = path =
        g_strdup_printf("networks/%s/nodes/%s%s", network, call->argv[0], change->suffix);
    if (!ctl_client_ask(call->socket, &request, &answer, error))
        return false;
    if (!ctl_cmd_print_json(call, &answer))
        (void)printf("node %s %s\n", call->argv[0], change->done);
    return true;
}

static bool run_approve(const CtlCall *call, GError **error)
{
    Change change = { .method = "POST", .suffix = "/approve", .done = "is approved" };

    return apply(call, &change, error);
}

static bool run_rename(const CtlCall *call, GError **error)
{
    g_autofree char *body = NULL;
    Change           change = { .method = "PATCH", .suffix = "", .done = "has its new name" };
    MeshJsonOut      out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "name", call->argv[1]);
    mesh_jsonout_close(&out, '}');
    change.body = body = mesh_jsonout_finish(&out, NULL);
    return apply(call, &change, error);
}

static bool run_set(const CtlCall *call, GError **error)
{
    g_autofree char *body = NULL;
    Change           change = { .method = "PATCH", .suffix = "", .done = "is changed" };
    int64_t          expires = 0;
    MeshJsonOut      out;

    if (call->name == NULL && call->expires == NULL && call->ip4 == NULL && call->user == NULL) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                            "nothing to set: --name, --ip4, --user or --expires");
        return false;
    }
    if (call->expires != NULL && !ctl_cmd_parse_time("--expires", call->expires, &expires, error))
        return false;
    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "name", call->name);
    mesh_jsonout_text(&out, "ip4", call->ip4);
    mesh_jsonout_text(&out, "user", ctl_cmd_get_user(call));
    if (call->expires != NULL)
        mesh_jsonout_int(&out, "expires", expires);
    mesh_jsonout_close(&out, '}');
    change.body = body = mesh_jsonout_finish(&out, NULL);
    return apply(call, &change, error);
}

/* Now, or --at a time. */
static bool run_expire(const CtlCall *call, GError **error)
{
    g_autofree char *body = NULL;
    Change           change = { .method = "POST",
                                .suffix = "/expire",
                                .done = "is no member any more; it may join again with a key" };
    int64_t          at = 0;

    if (call->at == NULL)
        return apply(call, &change, error);
    if (!ctl_cmd_parse_time("--at", call->at, &at, error))
        return false;
    change.method = "PATCH";
    change.suffix = "";
    change.body = body = g_strdup_printf("{\"expires\":%" G_GINT64_FORMAT "}", at);
    change.done = "has its new end";
    return apply(call, &change, error);
}

static bool run_remove(const CtlCall *call, GError **error)
{
    Change change = { .method = "DELETE", .suffix = "", .done = "is removed, its key for ever" };

    return apply(call, &change, error);
}

const CtlVerb ctl_verbs_node[] = {
    { "list", "", " --json --network ", "all nodes", 0, run_list },
    { "show", "NODE", " --json --network ", "all that is known of one", 1, run_show },
    { "approve", "NODE", " --json --network ", "admit one that waits", 1, run_approve },
    { "set", "NODE", " --json --network --name --ip4 --user --expires ",
      "change its name, address, user or end", 1, run_set },
    { "rename", "NODE NAME", " --json --network ", "give it another name", 2, run_rename },
    { "expire", "NODE", " --json --network --at ", "end its membership, now or later", 1,
      run_expire },
    { "remove", "NODE", " --json --network ", "remove it for ever", 1, run_remove },
    { 0 },
};
