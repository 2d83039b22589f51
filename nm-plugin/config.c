#include "nm-plugin/config.h"

#include <NetworkManager.h>
#include <glib/gi18n-lib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

enum { MAX_LISTED = 64 }; /* of each kind: far more than a network has */

/* An address or, with its length, a prefix. */
typedef struct {
    int     family;
    guint8  bytes[16];
    guint32 bits;
} Place;

static bool fail(GError **error, const char *what, const char *text)
{
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("%s: “%.64s” is no address"), what,
                text);
    return false;
}

static bool read_addr(const char *text, Place *out)
{
    g_autoptr(GInetAddress) addr = g_inet_address_new_from_string(text);

    if (addr == NULL)
        return false;
    out->family = g_inet_address_get_family(addr) == G_SOCKET_FAMILY_IPV4 ? AF_INET : AF_INET6;
    out->bits = out->family == AF_INET ? 32 : 128;
    memcpy(out->bytes, g_inet_address_to_bytes(addr), g_inet_address_get_native_size(addr));
    return true;
}

static bool read_prefix(const char *text, Place *out)
{
    g_auto(GStrv) halves = g_strsplit(text, "/", 2);
    guint64 bits = 0;

    if (halves[0] == NULL || halves[1] == NULL || !read_addr(halves[0], out) ||
        !g_ascii_string_to_unsigned(halves[1], 10, 0, out->bits, &bits, NULL))
        return false;
    out->bits = (guint32)bits;
    return true;
}

/* Of Place; NULL with @error. */
static GArray *read_list(char **list, bool (*read)(const char *, Place *), const char *what,
                         GError **error)
{
    g_autoptr(GArray) places = g_array_new(false, true, sizeof(Place));

    for (char **text = list; *text != NULL; text++) {
        Place place = { 0 };

        if (places->len >= MAX_LISTED || !read(*text, &place)) {
            fail(error, what, *text);
            return NULL;
        }
        g_array_append_val(places, place);
    }
    return g_steal_pointer(&places);
}

/* ---- their words ---- */

static void put(GVariantDict *dict, const char *key, GVariant *value)
{
    g_variant_dict_insert_value(dict, key, value);
}

/* IPv4 addresses travel as integers in network byte order. */
static guint32 pack4(const Place *place)
{
    guint32 value;

    memcpy(&value, place->bytes, sizeof value);
    return value;
}

static GVariant *make_addr(const Place *place)
{
    if (place->family == AF_INET)
        return g_variant_new_uint32(pack4(place));
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, place->bytes, 16, 1);
}

/* Destination, bits, next hop (none: all is behind the interface), metric (theirs to choose). */
static GVariant *make_route(const Place *place)
{
    static const guint8 none[16];
    const guint32       row[] = { pack4(place), place->bits, 0, 0 };

    if (place->family == AF_INET)
        return g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, row, G_N_ELEMENTS(row),
                                         sizeof row[0]);
    return g_variant_new("(@ayu@ayu)", make_addr(place), place->bits,
                         g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, none, sizeof none, 1), 0u);
}

static GVariant *make_array(const GArray *places, int family, const char *type,
                            GVariant *(*make)(const Place *))
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(type));
    for (guint i = 0; i < places->len; i++) {
        const Place *place = &g_array_index(places, Place, i);

        if (place->family == family)
            g_variant_builder_add_value(&builder, make(place));
    }
    return g_variant_builder_end(&builder);
}

/* Asked for below these domains and nowhere else: "~" makes it no search domain. */
static GVariant *make_domains(char **domains)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_STRING_ARRAY);
    for (char **domain = domains; *domain != NULL; domain++)
        g_variant_builder_add_value(&builder,
                                    g_variant_new_take_string(g_strconcat("~", *domain, NULL)));
    return g_variant_builder_end(&builder);
}

/* What a network says, read. */
typedef struct {
    GArray *addrs, *routes, *servers; /* of Place */
    char  **domains;                  /* borrowed */
} Lists;

static void clear_lists(Lists *lists)
{
    g_clear_pointer(&lists->addrs, g_array_unref);
    g_clear_pointer(&lists->routes, g_array_unref);
    g_clear_pointer(&lists->servers, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Lists, clear_lists)

static bool read_lists(const PluginNetwork *network, Lists *out, GError **error)
{
    out->domains = network->dns_domains;
    out->addrs = read_list(network->addresses, read_addr, _("address"), error);
    if (out->addrs != NULL)
        out->routes = read_list(network->routes, read_prefix, _("route"), error);
    if (out->routes != NULL)
        out->servers = read_list(network->dns_servers, read_addr, _("DNS server"), error);
    return out->servers != NULL;
}

/* The first of a family; NULL: none. */
static const Place *find_addr(const Lists *lists, int family)
{
    for (guint i = 0; i < lists->addrs->len; i++)
        if (g_array_index(lists->addrs, Place, i).family == family)
            return &g_array_index(lists->addrs, Place, i);
    return NULL;
}

/* The names of both families' settings are the same. */
static GVariant *make_ip(const Lists *lists, int family)
{
    bool         v4 = family == AF_INET;
    const Place *addr = find_addr(lists, family);
    GVariantDict dict;

    if (addr == NULL)
        return NULL;
    g_variant_dict_init(&dict, NULL);
    put(&dict, NM_VPN_PLUGIN_IP4_CONFIG_ADDRESS, make_addr(addr));
    put(&dict, NM_VPN_PLUGIN_IP4_CONFIG_PREFIX, g_variant_new_uint32(addr->bits));
    put(&dict, NM_VPN_PLUGIN_IP4_CONFIG_NEVER_DEFAULT, g_variant_new_boolean(true));
    put(&dict, NM_VPN_PLUGIN_IP4_CONFIG_ROUTES,
        make_array(lists->routes, family, v4 ? "aau" : "a(ayuayu)", make_route));
    put(&dict, NM_VPN_PLUGIN_IP4_CONFIG_DNS,
        make_array(lists->servers, family, v4 ? "au" : "aay", make_addr));
    put(&dict, NM_VPN_PLUGIN_IP4_CONFIG_DOMAINS, make_domains(lists->domains));
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

static GVariant *make_general(const PluginNetwork *network, const Lists *lists, GError **error)
{
    Place        gateway = { 0 };
    GVariantDict dict;

    if (!read_addr(network->gateway, &gateway)) {
        fail(error, _("gateway"), network->gateway);
        return NULL;
    }
    g_variant_dict_init(&dict, NULL);
    put(&dict, NM_VPN_PLUGIN_CONFIG_EXT_GATEWAY, make_addr(&gateway));
    put(&dict, NM_VPN_PLUGIN_CONFIG_TUNDEV, g_variant_new_string(network->ifname));
    put(&dict, NM_VPN_PLUGIN_CONFIG_MTU, g_variant_new_uint32(network->mtu));
    put(&dict, NM_VPN_PLUGIN_CONFIG_HAS_IP4,
        g_variant_new_boolean(find_addr(lists, AF_INET) != NULL));
    put(&dict, NM_VPN_PLUGIN_CONFIG_HAS_IP6,
        g_variant_new_boolean(find_addr(lists, AF_INET6) != NULL));
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

PluginConfig *plugin_config_make(const PluginNetwork *network, GError **error)
{
    g_auto(Lists) lists = { 0 };
    GVariant     *general;
    PluginConfig *self;

    if (!read_lists(network, &lists, error))
        return NULL;
    if (lists.addrs->len == 0 || network->ifname[0] == '\0') {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    _("the network has no address or no interface"));
        return NULL;
    }
    general = make_general(network, &lists, error);
    if (general == NULL)
        return NULL;
    self = g_new0(PluginConfig, 1);
    self->general = general;
    self->ip4 = make_ip(&lists, AF_INET);
    self->ip6 = make_ip(&lists, AF_INET6);
    return self;
}

void plugin_config_free(PluginConfig *self)
{
    if (self == NULL)
        return;
    g_clear_pointer(&self->general, g_variant_unref);
    g_clear_pointer(&self->ip4, g_variant_unref);
    g_clear_pointer(&self->ip6, g_variant_unref);
    g_free(self);
}
