/* server/ctl/cmd-relay.c: mesh-server relay list|show|add|set|remove. */
#include "common/glib/error.h"
#include "common/glib/jsonout.h"
#include "server/ctl/command.h"
#include "server/ctl/table.h"

#include <stdio.h>
#include <string.h>

static const CtlKind relays = { "relays", "RELAY" };

static const char *text(JsonObject *object, const char *name)
{
    return json_object_get_string_member_with_default(object, name, "");
}

static int64_t number(JsonObject *object, const char *name)
{
    return json_object_get_int_member_with_default(object, name, 0);
}

/* The name of its host, or its addresses. Owned. */
static char *describe_host(JsonObject *relay)
{
    JsonArray *addrs = json_object_has_member(relay, "addrs")
                           ? json_object_get_array_member(relay, "addrs")
                           : NULL;
    GString   *out = g_string_new(text(relay, "host"));

    for (guint i = 0; out->len == 0 && addrs != NULL && i < json_array_get_length(addrs); i++)
        g_string_append_printf(out, "%s%s", i > 0 ? "," : "",
                               json_array_get_string_element(addrs, i));
    return g_string_free(out, FALSE);
}

static void add_row(CtlTable *table, JsonObject *relay)
{
    g_autofree char *host = describe_host(relay);
    bool             own = json_object_get_boolean_member_with_default(relay, "own", FALSE);
    const char      *network = text(relay, "network");

    ctl_table_add_int(table, number(relay, "id"));
    ctl_table_add(table, text(relay, "name"));
    ctl_table_add(table, text(relay, "state"));
    ctl_table_add(table, own && host[0] == '\0' ? "(this server)" : host);
    ctl_table_add_limit(table, number(relay, "udp"));
    ctl_table_add_limit(table, number(relay, "tls"));
    ctl_table_add(table, network[0] != '\0' ? network : "all");
}

static const char *const headings[] = {
    "ID", "NAME", "STATE", "HOST", "UDP", "TLS", "NETWORK", NULL
};

static void print_one(const CtlCall *call, const CtlAnswer *answer)
{
    g_autoptr(CtlTable) table = ctl_table_new(headings);

    if (ctl_cmd_print_json(call, answer))
        return;
    add_row(table, answer->object);
    ctl_table_print(table);
}

static bool run_list(const CtlCall *call, GError **error)
{
    return ctl_cmd_list_all(call, &(CtlList){ "relays", headings, add_row }, error);
}

static bool ask(const CtlCall *call, const char *method, const char *body, CtlAnswer *out_answer,
                GError **error)
{
    CtlRequest request = { .method = method, .body = body };

    return ctl_cmd_ask(call, &relays, request, out_answer, error);
}

static bool run_show(const CtlCall *call, GError **error)
{
    return ctl_cmd_show(call, &relays, error);
}

static bool add_port(MeshJsonOut *out, const char *name, const char *value, GError **error)
{
    guint64 port = 0;

    if (value == NULL)
        return true;
    if (!g_ascii_string_to_unsigned(value, 10, 0, 65535, &port, NULL)) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    "--%s: a port, or 0: the relay has none", name);
        return false;
    }
    mesh_jsonout_int(out, name, (int64_t)port);
    return true;
}

static void add_addresses(MeshJsonOut *out, const char *list)
{
    g_auto(GStrv) parts = list != NULL ? g_strsplit(list, ",", -1) : NULL;

    if (parts == NULL)
        return;
    mesh_jsonout_open(out, "addrs", '[');
    for (char **part = parts; *part != NULL; part++)
        if (**part != '\0')
            mesh_jsonout_text(out, NULL, *part);
    mesh_jsonout_close(out, ']');
}

/* Owned. NULL: @error. */
static char *make_body(const CtlCall *call, const char *name, GError **error)
{
    MeshJsonOut out;
    char       *body;
    bool        ok;

    mesh_jsonout_init(&out);
    mesh_jsonout_open(&out, NULL, '{');
    mesh_jsonout_text(&out, "name", name);
    mesh_jsonout_text(&out, "host", call->host);
    add_addresses(&out, call->addresses);
    ok = add_port(&out, "udp", call->udp, error) && add_port(&out, "alt", call->alt, error) &&
         add_port(&out, "tls", call->tls, error);
    mesh_jsonout_text(&out, "rk", call->rk);
    mesh_jsonout_text(&out, "sk", call->sk);
    mesh_jsonout_text(&out, "state", call->state);
    mesh_jsonout_text(&out, "network", call->network);
    mesh_jsonout_close(&out, '}');
    body = mesh_jsonout_finish(&out, NULL);
    if (!ok)
        g_clear_pointer(&body, g_free);
    return body;
}

static bool run_add(const CtlCall *call, GError **error)
{
    g_autofree char *body = NULL;
    CtlRequest       request = { .method = "POST", .path = "relays" };
    g_auto(CtlAnswer) answer = { 0 };

    if (call->rk == NULL || call->sk == NULL || (call->host == NULL && call->addresses == NULL)) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                            "--host, --rk and --sk are needed: mesh-server setup --role=relay "
                            "prints the whole line on the relay's host");
        return false;
    }
    request.body = body = make_body(call, call->argv[0], error);
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
                            "nothing to set: --state, --name, --host, --addresses, --udp, --alt, "
                            "--tls, --rk or --sk");
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
        (void)printf("relay %s is removed; nodes leave it now\n", call->argv[0]);
    return true;
}

const CtlVerb ctl_verbs_relay[] = {
    { "list", "", " --json ", "all relays, this server's own first", 0, run_list },
    { "show", "RELAY", " --json ", "all that is known of one", 1, run_show },
    { "add", "NAME", " --json --host --addresses --udp --alt --tls --rk --sk --state --network ",
      "a new relay, of one network or of all: the line that mesh-server setup --role=relay prints",
      1, run_add },
    { "set", "RELAY", " --json --state --name --host --addresses --udp --alt --tls --rk --sk ",
      "its state: ok, avoid (only where nothing else is left), drain (it will go); where it is", 1,
      run_set },
    { "remove", "RELAY", " --json ", "nodes use it no more", 1, run_remove },
    { 0 },
};
