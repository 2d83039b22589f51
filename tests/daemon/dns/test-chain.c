/* Tests of daemon/dns/chain.c and policy-hosts.c: what is said of the names of a network. */
#include "common/glib/error.h"
#include "daemon/dns/chain.h"

#include <glib.h>

#define NAS6                           \
    "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0." \
    "0.0.0.0.2.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa"

typedef struct {
    DnsHost   hosts[3];
    DnsZone   zone;
    DnsChain *chain;
} Fixture;

static void set_host(DnsHost *host, const char *name, const char *ip4, const char *ip6)
{
    g_strlcpy(host->name, name, sizeof host->name);
    if (ip4 != NULL)
        g_assert_cmpint(mesh_ip_parse_addr(ip4, &host->ip4), ==, 0);
    g_assert_cmpint(mesh_ip_parse_addr(ip6, &host->ip6), ==, 0);
}

static void set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    set_host(&f->hosts[0], "own", "10.71.0.1", "fd00:1:2::1");
    set_host(&f->hosts[1], "nas", "10.71.0.5", "fd00:1:2::5");
    set_host(&f->hosts[2], "six", NULL, "fd00:1:2:8000::6");
    f->zone = (DnsZone){ .suffix = "home.mesh", .self = "own", .serial = 42, .hosts = f->hosts };
    f->zone.n_hosts = 3;
    f->zone.n_prefixes = 2;
    g_assert_cmpint(mesh_ip_parse_prefix("10.71.0.0/16", &f->zone.prefixes[0]), ==, 0);
    g_assert_cmpint(mesh_ip_parse_prefix("fd00:1:2::/48", &f->zone.prefixes[1]), ==, 0);
    f->chain = dns_chain_new(&f->zone, &error);
    g_assert_no_error(error);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    dns_chain_free(f->chain);
}

static DnsAnswer ask(Fixture *f, const char *name, uint16_t type)
{
    DnsQuery  query = { .type = type, .class_ = DNS_CLASS_IN, .has_question = true };
    DnsAnswer answer;

    g_assert_cmpint(dns_name_parse(name, &query.name), ==, 0);
    query.spelled = query.name;
    dns_chain_answer(f->chain, &query, &answer);
    return answer;
}

/* What a row says, as text: "A 10.71.0.5". Owned. */
static char *show(const DnsRecord *row)
{
    char addr[MESH_IP_ADDR_TEXT_SIZE], name[DNS_NAME_TEXT_SIZE];

    switch (row->type) {
    case DNS_TYPE_A:
    case DNS_TYPE_AAAA:
        return g_strdup(mesh_ip_format_addr(&row->addr, addr));
    case DNS_TYPE_SOA:
        return g_strdup_printf("SOA %s %u", dns_name_format(&row->target, name), row->serial);
    default:
        return g_strdup_printf("%u %s", row->type, dns_name_format(&row->target, name));
    }
}

#define NX DNS_RCODE_NXDOMAIN
#define NO DNS_RCODE_REFUSED

static const struct {
    const char *name;
    uint16_t    type;
    DnsRcode    rcode;
    const char *first, *second; /* answers; NULL: none */
} rows[] = {
    { "nas.home.mesh", DNS_TYPE_A, 0, "10.71.0.5", NULL },
    { "nas.home.mesh", DNS_TYPE_AAAA, 0, "fd00:1:2::5", NULL },
    { "nas.home.mesh", DNS_TYPE_ANY, 0, "10.71.0.5", "fd00:1:2::5" },
    { "own.home.mesh", DNS_TYPE_A, 0, "10.71.0.1", NULL },
    { "six.home.mesh", DNS_TYPE_A, 0, NULL, NULL },
    { "six.home.mesh", DNS_TYPE_AAAA, 0, "fd00:1:2:8000::6", NULL },
    { "nas.home.mesh", 16, 0, NULL, NULL },
    { "nas.home.mesh", 65, 0, NULL, NULL }, /* HTTPS: browsers ask for it first */
    { "no.home.mesh", DNS_TYPE_A, NX, NULL, NULL },
    { "x.nas.home.mesh", DNS_TYPE_A, NX, NULL, NULL },
    { "home.mesh", DNS_TYPE_SOA, 0, "SOA own.home.mesh 42", NULL },
    { "home.mesh", DNS_TYPE_NS, 0, "2 own.home.mesh", NULL },
    { "home.mesh", DNS_TYPE_ANY, 0, "SOA own.home.mesh 42", "2 own.home.mesh" },
    { "home.mesh", DNS_TYPE_A, 0, NULL, NULL },
    { "5.0.71.10.in-addr.arpa", DNS_TYPE_PTR, 0, "12 nas.home.mesh", NULL },
    { "5.0.71.10.in-addr.arpa", DNS_TYPE_A, 0, NULL, NULL },
    { "6.0.71.10.in-addr.arpa", DNS_TYPE_PTR, NX, NULL, NULL },
    { "0.71.10.in-addr.arpa", DNS_TYPE_PTR, 0, NULL, NULL }, /* there are nodes below */
    { "1.71.10.in-addr.arpa", DNS_TYPE_PTR, NX, NULL, NULL },
    { "71.10.in-addr.arpa", DNS_TYPE_SOA, 0, "SOA own.home.mesh 42", NULL },
    { "x.71.10.in-addr.arpa", DNS_TYPE_PTR, NX, NULL, NULL },
    { NAS6, DNS_TYPE_PTR, 0, "12 nas.home.mesh", NULL },
    { "8.2.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa", DNS_TYPE_PTR, 0, NULL, NULL },
    { "9.2.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa", DNS_TYPE_PTR, NX, NULL, NULL },
    { "www.example.org", DNS_TYPE_A, NO, NULL, NULL },
    { "mesh", DNS_TYPE_SOA, NO, NULL, NULL },
    { "", DNS_TYPE_NS, NO, NULL, NULL },
    { "far.away.mesh", DNS_TYPE_A, NO, NULL, NULL }, /* another network's */
    { "5.0.72.10.in-addr.arpa", DNS_TYPE_PTR, NO, NULL, NULL },
    { "10.in-addr.arpa", DNS_TYPE_NS, NO, NULL, NULL },
    { "home.mesh", DNS_TYPE_AXFR, NO, NULL, NULL },
    { "home.mesh", DNS_TYPE_IXFR, NO, NULL, NULL },
};

static void test_answers(Fixture *f, gconstpointer data)
{
    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        DnsAnswer        answer;
        g_autofree char *first = NULL, *second = NULL;

        answer = ask(f, rows[i].name, rows[i].type);
        g_test_message("%s %u", rows[i].name, rows[i].type);
        first = answer.n_answers > 0 ? show(&answer.rows[0]) : NULL;
        second = answer.n_answers > 1 ? show(&answer.rows[1]) : NULL;
        g_assert_cmpint(answer.rcode, ==, rows[i].rcode);
        g_assert_cmpstr(first, ==, rows[i].first);
        g_assert_cmpstr(second, ==, rows[i].second);
        g_assert_cmpint(answer.authoritative, ==, answer.rcode != DNS_RCODE_REFUSED);
        /* "none" carries the SOA, so that it may be remembered, and nothing else does */
        g_assert_cmpuint(answer.n_authority, ==, first == NULL && answer.authoritative ? 1 : 0);
    }
}

static void test_negative_ttl(Fixture *f, gconstpointer data)
{
    DnsAnswer answer = ask(f, "no.home.mesh", DNS_TYPE_A);

    (void)data;
    g_assert_cmpuint(answer.rows[0].type, ==, DNS_TYPE_SOA);
    g_assert_cmpuint(answer.rows[0].ttl_s, <=, 10);
}

static void test_class_and_errors(Fixture *f, gconstpointer data)
{
    DnsQuery  query = { .type = DNS_TYPE_A, .class_ = 3 };
    DnsAnswer answer;

    (void)data;
    g_assert_cmpint(dns_name_parse("nas.home.mesh", &query.name), ==, 0);
    dns_chain_answer(f->chain, &query, &answer);
    g_assert_cmpint(answer.rcode, ==, DNS_RCODE_REFUSED);
    query.class_ = DNS_CLASS_IN;
    dns_chain_answer(NULL, &query, &answer);
    g_assert_cmpint(answer.rcode, ==, DNS_RCODE_REFUSED);
    query.rcode = DNS_RCODE_FORMERR;
    dns_chain_answer(f->chain, &query, &answer);
    g_assert_cmpint(answer.rcode, ==, DNS_RCODE_FORMERR);
    g_assert_cmpuint(answer.n_answers + answer.n_authority, ==, 0);
}

/* A NUL in a label is part of it, not its end. */
static void test_nul_in_label(Fixture *f, gconstpointer data)
{
    DnsQuery  query = { .type = DNS_TYPE_A, .class_ = DNS_CLASS_IN };
    DnsAnswer answer;

    (void)data;
    query.name = (DnsName){ .len = 17, .bytes = "\5nas\0x\4home\4mesh" };
    dns_chain_answer(f->chain, &query, &answer);
    g_assert_cmpint(answer.rcode, ==, DNS_RCODE_NXDOMAIN);
}

static void test_bad_zone(void)
{
    static const char *const suffixes[] = { "", ".", "a..b" };

    for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        DnsZone zone = { .suffix = suffixes[i], .self = "own" };
        g_autoptr(GError) error = NULL;

        g_assert_null(dns_chain_new(&zone, &error));
        g_assert_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/dns/chain/answers", Fixture, NULL, set_up, test_answers, tear_down);
    g_test_add("/dns/chain/negative-ttl", Fixture, NULL, set_up, test_negative_ttl, tear_down);
    g_test_add("/dns/chain/class-and-errors", Fixture, NULL, set_up, test_class_and_errors,
               tear_down);
    g_test_add("/dns/chain/nul-in-label", Fixture, NULL, set_up, test_nul_in_label, tear_down);
    g_test_add_func("/dns/chain/bad-zone", test_bad_zone);
    return g_test_run();
}
