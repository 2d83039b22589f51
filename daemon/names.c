#include "daemon/names.h"

#include "common/glib/log.h"
#include "daemon/dns/resolver.h"
#include "daemon/lock/compare.h"

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

/* The hosts of a map, for as long as the resolver has them. */
typedef struct {
    grefcount     refs;
    LockVerified *map; /* owned */
    Families      use;
} Book;

static DnsHost make_host(const Book *book, const MeshMember *member)
{
    DnsHost host = { 0 };

    g_strlcpy(host.name, member->name, sizeof host.name);
    if (book->use.ip4)
        host.ip4 = member->ip4;
    if (book->use.ip6)
        host.ip6 = member->ip6;
    return host;
}

static bool find_name(void *data, const char *name, DnsHost *out_host)
{
    const Book       *book = data;
    const MeshMember *self = lock_verified_get_head(book->map)->self;
    const LockPeer   *peer = lock_verified_find_name(book->map, name);

    if (strcmp(self->name, name) == 0)
        *out_host = make_host(book, self);
    else if (peer != NULL)
        *out_host = make_host(book, peer->member);
    else
        return false;
    return true;
}

static int compare_addrs(const MeshAddr *a, const MeshAddr *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

/* Who of ours and of the peers has the first address from @from on. */
static const MeshMember *find_first(const Book *book, const MeshAddr *from, MeshAddr *out_addr)
{
    const MeshMember *self = lock_verified_get_head(book->map)->self, *found = NULL;
    const MeshAddr   *ours[] = { &self->ip4, &self->ip6 };
    const LockPeer   *peer = lock_verified_find_addr_from(book->map, from, out_addr);

    if (peer != NULL)
        found = peer->member;
    for (size_t i = 0; i < G_N_ELEMENTS(ours); i++) {
        if (ours[i]->family == 0 || compare_addrs(ours[i], from) < 0 ||
            (found != NULL && compare_addrs(ours[i], out_addr) >= 0))
            continue;
        *out_addr = *ours[i];
        found = self;
    }
    return found;
}

static bool find_from(void *data, const MeshAddr *addr, MeshAddr *out_addr, DnsHost *out_host)
{
    static const MeshAddr first6 = { .family = AF_INET6 };
    const Book           *book = data;
    const MeshMember     *found;

    if (!book->use.ip4 && addr->family == AF_INET)
        addr = &first6;
    if (!book->use.ip6 && addr->family == AF_INET6)
        return false;
    found = find_first(book, addr, out_addr);
    if (found == NULL || (!book->use.ip6 && out_addr->family == AF_INET6))
        return false;
    *out_host = make_host(book, found);
    return true;
}

static void ref_book(void *data)
{
    g_ref_count_inc(&((Book *)data)->refs);
}

static void unref_book(void *data)
{
    Book *book = data;

    if (!g_ref_count_dec(&book->refs))
        return;
    lock_verified_unref(book->map);
    g_free(book);
}

/* One reference, the caller's. */
static DnsBook make_book(LockVerified *map, const Families *use)
{
    Book *book = g_new(Book, 1);

    g_ref_count_init(&book->refs);
    book->map = lock_verified_ref(map);
    book->use = *use;
    return (DnsBook){ .find_name = find_name,
                      .find_from = find_from,
                      .ref = ref_book,
                      .unref = unref_book,
                      .data = book };
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
    g_autoptr(GError) error = NULL;
    DnsZone   zone = { 0 };
    DnsListen listen = { 0 };
    DnsBook   book;
    bool      applied;

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
    fill_zone(&zone, head, &use);
    fill_listen(&listen, head, &use);
    listen.early = self->profile->managed;
    book = make_book(map, &use);
    zone.book = &book;
    applied = dns_resolver_apply(self->resolver, &zone, &listen, &error);
    unref_book(book.data);
    if (!applied) {
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
