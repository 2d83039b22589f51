/* daemon/dns/message.h: DNS messages (RFC 1035, EDNS: RFC 6891): a query in, a reply out. Inside
 * daemon/dns only. Values; any thread, no allocation.
 *
 * A query comes from any program of this host, and from any node that the policy lets reach it.
 * Everything in it is bounds-checked; what cannot be read is answered with FORMERR, and what may
 * not be answered at all (too short, or itself a reply: two servers could answer each other for
 * ever) is dropped. */
#pragma once

#include "common/std/ip.h"
#include "daemon/dns/name.h"

#define DNS_MESSAGE_MAX_QUERY 4096u /* bytes; longer ones are FORMERR on TCP, cut on UDP */
#define DNS_MESSAGE_UDP_PLAIN 512u  /* a reply to somebody without EDNS */
#define DNS_MESSAGE_UDP_MAX   1232u /* ours with EDNS: fits every path without fragments */
#define DNS_MESSAGE_MAX_ROWS  4u    /* records in a reply */

enum { /* types and classes that mean something here */
       DNS_TYPE_A = 1,
       DNS_TYPE_NS = 2,
       DNS_TYPE_SOA = 6,
       DNS_TYPE_PTR = 12,
       DNS_TYPE_AAAA = 28,
       DNS_TYPE_OPT = 41,
       DNS_TYPE_IXFR = 251,
       DNS_TYPE_AXFR = 252,
       DNS_TYPE_ANY = 255,
       DNS_CLASS_IN = 1,
       DNS_CLASS_ANY = 255,
};

typedef enum {
    DNS_RCODE_NOERROR = 0,
    DNS_RCODE_FORMERR = 1,
    DNS_RCODE_NXDOMAIN = 3,
    DNS_RCODE_NOTIMP = 4,
    DNS_RCODE_REFUSED = 5,
    DNS_RCODE_BADVERS = 16, /* needs EDNS for its high bits */
} DnsRcode;

/** DnsQuery: @rcode is NOERROR when it may be asked of somebody; otherwise it is the answer. */
typedef struct {
    uint16_t id;
    uint8_t  opcode;
    bool     recursion_desired, checking_disabled;
    DnsRcode rcode;
    bool     has_question;
    DnsName  spelled; /* as asked, to be repeated byte by byte */
    DnsName  name;    /* folded */
    uint16_t type, class_;
    bool     edns, dnssec_ok;
    uint16_t udp_size; /* what the asker can take in one datagram */
} DnsQuery;

typedef struct {
    DnsName  owner;
    uint16_t type;
    uint32_t ttl_s;
    MeshAddr addr;   /* A, AAAA */
    DnsName  target; /* NS, PTR; SOA: the server */
    DnsName  person; /* SOA */
    uint32_t serial; /* SOA */
} DnsRecord;

/** DnsAnswer: rows of the answer section first, then those of the authority section. */
typedef struct {
    DnsRcode  rcode;
    bool      authoritative;
    size_t    n_answers, n_authority;
    DnsRecord rows[DNS_MESSAGE_MAX_ROWS];
} DnsAnswer;

/** DnsRow: one record of a message, as dns_message_read_row() finds it; @data is borrowed. */
typedef struct {
    DnsName        owner; /* as spelled */
    uint16_t       type, class_;
    uint32_t       ttl_s;
    size_t         at; /* of @data in the message, for names in it */
    const uint8_t *data;
    size_t         len;
} DnsRow;

/** dns_message_decode: false: to be dropped without a word; @out_query is untouched then. */
MESH_CHECKED bool dns_message_decode(const void *message, size_t len, DnsQuery *out_query);

/** dns_message_encode: the reply to @query into @buffer of @size bytes (at least 512). What does
 * not fit into @limit bytes is left out and marked truncated, so that the asker comes by TCP.
 * Returns: bytes written. */
size_t dns_message_encode(const DnsQuery *query, const DnsAnswer *answer, size_t limit,
                          uint8_t *buffer, size_t size);

/** dns_message_read_row: the record at @message[*at]; moves @at behind it.
 * Returns: 0; -EBADMSG: runs over the end, or its name is none. */
MESH_CHECKED int dns_message_read_row(const uint8_t *message, size_t len, size_t *at,
                                      DnsRow *out_row);

/** dns_message_get_limit: how long a reply by UDP may be. */
size_t dns_message_get_limit(const DnsQuery *query);
