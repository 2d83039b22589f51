#include "server/config.h"

#include "common/glib/error.h"
#include "common/std/endpoint.h"

#include <glib/gstdio.h>
#include <string.h>

/* The file's path with @text in it; owned, and removed by drop(). */
static char *make_file(const char *text)
{
    char *path = NULL;
    int   fd = g_file_open_tmp("mesh-config-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static void drop(char *path)
{
    g_unlink(path);
    g_free(path);
}

static void test_defaults(void)
{
    char *path = make_file("");
    g_autoptr(GError) error = NULL;
    g_autoptr(ServerConfig) config = server_config_load(path, &error);
    char text[MESH_ENDPOINT_TEXT_SIZE];

    g_assert_no_error(error);
    g_assert_cmpuint(config->n_listen, ==, 1);
    g_assert_cmpstr(mesh_endpoint_format(&config->listen[0], text), ==, "[::]:443");
    g_assert_null(config->public_host);
    g_assert_cmpuint(config->public_port, ==, 443);
    g_assert_cmpstr(config->state_dir, ==, "/var/lib/mesh-server");
    g_assert_cmpstr(config->admin_socket, ==, "/run/mesh-server/admin.sock");
    g_assert_false(config->behind_proxy);
    g_assert_cmpuint(config->threads, ==, 0);
    g_assert_cmpuint(config->connections, ==, 20000);
    g_assert_cmpuint(config->header_ms, ==, 10000);
    g_assert_cmpuint(config->body_ms, ==, 30000);
    drop(path);
}

#define KEY_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
#define KEY_2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"

typedef struct {
    const char *name, *text, *want; /* want: in the error; NULL: it is taken */
    unsigned    n_trust;
} RelayCase;

static const RelayCase relay_cases[] = {
    { "one", "[relay]\ntrust=" KEY_1 "\n", NULL, 1 },
    { "two", "[relay]\ntrust = " KEY_1 " ; " KEY_2 ";\n", NULL, 2 },
    { "nobody", "[relay]\nudp=1\n", "[relay] trust is missing", 0 },
    { "empty", "[relay]\ntrust=;\n", "[relay] trust is missing", 0 },
    { "no-key", "[relay]\ntrust=" KEY_1 ";secret\n", "\"secret\" is not a server's key", 0 },
    { "off", "[relay]\ntrust=" KEY_1 "\nenabled=false\n", "[relay] enabled is false", 0 },
};

static void test_relay(gconstpointer data)
{
    const RelayCase *c = data;
    char            *path = make_file(c->text);
    g_autoptr(GError) error = NULL;
    g_autoptr(ServerConfig) config = server_config_load_relay(path, &error);

    g_assert_true((config != NULL) == (c->want == NULL));
    if (config != NULL) {
        g_assert_true(config->alone);
        g_assert_cmpuint(config->n_relay_trust, ==, c->n_trust);
        g_assert_cmpint(config->relay_trust[c->n_trust - 1].bytes[31], ==, (int)c->n_trust);
    } else {
        g_assert_nonnull(strstr(error->message, c->want));
        g_assert_nonnull(strstr(error->message, path));
    }
    drop(path);
}

static void test_all(void)
{
    char *path = make_file("[server]\nlisten = 192.0.2.1:443 ; [2001:db8::1]:8443;\n"
                           "public_host = mesh.example\npublic_port=8443\nbehind_proxy=true\n"
                           "log = debug\n[limits]\nthreads=4\n[timeouts]\nidle_ms=7\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(ServerConfig) config = server_config_load(path, &error);
    char text[MESH_ENDPOINT_TEXT_SIZE];

    g_assert_no_error(error);
    g_assert_cmpuint(config->n_listen, ==, 2);
    g_assert_cmpstr(mesh_endpoint_format(&config->listen[1], text), ==, "[2001:db8::1]:8443");
    g_assert_cmpstr(config->public_host, ==, "mesh.example");
    g_assert_cmpuint(config->public_port, ==, 8443);
    g_assert_true(config->behind_proxy);
    g_assert_cmpint(config->log_level, ==, MESH_LOG_DEBUG);
    g_assert_cmpuint(config->threads, ==, 4);
    g_assert_cmpuint(config->idle_ms, ==, 7);
    drop(path);
}

typedef struct {
    const char *name;
    const char *text;
    const char *want; /* in the error's text */
} BadCase;

static const BadCase bad[] = {
    { "no-group", "listen=[::]:443\n", ": " },
    { "unknown-group", "[sever]\n", "unknown group [sever]" },
    { "unknown-key", "[server]\nlissten=[::]:443\n", "[server] unknown key lissten" },
    { "key-of-another-group", "[limits]\nlisten=[::]:443\n", "[limits] unknown key listen" },
    { "listen-empty", "[server]\nlisten=\n", "[server] listen: \"\" is not" },
    { "listen-without-port", "[server]\nlisten=::\n", "[server] listen: \"::\" is not" },
    { "listen-a-name", "[server]\nlisten=localhost:443\n", "\"localhost:443\" is not an address" },
    { "port-zero", "[server]\npublic_port=0\n", "\"0\" is not a whole number from 1 to 65535" },
    { "port-large", "[server]\npublic_port=65536\n", "is not a whole number from 1 to 65535" },
    { "number-signed", "[limits]\nthreads=-1\n", "\"-1\" is not a whole number" },
    { "number-with-unit", "[timeouts]\nidle_ms=10s\n", "\"10s\" is not a whole number" },
    { "number-out-of-range", "[limits]\nthreads=65\n", "a whole number from 0 to 64" },
    { "bool", "[server]\nbehind_proxy=yes\n", "\"yes\" is not true or false" },
    { "path", "[server]\nstate_dir=state\n", "\"state\" is not an absolute path" },
    { "level", "[server]\nlog=loud\n", "\"loud\" is not error, warning" },
};

static void test_bad(gconstpointer data)
{
    const BadCase *c = data;
    char          *path = make_file(c->text);
    g_autoptr(GError) error = NULL;

    g_assert_null(server_config_load(path, &error));
    g_assert_nonnull(error);
    g_assert_true(g_str_has_prefix(error->message, path)); /* the file is named */
    g_assert_nonnull(strstr(error->message, c->want));
    drop(path);
}

static void test_missing(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(server_config_load("/nonexistent/mesh.conf", &error));
    g_assert_true(g_str_has_prefix(error->message, "/nonexistent/mesh.conf: "));
}

/* The example that is installed says the defaults, and nothing that is not understood. */
static void test_example(void)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "mesh-server.conf", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GString) all = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(ServerConfig) config = server_config_load(path, &error);
    char *plain;

    g_assert_no_error(error);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    all = g_string_new(text);
    g_string_replace(all, "\n#", "\n", 0); /* its commented keys are good ones too */
    g_string_replace(all, "\n ", "\n# ", 0);
    plain = make_file(all->str);
    g_clear_pointer(&config, server_config_free);
    config = server_config_load(plain, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(config->connections, ==, 20000);
    g_assert_cmpstr(config->state_dir, ==, "/var/lib/mesh-server");
    drop(plain);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strdup_printf("/config/refused/%s", bad[i].name);

        g_test_add_data_func(path, &bad[i], test_bad);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(relay_cases); i++) {
        g_autofree char *path = g_strdup_printf("/config/relay/%s", relay_cases[i].name);

        g_test_add_data_func(path, &relay_cases[i], test_relay);
    }
    g_test_add_func("/config/defaults", test_defaults);
    g_test_add_func("/config/everything", test_all);
    g_test_add_func("/config/no-file", test_missing);
    g_test_add_func("/config/example", test_example);
    return g_test_run();
}
