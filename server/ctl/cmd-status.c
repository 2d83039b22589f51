/* server/ctl/cmd-status.c: mesh-server status. */
#include "server/ctl/command.h"

#include <stdio.h>

bool ctl_cmd_print_json(const CtlCall *call, const CtlAnswer *answer)
{
    if (call->json)
        (void)printf("%s\n", answer->text);
    return call->json;
}

static void print_relay(JsonObject *object)
{
    JsonObject *relay;

    if (!json_object_has_member(object, "relay")) {
        (void)printf("relay        off\n");
        return;
    }
    relay = json_object_get_object_member(object, "relay");
    (void)printf("relay        %" G_GINT64_FORMAT " sessions, %" G_GINT64_FORMAT
                 " packets, %" G_GINT64_FORMAT " bytes, %" G_GINT64_FORMAT " packets dropped\n",
                 json_object_get_int_member_with_default(relay, "sessions", 0),
                 json_object_get_int_member_with_default(relay, "packets", 0),
                 json_object_get_int_member_with_default(relay, "bytes", 0),
                 json_object_get_int_member_with_default(relay, "dropped", 0));
}

bool ctl_cmd_status_run(const CtlCall *call, GError **error)
{
    CtlRequest request = { .method = "GET", .path = "status" };
    g_auto(CtlAnswer) answer = { 0 };
    JsonObject *object;

    if (!ctl_client_ask(call->socket, &request, &answer, error))
        return false;
    if (ctl_cmd_print_json(call, &answer))
        return true;
    object = answer.object;
    (void)printf("mesh-server %s, up %" G_GINT64_FORMAT " s\n",
                 json_object_get_string_member_with_default(object, "version", "?"),
                 json_object_get_int_member_with_default(object, "uptime_s", 0));
    (void)printf("key          %s\n",
                 json_object_get_string_member_with_default(object, "key", "?"));
    (void)printf("fingerprint  %s\n",
                 json_object_get_string_member_with_default(object, "fingerprint", "?"));
    (void)printf("networks     %" G_GINT64_FORMAT "\n",
                 json_object_get_int_member_with_default(object, "networks", 0));
    (void)printf("nodes        %" G_GINT64_FORMAT "\n",
                 json_object_get_int_member_with_default(object, "nodes", 0));
    (void)printf("streams      %" G_GINT64_FORMAT "\n",
                 json_object_get_int_member_with_default(object, "streams", 0));
    print_relay(object);
    return true;
}

bool ctl_cmd_list(const CtlCall *call, const char *what, const char *const *headings,
                  void (*add_row)(CtlTable *table, JsonObject *row), GError **error)
{
    g_autofree char *network = ctl_cmd_network_dup_ref(call, error);
    g_autofree char *path = NULL;
    CtlRequest       request = { .method = "GET" };
    g_auto(CtlAnswer) answer = { 0 };
    g_autoptr(CtlTable) table = ctl_table_new(headings);
    JsonArray *rows;

    if (network == NULL)
        return false;
    request.path = path = g_strdup_printf("networks/%s/%s", network, what);
    if (!ctl_client_ask(call->socket, &request, &answer, error))
        return false;
    if (ctl_cmd_print_json(call, &answer))
        return true;
    rows = json_object_has_member(answer.object, what)
               ? json_object_get_array_member(answer.object, what)
               : NULL;
    for (guint i = 0; rows != NULL && i < json_array_get_length(rows); i++)
        add_row(table, json_array_get_object_element(rows, i));
    ctl_table_print(table);
    return true;
}
