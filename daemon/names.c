#include "daemon/names.h"

#include "common/glib/log.h"
#include "daemon/dns/resolver.h"

#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#define TOP ".mesh" /* every suffix ends so (docs/PROTOCOL.md §4) */

struct MeshdNames {
    DnsHostdns         *hostdns; /* borrowed; may be NULL */
    const MeshdProfile *profile; /* borrowed */
    DnsResolver        *resolver;
    DnsListen           listen; /* as applied; no address: it does not answer */
    char               *suffix; /* the same */
    char               *error;  /* why it does not answer; NULL: it does, or shall not */
};

/* What of the network this host uses. */
typedef struct {
    bool ip4, ip6;
} Families;

/* A server names its network; it must not thereby name the bank of its members. */
static bool is_suffix(const char *suffix)
{
    return g_str_has_suffix(suffix, TOP) && suffix[0] != '.';
}

static void add_host(GArray *hosts, const MeshMember *member, const Families *use)
{
    DnsHost host = { 0 };

    g_strlcpy(host.name, member->name, sizeof host.name);
    if (use->ip4)
        host.ip4 = member->ip4;
    if (use->ip6)
        host.ip6 = member->ip6;
    g_array_append_val(hosts, host);
}

/* Owned, of DnsHost: this node and every peer of the map. */
static GArray *list_hosts(LockVerified *map, const Families *use)
{
    size_t  n = lock_verified_count(map);
    GArray *hosts = g_array_sized_new(false, true, sizeof(DnsHost), (guint)n + 1);

    add_host(hosts, lock_verified_get_head(map)->self, use);
    for (size_t i = 0; i < n; i++)
        add_host(hosts, lock_verified_get_peer(map, i)->member, use);
    return hosts;
}

static void fill_zone(DnsZone *zone, const LockVerifiedHead *head, const Families *use)
{
    zone->suffix = head->policy->suffix;
    zone->self = head->self->name;
    zone->serial = (uint32_t)head->ver;
    if (use->ip6)
        zone->prefixes[zone->n_prefixes++] = head->network.ip6;
    if (use->ip4)
        zone->prefixes[zone->n_prefixes++] = head->network.ip4;
}

static void fill_listen(DnsListen *listen, const LockVerifiedHead *head, const Families *use)
{
    if (use->ip4) /* first: what reads resolv.conf knows IPv4 best */
        listen->addrs[listen->n_addrs++] = head->self->ip4;
    if (use->ip6)
        listen->addrs[listen->n_addrs++] = head->self->ip6;
    listen->port = DNS_RESOLVER_PORT;
}

static void point_host(MeshdNames *self, const DnsZone *zone, const DnsListen *listen)
{
    DnsHostdnsLink link = { .ifname = self->profile->ifname, .suffix = zone->suffix };

    link.ifindex = (int)if_nametoindex(link.ifname);
    link.n_prefixes = zone->n_prefixes;
    memcpy(link.prefixes, zone->prefixes, sizeof link.prefixes);
    link.n_servers = listen->n_addrs;
    memcpy(link.servers, listen->addrs, sizeof link.servers);
    if (self->hostdns != NULL && self->profile->managed)
        dns_hostdns_undo(self->hostdns, link.ifname);
    else if (self->hostdns != NULL)
        dns_hostdns_apply(self->hostdns, &link);
}

static void fail(MeshdNames *self, const char *why)
{
    meshd_names_undo(self);
    mesh_log_warning("names of network %s: %s", self->profile->network, why);
    self->error = g_strdup(why);
}

void meshd_names_apply(MeshdNames *self, LockVerified *map, bool ip4, bool ip6)
{
    const LockVerifiedHead *head = lock_verified_get_head(map);
    Families                use = { .ip4 = ip4 && head->self->ip4.family != 0, .ip6 = ip6 };
    g_autoptr(GArray) hosts = NULL;
    g_autoptr(GError) error = NULL;
    DnsZone   zone = { 0 };
    DnsListen listen = { 0 };

    if (!self->profile->dns) {
        meshd_names_undo(self);
        return;
    }
    if (!is_suffix(head->policy->suffix)) {
        g_autofree char *why =
            g_strdup_printf("the suffix %s does not end with \"" TOP "\"", head->policy->suffix);

        fail(self, why);
        return;
    }
    hosts = list_hosts(map, &use);
    fill_zone(&zone, head, &use);
    zone.hosts = (const DnsHost *)(void *)hosts->data;
    zone.n_hosts = hosts->len;
    fill_listen(&listen, head, &use);
    listen.early = self->profile->managed;
    if (!dns_resolver_apply(self->resolver, &zone, &listen, &error)) {
        fail(self, error->message);
        return;
    }
    g_clear_pointer(&self->error, g_free);
    self->listen = listen;
    g_free(self->suffix);
    self->suffix = g_strdup(zone.suffix);
    point_host(self, &zone, &listen);
}

void meshd_names_undo(MeshdNames *self)
{
    g_clear_pointer(&self->error, g_free);
    g_clear_pointer(&self->suffix, g_free);
    self->listen.n_addrs = 0;
    if (self->hostdns != NULL) /* first: nobody is sent to a resolver that is not there */
        dns_hostdns_undo(self->hostdns, self->profile->ifname);
    dns_resolver_stop(self->resolver);
}

const char *meshd_names_get_state(MeshdNames *self, const char **out_why)
{
    *out_why = self->error != NULL ? self->error : "";
    if (self->error != NULL)
        return dns_hostdns_state_name(DNS_HOSTDNS_FAILED);
    if (self->profile->managed && self->listen.n_addrs > 0)
        return dns_hostdns_state_name(DNS_HOSTDNS_NM);
    if (self->hostdns == NULL)
        return dns_hostdns_state_name(DNS_HOSTDNS_OFF);
    return dns_hostdns_state_name(dns_hostdns_get(self->hostdns, self->profile->ifname, out_why));
}

const MeshAddr *meshd_names_get_servers(MeshdNames *self, size_t *out_n)
{
    *out_n = self->listen.n_addrs;
    return self->listen.addrs;
}

const char *meshd_names_get_suffix(MeshdNames *self)
{
    return self->suffix != NULL ? self->suffix : "";
}

MeshdNames *meshd_names_new(DnsHostdns *hostdns, const MeshdProfile *profile)
{
    MeshdNames *self = g_new0(MeshdNames, 1);

    self->hostdns = hostdns;
    self->profile = profile;
    self->resolver = dns_resolver_new();
    return self;
}

void meshd_names_free(MeshdNames *self)
{
    if (self == NULL)
        return;
    meshd_names_undo(self);
    dns_resolver_free(self->resolver);
    g_free(self);
}
