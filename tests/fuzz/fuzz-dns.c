/* tests/fuzz/fuzz-dns.c: bytes on port 53. Whatever is asked, the reply is a message of the
 * promised length, repeats id and question, says yes only about our names, and is never itself
 * answered. */
#include "daemon/dns/chain.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

enum { HEADER = 12, TCP_SIZE = 4096 };

static DnsChain *make_chain(void)
{
    static DnsHost hosts[2] = { { .name = "own" }, { .name = "nas" } };
    DnsZone        zone = { .suffix = "home.mesh", .self = "own", .hosts = hosts, .n_hosts = 2 };
    DnsChain      *chain;
    int            rc = mesh_ip_parse_addr("10.71.0.5", &hosts[1].ip4);

    rc |= mesh_ip_parse_addr("fd00:1:2::5", &hosts[1].ip6);
    rc |= mesh_ip_parse_addr("fd00:1:2::1", &hosts[0].ip6);
    rc |= mesh_ip_parse_prefix("10.71.0.0/16", &zone.prefixes[0]);
    rc |= mesh_ip_parse_prefix("fd00:1:2::/48", &zone.prefixes[1]);
    assert(rc == 0);
    zone.n_prefixes = 2;
    chain = dns_chain_new(&zone, NULL);
    assert(chain != NULL);
    return chain;
}

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/* Every record can be read again, and they end where the reply ends. */
static void check_rows(const uint8_t *reply, size_t len, size_t at)
{
    unsigned count = get16(reply + 6) + get16(reply + 8) + get16(reply + 10);

    for (unsigned i = 0; i < count; i++) {
        DnsRow row;
        int    rc = dns_message_read_row(reply, len, &at, &row);

        assert(rc == 0);
        if (row.type == DNS_TYPE_NS || row.type == DNS_TYPE_PTR || row.type == DNS_TYPE_SOA) {
            DnsName name;
            size_t  inner = row.at;

            rc = dns_name_read(reply, row.at + row.len, &inner, &name);
            assert(rc == 0);
        }
    }
    assert(at == len);
}

static void check_reply(const DnsQuery *query, const DnsAnswer *answer, size_t limit)
{
    uint8_t  reply[TCP_SIZE];
    size_t   len = dns_message_encode(query, answer, limit, reply, sizeof reply);
    size_t   at = HEADER;
    DnsQuery again;

    assert(len >= HEADER && len <= limit);
    assert(get16(reply) == query->id);
    assert(!dns_message_decode(reply, len, &again)); /* a reply is not answered */
    assert(get16(reply + 4) == (query->has_question ? 1 : 0));
    if (query->has_question) {
        DnsName name;
        int     rc = dns_name_read(reply, len, &at, &name);

        assert(rc == 0 && name.len == query->spelled.len);
        assert(memcmp(name.bytes, query->spelled.bytes, name.len) == 0);
        assert(get16(reply + at) == query->type && get16(reply + at + 2) == query->class_);
        at += 4;
    }
    check_rows(reply, len, at);
}

/* A name that was read has a text, and the text of a plain one is that name. */
static void check_name(const DnsName *name)
{
    char    text[DNS_NAME_TEXT_SIZE];
    DnsName back, folded = *name;

    dns_name_fold(&folded);
    dns_name_format(&folded, text);
    assert(strlen(text) < sizeof text);
    if (strchr(text, '\\') == NULL) {
        int rc = dns_name_parse(text, &back);

        assert(rc == 0 && dns_name_equal(&back, &folded));
    }
}

static void read_names(const uint8_t *data, size_t len)
{
    for (size_t start = 0; start < len && start < 512; start++) {
        size_t  at = start;
        DnsName name;

        if (dns_name_read(data, len, &at, &name) == 0) {
            assert(at > start && at <= len);
            check_name(&name);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static DnsChain *chain;
    DnsQuery         query;
    DnsAnswer        answer;

    if (chain == NULL)
        chain = make_chain();
    read_names(data, len);
    if (!dns_message_decode(data, len, &query))
        return 0;
    dns_chain_answer(chain, &query, &answer);
    assert(answer.n_answers + answer.n_authority <= DNS_MESSAGE_MAX_ROWS);
    assert(query.rcode == DNS_RCODE_NOERROR || answer.rcode == query.rcode);
    if (answer.n_answers > 0)
        assert(answer.rcode == DNS_RCODE_NOERROR && answer.authoritative);
    check_reply(&query, &answer, dns_message_get_limit(&query));
    check_reply(&query, &answer, TCP_SIZE);
    return 0;
}
