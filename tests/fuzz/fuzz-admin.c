/* tests/fuzz/fuzz-admin.c: a request to the admin socket, "METHOD PATH" and from the second line on
 * its body: refused by name, or a request of the core whose values are within what it may be asked.
 */
#include "common/glib/json.h"
#include "server/admin/routing.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

static bool fits(const char *text, size_t max)
{
    return text == NULL || (strlen(text) <= max && g_utf8_validate(text, -1, NULL));
}

static void check_request(const CoreManage *request)
{
    assert(request->approve >= -1 && request->approve <= 1);
    assert(request->disabled >= -1 && request->disabled <= 1);
    assert(request->expires >= -1 && request->max_nodes >= -1 && request->expires_in_s >= 0);
    assert(fits(request->name, 63) && fits(request->user, 63) && fits(request->ip4, 64));
    assert(fits(request->note, CORE_NOTE_MAX));
}

static void read_body(const AdminRoute *route, const char *body, size_t len)
{
    CoreManage request = { .approve = -1, .expires = -1, .max_nodes = -1, .disabled = -1 };
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = mesh_json_parse(body, len, 65536, &error);

    if (!fuzz_outcome(object != NULL, &error))
        return;
    if (fuzz_outcome(route->read(object, &request, &error), &error))
        check_request(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const uint8_t   *end = len > 0 ? memchr(data, '\n', len) : NULL;
    size_t           head_len = end != NULL ? (size_t)(end - data) : len;
    g_autofree char *head = g_strndup((const char *)data, head_len);
    char            *path = strchr(head, ' ');
    g_autoptr(GError) error = NULL;
    AdminNames        names;
    const AdminRoute *route;

    if (path == NULL || !g_utf8_validate(head, -1, NULL)) /* libsoup hands on no other */
        return 0;
    for (const char *c = head; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return 0;
    *path++ = '\0';
    route = admin_routing_find(head, path, &names, &error);
    if (!fuzz_outcome(route != NULL, &error)) {
        assert(names.network == NULL && names.key == NULL && names.node == NULL);
        return 0;
    }
    assert(strcmp(route->method, head) == 0);
    assert((names.network == NULL || names.network[0] != '\0') &&
           (names.user == NULL || names.user[0] != '\0'));
    if (route->read != NULL && end != NULL)
        read_body(route, (const char *)end + 1, len - head_len - 1);
    admin_routing_clear(&names);
    return 0;
}
