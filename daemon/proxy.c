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
    char *shown;  /* NULL: "auto" */
    char *exempt; /* NULL: none */
} self;

static bool check_exempt(const char *exempt, GError **error)
{
    if (exempt == NULL || (strlen(exempt) <= MAX_EXEMPT && strpbrk(exempt, "\r\n") == NULL &&
                           g_utf8_validate(exempt, -1, NULL)))
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
    g_free(self.exempt);
    self.exempt = g_strdup(exempt);
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

static bool set(const char *choice, const char *exempt, GError **error)
{
    g_autoptr(GBytes) document = NULL;
    MeshProxy proxy = { .port = 0 };
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

/* What was chosen is on disk alone, since it may hold a password. @out: to be wiped and freed. */
static bool load_choice(char **out, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autoptr(GBytes) document = meshd_document_load(self.path, &reason);
    gsize       len = 0;
    const char *data, *line_end;

    if (g_error_matches(reason, MESH_ERROR, MESH_ERROR_NOT_FOUND)) {
        *out = g_strdup(AUTO);
        return true;
    }
    if (document == NULL) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return false;
    }
    data = g_bytes_get_data(document, &len);
    line_end = len > 0 ? memchr(data, '\n', len) : NULL;
    *out = g_strndup(data, line_end != NULL ? (gsize)(line_end - data) : len);
    return true;
}

bool meshd_proxy_set(const char *choice, const char *exempt, GError **error)
{
    char *kept = NULL;
    bool  done;

    if (choice[0] != '\0')
        return set(choice, exempt, error);
    if (!load_choice(&kept, error))
        return false;
    done = set(kept, exempt, error);
    mesh_key_wipe(kept, strlen(kept));
    g_free(kept);
    return done;
}

char *meshd_proxy_describe(void)
{
    return g_strdup(self.shown != NULL ? self.shown : AUTO);
}

const char *meshd_proxy_get_exempt(void)
{
    return self.exempt != NULL ? self.exempt : "";
}
