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

static bool print_list(const CtlCall *call, const CtlList *list, const char *path, GError **error)
{
    CtlRequest request = { .method = "GET", .path = path };
    g_auto(CtlAnswer) answer = { 0 };
    g_autoptr(CtlTable) table = ctl_table_new(list->headings);
    JsonArray *rows = NULL;

    if (!ctl_client_ask(call->socket, &request, &answer, error))
        return false;
    if (ctl_cmd_print_json(call, &answer))
        return true;
    if (json_object_has_member(answer.object, list->what))
        rows = json_object_get_array_member(answer.object, list->what);
    for (guint i = 0; rows != NULL && i < json_array_get_length(rows); i++)
        list->add_row(table, json_array_get_object_element(rows, i));
    ctl_table_print(table);
    return true;
}

bool ctl_cmd_list(const CtlCall *call, const CtlList *list, GError **error)
{
    g_autofree char *network = ctl_cmd_network_dup_ref(call, error);
    g_autofree char *path = NULL;

    if (network == NULL)
        return false;
    path = g_strdup_printf("networks/%s/%s", network, list->what);
    return print_list(call, list, path, error);
}

bool ctl_cmd_list_all(const CtlCall *call, const CtlList *list, GError **error)
{
    return print_list(call, list, list->what, error);
}

bool ctl_cmd_ask(const CtlCall *call, const CtlKind *kind, CtlRequest request,
                 CtlAnswer *out_answer, GError **error)
{
    g_autofree char *path = g_strdup_printf("%s/%s", kind->what, call->argv[0]);

    request.path = path;
    return ctl_client_check_name(kind->word, call->argv[0], error) &&
           ctl_client_ask(call->socket, &request, out_answer, error);
}

bool ctl_cmd_show(const CtlCall *call, const CtlKind *kind, GError **error)
{
    g_auto(CtlAnswer) answer = { 0 };

    if (!ctl_cmd_ask(call, kind, (CtlRequest){ .method = "GET" }, &answer, error))
        return false;
    ctl_table_print_object(answer.object, call->json);
    return true;
}
