/* server/ctl/cmd-key.c: mesh-server key list|show|create|set|revoke. */
#include "common/glib/error.h"
#include "common/glib/jsonout.h"
#include "server/ctl/command.h"
#include "server/ctl/table.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_EXPIRES_IN_S 86400

static const char *text(JsonObject *object, const char *name)
{
    return json_object_get_string_member_with_default(object, name, "");
}

static int64_t number(JsonObject *object, const char *name)
{
    return json_object_get_int_member_with_default(object, name, 0);
}

static bool flag(JsonObject *object, const char *name)
{
    return json_object_get_boolean_member_with_default(object, name, FALSE);
}

static const char *state_of(JsonObject *key)
{
    int64_t expires = number(key, "expires");

    if (flag(key, "revoked"))
        return "revoked";
    if (expires != 0 && expires <= g_get_real_time() / G_USEC_PER_SEC)
        return "expired";
    return !flag(key, "reusable") && number(key, "uses") > 0 ? "used" : "valid";
}

static void add_row(CtlTable *table, JsonObject *key)
{
    ctl_table_add(table, text(key, "id"));
    ctl_table_add(table, state_of(key));
    ctl_table_add(table, flag(key, "reusable") ? "yes" : "no");
    ctl_table_add_int(table, number(key, "uses"));
    ctl_table_add_time(table, number(key, "created"), "-");
    ctl_table_add_time(table, number(key, "expires"), "never");
    ctl_table_add(table, text(key, "user"));
    ctl_table_add(table, text(key, "note"));
}

static const char *const headings[] = { "ID",      "STATE", "REUSABLE", "USES", "CREATED",
                                        "EXPIRES", "USER",  "NOTE",     NULL };

static bool run_list(const CtlCall *call, GError **error)
{
    return ctl_cmd_list(call, &(CtlList){ "keys", headings, add_row }, error);
}

/* "never", or a number with s (none), m, h or d behind it. */
static bool parse_span(const char *span, int64_t *out_s, GError **error)
{
    static const char units[] = "smhd";
    static const int  factors[] = { 1, 60, 3600, 86400 };
    char             *end;
    guint64           value;
    const char       *unit;

    *out_s = 0;
    if (strcmp(span, "never") == 0)
        return true;
    value = g_ascii_strtoull(span, &end, 10);
    unit = *end == '\0' ? units : strchr(units, *end);
    if (g_ascii_isdigit(span[0]) && unit != NULL && (*end == '\0' || end[1] == '\0') && value > 0 &&
        value <= 100000000) {
        *out_s = (int64_t)value * factors[unit - units];
        return true;
    }
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                "--expires-in: seconds, or a number with m, h or d behind it, or never");
    return false;
}

static void print_link(JsonObject *key)
{
    int64_t          expires = number(key, "expires");
    g_autofree char *until = expires == 0 ? NULL : ctl_table_format_time(expires);

    (void)printf("%s\n", text(key, "link"));
    (void)fflush(stdout);
    (void)fprintf(stderr, "Key %s: admits %s%s%s. The link is shown only now.\n", text(key, "id"),
                  flag(key, "reusable") ? "any number of nodes" : "one node",
                  until != NULL ? " until " : "", until != NULL ? until : "");
}

static bool run_create(const CtlCall *call, GError **error)
{
    g_autofree char *network = NULL, *path = NULL, *body = NULL;
    CtlRequest       request = { .method = "POST" };
    g_auto(CtlAnswer) answer = { 0 };
    int64_t     expires_in_s = DEFAULT_EXPIRES_IN_S;
    MeshJsonOut out;

    if (call->expires_in != NULL && !parse_span(call->expires_in, &expires_in_s, error))
        return false;
    network = ctl_cmd_network_dup_ref(call, error);
    if (network == NULL)
        return false;
    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_bool(&out, "reusable", call->reusable);
    mesh_jsonout_int(&out, "expires_in_s", expires_in_s);
    mesh_jsonout_text(&out, "note", call->note);
    mesh_jsonout_text(&out, "user", ctl_cmd_get_user(call));
    mesh_jsonout_close(&out, '}');
    request.body = body = mesh_jsonout_finish(&out, NULL);
    request.path = path = g_strdup_printf("networks/%s/keys", network);
    if (!ctl_client_ask(call->socket, &request, &answer, error))
        return false;
    if (!ctl_cmd_print_json(call, &answer))
        print_link(answer.object);
    return true;
}

/* Sends @method and @body about the key call->argv[0]. */
static bool ask(const CtlCall *call, const char *method, const char *body, CtlAnswer *out_answer,
                GError **error)
{
    g_autofree char *network = NULL, *path = NULL;
    CtlRequest       request = { .method = method, .body = body };

    if (!ctl_client_check_name("KEY", call->argv[0], error))
        return false;
    network = ctl_cmd_network_dup_ref(call, error);
    if (network == NULL)
        return false;
    request.path = path = g_strdup_printf("networks/%s/keys/%s", network, call->argv[0]);
    return ctl_client_ask(call->socket, &request, out_answer, error);
}

static bool run_show(const CtlCall *call, GError **error)
{
    g_auto(CtlAnswer) answer = { 0 };

    if (!ask(call, "GET", NULL, &answer, error))
        return false;
    ctl_table_print_object(answer.object, call->json);
    return true;
}

static bool run_set(const CtlCall *call, GError **error)
{
    g_autofree char *body = NULL;
    g_auto(CtlAnswer) answer = { 0 };
    int64_t     expires = 0;
    MeshJsonOut out;

    if (call->note == NULL && call->expires == NULL && call->user == NULL) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                            "nothing to set: --note, --user or --expires");
        return false;
    }
    if (call->expires != NULL && !ctl_cmd_parse_time("--expires", call->expires, &expires, error))
        return false;
    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    if (call->expires != NULL)
        mesh_jsonout_int(&out, "expires", expires);
    mesh_jsonout_text(&out, "note", call->note);
    mesh_jsonout_text(&out, "user", ctl_cmd_get_user(call));
    mesh_jsonout_close(&out, '}');
    body = mesh_jsonout_finish(&out, NULL);
    if (!ask(call, "PATCH", body, &answer, error))
        return false;
    if (!ctl_cmd_print_json(call, &answer))
        (void)printf("key %s is changed\n", text(answer.object, "id"));
    return true;
}

static bool run_revoke(const CtlCall *call, GError **error)
{
    g_auto(CtlAnswer) answer = { 0 };

    if (!ask(call, "DELETE", NULL, &answer, error))
        return false;
    if (!ctl_cmd_print_json(call, &answer))
        (void)printf("key %s is revoked; nodes that used it stay\n", text(answer.object, "id"));
    return true;
}

const CtlVerb ctl_verbs_key[] = {
    { "list", "", " --json --network ", "all join keys; never their secrets", 0, run_list },
    { "show", "KEY", " --json --network ", "all that is known of one", 1, run_show },
    { "set", "KEY", " --json --network --note --user --expires ", "change its note, user or end", 1,
      run_set },
    { "create", "", " --json --network --reusable --expires-in --note --user ",
      "a new join key; prints its link, once", 0, run_create },
    { "revoke", "KEY", " --json --network ", "nobody joins with it any more", 1, run_revoke },
    { 0 },
};
