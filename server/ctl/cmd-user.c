/* server/ctl/cmd-user.c: mesh-server user list|show|add|set|remove. */
#include "common/glib/error.h"
#include "common/glib/jsonout.h"
#include "server/ctl/command.h"
#include "server/ctl/table.h"

#include <stdio.h>
#include <string.h>

static const CtlKind users = { "users", "USER" };

static const char *text(JsonObject *object, const char *name)
{
    return json_object_get_string_member_with_default(object, name, "");
}

static int64_t number(JsonObject *object, const char *name)
{
    return json_object_get_int_member_with_default(object, name, 0);
}

const char *ctl_cmd_get_user(const CtlCall *call)
{
    return call->user != NULL && strcmp(call->user, "none") == 0 ? "" : call->user;
}

static const char *state_of(JsonObject *user)
{
    int64_t expires = number(user, "expires");

    if (json_object_get_boolean_member_with_default(user, "disabled", FALSE))
        return "disabled";
    return expires != 0 && expires <= g_get_real_time() / G_USEC_PER_SEC ? "expired" : "active";
}

static void add_row(CtlTable *table, JsonObject *user)
{
    ctl_table_add(table, text(user, "name"));
    ctl_table_add(table, state_of(user));
    ctl_table_add_int(table, number(user, "nodes"));
    ctl_table_add_int(table, number(user, "online"));
    ctl_table_add_limit(table, number(user, "max_nodes"));
    ctl_table_add_time(table, number(user, "expires"), "never");
    ctl_table_add(table, text(user, "note"));
}

static const char *const headings[] = { "NAME", "STATE",   "NODES", "ONLINE",
                                        "MAX",  "EXPIRES", "NOTE",  NULL };

static bool run_list(const CtlCall *call, GError **error)
{
    return ctl_cmd_list_all(call, &(CtlList){ "users", headings, add_row }, error);
}

static bool ask(const CtlCall *call, const char *method, const char *body, CtlAnswer *out_answer,
                GError **error)
{
    CtlRequest request = { .method = method, .body = body };

    return ctl_cmd_ask(call, &users, request, out_answer, error);
}

static bool run_show(const CtlCall *call, GError **error)
{
    return ctl_cmd_show(call, &users, error);
}

/* Owned. NULL: @error. */
static char *make_body(const CtlCall *call, const char *name, GError **error)
{
    int64_t     expires = 0;
    MeshJsonOut out;

    if (call->expires != NULL && !ctl_cmd_parse_time("--expires", call->expires, &expires, error))
        return NULL;
    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "name", name);
    mesh_jsonout_text(&out, "note", call->note);
    if (call->disabled >= 0)
        mesh_jsonout_bool(&out, "disabled", call->disabled == 1);
    if (call->max_nodes >= 0)
        mesh_jsonout_int(&out, "max_nodes", call->max_nodes);
    if (call->expires != NULL)
        mesh_jsonout_int(&out, "expires", expires);
    mesh_jsonout_close(&out, '}');
    return mesh_jsonout_finish(&out, NULL);
}

static void print_one(const CtlCall *call, const CtlAnswer *answer)
{
    g_autoptr(CtlTable) table = ctl_table_new(headings);

    if (ctl_cmd_print_json(call, answer))
        return;
    add_row(table, answer->object);
    ctl_table_print(table);
}

static bool run_add(const CtlCall *call, GError **error)
{
    g_autofree char *body = make_body(call, call->argv[0], error);
    CtlRequest       request = { .method = "POST", .path = "users", .body = body };
    g_auto(CtlAnswer) answer = { 0 };

    if (body == NULL || !ctl_client_ask(call->socket, &request, &answer, error))
        return false;
    print_one(call, &answer);
    return true;
}

static bool run_set(const CtlCall *call, GError **error)
{
    g_autofree char *body = make_body(call, call->name, error);
    g_auto(CtlAnswer) answer = { 0 };

    if (body == NULL)
        return false;
    if (strcmp(body, "{}") == 0) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                            "nothing to set: --name, --note, --disabled, --max-nodes or --expires");
        return false;
    }
    if (!ask(call, "PATCH", body, &answer, error))
        return false;
    print_one(call, &answer);
    return true;
}

static bool run_remove(const CtlCall *call, GError **error)
{
    g_auto(CtlAnswer) answer = { 0 };

    if (!ask(call, "DELETE", NULL, &answer, error))
        return false;
    if (!ctl_cmd_print_json(call, &answer))
        (void)printf("user %s is removed, his join keys are revoked\n", call->argv[0]);
    return true;
}

const CtlVerb ctl_verbs_user[] = {
    { "list", "", " --json ", "all users", 0, run_list },
    { "show", "USER", " --json ", "all that is known of one", 1, run_show },
    { "add", "NAME", " --json --note --max-nodes --expires ", "a new user", 1, run_add },
    { "set", "USER", " --json --name --note --disabled --max-nodes --expires ",
      "suspend or free his nodes; his limits, name, note", 1, run_set },
    { "remove", "USER", " --json ", "remove one who owns no node", 1, run_remove },
    { 0 },
};
