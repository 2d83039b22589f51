/* Tests of daemon/dns/message.c: queries as programs send them, and all that is none. */
#include "daemon/dns/message.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>

/* id 0x1234, RD, one question */
#define HEADER(flags, qd, an, ns, ar) "\x12\x34" flags "\0" qd "\0" an "\0" ns "\0" ar
#define QUERY                         HEADER("\1\0", "\1", "\0", "\0", "\0")
#define NAS                           "\3NAS\4home\4mesh\0"
#define EDNS                          "\0\0\x29\x04\xd0\0\0\x80\0\0\0" /* 1232 bytes, DO */

#define ROW(name_, bytes_, taken_, rcode_)                \
    {                                                     \
        name_, bytes_, sizeof(bytes_) - 1, taken_, rcode_ \
    }

static const struct {
    const char *name, *bytes;
    size_t      len;
    bool        taken;
    DnsRcode    rcode;
} rows[] = {
    ROW("query", QUERY NAS "\0\1\0\1", true, DNS_RCODE_NOERROR),
    ROW("edns", HEADER("\1\0", "\1", "\0", "\0", "\1") NAS "\0\1\0\1" EDNS, true,
        DNS_RCODE_NOERROR),
    ROW("root", QUERY "\0\0\2\0\1", true, DNS_RCODE_NOERROR),
    ROW("empty", "", false, 0),
    ROW("half-header", "\x12\x34\1\0\0\1\0\0\0\0\0", false, 0),
    ROW("reply", HEADER("\x81\0", "\1", "\0", "\0", "\0") NAS "\0\1\0\1", false, 0),
    ROW("no-question", HEADER("\1\0", "\0", "\0", "\0", "\0"), true, DNS_RCODE_FORMERR),
    ROW("two-questions", HEADER("\1\0", "\2", "\0", "\0", "\0") NAS "\0\1\0\1" NAS "\0\1\0\1", true,
        DNS_RCODE_FORMERR),
    ROW("cut-name", QUERY "\3NA", true, DNS_RCODE_FORMERR),
    ROW("cut-type", QUERY NAS "\0\1\0", true, DNS_RCODE_FORMERR),
    ROW("loop", QUERY "\xc0\x0c\0\1\0\1", true, DNS_RCODE_FORMERR),
    ROW("into-header", QUERY "\xc0\x04\0\1\0\1", true, DNS_RCODE_NOERROR), /* the root, oddly */
    ROW("trailing", QUERY NAS "\0\1\0\1x", true, DNS_RCODE_FORMERR),
    ROW("missing-row", HEADER("\1\0", "\1", "\0", "\0", "\1") NAS "\0\1\0\1", true,
        DNS_RCODE_FORMERR),
    ROW("two-edns", HEADER("\1\0", "\1", "\0", "\0", "\2") NAS "\0\1\0\1" EDNS EDNS, true,
        DNS_RCODE_FORMERR),
    ROW("edns-as-answer", HEADER("\1\0", "\1", "\1", "\0", "\0") NAS "\0\1\0\1" EDNS, true,
        DNS_RCODE_FORMERR),
    ROW("edns-of-a-name",
        HEADER("\1\0", "\1", "\0", "\0", "\1") NAS "\0\1\0\1\xc0\x0c\0\x29\2\0\0\0\0\0\0\0", true,
        DNS_RCODE_FORMERR),
    ROW("edns-version",
        HEADER("\1\0", "\1", "\0", "\0", "\1") NAS "\0\1\0\1\0\0\x29\2\0\0\1\0\0\0\0", true,
        DNS_RCODE_BADVERS),
    ROW("cut-data", HEADER("\1\0", "\1", "\0", "\0", "\1") NAS "\0\1\0\1\0\0\x29\2\0\0\0\0\0\0\4",
        true, DNS_RCODE_FORMERR),
    ROW("many-rows", "\x12\x34\1\0\0\1\xff\xff\xff\xff\xff\xff" NAS "\0\1\0\1", true,
        DNS_RCODE_FORMERR),
    ROW("status", HEADER("\x11\0", "\1", "\0", "\0", "\0") NAS "\0\1\0\1", true, DNS_RCODE_NOTIMP),
    ROW("update", HEADER("\x28\0", "\1", "\0", "\0", "\0") NAS "\0\6\0\1", true, DNS_RCODE_NOTIMP),
};

static void test_decode(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree uint8_t *copy = g_memdup2(rows[i].bytes, rows[i].len);
        DnsQuery            query;
        bool                taken = dns_message_decode(copy, rows[i].len, &query);

        g_test_message("%s", rows[i].name);
        g_assert_cmpint(taken, ==, rows[i].taken);
        if (!taken)
            continue;
        g_assert_cmpint(query.rcode, ==, rows[i].rcode);
        g_assert_cmpuint(query.id, ==, 0x1234);
    }
}

static void test_fields(void)
{
    DnsQuery query;
    char     text[DNS_NAME_TEXT_SIZE];

    g_assert_true(dns_message_decode(rows[1].bytes, rows[1].len, &query));
    g_assert_cmpstr(dns_name_format(&query.name, text), ==, "nas.home.mesh");
    g_assert_cmpstr(dns_name_format(&query.spelled, text), ==, "NAS.home.mesh");
    g_assert_cmpuint(query.type, ==, DNS_TYPE_A);
    g_assert_cmpuint(query.class_, ==, DNS_CLASS_IN);
    g_assert_true(query.recursion_desired && query.edns && query.dnssec_ok);
    g_assert_false(query.checking_disabled);
    g_assert_cmpuint(dns_message_get_limit(&query), ==, 1232);
    query.udp_size = 100;
    g_assert_cmpuint(dns_message_get_limit(&query), ==, 512);
    query.udp_size = 65535;
    g_assert_cmpuint(dns_message_get_limit(&query), ==, 1232);
    query.edns = false;
    g_assert_cmpuint(dns_message_get_limit(&query), ==, 512);
}

/* The whole reply, byte by byte: header, question as spelled, pointer to it, OPT. */
static void test_encode(void)
{
    static const char expected[] = "\x12\x34\x85\0\0\1\0\1\0\0\0\1" NAS "\0\1\0\1"
                                   "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\x47\0\5" EDNS;
    uint8_t           buffer[512];
    DnsQuery          query;
    DnsAnswer         answer = { .authoritative = true, .n_answers = 1 };
    size_t            len;

    g_assert_true(dns_message_decode(rows[1].bytes, rows[1].len, &query));
    answer.rows[0] = (DnsRecord){ .owner = query.name, .type = DNS_TYPE_A, .ttl_s = 60 };
    g_assert_cmpint(mesh_ip_parse_addr("10.71.0.5", &answer.rows[0].addr), ==, 0);
    len = dns_message_encode(&query, &answer, 1232, buffer, sizeof buffer);
    g_assert_cmpmem(buffer, len, expected, sizeof expected - 1);
}

static void check_names(const uint8_t *reply, const DnsRow *row)
{
    char    text[DNS_NAME_TEXT_SIZE];
    DnsName name;
    size_t  at = row->at;

    g_assert_cmpstr(dns_name_format(&row->owner, text), ==, "home.mesh");
    g_assert_cmpint(dns_name_read(reply, row->at + row->len, &at, &name), ==, 0);
    g_assert_cmpstr(dns_name_format(&name, text), ==, "own.home.mesh");
    g_assert_cmpint(dns_name_read(reply, row->at + row->len, &at, &name), ==, 0);
    g_assert_cmpstr(dns_name_format(&name, text), ==, "nobody.invalid");
    g_assert_cmpuint(at + 20, ==, row->at + row->len);
}

/* Names in a reply may lean on the question; a reader finds them again. */
static void test_soa(void)
{
    uint8_t   reply[512];
    DnsQuery  query;
    DnsAnswer answer = { .rcode = DNS_RCODE_NXDOMAIN, .authoritative = true, .n_authority = 1 };
    DnsRow    row;
    size_t    len, at = 12 + 15 + 4;

    g_assert_true(dns_message_decode(rows[0].bytes, rows[0].len, &query));
    answer.rows[0] = (DnsRecord){ .type = DNS_TYPE_SOA, .ttl_s = 10, .serial = 7 };
    g_assert_cmpint(dns_name_parse("home.mesh", &answer.rows[0].owner), ==, 0);
    g_assert_cmpint(dns_name_parse("own.home.mesh", &answer.rows[0].target), ==, 0);
    g_assert_cmpint(dns_name_parse("nobody.invalid", &answer.rows[0].person), ==, 0);
    len = dns_message_encode(&query, &answer, 512, reply, sizeof reply);
    g_assert_cmpuint(reply[3] & 0xf, ==, DNS_RCODE_NXDOMAIN);
    g_assert_cmpint(dns_message_read_row(reply, len, &at, &row), ==, 0);
    g_assert_cmpuint(row.type, ==, DNS_TYPE_SOA);
    g_assert_cmpuint(at, ==, len);
    check_names(reply, &row);
}

static void test_truncated(void)
{
    uint8_t   reply[512];
    DnsQuery  query;
    DnsAnswer answer = { .n_answers = 2 };
    size_t    len;

    g_assert_true(dns_message_decode(rows[0].bytes, rows[0].len, &query));
    for (size_t i = 0; i < 2; i++) {
        answer.rows[i] = (DnsRecord){ .owner = query.name, .type = DNS_TYPE_SOA };
        memset(&answer.rows[i].target, 1, sizeof(DnsName)); /* 127 labels, none like ours */
        answer.rows[i].target.len = 255;
        answer.rows[i].target.bytes[254] = 0;
        answer.rows[i].person = answer.rows[i].target;
    }
    len = dns_message_encode(&query, &answer, 512, reply, sizeof reply);
    g_assert_cmpuint(len, ==, 12 + 15 + 4);
    g_assert_cmpuint(reply[2] & 2, ==, 2);
    g_assert_cmpuint(reply[7], ==, 0);
}

/* BADVERS is in two places (RFC 6891 §6.1.3); a malformed query is answered with what is sure. */
static void test_errors(void)
{
    uint8_t   reply[512];
    DnsQuery  query = { .id = 7, .edns = true, .rcode = DNS_RCODE_BADVERS };
    DnsAnswer answer = { .rcode = DNS_RCODE_BADVERS };
    size_t    len = dns_message_encode(&query, &answer, 512, reply, sizeof reply);

    g_assert_cmpuint(len, ==, 12 + 11);
    g_assert_cmpuint(reply[3] & 0xf, ==, 0);
    g_assert_cmpuint(reply[12 + 5], ==, 1);
    query.edns = false;
    answer.rcode = DNS_RCODE_FORMERR;
    len = dns_message_encode(&query, &answer, 512, reply, sizeof reply);
    g_assert_cmpuint(len, ==, 12);
    g_assert_cmpuint(reply[3] & 0xf, ==, 1);
    g_assert_cmpuint(reply[5], ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dns/message/decode", test_decode);
    g_test_add_func("/dns/message/fields", test_fields);
    g_test_add_func("/dns/message/encode", test_encode);
    g_test_add_func("/dns/message/soa", test_soa);
    g_test_add_func("/dns/message/truncated", test_truncated);
    g_test_add_func("/dns/message/errors", test_errors);
    return g_test_run();
}
