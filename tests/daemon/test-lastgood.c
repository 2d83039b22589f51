/* tests/daemon/test-lastgood.c: where peers were reached last: what is kept, for whom, how long. */
#include "daemon/lastgood.h"

#include "common/std/endpoint.h"

#include <string.h>

#define NOW INT64_C(1700000000)

typedef struct {
    char          *dir;
    MeshNetworkId  net;
    MeshdState    *state;
    MeshdLastgood *self;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GBytes) profile = g_bytes_new_static("{}", 2);

    (void)data;
    f->dir = g_dir_make_tmp("mesh-lastgood-XXXXXX", NULL);
    f->net = (MeshNetworkId){ { 1, 2, 3, 4, 5, 6, 7, 8 } };
    f->state = meshd_state_open(f->dir, NULL);
    g_assert_nonnull(f->state);
    g_assert_true(meshd_state_save(f->state, &f->net, "profile", profile, NULL)); /* it is joined */
    f->self = meshd_lastgood_new(f->state, &f->net);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", f->dir);

    (void)data;
    meshd_lastgood_free(f->self);
    meshd_state_close(f->state);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    g_free(f->dir);
}

/* The daemon ends and begins again at @now_s. */
static void restart(Fixture *f, int64_t now_s)
{
    meshd_lastgood_free(f->self);
    meshd_state_close(f->state); /* waits for what is being saved */
    f->state = meshd_state_open(f->dir, NULL);
    f->self = meshd_lastgood_new(f->state, &f->net);
    meshd_lastgood_start(f->self, now_s);
}

static MeshKey peer(unsigned n)
{
    return (MeshKey){ { (uint8_t)n, (uint8_t)(n >> 8), 1 } };
}

static MeshEndpoint place(const char *text)
{
    MeshEndpoint at = { 0 };

    g_assert_cmpint(mesh_endpoint_parse(text, &at), ==, 0);
    return at;
}

static void note(Fixture *f, unsigned n, const char *text, int64_t now_s)
{
    MeshKey      key = peer(n);
    MeshEndpoint at = place(text);

    meshd_lastgood_note(f->self, &key, &at, now_s);
}

static void expect(Fixture *f, unsigned n, const char *want)
{
    MeshKey             key = peer(n);
    const MeshEndpoint *at = meshd_lastgood_get(f->self, &key);
    char                text[MESH_ENDPOINT_TEXT_SIZE];

    g_assert_cmpstr(at != NULL ? mesh_endpoint_format(at, text) : NULL, ==, want);
}

/* What is new counts from the next start on: a peer that works is left alone. */
static void test_kept(Fixture *f, gconstpointer data)
{
    (void)data;
    meshd_lastgood_start(f->self, NOW);
    note(f, 1, "203.0.113.1:7", NOW);
    note(f, 2, "[2001:db8::2]:8", NOW);
    expect(f, 1, NULL);
    restart(f, NOW + 60);
    expect(f, 1, "203.0.113.1:7");
    expect(f, 2, "[2001:db8::2]:8");
    note(f, 1, "203.0.113.9:9", NOW + 60);
    expect(f, 1, "203.0.113.1:7");
    meshd_lastgood_start(f->self, NOW + 60); /* down and up */
    expect(f, 1, "203.0.113.9:9");
    expect(f, 3, NULL);
}

static void test_ends(Fixture *f, gconstpointer data)
{
    MeshKey      key = peer(3);
    MeshEndpoint local = place("[fe80::1]:7"), none = { 0 };

    (void)data;
    meshd_lastgood_start(f->self, NOW);
    note(f, 1, "203.0.113.1:7", NOW);
    local.scope = 2; /* means nothing after a restart */
    meshd_lastgood_note(f->self, &key, &local, NOW);
    meshd_lastgood_note(f->self, &key, &none, NOW);
    restart(f, NOW + MESHD_LASTGOOD_LIFE_S - 1);
    expect(f, 1, "203.0.113.1:7");
    expect(f, 3, NULL);
    restart(f, NOW + MESHD_LASTGOOD_LIFE_S);
    expect(f, 1, NULL);
}

/* Those reached last stay. */
static void test_bounded(Fixture *f, gconstpointer data)
{
    (void)data;
    meshd_lastgood_start(f->self, NOW);
    for (unsigned n = 0; n < MESHD_LASTGOOD_MAX + 10; n++)
        note(f, n, "203.0.113.1:7", NOW + n);
    restart(f, NOW + 1000);
    for (unsigned n = 0; n < MESHD_LASTGOOD_MAX + 10; n++)
        expect(f, n, n < 10 ? NULL : "203.0.113.1:7");
}

static void test_damaged(Fixture *f, gconstpointer data)
{
    static const char *const bad[] = {
        "",
        "{}",
        "{\"peers\":[{}]}",
        "{\"peers\":[{\"wg\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"a\":\"x\","
        "\"seen\":1}]}",
        "{\"peers\":[{\"wg\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"a\":\"1.2.3.4:5\","
        "\"seen\":-1}]}",
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GBytes) bytes = g_bytes_new_static(bad[i], strlen(bad[i]));

        g_assert_true(meshd_state_save(f->state, &f->net, "lastgood", bytes, NULL));
        restart(f, NOW);
        expect(f, 0, NULL);
        note(f, 1, "203.0.113.1:7", NOW); /* and goes on */
        restart(f, NOW);
        expect(f, 1, "203.0.113.1:7");
    }
}

#define ADD(name, func) g_test_add("/lastgood/" name, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("kept", test_kept);
    ADD("ends", test_ends);
    ADD("bounded", test_bounded);
    ADD("damaged", test_damaged);
    return g_test_run();
}
