/* The ring keeps what was logged, as it was logged, and no more than its bounds. */
#include "common/glib/logring.h"

#include <string.h>

typedef struct {
    unsigned n;
    uint64_t first, last;
    size_t   bytes;
    char    *text; /* of the last; owned */
} Walk;

static void on_logged(MeshLogLevel level, const char *line, void *user_data)
{
    (void)level, (void)line, (void)user_data; /* the ring is what we look at */
}

static void on_line(const MeshLogringLine *line, void *user_data)
{
    Walk *walk = user_data;

    if (walk->n++ == 0)
        walk->first = line->serial;
    else
        g_assert_cmpuint(line->serial, ==, walk->last + 1);
    walk->last = line->serial;
    walk->bytes += strlen(line->text) + 1;
    g_free(walk->text);
    walk->text = g_strdup(line->text);
}

static Walk look(uint64_t serial, unsigned limit)
{
    Walk walk = { 0 };

    (void)mesh_logring_walk(serial, limit, on_line, &walk);
    return walk;
}

static uint64_t get_newest(void)
{
    return mesh_logring_walk(G_MAXUINT64, 1, on_line, NULL);
}

static void test_nothing_before_start(void)
{
    mesh_log_notice("before");
    g_assert_cmpuint(get_newest(), ==, 0);
    mesh_logring_start();
    mesh_logring_start();
    g_assert_cmpuint(look(0, 10).n, ==, 0);
}

static void test_redacted(void)
{
    uint64_t           before = get_newest();
    const MeshLogField fields[] = { { "psk", "hidden1" }, { "peer", "nas" } };
    Walk               walk;

    mesh_log_write(MESH_LOG_WARNING, fields, G_N_ELEMENTS(fields), "link ?k=hidden2&s=x\nforged");
    walk = look(before, 10);
    g_assert_cmpuint(walk.n, ==, 1);
    g_assert_nonnull(strstr(walk.text, "peer=nas"));
    g_assert_null(strstr(walk.text, "hidden"));
    g_assert_null(strchr(walk.text, '\n'));
    g_free(walk.text);
}

static void test_level(void)
{
    uint64_t before = get_newest();

    mesh_log_debug("too detailed");
    g_assert_cmpuint(get_newest(), ==, before);
}

static void test_pages(void)
{
    uint64_t before = get_newest();
    Walk     walk;

    for (int i = 0; i < 30; i++)
        mesh_logring_put(MESH_LOG_INFO, "line");
    walk = look(before, 10);
    g_assert_cmpuint(walk.n, ==, 10);
    g_assert_cmpuint(walk.first, ==, before + 1);
    g_free(walk.text);
    walk = look(walk.last, 100);
    g_assert_cmpuint(walk.n, ==, 20);
    g_assert_cmpuint(walk.last, ==, before + 30);
    g_free(walk.text);
    g_assert_cmpuint(look(before + 30, 100).n, ==, 0);
    g_assert_cmpuint(look(G_MAXUINT64, 100).n, ==, 0);
}

static void test_bounds(void)
{
    g_autofree char *huge = g_strnfill(MESH_LOGRING_MAX_BYTES * 2, 'x');
    g_autofree char *wide = g_strnfill(1000, 'y');
    Walk             walk;

    for (unsigned i = 0; i < MESH_LOGRING_MAX_LINES * 2; i++)
        mesh_logring_put(MESH_LOG_INFO, "short");
    walk = look(0, G_MAXUINT);
    g_assert_cmpuint(walk.n, ==, MESH_LOGRING_MAX_LINES);
    g_free(walk.text);
    for (unsigned i = 0; i < MESH_LOGRING_MAX_LINES; i++)
        mesh_logring_put(MESH_LOG_INFO, wide);
    walk = look(0, G_MAXUINT);
    g_assert_cmpuint(walk.bytes, <=, MESH_LOGRING_MAX_BYTES);
    g_assert_cmpuint(walk.bytes, >, MESH_LOGRING_MAX_BYTES - 2000);
    g_free(walk.text);
    mesh_logring_put(MESH_LOG_INFO, huge);
    walk = look(0, G_MAXUINT);
    g_assert_cmpuint(walk.bytes, <=, MESH_LOGRING_MAX_BYTES);
    g_assert_cmpuint(walk.last, ==, get_newest());
    g_free(walk.text);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mesh_log_init("test", MESH_LOG_INFO);
    mesh_log_set_sink(on_logged, NULL);
    mesh_log_set_level(MESH_LOG_INFO);
    g_test_add_func("/logring/nothing-before-start", test_nothing_before_start);
    g_test_add_func("/logring/redacted", test_redacted);
    g_test_add_func("/logring/level", test_level);
    g_test_add_func("/logring/pages", test_pages);
    g_test_add_func("/logring/bounds", test_bounds);
    return g_test_run();
}
