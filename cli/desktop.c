#include "cli/desktop.h"

#include "common/glib/error.h"
#include "common/std/key.h"

#include <gio/gio.h>
#include <string.h>

#define SCHEMA  "org.gnome.system.proxy"
#define NOWHERE "mesh.invalid" /* a host that no list of exempt ones names */

/* NULL: GNOME is not in use here, or its settings are not installed. Owned. */
static GSettings *open_settings(const char *schema)
{
    const char            *desktop = g_getenv("XDG_CURRENT_DESKTOP");
    GSettingsSchemaSource *source = g_settings_schema_source_get_default();
    g_autoptr(GSettingsSchema) found = NULL;
    g_auto(GStrv) names = g_strsplit(desktop != NULL ? desktop : "", ":", -1);

    if (!g_strv_contains((const char *const *)names, "GNOME") || source == NULL)
        return NULL;
    found = g_settings_schema_source_lookup(source, schema, true);
    return found != NULL ? g_settings_new_full(found, NULL, NULL) : NULL;
}

static bool is_manual(GSettings *settings)
{
    g_autofree char *mode = settings != NULL ? g_settings_get_string(settings, "mode") : NULL;

    return g_strcmp0(mode, "manual") == 0;
}

static char *list_exempt(GSettings *settings)
{
    g_auto(GStrv) hosts = NULL;
    const char *list = g_getenv("no_proxy");

    if (is_manual(settings)) {
        hosts = g_settings_get_strv(settings, "ignore-hosts");
        return g_strjoinv(",", hosts);
    }
    if (list == NULL)
        list = g_getenv("NO_PROXY");
    return g_strdup(list != NULL ? list : "");
}

/* A resolver of GIO tells no password for HTTPS, though GNOME has one for all of a proxy: it stands
 * with HTTP. Takes @url; owned. */
static char *add_password(char *url)
{
    g_autoptr(GSettings) http = open_settings(SCHEMA ".http");
    g_autofree char *host = http != NULL ? g_settings_get_string(http, "host") : g_strdup("");
    g_autofree char *want = g_strdup_printf("http://%s:", host);
    g_autofree char *user = NULL, *password = NULL, *user_text = NULL, *password_text = NULL;
    g_autofree char *bare = url;

    if (http == NULL || host[0] == '\0' || !g_str_has_prefix(url, want) ||
        !g_settings_get_boolean(http, "use-authentication"))
        return g_steal_pointer(&bare);
    user = g_settings_get_string(http, "authentication-user");
    password = g_settings_get_string(http, "authentication-password");
    user_text = g_uri_escape_string(user, NULL, false);
    password_text = g_uri_escape_string(password, NULL, false);
    url = g_strdup_printf("http://%s:%s@%s", user_text, password_text, bare + strlen("http://"));
    mesh_key_wipe(password, strlen(password));
    mesh_key_wipe(password_text, strlen(password_text));
    return url;
}

/* The first that can be used; NULL: none of @found can. */
static char *choose(char **found)
{
    for (size_t i = 0; found[i] != NULL; i++) {
        if (strcmp(found[i], "direct://") == 0)
            return g_strdup("none");
        if (g_ascii_strncasecmp(found[i], "http://", strlen("http://")) == 0)
            return add_password(g_strdup(found[i]));
    }
    return found[0] == NULL ? g_strdup("none") : NULL;
}

bool cli_desktop_find(const char *server, CliDesktopProxy *out, GError **error)
{
    g_autoptr(GSettings) settings = open_settings(SCHEMA);
    /* with a list of exempt hosts meshd judges each by itself */
    g_autofree char *exempt = list_exempt(settings);
    g_autofree char *target =
        g_strdup_printf("https://%s/", server != NULL && !is_manual(settings) && exempt[0] == '\0'
                                           ? server
                                           : NOWHERE);
    g_auto(GStrv) found =
        g_proxy_resolver_lookup(g_proxy_resolver_get_default(), target, NULL, error);
    char *url;

    if (found == NULL)
        return false;
    url = choose(found);
    if (url == NULL) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    "the desktop is set to %.*s, and only HTTP proxies can be used",
                    (int)strcspn(found[0], ":"), found[0]);
        return false;
    }
    *out = (CliDesktopProxy){ .url = url, .exempt = g_steal_pointer(&exempt) };
    return true;
}

void cli_desktop_clear(CliDesktopProxy *self)
{
    if (self->url != NULL)
        mesh_key_wipe(self->url, strlen(self->url));
    g_clear_pointer(&self->url, g_free);
    g_clear_pointer(&self->exempt, g_free);
}
