#include "daemon/proxy.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "common/proto/proxy.h"
#include "common/std/key.h"
#include "daemon/document.h"

#include <string.h>

#define AUTO "auto"
#define NONE "none"

enum { MAX_EXEMPT = 4096 }; /* characters */

/* The document: the choice, a line break, the exempt hosts. */
static struct {
    char *path;
    char *shown; /* NULL: "auto" */
} self;

static bool check_exempt(const char *exempt, GError **error)
{
    if (exempt == NULL || (strlen(exempt) <= MAX_EXEMPT && strpbrk(exempt, "\r\n") == NULL))
        return true;
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                "proxy: the hosts that need none are one line of at most %d characters",
                MAX_EXEMPT);
    return false;
}

static char *format(const MeshProxy *proxy)
{
    bool v6 = strchr(proxy->host, ':') != NULL;

    return g_strdup_printf(v6 ? "http://[%s]:%u" : "http://%s:%u", proxy->host, proxy->port);
}

static bool use(const char *choice, const char *exempt, GError **error)
{
    MeshProxy proxy = { .port = 0 };
    bool      is_auto = strcmp(choice, AUTO) == 0, is_none = strcmp(choice, NONE) == 0;

    if (!check_exempt(exempt, error) ||
        (!is_auto && !is_none && !mesh_proxy_parse(choice, &proxy, error)))
        return false;
    mesh_proxy_configure(is_auto ? NULL : &proxy, exempt);
    g_free(self.shown);
    self.shown = is_auto ? NULL : is_none ? g_strdup(NONE) : format(&proxy);
    mesh_proxy_wipe(&proxy);
    return true;
}

/* @text is cut in two. */
static bool use_document(char *text, GError **error)
{
    char *line_end = strchr(text, '\n');

    if (line_end == NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_STATE, "%s: not what meshd writes", self.path);
        return false;
    }
    *line_end = '\0';
    return use(text, line_end + 1, error);
}

void meshd_proxy_start(const char *state_dir)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) document = NULL;
    gsize         len = 0;
    gconstpointer data;
    char         *text;

    g_free(self.path);
    self.path = g_build_filename(state_dir, "proxy", NULL);
    document = meshd_document_load(self.path, &error);
    if (g_error_matches(error, MESH_ERROR, MESH_ERROR_NOT_FOUND))
        return;
    data = document != NULL ? g_bytes_get_data(document, &len) : NULL;
    text = g_strndup(data, len);
    if (document == NULL || !use_document(text, &error))
        mesh_log_warning("the proxy that was chosen is not used: %s", error->message);
    mesh_key_wipe(text, len);
    g_free(text);
}

bool meshd_proxy_set(const char *choice, const char *exempt, GError **error)
{
    g_autofree char *was = g_strdup(self.shown);
    g_autoptr(GBytes) document = NULL;
    MeshProxy proxy;
    bool      named = strcmp(choice, AUTO) != 0 && strcmp(choice, NONE) != 0;
    char     *text;

    if (named && !mesh_proxy_parse(choice, &proxy, error))
        return false;
    mesh_proxy_wipe(&proxy);
    if (!check_exempt(exempt, error))
        return false;
    text = g_strdup_printf("%s\n%s", choice, exempt != NULL ? exempt : "");
    document = meshd_document_wrap_secret(text, strlen(text));
    if (!meshd_document_save(self.path, document, false, error) || !use(choice, exempt, error))
        return false;
    mesh_log_info("proxy: %s", self.shown != NULL ? self.shown : AUTO);
    return true;
}

char *meshd_proxy_describe(void)
{
    return g_strdup(self.shown != NULL ? self.shown : AUTO);
}
