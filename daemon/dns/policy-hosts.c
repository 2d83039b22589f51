/* daemon/dns/policy-hosts.c: the names of one network: NODE.SUFFIX, and the names of its addresses.
 * Another network's zone is in another chain: neither sees the other. Main loop only. */
#include "common/glib/error.h"
#include "daemon/dns/chain.h"
#include "daemon/dns/reverse.h"

#include <string.h>
#include <sys/socket.h>

enum {
    TTL_S = 60,          /* addresses of a node do not change; a node may be gone */
    NEGATIVE_TTL_S = 10, /* somebody may join any moment */
    MAX_ZONES = DNS_ZONE_MAX_PREFIXES * DNS_REVERSE_MAX_ZONES,
};

#define PERSON "nobody.invalid" /* of the SOA: there is nobody to write to (RFC 2606) */

/* An address and whose it is. */
typedef struct {
    MeshAddr addr;
    unsigned host;
} Address;

typedef struct {
    DnsName     suffix, server, person;
    uint32_t    serial;
    size_t      n_zones;
    DnsName    *zones;     /* reverse ones; owned */
    GArray     *hosts;     /* DnsHost */
    GHashTable *by_name;   /* label in a host → its number + 1 */
    GArray     *addresses; /* Address, in order */
    DnsBook     book;      /* instead of the three; no data: there is none */
} Hosts;

static int compare_addresses(gconstpointer a, gconstpointer b)
{
    const Address *left = a, *right = b;

    if (left->addr.family != right->addr.family)
        return left->addr.family < right->addr.family ? -1 : 1;
    return memcmp(left->addr.bytes, right->addr.bytes, sizeof left->addr.bytes);
}

static void add_address(Hosts *self, const MeshAddr *addr, unsigned host)
{
    Address row = { .addr = *addr, .host = host };

    if (addr->family != 0)
        g_array_append_val(self->addresses, row);
}

static void add_hosts(Hosts *self, const DnsZone *zone)
{
    g_array_append_vals(self->hosts, zone->hosts, (guint)zone->n_hosts);
    for (unsigned i = 0; i < self->hosts->len; i++) {
        DnsHost *host = &g_array_index(self->hosts, DnsHost, i);

        g_hash_table_insert(self->by_name, host->name, GUINT_TO_POINTER(i + 1));
        add_address(self, &host->ip4, i);
        add_address(self, &host->ip6, i);
    }
    g_array_sort(self->addresses, compare_addresses);
}

static void free_hosts(void *state)
{
    Hosts *self = state;

    g_hash_table_unref(self->by_name);
    g_array_unref(self->hosts);
    g_array_unref(self->addresses);
    g_free(self->zones);
    if (self->book.data != NULL)
        self->book.unref(self->book.data);
    g_free(self);
}

static void *make_hosts(const DnsZone *zone, GError **error)
{
    Hosts *self = g_new0(Hosts, 1);

    self->hosts = g_array_sized_new(false, true, sizeof(DnsHost), (guint)zone->n_hosts);
    self->addresses = g_array_new(false, true, sizeof(Address));
    self->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    self->serial = zone->serial;
    if (dns_name_parse(zone->suffix, &self->suffix) < 0 || self->suffix.len == 1 ||
        dns_name_prepend(zone->self, &self->suffix, &self->server) < 0 ||
        dns_name_parse(PERSON, &self->person) < 0) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                    "%s.%s is not a name that DNS can hold", zone->self, zone->suffix);
        free_hosts(self);
        return NULL;
    }
    self->zones = g_new0(DnsName, MAX_ZONES);
    for (size_t i = 0; i < zone->n_prefixes; i++)
        self->n_zones += dns_reverse_list(&zone->prefixes[i], self->zones + self->n_zones);
    if (zone->book == NULL) {
        add_hosts(self, zone);
        return self;
    }
    self->book = *zone->book;
    self->book.ref(self->book.data);
    return self;
}

/* ---- records ---- */

static DnsRecord *add_row(DnsAnswer *answer, const DnsName *owner, uint16_t type)
{
    DnsRecord *row = &answer->rows[answer->n_answers + answer->n_authority];

    *row = (DnsRecord){ .owner = *owner, .type = type, .ttl_s = TTL_S };
    return row;
}

static void fill_soa(const Hosts *self, DnsRecord *row)
{
    row->target = self->server;
    row->person = self->person;
    row->serial = self->serial;
    row->ttl_s = NEGATIVE_TTL_S;
}

static bool is_asked(const DnsQuery *query, uint16_t type)
{
    return query->type == type || query->type == DNS_TYPE_ANY;
}

/* "There is none": the zone's SOA says how long that may be remembered (RFC 2308). */
static void answer_nothing(const Hosts *self, const DnsName *zone, DnsRcode rcode, DnsAnswer *out)
{
    out->rcode = rcode;
    fill_soa(self, add_row(out, zone, DNS_TYPE_SOA));
    out->n_authority = 1;
}

static void answer_apex(const Hosts *self, const DnsQuery *query, const DnsName *zone,
                        DnsAnswer *out)
{
    if (is_asked(query, DNS_TYPE_SOA)) {
        fill_soa(self, add_row(out, zone, DNS_TYPE_SOA));
        out->n_answers++;
    }
    if (is_asked(query, DNS_TYPE_NS)) {
        add_row(out, zone, DNS_TYPE_NS)->target = self->server;
        out->n_answers++;
    }
    if (out->n_answers == 0)
        answer_nothing(self, zone, DNS_RCODE_NOERROR, out);
}

static void answer_address(const DnsQuery *query, const MeshAddr *addr, uint16_t type,
                           DnsAnswer *out)
{
    if (addr->family == 0 || !is_asked(query, type))
        return;
    add_row(out, &query->name, type)->addr = *addr;
    out->n_answers++;
}

static bool find_name(const Hosts *self, const DnsName *name, size_t front, DnsHost *out)
{
    char     label[DNS_NAME_MAX_LABEL + 1];
    size_t   len = name->bytes[0];
    unsigned number;

    if (front != 1 + len || memchr(name->bytes + 1, '\0', len) != NULL)
        return false;
    memcpy(label, name->bytes + 1, len);
    label[len] = '\0';
    if (self->book.data != NULL)
        return self->book.find_name(self->book.data, label, out);
    number = GPOINTER_TO_UINT(g_hash_table_lookup(self->by_name, label));
    if (number != 0)
        *out = g_array_index(self->hosts, DnsHost, number - 1);
    return number != 0;
}

static void answer_forward(const Hosts *self, const DnsQuery *query, size_t front, DnsAnswer *out)
{
    DnsHost host;

    if (front == 0)
        return answer_apex(self, query, &self->suffix, out);
    if (!find_name(self, &query->name, front, &host))
        return answer_nothing(self, &self->suffix, DNS_RCODE_NXDOMAIN, out);
    answer_address(query, &host.ip4, DNS_TYPE_A, out);
    answer_address(query, &host.ip6, DNS_TYPE_AAAA, out);
    if (out->n_answers == 0)
        answer_nothing(self, &self->suffix, DNS_RCODE_NOERROR, out);
}

/* The first address that is not before @addr, and its host. */
static bool find_from(const Hosts *self, const MeshAddr *addr, MeshAddr *out_addr, DnsHost *out)
{
    Address        wanted = { .addr = *addr };
    unsigned       low = 0, high = self->addresses->len;
    const Address *found;

    if (self->book.data != NULL)
        return self->book.find_from(self->book.data, addr, out_addr, out);

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (compare_addresses(&g_array_index(self->addresses, Address, middle), &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == self->addresses->len)
        return false;
    found = &g_array_index(self->addresses, Address, low);
    *out_addr = found->addr;
    *out = g_array_index(self->hosts, DnsHost, found->host);
    return true;
}

static bool answer_host_of(const Hosts *self, const DnsQuery *query, const DnsHost *host,
                           DnsAnswer *out)
{
    DnsRecord *row;

    if (!is_asked(query, DNS_TYPE_PTR))
        return false;
    row = add_row(out, &query->name, DNS_TYPE_PTR);
    if (dns_name_prepend(host->name, &self->suffix, &row->target) < 0)
        return false;
    out->n_answers++;
    return true;
}

static void answer_reverse(const Hosts *self, const DnsQuery *query, const DnsName *zone,
                           DnsAnswer *out)
{
    DnsHost    host;
    MeshPrefix prefix;
    MeshAddr   addr;
    bool       found = dns_reverse_parse(&query->name, &prefix) &&
                 find_from(self, &prefix.addr, &addr, &host) && mesh_ip_contains(&prefix, &addr);

    if (found && prefix.bits == (prefix.addr.family == AF_INET ? 32 : 128) &&
        answer_host_of(self, query, &host, out))
        return;
    if (dns_name_equal(&query->name, zone))
        return answer_apex(self, query, zone, out);
    /* with a node below it the name exists, though nothing is said of it (RFC 8020) */
    answer_nothing(self, zone, found ? DNS_RCODE_NOERROR : DNS_RCODE_NXDOMAIN, out);
}

static bool answer_hosts(void *state, const DnsQuery *query, DnsAnswer *out)
{
    const Hosts *self = state;
    DnsAnswer    answer = { .authoritative = true };
    size_t       front = 0;

    if (dns_name_is_under(&query->name, &self->suffix, &front)) {
        answer_forward(self, query, front, &answer);
        *out = answer;
        return true;
    }
    for (size_t i = 0; i < self->n_zones; i++) {
        if (!dns_name_is_under(&query->name, &self->zones[i], NULL))
            continue;
        answer_reverse(self, query, &self->zones[i], &answer);
        *out = answer;
        return true;
    }
    return false;
}

extern const DnsPolicy dns_policy_hosts; /* chain.c knows it by the list in meson.build */

const DnsPolicy dns_policy_hosts = { "hosts", make_hosts, free_hosts, answer_hosts };
