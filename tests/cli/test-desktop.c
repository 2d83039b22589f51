/* tests/cli/test-desktop.c: what a desktop is set to, by GNOME's settings kept in memory. */
#include "cli/desktop.h"
#include "common/glib/error.h"

#include <gio/gio.h>
#include <string.h>

typedef struct {
    const char       *name, *mode, *https, *http; /* hosts, "": none */
    const char       *user, *socks;
    const char *const ignored[3];
    const char       *want, *want_exempt; /* @want NULL: refused */
} Case;

static const Case cases[] = {
    { "none", "none", "proxy", "proxy", NULL, "", { NULL }, "none", "" },
    { "manual", "manual", "proxy", "", NULL, "", { NULL }, "http://proxy:3128", "" },
    { "exempt",
      "manual",
      "proxy",
      "",
      NULL,
      "",
      { "localhost", "10.0.0.0/8" },
      "http://proxy:3128",
      "localhost,10.0.0.0/8" },
    { "password",
      "manual",
      "proxy",
      "proxy",
      "m@le",
      "",
      { NULL },
      "http://m%40le:d%3Ag@proxy:3128",
      "" },
    { "password-of-another",
      "manual",
      "proxy",
      "other",
      "m@le",
      "",
      { NULL },
      "http://proxy:3128",
      "" },
    { "socks", "manual", "", "", NULL, "socks", { NULL }, NULL, NULL },
};

static GSettings *open_settings(const char *schema)
{
    return g_settings_new(schema);
}

static void apply(const Case *c)
{
    g_autoptr(GSettings) all = open_settings("org.gnome.system.proxy");
    g_autoptr(GSettings) https = open_settings("org.gnome.system.proxy.https");
    g_autoptr(GSettings) http = open_settings("org.gnome.system.proxy.http");
    g_autoptr(GSettings) socks = open_settings("org.gnome.system.proxy.socks");

    g_settings_set_string(all, "mode", c->mode);
    g_settings_set_strv(all, "ignore-hosts", c->ignored);
    g_settings_set_string(https, "host", c->https);
    g_settings_set_int(https, "port", c->https[0] != '\0' ? 3128 : 0);
    g_settings_set_string(http, "host", c->http);
    g_settings_set_int(http, "port", c->http[0] != '\0' ? 3128 : 0);
    g_settings_set_boolean(http, "use-authentication", c->user != NULL);
    g_settings_set_string(http, "authentication-user", c->user != NULL ? c->user : "");
    g_settings_set_string(http, "authentication-password", c->user != NULL ? "d:g" : "");
    g_settings_set_string(socks, "host", c->socks);
    g_settings_set_int(socks, "port", c->socks[0] != '\0' ? 1080 : 0);
}

static bool is_gnome(void)
{
    GSettingsSchemaSource *source = g_settings_schema_source_get_default();
    g_autoptr(GSettingsSchema) schema =
        source != NULL ? g_settings_schema_source_lookup(source, "org.gnome.system.proxy", true)
                       : NULL;

    return schema != NULL &&
           strcmp(G_OBJECT_TYPE_NAME(g_proxy_resolver_get_default()), "GProxyResolverGnome") == 0;
}

static void test_case(gconstpointer data)
{
    const Case     *c = data;
    CliDesktopProxy found = { .url = NULL };
    g_autoptr(GError) error = NULL;
    bool ok;

    if (!is_gnome()) {
        g_test_skip("GNOME's proxy settings, or what asks them (glib-networking), are not here");
        return;
    }
    apply(c);
    ok = cli_desktop_find("mesh.example.org", &found, &error);
    g_assert_cmpint(ok, ==, c->want != NULL);
    if (ok)
        g_assert_no_error(error);
    else
        g_assert_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT);
    g_assert_cmpstr(found.url, ==, c->want);
    g_assert_cmpstr(found.exempt, ==, c->want_exempt);
    cli_desktop_clear(&found);
}

int main(int argc, char **argv)
{
    g_setenv("GSETTINGS_BACKEND", "memory", true);
    g_setenv("XDG_CURRENT_DESKTOP", "GNOME", true);
    g_unsetenv("GIO_USE_PROXY_RESOLVER");
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/desktop/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    return g_test_run();
}
