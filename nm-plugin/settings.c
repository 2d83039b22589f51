#include "nm-plugin/settings.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define GROUP           "mesh"
#define MAX_NAME        63
#define MAX_SHOWN       64   /* characters of what others wrote */
#define MAX_FILE_BYTES  4096 /* our keys are few and short */
#define FILE_FIRST_LINE "[" GROUP "]\n"

/* The one table: every data item of a connection, every key of a file. */
typedef struct {
    const char *name;
    bool (*check)(const char *text, GError **error);
    bool needed;
} Row;

static const Row rows[] = {
    { PLUGIN_NETWORK, plugin_settings_check_network, true },
};

static const Row *find_row(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

/* Anybody's text, fit for a message: one line, ASCII, short. Owned. */
static char *show(const char *text)
{
    g_autofree char *shown = g_strescape(text, NULL);

    return g_strdup_printf("%.*s%s", MAX_SHOWN, shown, strlen(shown) > MAX_SHOWN ? "…" : "");
}

static void refuse(GError **error, const char *what)
{
    g_autofree char *shown = show(what);

    g_set_error(error, NM_CONNECTION_ERROR, NM_CONNECTION_ERROR_INVALID_PROPERTY,
                _("“%s” cannot be set in a connection: it says which joined network to connect, "
                  "and nothing else"),
                shown);
}

/* ---- values ---- */

/* As common/proto/network.h has it for ids and labels. */
static bool is_network(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > MAX_NAME || text[0] == '-' || text[len - 1] == '-')
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

bool plugin_settings_check_network(const char *text, GError **error)
{
    g_autofree char *shown = NULL;

    if (is_network(text))
        return true;
    shown = show(text);
    g_set_error(error, NM_CONNECTION_ERROR, NM_CONNECTION_ERROR_INVALID_PROPERTY,
                _("vpn.data, network: “%s” is neither the name nor the id of a network"), shown);
    return false;
}

/* ---- a connection ---- */

typedef struct {
    GError **error;
    bool     fine;
} Walk;

static void check_item(const char *key, const char *value, gpointer user_data)
{
    Walk      *walk = user_data;
    const Row *row = find_row(key);

    if (!walk->fine)
        return;
    walk->fine = row != NULL && row->check(value, walk->error);
    if (row == NULL)
        refuse(walk->error, key);
}

static void refuse_secret(const char *key, const char *value, gpointer user_data)
{
    Walk *walk = user_data;

    (void)value; /* told to nobody */
    if (walk->fine)
        refuse(walk->error, key);
    walk->fine = false;
}

static bool check_vpn(NMSettingVpn *vpn, GError **error)
{
    Walk walk = { error, true };

    nm_setting_vpn_foreach_data_item(vpn, check_item, &walk);
    if (walk.fine)
        nm_setting_vpn_foreach_secret(vpn, refuse_secret, &walk);
    for (size_t i = 0; walk.fine && i < G_N_ELEMENTS(rows); i++)
        if (rows[i].needed && nm_setting_vpn_get_data_item(vpn, rows[i].name) == NULL) {
            g_set_error(error, NM_CONNECTION_ERROR, NM_CONNECTION_ERROR_MISSING_PROPERTY,
                        _("vpn.data lacks “%s”: the name or id of a joined network"), rows[i].name);
            return false;
        }
    return walk.fine;
}

/* Addresses, DNS and routes are the network's, as its server signed them. */
static const char *find_foreign(NMSettingIPConfig *ip)
{
    const char *method = nm_setting_ip_config_get_method(ip);

    if (g_strcmp0(method, "manual") == 0 || g_strcmp0(method, "shared") == 0 ||
        g_strcmp0(method, "link-local") == 0)
        return "method";
    if (nm_setting_ip_config_get_num_addresses(ip) > 0)
        return "addresses";
    if (nm_setting_ip_config_get_num_dns(ip) > 0)
        return "dns";
    if (nm_setting_ip_config_get_num_dns_searches(ip) > 0)
        return "dns-search";
    if (nm_setting_ip_config_get_num_routes(ip) > 0)
        return "routes";
    if (nm_setting_ip_config_get_num_routing_rules(ip) > 0)
        return "routing-rules";
    return nm_setting_ip_config_get_gateway(ip) != NULL ? "gateway" : NULL;
}

static bool check_ip(NMSettingIPConfig *ip, GError **error)
{
    const char      *foreign = ip != NULL ? find_foreign(ip) : NULL;
    g_autofree char *name = NULL;

    if (foreign == NULL)
        return true;
    name = g_strdup_printf("%s.%s", nm_setting_get_name(NM_SETTING(ip)), foreign);
    refuse(error, name);
    return false;
}

bool plugin_settings_check(NMConnection *connection, GError **error)
{
    NMSettingVpn *vpn = nm_connection_get_setting_vpn(connection);

    if (vpn == NULL || g_strcmp0(nm_setting_vpn_get_service_type(vpn), PLUGIN_SERVICE) != 0) {
        g_set_error(error, NM_CONNECTION_ERROR, NM_CONNECTION_ERROR_INVALID_SETTING,
                    _("this is no connection to a mesh network"));
        return false;
    }
    return check_vpn(vpn, error) &&
           check_ip(nm_connection_get_setting_ip4_config(connection), error) &&
           check_ip(nm_connection_get_setting_ip6_config(connection), error);
}

const char *plugin_settings_get_network(NMConnection *connection)
{
    NMSettingVpn *vpn = nm_connection_get_setting_vpn(connection);
    const char   *text = vpn != NULL ? nm_setting_vpn_get_data_item(vpn, PLUGIN_NETWORK) : NULL;

    return text != NULL ? text : "";
}

void plugin_settings_set_network(NMConnection *connection, const char *network)
{
    NMSetting *vpn = nm_setting_vpn_new();

    g_object_set(vpn, NM_SETTING_VPN_SERVICE_TYPE, PLUGIN_SERVICE, NULL);
    nm_setting_vpn_add_data_item(NM_SETTING_VPN(vpn), PLUGIN_NETWORK, network);
    nm_connection_add_setting(connection, vpn); /* in the place of one that is there */
}

/* ---- the file ---- */

/* The names that the table does not have are refused before any value is looked at. */
static bool check_keys(GKeyFile *file, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    g_auto(GStrv) keys = NULL;

    for (char **group = groups; *group != NULL; group++)
        if (strcmp(*group, GROUP) != 0) {
            refuse(error, *group);
            return false;
        }
    keys = g_key_file_get_keys(file, GROUP, NULL, error);
    for (char **key = keys; key != NULL && *key != NULL; key++)
        if (find_row(*key) == NULL) {
            refuse(error, *key);
            return false;
        }
    return keys != NULL;
}

static bool check_text(const char *text, size_t len, GError **error)
{
    if (len <= MAX_FILE_BYTES && memchr(text, '\0', len) == NULL &&
        g_utf8_validate(text, (gssize)len, NULL))
        return true;
    g_set_error(error, NM_CONNECTION_ERROR, NM_CONNECTION_ERROR_FAILED,
                _("this is no file of a mesh connection: too long, or not text"));
    return false;
}

NMConnection *plugin_settings_decode(const char *text, size_t len, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(NMConnection) connection = NULL;
    g_autofree char *network = NULL;
    NMSetting       *about, *ip4, *ip6;

    if (!check_text(text, len, error) ||
        !g_key_file_load_from_data(file, text, len, G_KEY_FILE_NONE, error) ||
        !check_keys(file, error))
        return NULL;
    network = g_key_file_get_string(file, GROUP, PLUGIN_NETWORK, error);
    if (network == NULL || !plugin_settings_check_network(network, error))
        return NULL;
    connection = nm_simple_connection_new();
    about = nm_setting_connection_new();
    g_object_set(about, NM_SETTING_CONNECTION_ID, network, NM_SETTING_CONNECTION_TYPE,
                 NM_SETTING_VPN_SETTING_NAME, NULL);
    nm_connection_add_setting(connection, about);
    plugin_settings_set_network(connection, network);
    ip4 = nm_setting_ip4_config_new();
    g_object_set(ip4, NM_SETTING_IP_CONFIG_METHOD, NM_SETTING_IP4_CONFIG_METHOD_AUTO, NULL);
    nm_connection_add_setting(connection, ip4);
    ip6 = nm_setting_ip6_config_new();
    g_object_set(ip6, NM_SETTING_IP_CONFIG_METHOD, NM_SETTING_IP6_CONFIG_METHOD_AUTO, NULL);
    nm_connection_add_setting(connection, ip6);
    return g_steal_pointer(&connection);
}

char *plugin_settings_encode(NMConnection *connection, GError **error)
{
    if (!plugin_settings_check(connection, error))
        return NULL;
    return g_strdup_printf(FILE_FIRST_LINE PLUGIN_NETWORK "=%s\n",
                           plugin_settings_get_network(connection));
}
