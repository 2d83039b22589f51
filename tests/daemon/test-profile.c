/* Tests of daemon/profile.c: what is written is what is read, and nothing else is taken. */
#include "common/glib/error.h"
#include "common/std/endpoint.h"
#include "daemon/profile.h"

#include <string.h>

static MeshdProfile *make_profile(void)
{
    MeshJoinlink  link = { .host = "vpn.example.org", .port = 8443, .has_secret = true };
    MeshdProfile *profile;

    memset(link.network.bytes, 7, sizeof link.network.bytes);
    memset(link.server.bytes, 9, sizeof link.server.bytes);
    memset(link.secret, 5, sizeof link.secret);
    profile = meshd_profile_new(&link);
    g_strlcpy(profile->wish, "laptop", sizeof profile->wish);
    g_strlcpy(profile->network, "home", sizeof profile->network);
    g_strlcpy(profile->ifname, "mesh0", sizeof profile->ifname);
    profile->port = 4242;
    profile->n_statics = 1;
    g_assert_cmpint(mesh_endpoint_parse("[2001:db8::7]:51820", &profile->statics[0]), ==, 0);
    profile->has_ip4 = false;
    return profile;
}

static void test_round_trip(void)
{
    g_autoptr(MeshdProfile) before = make_profile();
    g_autoptr(GBytes) bytes = meshd_profile_encode(before);
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshdProfile) after = meshd_profile_decode(bytes, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(after->server.host, ==, "vpn.example.org");
    g_assert_cmpuint(after->server.port, ==, 8443);
    g_assert_true(after->server.has_secret);
    g_assert_cmpmem(after->server.secret, 16, before->server.secret, 16);
    g_assert_true(mesh_network_equal_id(&after->server.network, &before->server.network));
    g_assert_true(mesh_key_equal(&after->node, &before->node));
    g_assert_true(mesh_key_equal(after->wg_private, before->wg_private));
    g_assert_true(mesh_key_equal(&after->wg, &before->wg));
    g_assert_cmpmem(after->secret, sizeof *after->secret, before->secret, sizeof *before->secret);
    g_assert_cmpstr(after->wish, ==, "laptop");
    g_assert_cmpstr(after->ifname, ==, "mesh0");
    g_assert_cmpuint(after->port, ==, 4242);
    g_assert_cmpuint(after->n_statics, ==, 1);
    g_assert_true(mesh_endpoint_equal(&after->statics[0], &before->statics[0]));
    g_assert_true(after->wants_ip4 && !after->has_ip4 && after->up);
    g_assert_cmpint(after->stage, ==, MESHD_PROFILE_JOINING);
}

/* Who sets the addresses is a matter of this run: after a start it is us, until we are told. */
static void test_managed_stays_here(void)
{
    g_autoptr(MeshdProfile) profile = make_profile();
    g_autoptr(GBytes) before = meshd_profile_encode(profile);
    g_autoptr(GBytes) after = NULL;

    profile->managed = true;
    after = meshd_profile_encode(profile);
    g_assert_true(g_bytes_equal(before, after));
}

static void test_secret_goes(void)
{
    g_autoptr(MeshdProfile) profile = make_profile();
    g_autoptr(GBytes) bytes = NULL;
    g_autofree char *text = NULL;

    mesh_joinlink_wipe(&profile->server);
    bytes = meshd_profile_encode(profile);
    text = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    g_assert_null(strstr(text, "join-secret"));
}

typedef struct {
    const char *name, *from, *to; /* replaced in a good document */
} BadCase;

static const BadCase bad[] = {
    { "format", "\"format\":1", "\"format\":2" },
    { "stage", "\"joining\"", "\"joined\"" },
    { "net", "0707070707070707", "070707070707070g" },
    { "port", "\"port\":4242", "\"port\":65536" },
    { "endpoint", "[2001:db8::7]:51820", "2001:db8::7:51820" },
    { "seed", "\"node-seed\":\"", "\"node-seed\":\"A" },
    { "missing", "\"wg-private\"", "\"wg-privat\"" },
    { "brace", "{", "[" },
};

static void test_bad(gconstpointer data)
{
    const BadCase *c = data;
    g_autoptr(MeshdProfile) profile = make_profile();
    g_autoptr(GBytes) bytes = meshd_profile_encode(profile);
    g_autoptr(GString) text =
        g_string_new_len(g_bytes_get_data(bytes, NULL), (gssize)g_bytes_get_size(bytes));
    g_autoptr(GBytes) changed = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(g_string_replace(text, c->from, c->to, 1), ==, 1);
    changed = g_bytes_new(text->str, text->len);
    g_assert_null(meshd_profile_decode(changed, &error));
    g_assert_error(error, MESH_ERROR, MESH_ERROR_BAD_JSON);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(mesh_key_init(), ==, 0);
    g_test_add_func("/profile/round-trip", test_round_trip);
    g_test_add_func("/profile/managed-stays-here", test_managed_stays_here);
    g_test_add_func("/profile/secret-goes", test_secret_goes);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strconcat("/profile/bad/", bad[i].name, NULL);

        g_test_add_data_func(path, &bad[i], test_bad);
    }
    return g_test_run();
}
