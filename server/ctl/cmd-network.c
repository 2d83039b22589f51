/* server/ctl/cmd-network.c: mesh-server network list|show|create|set|delete. */
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

static void add_row(CtlTable *table, JsonObject *network)
{
    ctl_table_add(table, text(network, "name"));
    ctl_table_add(table, text(network, "id"));
    ctl_table_add(table, text(network, "ip4"));
    ctl_table_add(table, text(network, "ip6"));
    ctl_table_add(table, json_object_get_boolean_member_with_default(network, "approve", FALSE)
                             ? "yes"
                             : "no");
    ctl_table_add_int(table, json_object_get_int_member_with_default(network, "nodes", 0));
    ctl_table_add_int(table, json_object_get_int_member_with_default(network, "online", 0));
    ctl_table_add_limit(table, json_object_get_int_member_with_default(network, "max_nodes", 0));
}

static const char *const headings[] = { "NAME",  "ID",     "IP4", "IP6", "APPROVE",
                                        "NODES", "ONLINE", "MAX", NULL };

static void print_one(JsonObject *network)
{
    g_autoptr(CtlTable) table = ctl_table_new(headings);

    add_row(table, network);
    ctl_table_print(table);
}

static JsonArray *get_networks(const CtlCall *call, CtlAnswer *out_answer, GError **error)
{
    CtlRequest request = { .method = "GET", .path = "networks" };

    if (!ctl_client_ask(call->socket, &request, out_answer, error))
        return NULL;
    if (json_object_has_member(out_answer->object, "networks"))
        return json_object_get_array_member(out_answer->object, "networks");
    g_set_error_literal(error, MESH_ERROR, MESH_ERROR_BAD_ANSWER,
                        "the server's answer: networks: missing");
    return NULL;
}

static bool run_list(const CtlCall *call, GError **error)
{
    g_auto(CtlAnswer) answer = { 0 };
    g_autoptr(CtlTable) table = ctl_table_new(headings);
    JsonArray *networks = get_networks(call, &answer, error);

    if (networks == NULL)
        return false;
    if (ctl_cmd_print_json(call, &answer))
        return true;
    for (guint i = 0; i < json_array_get_length(networks); i++)
        add_row(table, json_array_get_object_element(networks, i));
    ctl_table_print(table);
    return true;
}

char *ctl_cmd_network_dup_ref(const CtlCall *call, GError **error)
{
    g_auto(CtlAnswer) answer = { 0 };
    JsonArray *networks;
    guint      n;

    if (call->network != NULL)
        return ctl_client_check_name("--network", call->network, error) ? g_strdup(call->network)
                                                                        : NULL;
    networks = get_networks(call, &answer, error);
    if (networks == NULL)
        return NULL;
    n = json_array_get_length(networks);
    if (n == 1)
        return g_strdup(text(json_array_get_object_element(networks, 0), "id"));
    g_set_error(error, MESH_ERROR, n == 0 ? MESH_ERROR_NOT_FOUND : MESH_ERROR_INVALID_ARGUMENT,
                n == 0 ? "there is no network yet: mesh-server network create NAME"
                       : "there are several networks: name one with --network NETWORK");
    return NULL;
}

/* Sends @request and shows the network that comes back. */
static bool show(const CtlCall *call, const CtlRequest *request, GError **error)
{
    g_auto(CtlAnswer) answer = { 0 };

    if (!ctl_client_ask(call->socket, request, &answer, error))
        return false;
    if (!ctl_cmd_print_json(call, &answer))
        print_one(answer.object);
    return true;
}

static char *make_body(const CtlCall *call, const char *name)
{
    MeshJsonOut out;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "name", name);
    mesh_jsonout_text(&out, "ip4", call->ip4);
    if (call->approve >= 0)
        mesh_jsonout_bool(&out, "approve", call->approve == 1);
    if (call->max_nodes >= 0)
        mesh_jsonout_int(&out, "max_nodes", call->max_nodes);
    mesh_jsonout_close(&out, '}');
    return mesh_jsonout_finish(&out, NULL);
}

/* By name or id; among all of them, the server has no path for one. */
static bool run_show(const CtlCall *call, GError **error)
{
    g_auto(CtlAnswer) answer = { 0 };
    JsonArray *networks;

    if (!ctl_client_check_name("NETWORK", call->argv[0], error))
        return false;
    networks = get_networks(call, &answer, error);
    for (guint i = 0; networks != NULL && i < json_array_get_length(networks); i++) {
        JsonObject *one = json_array_get_object_element(networks, i);

        if (strcmp(text(one, "name"), call->argv[0]) == 0 ||
            strcmp(text(one, "id"), call->argv[0]) == 0) {
            ctl_table_print_object(one, call->json);
            return true;
        }
    }
    if (networks != NULL)
        g_set_error(error, MESH_ERROR, MESH_ERROR_NOT_FOUND, "no network %s here", call->argv[0]);
    return false;
}

static bool run_create(const CtlCall *call, GError **error)
{
    g_autofree char *body = make_body(call, call->argv[0]);
    CtlRequest       request = { .method = "POST", .path = "networks", .body = body };

    return show(call, &request, error);
}

static bool run_set(const CtlCall *call, GError **error)
{
    g_autofree char *body = make_body(call, call->name);
    g_autofree char *path = g_strconcat("networks/", call->argv[0], NULL);
    CtlRequest       request = { .method = "PATCH", .path = path, .body = body };

    if (!ctl_client_check_name("NETWORK", call->argv[0], error))
        return false;
    if (call->name == NULL && call->approve < 0 && call->max_nodes < 0) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                            "nothing to set: --name NAME, --approve yes|no or --max-nodes N");
        return false;
    }
    return show(call, &request, error);
}

static bool run_delete(const CtlCall *call, GError **error)
{
    g_autofree char *path = g_strconcat("networks/", call->argv[0], NULL);
    CtlRequest       request = { .method = "DELETE", .path = path };
    g_auto(CtlAnswer) answer = { 0 };

    if (!ctl_client_check_name("NETWORK", call->argv[0], error) ||
        !ctl_client_ask(call->socket, &request, &answer, error))
        return false;
    if (!ctl_cmd_print_json(call, &answer))
        (void)printf("network %s is deleted, with its nodes and keys\n", call->argv[0]);
    return true;
}

const CtlVerb ctl_verbs_network[] = {
    { "list", "", " --json ", "all networks", 0, run_list },
    { "show", "NETWORK", " --json ", "all that is known of one", 1, run_show },
    { "create", "NAME", " --json --ip4 --approve --max-nodes ", "a new network", 1, run_create },
    { "set", "NETWORK", " --json --name --approve --max-nodes ", "its name, approval, limit", 1,
      run_set },
    { "delete", "NETWORK", " --json ", "remove it with its nodes and keys", 1, run_delete },
    { 0 },
};
