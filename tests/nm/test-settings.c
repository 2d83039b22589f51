/* Tests of nm-plugin/{settings,config,network}.c: what a connection and its file may say, and what
 * NetworkManager is told of a network. */
#include "nm-plugin/config.h"
#include "nm-plugin/network.h"
#include "nm-plugin/settings.h"

#include <arpa/inet.h>
#include <string.h>

/* ---- names ---- */

typedef struct {
    const char *name, *text;
    bool        want;
} NameCase;

static const NameCase names[] = {
    { "label", "home", true },
    { "id", "00112233445566ff", true },
    { "one", "a", true },
    { "dashes", "my-home-2", true },
    { "longest", "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123", true },
    { "too-long", "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff1234", false },
    { "empty", "", false },
    { "space", "my home", false },
    { "newline", "home\nserver=evil", false },
    { "percent", "%s%n", false },
    { "path", "../home", false },
    { "upper", "Home", false },
    { "dash-first", "-home", false },
    { "dash-last", "home-", false },
    { "not-ascii", "höme", false },
    { "link", "mesh://host/x", false },
};

static void test_name(gconstpointer data)
{
    const NameCase *c = data;
    g_autoptr(GError) error = NULL;

    g_assert_true(plugin_settings_check_network(c->text, &error) == c->want);
    g_assert_true((error == NULL) == c->want);
    if (error != NULL)
        g_assert_null(strchr(error->message, '\n'));
}

/* ---- files ---- */

typedef struct {
    const char *name, *text;
    size_t      len;
    const char *want; /* of the error; NULL: the same text comes back */
} FileCase;

#define FILE_CASE(name_, text_, want_)               \
    {                                                \
        (name_), (text_), sizeof(text_) - 1, (want_) \
    }

static const FileCase file_cases[] = {
    FILE_CASE("plain", "[mesh]\nnetwork=home\n", NULL),
    FILE_CASE("id", "[mesh]\nnetwork=00112233445566ff\n", NULL),
    FILE_CASE("key", "[mesh]\nnetwork=home\nserver=evil\n", "server"),
    FILE_CASE("group", "[mesh]\nnetwork=home\n[ipv4]\ndns=192.0.2.1\n", "ipv4"),
    FILE_CASE("nul", "[mesh]\nnetwork=home\0\n", "not text"),
    FILE_CASE("not-utf8", "[mesh]\nnetwork=\xff\n", "not text"),
    FILE_CASE("percent", "[mesh]\nnetwork=%n\n", "%n"),
    FILE_CASE("escaped-newline", "[mesh]\nnetwork=a\\nb\n", "a\\nb"),
    FILE_CASE("no-network", "[mesh]\n", "network"),
    FILE_CASE("none-of-ours", "[Interface]\nPrivateKey=x\n", "Interface"),
    FILE_CASE("empty", "", "mesh"),
};

static void test_file(gconstpointer data)
{
    const FileCase *c = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(NMConnection) connection = plugin_settings_decode(c->text, c->len, &error);
    g_autofree char *text = NULL;

    if (c->want != NULL) {
        g_assert_null(connection);
        g_assert_nonnull(strstr(error->message, c->want));
        return;
    }
    g_assert_no_error(error);
    text = plugin_settings_encode(connection, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, c->text);
}

static void test_long_file(void)
{
    g_autofree char *text = g_strdup_printf("[mesh]\nnetwork=home\n#%0*d", 10000, 0);

    g_assert_null(plugin_settings_decode(text, strlen(text), NULL));
}

/* ---- connections ---- */

static void put_data(NMConnection *connection)
{
    nm_setting_vpn_add_data_item(nm_connection_get_setting_vpn(connection), "dns", "192.0.2.1");
}

static void put_secret(NMConnection *connection)
{
    nm_setting_vpn_add_secret(nm_connection_get_setting_vpn(connection), "token", "x");
}

static void put_type(NMConnection *connection)
{
    g_object_set(nm_connection_get_setting_vpn(connection), NM_SETTING_VPN_SERVICE_TYPE,
                 "org.freedesktop.NetworkManager.openvpn", NULL);
}

static void drop_network(NMConnection *connection)
{
    nm_setting_vpn_remove_data_item(nm_connection_get_setting_vpn(connection), PLUGIN_NETWORK);
}

static void put_dns(NMConnection *connection)
{
    nm_setting_ip_config_add_dns(nm_connection_get_setting_ip4_config(connection), "192.0.2.1");
}

static void put_search(NMConnection *connection)
{
    nm_setting_ip_config_add_dns_search(nm_connection_get_setting_ip6_config(connection), "~.");
}

static void put_route(NMConnection *connection)
{
    NMIPRoute *route = nm_ip_route_new(AF_INET, "192.0.2.0", 24, NULL, -1, NULL);

    nm_setting_ip_config_add_route(nm_connection_get_setting_ip4_config(connection), route);
    nm_ip_route_unref(route);
}

static void put_address(NMConnection *connection)
{
    NMIPAddress *address = nm_ip_address_new(AF_INET6, "2001:db8::1", 64, NULL);

    nm_setting_ip_config_add_address(nm_connection_get_setting_ip6_config(connection), address);
    nm_ip_address_unref(address);
}

static void put_manual(NMConnection *connection)
{
    g_object_set(nm_connection_get_setting_ip4_config(connection), NM_SETTING_IP_CONFIG_METHOD,
                 "manual", NULL);
}

static void put_nothing(NMConnection *connection)
{
    (void)connection;
}

typedef struct {
    const char *name;
    void (*change)(NMConnection *connection);
    const char *want; /* of the error; NULL: it is fine */
} ConnectionCase;

static const ConnectionCase connections[] = {
    { "plain", put_nothing, NULL },          { "data", put_data, "dns" },
    { "secret", put_secret, "token" },       { "other-type", put_type, "no connection to a mesh" },
    { "no-network", drop_network, "lacks" }, { "dns", put_dns, "ipv4.dns" },
    { "search", put_search, "ipv6.dns-" },   { "route", put_route, "ipv4.routes" },
    { "address", put_address, "ipv6.addr" }, { "manual", put_manual, "ipv4.method" },
};

static void test_connection(gconstpointer data)
{
    static const char     text[] = "[mesh]\nnetwork=home\n";
    const ConnectionCase *c = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(NMConnection) connection = plugin_settings_decode(text, strlen(text), NULL);

    c->change(connection);
    g_assert_true(plugin_settings_check(connection, &error) == (c->want == NULL));
    if (c->want != NULL)
        g_assert_nonnull(strstr(error->message, c->want));
    if (c->want == NULL)
        g_assert_cmpstr(plugin_settings_get_network(connection), ==, "home");
}

/* ---- what NetworkManager is told ---- */

static const char home[] =
    "{'Id': <'00112233445566ff'>, 'Name': <'home'>, 'State': <'up'>, 'Interface': <'mesh0'>, "
    "'Gateway': <'203.0.113.7'>, 'Mtu': <uint32 1400>, 'Addresses': <['10.7.0.5', 'fd7a::5']>, "
    "'Routes': <['10.7.0.0/16', 'fd7a::/48']>, 'DnsServers': <['10.7.0.5', 'fd7a::5']>, "
    "'DnsDomains': <['home.mesh']>, 'Unknown': <true>, 'Error': <uint32 7>}";

static PluginNetwork *parse(const char *text)
{
    g_autoptr(GVariant) properties =
        g_variant_parse(G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);

    g_assert_nonnull(properties);
    return plugin_network_new("/x", properties);
}

static void assert_printed(GVariant *value, const char *key, const char *want)
{
    g_autoptr(GVariant) item = g_variant_lookup_value(value, key, NULL);
    g_autofree char *text = item != NULL ? g_variant_print(item, true) : NULL;

    g_assert_cmpstr(text, ==, want);
}

static void test_config(void)
{
    g_autoptr(PluginNetwork) network = parse(home);
    g_autoptr(GError) error = NULL;
    g_autoptr(PluginConfig) config = plugin_config_make(network, &error);
    g_autofree char *addr = g_strdup_printf("uint32 %u", inet_addr("10.7.0.5"));
    g_autofree char *routes = g_strdup_printf("[[uint32 %u, 16, 0, 0]]", inet_addr("10.7.0.0"));
    guint32          bits = 0;

    g_assert_no_error(error);
    g_assert_cmpstr(network->error, ==, ""); /* of another type than it should be */
    assert_printed(config->general, "tundev", "'mesh0'");
    assert_printed(config->general, "mtu", "uint32 1400");
    assert_printed(config->general, "has-ip4", "true");
    assert_printed(config->ip4, "address", addr);
    assert_printed(config->ip4, "routes", routes);
    assert_printed(config->ip4, "domains", "['~home.mesh']");
    assert_printed(config->ip4, "never-default", "true");
    assert_printed(config->ip6, "never-default", "true");
    g_assert_true(g_variant_lookup(config->ip6, "prefix", "u", &bits));
    g_assert_cmpuint(bits, ==, 128);
}

static void test_one_family(void)
{
    g_autoptr(PluginNetwork) network = parse(home);
    g_autoptr(PluginConfig) config = NULL;

    g_clear_pointer(&network->addresses[1], g_free);
    config = plugin_config_make(network, NULL);
    g_assert_nonnull(config->ip4);
    g_assert_null(config->ip6);
    assert_printed(config->general, "has-ip6", "false");
}

/* A meshd that tells nonsense is no reason to tell NetworkManager that. */
static void test_bad_config(void)
{
    static const char *const bad[][2] = {
        { "'203.0.113.7'", "'nowhere'" },     { "'10.7.0.5', 'fd7a::5'", "'10.7.0.999'" },
        { "'10.7.0.0/16'", "'10.7.0.0'" },    { "'10.7.0.0/16'", "'10.7.0.0/33'" },
        { "'10.7.0.0/16'", "'10.7.0.0/-1'" }, { "'mesh0'", "''" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GString) text = g_string_new(home);
        g_autoptr(PluginNetwork) network = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_cmpuint(g_string_replace(text, bad[i][0], bad[i][1], 1), ==, 1);
        network = parse(text->str);
        g_assert_null(plugin_config_make(network, &error));
        g_assert_nonnull(error);
    }
}

static void test_find(void)
{
    g_autoptr(GPtrArray) networks = g_ptr_array_new();
    g_autoptr(PluginNetwork) one = parse("{'Id': <'aa'>, 'Name': <'home'>}");
    g_autoptr(PluginNetwork) two = parse("{'Id': <'bb'>, 'Name': <'away'>}");
    g_autoptr(PluginNetwork) three = parse("{'Id': <'cc'>, 'Name': <'away'>}");

    g_ptr_array_add(networks, one);
    g_ptr_array_add(networks, two);
    g_ptr_array_add(networks, three);
    g_assert_true(plugin_network_find(networks, "home", NULL) == one);
    g_assert_true(plugin_network_find(networks, "cc", NULL) == three);
    g_assert_null(plugin_network_find(networks, "away", NULL));
    g_assert_null(plugin_network_find(networks, "nowhere", NULL));
}

#define ADD_ROWS(folder_, rows_, function_)                                             \
    for (size_t i = 0; i < G_N_ELEMENTS(rows_); i++) {                                  \
        g_autofree char *path = g_strconcat("/nm/" folder_ "/", (rows_)[i].name, NULL); \
                                                                                        \
        g_test_add_data_func(path, &(rows_)[i], function_);                             \
    }

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_ROWS("name", names, test_name);
    ADD_ROWS("file", file_cases, test_file);
    ADD_ROWS("connection", connections, test_connection);
    g_test_add_func("/nm/file/long", test_long_file);
    g_test_add_func("/nm/config/both", test_config);
    g_test_add_func("/nm/config/one-family", test_one_family);
    g_test_add_func("/nm/config/bad", test_bad_config);
    g_test_add_func("/nm/find", test_find);
    return g_test_run();
}
