/* server/ctl/client.c: one request to the admin socket, by libcurl. */
#include "server/ctl/client.h"

#include "common/glib/error.h"
#include "common/glib/json.h"
#include "common/proto/session.h"
#include "common/std/key.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAX_ANSWER (64u << 20) /* 65 000 nodes at half a kilobyte, and room */
#define TIMEOUT_S  60L

static size_t on_data(char *data, size_t size, size_t n, void *user_data)
{
    GString *text = user_data;

    if (text->len + size * n > MAX_ANSWER)
        return 0;
    g_string_append_len(text, data, (gssize)(size * n));
    return size * n;
}

/* Why nobody answered. */
static void set_refused(const char *socket, const char *why, GError **error)
{
    if (access(socket, F_OK) == 0 && access(socket, R_OK | W_OK) < 0 && errno == EACCES)
        g_set_error(error, MESH_ERROR, MESH_ERROR_NOT_AUTHORIZED,
                    "%s: only root and the server's own user may use it", socket);
    else
        g_set_error(error, MESH_ERROR, MESH_ERROR_NO_DAEMON,
                    "mesh-server does not run (%s: %s): start it with systemctl start mesh-server",
                    socket, why);
}

static CURL *prepare(const char *socket, const CtlRequest *request, struct curl_slist *headers,
                     GString *text)
{
    g_autofree char *url = g_strconcat("http://localhost/admin/v1/", request->path, NULL);
    CURL            *curl = curl_easy_init();

    if (curl == NULL)
        g_error("curl_easy_init");
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->body != NULL)
        curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, request->body);
    else if (strcmp(request->method, "POST") == 0)
        curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, "");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, text);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    return curl;
}

static bool judge(long status, GString *text, CtlAnswer *out_answer, GError **error)
{
    GError          *cause = NULL;
    JsonObject      *object;
    MeshSessionHints hints;

    if (status >= 400) {
        mesh_session_decode_error((unsigned)status, text->str, text->len, &hints, error);
        return false;
    }
    object = mesh_json_parse(text->str, text->len, MAX_ANSWER, &cause);
    if (object == NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_ANSWER, "the server's answer: %s",
                    cause->message);
        g_error_free(cause);
        return false;
    }
    out_answer->object = object;
    out_answer->text = g_strndup(text->str, text->len);
    return true;
}

bool ctl_client_ask(const char *socket, const CtlRequest *request, CtlAnswer *out_answer,
                    GError **error)
{
    GString           *text = g_string_new(NULL);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURL              *curl = prepare(socket, request, headers, text);
    CURLcode           rc = curl_easy_perform(curl);
    long               status = 0;
    bool               ok = rc == CURLE_OK;

    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (rc == CURLE_COULDNT_CONNECT)
        set_refused(socket, "nobody answers", error);
    else if (!ok)
        g_set_error(error, MESH_ERROR, MESH_ERROR_FAILED, "%s: %s", socket, curl_easy_strerror(rc));
    else
        ok = judge(status, text, out_answer, error);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    mesh_key_wipe(text->str, text->allocated_len);
    g_string_free(text, TRUE);
    return ok;
}

void ctl_client_clear(CtlAnswer *answer)
{
    if (answer->text != NULL)
        mesh_key_wipe(answer->text, strlen(answer->text));
    g_clear_pointer(&answer->text, g_free);
    g_clear_pointer(&answer->object, json_object_unref);
}

bool ctl_client_check_name(const char *what, const char *name, GError **error)
{
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

    if (good > 0 && good <= 64 && name[good] == '\0')
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                "%s: 1 to 64 letters, digits, - and _", what);
    return false;
}
