/* daemon/dns/hostdns-nmedit.c: our part of a connection's settings, put in and taken out. What
 * others have set beside it stays; nothing has to be remembered. */
#include "daemon/dns/hostdns-nmlink.h"
#include "daemon/dns/reverse.h"

#include <string.h>
#include <sys/socket.h>

enum {
    HOST_BITS = 32,       /* as daemon/net gives our addresses */
    PRIORITY_FIRST = 40,  /* before VPNs (50) and all others (100); below 0 would silence them */
    PRIORITY_EQUAL = 100, /* what NetworkManager itself takes for what is no VPN */
};

/* What is put into the setting "ipv4". */
typedef struct {
    GPtrArray *servers, *zones; /* owned texts */
    int        priority;
} Part;

static void fill_zones(Part *part, const DnsHostdnsLink *link)
{
    g_autofree DnsName *zones = g_new(DnsName, DNS_REVERSE_MAX_ZONES);
    char                text[DNS_NAME_TEXT_SIZE];

    g_ptr_array_add(part->zones, g_strconcat("~", link->suffix, NULL));
    for (size_t i = 0; i < link->n_prefixes; i++) {
        size_t n = dns_reverse_list(&link->prefixes[i], zones);

        for (size_t k = 0; k < n; k++)
            g_ptr_array_add(part->zones, g_strconcat("~", dns_name_format(&zones[k], text), NULL));
    }
}

static void fill_part(Part *part, DnsHostdnsNmlinkWish wish)
{
    char text[MESH_IP_ADDR_TEXT_SIZE];

    part->servers = g_ptr_array_new_with_free_func(g_free);
    part->zones = g_ptr_array_new_with_free_func(g_free);
    part->priority = wish.first ? PRIORITY_FIRST : PRIORITY_EQUAL;
    for (size_t i = 0; i < wish.link->n_servers; i++)
        if (wish.link->servers[i].family == AF_INET)
            g_ptr_array_add(part->servers,
                            g_strdup(mesh_ip_format_addr(&wish.link->servers[i], text)));
    fill_zones(part, wish.link);
}

static bool has_text(const GPtrArray *list, const char *text)
{
    for (unsigned i = 0; i < list->len; i++)
        if (strcmp(list->pdata[i], text) == 0)
            return true;
    return false;
}

/* @key of @dict, a list of texts: ours first, then the others; @undo: the others alone. */
static bool edit_list(GVariantDict *dict, const char *key, const GPtrArray *ours, bool undo)
{
    g_autofree const char **before = NULL;
    g_autoptr(GPtrArray) after = g_ptr_array_new();
    bool same;

    if (!g_variant_dict_lookup(dict, key, "^a&s", &before))
        before = g_new0(const char *, 1);
    for (unsigned i = 0; !undo && i < ours->len; i++)
        g_ptr_array_add(after, ours->pdata[i]);
    for (const char **text = before; *text != NULL; text++)
        if (!has_text(ours, *text))
            g_ptr_array_add(after, (gpointer)*text);
    same = g_strv_length((char **)before) == after->len;
    for (unsigned i = 0; same && i < after->len; i++)
        same = strcmp(before[i], after->pdata[i]) == 0;
    if (!same)
        g_variant_dict_insert_value(dict, key,
                                    g_variant_new_strv((const char *const *)after->pdata,
                                                       after->len));
    return !same;
}

static bool edit_priority(GVariantDict *dict, int ours, bool undo)
{
    const gint32 wish = undo ? 0 : ours;
    gint32       now = 0;

    (void)g_variant_dict_lookup(dict, "dns-priority", "i", &now);
    if (now == wish || (now != 0 && now != PRIORITY_FIRST && now != PRIORITY_EQUAL))
        return false; /* or somebody's own choice */
    g_variant_dict_insert(dict, "dns-priority", "i", wish);
    return true;
}

/* NetworkManager refuses servers where IPv4 has no address. */
static bool has_address(GVariantDict *dict, const Part *part)
{
    g_autoptr(GVariant) list =
        g_variant_dict_lookup_value(dict, "address-data", G_VARIANT_TYPE("aa{sv}"));
    gsize n = list != NULL ? g_variant_n_children(list) : 0;

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(list, i);
        const char *text = NULL;

        if (g_variant_lookup(entry, "address", "&s", &text) && has_text(part->servers, text))
            return true;
    }
    return false;
}

/* The old forms win over the new ones where both are sent back. */
static void drop_old_forms(GVariantDict *dict)
{
    static const char *const forms[][2] = {
        { "dns-data", "dns" },
        { "address-data", "addresses" },
        { "route-data", "routes" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++)
        if (g_variant_dict_contains(dict, forms[i][0]))
            g_variant_dict_remove(dict, forms[i][1]);
}

/* *@out_changed is left alone where nothing is to be done. */
static void edit_ip4(GVariantDict *dict, const Part *part, bool undo, bool *out_changed)
{
    bool changed = edit_list(dict, "dns-data", part->servers, undo);

    changed = edit_list(dict, "dns-search", part->zones, undo) || changed;
    changed = edit_priority(dict, part->priority, undo) || changed;
    *out_changed = *out_changed || changed;
}

/* A connection that NetworkManager made up for an interface that it found, as ours is. */
static bool is_made_up(GVariant *settings)
{
    g_autoptr(GVariant) connection =
        g_variant_lookup_value(settings, "connection", G_VARIANT_TYPE_VARDICT);
    gboolean autoconnect = TRUE; /* people's own; the value is left out then */

    return connection != NULL && g_variant_lookup(connection, "autoconnect", "b", &autoconnect) &&
           !autoconnect;
}

/* NetworkManager may have made it up before the interface had the addresses that we have set. */
static void give_addresses(GVariantDict *dict, const Part *part)
{
    g_auto(GVariantBuilder) list = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));

    for (unsigned i = 0; i < part->servers->len; i++) {
        g_variant_builder_open(&list, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&list, "{sv}", "address",
                              g_variant_new_string(part->servers->pdata[i]));
        g_variant_builder_add(&list, "{sv}", "prefix", g_variant_new_uint32(HOST_BITS));
        g_variant_builder_close(&list);
    }
    g_variant_dict_insert(dict, "method", "s", "manual");
    g_variant_dict_insert_value(dict, "address-data", g_variant_builder_end(&list));
    drop_old_forms(dict);
}

static GVariant *edit_all(GVariant *settings, const Part *part, bool undo, bool *out_not_yet)
{
    g_auto(GVariantBuilder) all = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{sa{sv}}"));
    bool         made_up = is_made_up(settings), changed = false, found = false;
    GVariantIter iter;
    const char  *name;
    GVariant    *setting;

    g_variant_iter_init(&iter, settings);
    while (g_variant_iter_loop(&iter, "{&s@a{sv}}", &name, &setting)) {
        bool is_ip4 = strcmp(name, "ipv4") == 0;
        bool our_ip6 = strcmp(name, "ipv6") == 0 && made_up;
        g_autoptr(GVariantDict) dict = g_variant_dict_new(our_ip6 ? NULL : setting);

        drop_old_forms(dict);
        if (is_ip4 && made_up && !has_address(dict, part) && !undo)
            give_addresses(dict, part);
        found = found || (is_ip4 && has_address(dict, part));
        if (is_ip4)
            edit_ip4(dict, part, undo, &changed);
        else if (our_ip6) /* else it switches IPv6 off and on, our addresses and routes away */
            g_variant_dict_insert(dict, "method", "s", "ignore");
        g_variant_builder_add(&all, "{s@a{sv}}", name, g_variant_dict_end(dict));
    }
    *out_not_yet = !undo && !found;
    return changed && !*out_not_yet ? g_variant_builder_end(&all) : NULL;
}

GVariant *dns_hostdns_nmlink_edit(GVariant *settings, DnsHostdnsNmlinkWish wish, bool undo,
                                  bool *out_not_yet)
{
    Part      part;
    GVariant *edited;

    fill_part(&part, wish);
    edited = edit_all(settings, &part, undo, out_not_yet);
    g_ptr_array_unref(part.servers);
    g_ptr_array_unref(part.zones);
    return edited;
}
