/* Tests of common/proto/network.c: ids, names, the network object. */
#include "common/glib/error.h"
#include "common/glib/json.h"
#include "tests/common/proto/objects.h"

#include <string.h>

static void test_id(void)
{
    static const char *const bad[] = { "",
                                       "00112233445566f",
                                       "00112233445566fff",
                                       "00112233445566FF",
                                       "00112233445566fg",
                                       "0x112233445566ff" };
    MeshNetworkId            id, other = { { 0 } };
    char                     text[MESH_NETWORK_ID_TEXT_SIZE];

    g_assert_true(mesh_network_parse_id("00112233445566ff", &id));
    g_assert_cmpstr(mesh_network_format_id(&id, text), ==, "00112233445566ff");
    g_assert_false(mesh_network_equal_id(&id, &other));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(mesh_network_parse_id(bad[i], &id));
    g_assert_false(mesh_network_parse_id(NULL, &id));
}

typedef struct {
    const char *wish, *want;
} FoldCase;

static const FoldCase folds[] = {
    { "laptop", "laptop" },
    { "My Laptop", "my-laptop" },
    { "", "node" },
    { "---", "node" },
    { "a.b_c", "a-b-c" },
    { "-x-", "x" },
    { "Büro", "b-ro" },
    { "äöü", "node" },
    { "9", "9" },
    { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bcd",
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
};

static void test_fold(gconstpointer data)
{
    const FoldCase *c = data;
    char            label[MESH_NETWORK_NAME_SIZE];

    mesh_network_fold_label(c->wish, label);
    g_assert_cmpstr(label, ==, c->want);
    g_assert_true(mesh_network_is_label(label));
}

typedef struct {
    const char *name, *text, *want; /* want: error text, NULL: fine */
} ObjectCase;

#define KEY "6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw"

static const ObjectCase objects[] = {
    { "without-ip4",
      "{\"id\":\"00112233445566ff\",\"name\":\"home\",\"ip6\":\"fd00:1:2::/48\",\"server\":\"" KEY
      "\"}",
      NULL },
    { "bad-id",
      "{\"id\":\"0011\",\"name\":\"home\",\"ip6\":\"fd00:1:2::/48\",\"server\":\"" KEY "\"}",
      "net.id: not a network id (16 hexadecimal digits)" },
    { "bad-name",
      "{\"id\":\"00112233445566ff\",\"name\":\"Home\",\"ip6\":\"fd00:1:2::/48\",\"server\":\"" KEY
      "\"}",
      "net.name: not a name (a-z, 0-9 and '-' inside, 1-63 characters)" },
    { "bad-ip6",
      "{\"id\":\"00112233445566ff\",\"name\":\"home\",\"ip6\":\"fd00:1:2::/64\",\"server\":\"" KEY
      "\"}",
      "net.ip6: not a /48" },
    { "ip4-is-6",
      "{\"id\":\"00112233445566ff\",\"name\":\"home\",\"ip4\":\"fd00::/8\",\"ip6\":\"fd00:1:2::/"
      "48\",\"server\":\"" KEY "\"}",
      "net.ip4: not a prefix (IPv4) with host bits zero" },
};

static void test_object(gconstpointer data)
{
    const ObjectCase *c = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = mesh_json_parse(c->text, strlen(c->text), 1000, &error);
    MeshNetwork network;

    g_assert_no_error(error);
    g_assert_cmpint(mesh_network_decode(object, "net", &network, &error), ==, c->want == NULL);
    if (c->want != NULL)
        g_assert_cmpstr(error->message, ==, c->want);
}

static void test_round(void)
{
    MeshNetwork      network = fixture_network(), again;
    MeshJsonOut      out;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = NULL;
    size_t len;

    mesh_jsonout_init(&out);
    mesh_network_encode(&network, &out, NULL);
    text = mesh_jsonout_finish(&out, &len);
    object = mesh_json_parse(text, len, 1000, &error);
    g_assert_no_error(error);
    g_assert_true(mesh_network_decode(object, "", &again, &error));
    g_assert_true(mesh_network_equal(&network, &again));
    again.name[0] = 'x';
    g_assert_false(mesh_network_equal(&network, &again));
    again = network;
    again.lan.bytes[0] ^= 1;
    g_assert_false(mesh_network_equal(&network, &again));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fixture_start();
    g_test_add_func("/network/id", test_id);
    g_test_add_func("/network/round", test_round);
    for (size_t i = 0; i < G_N_ELEMENTS(folds); i++) {
        g_autofree char *path = g_strdup_printf("/network/fold/%zu", i);
        g_test_add_data_func(path, &folds[i], test_fold);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(objects); i++) {
        g_autofree char *path = g_strdup_printf("/network/object/%s", objects[i].name);
        g_test_add_data_func(path, &objects[i], test_object);
    }
    return g_test_run();
}
