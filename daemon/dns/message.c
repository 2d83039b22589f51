#include "daemon/dns/message.h"

#include "common/std/bytes.h"
#include "common/std/writer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
    HEADER_BYTES = 12,
    MAX_ROWS_READ = 64, /* records beside the question that a query may carry */
    FLAG_REPLY = 0x8000,
    FLAG_AUTHORITATIVE = 0x0400,
    FLAG_TRUNCATED = 0x0200,
    FLAG_RECURSION_DESIRED = 0x0100,
    FLAG_CHECKING_DISABLED = 0x0010,
    OPCODE_SHIFT = 11,
    OPCODE_MASK = 0xf,
    EDNS_DNSSEC_OK = 0x8000, /* in the low half of the OPT record's TTL */
    POINTER = 0xc000,
    POINTER_MAX = 0x3fff,
    /* of our SOA: nobody transfers these zones, so only the last one means something */
    SOA_REFRESH_S = 3600,
    SOA_RETRY_S = 600,
    SOA_EXPIRE_S = 86400,
};

typedef struct {
    uint16_t id, flags, questions, answers, authority, additional;
} Header;

static bool read_header(const void *message, size_t len, Header *out)
{
    MeshReader r = mesh_bytes_make_reader(message, len);

    return mesh_bytes_read_u16be(&r, &out->id) && mesh_bytes_read_u16be(&r, &out->flags) &&
           mesh_bytes_read_u16be(&r, &out->questions) && mesh_bytes_read_u16be(&r, &out->answers) &&
           mesh_bytes_read_u16be(&r, &out->authority) &&
           mesh_bytes_read_u16be(&r, &out->additional);
}

int dns_message_read_row(const uint8_t *message, size_t len, size_t *at, DnsRow *out_row)
{
    DnsRow     row = { .at = *at };
    MeshReader r, data;
    uint16_t   length;

    if (dns_name_read(message, len, &row.at, &row.owner) < 0)
        return -EBADMSG;
    r = mesh_bytes_make_reader(message + row.at, len - row.at);
    if (!mesh_bytes_read_u16be(&r, &row.type) || !mesh_bytes_read_u16be(&r, &row.class_) ||
        !mesh_bytes_read_u32be(&r, &row.ttl_s) || !mesh_bytes_read_u16be(&r, &length) ||
        !mesh_bytes_take(&r, length, &data))
        return -EBADMSG;
    row.at = (size_t)(data.at - message);
    row.data = data.at;
    row.len = length;
    *at = row.at + row.len;
    *out_row = row;
    return 0;
}

static bool read_question(const uint8_t *message, size_t len, size_t *at, DnsQuery *query)
{
    MeshReader r;

    if (dns_name_read(message, len, at, &query->spelled) < 0)
        return false;
    r = mesh_bytes_make_reader(message + *at, len - *at);
    if (!mesh_bytes_read_u16be(&r, &query->type) || !mesh_bytes_read_u16be(&r, &query->class_))
        return false;
    *at += 4;
    query->name = query->spelled;
    dns_name_fold(&query->name);
    query->has_question = true;
    return true;
}

/* RFC 6891 §6.1: owner the root, at most once, size in the class, version in the TTL. */
static bool take_edns(DnsQuery *query, const DnsRow *row)
{
    if (query->edns || row->owner.len != 1)
        return false;
    query->edns = true;
    query->udp_size = row->class_;
    query->dnssec_ok = (row->ttl_s & EDNS_DNSSEC_OK) != 0;
    if ((row->ttl_s >> 16 & 0xff) != 0)
        query->rcode = DNS_RCODE_BADVERS;
    return true;
}

static bool read_rows(const uint8_t *message, size_t len, size_t at, const Header *header,
                      DnsQuery *query)
{
    unsigned count = (unsigned)header->answers + header->authority + header->additional;

    if (count > MAX_ROWS_READ)
        return false;
    for (unsigned i = 0; i < count; i++) {
        bool   additional = i >= (unsigned)header->answers + header->authority;
        DnsRow row;

        if (dns_message_read_row(message, len, &at, &row) < 0)
            return false;
        if (row.type == DNS_TYPE_OPT && (!additional || !take_edns(query, &row)))
            return false;
    }
    return at == len; /* nothing of ours hides behind a message */
}

bool dns_message_decode(const void *message, size_t len, DnsQuery *out_query)
{
    DnsQuery query = { .udp_size = DNS_MESSAGE_UDP_PLAIN };
    Header   header;
    size_t   at = HEADER_BYTES;

    if (!read_header(message, len, &header) || (header.flags & FLAG_REPLY) != 0)
        return false;
    query.id = header.id;
    query.opcode = header.flags >> OPCODE_SHIFT & OPCODE_MASK;
    query.recursion_desired = (header.flags & FLAG_RECURSION_DESIRED) != 0;
    query.checking_disabled = (header.flags & FLAG_CHECKING_DISABLED) != 0;
    if (query.opcode != 0)
        query.rcode = DNS_RCODE_NOTIMP;
    else if (header.questions != 1 || !read_question(message, len, &at, &query) ||
             !read_rows(message, len, at, &header, &query))
        query.rcode = DNS_RCODE_FORMERR;
    *out_query = query;
    return true;
}

size_t dns_message_get_limit(const DnsQuery *query)
{
    size_t asked = query->edns ? query->udp_size : DNS_MESSAGE_UDP_PLAIN;

    if (asked < DNS_MESSAGE_UDP_PLAIN) /* RFC 6891 §6.2.3 */
        return DNS_MESSAGE_UDP_PLAIN;
    return asked < DNS_MESSAGE_UDP_MAX ? asked : DNS_MESSAGE_UDP_MAX;
}

/* The labels of @name up to where the question's name goes on in the same way, then a pointer. */
static void write_name(MeshWriter *w, const DnsName *name, const DnsQuery *query)
{
    DnsName rest;
    size_t  front = 0;

    for (size_t i = 0; i < name->len && name->bytes[i] != 0; i += 1u + name->bytes[i]) {
        rest.len = (uint8_t)(name->len - i);
        memcpy(rest.bytes, name->bytes + i, rest.len);
        if (query->has_question && dns_name_is_under(&query->name, &rest, &front) &&
            HEADER_BYTES + front <= POINTER_MAX) {
            mesh_writer_u16be(w, (uint16_t)(POINTER | (HEADER_BYTES + front)));
            return;
        }
        mesh_writer_bytes(w, name->bytes + i, 1u + name->bytes[i]);
    }
    mesh_writer_u8(w, 0);
}

static void write_data(MeshWriter *w, const DnsRecord *row, const DnsQuery *query)
{
    switch (row->type) {
    case DNS_TYPE_A:
        mesh_writer_bytes(w, row->addr.bytes, 4);
        return;
    case DNS_TYPE_AAAA:
        mesh_writer_bytes(w, row->addr.bytes, 16);
        return;
    case DNS_TYPE_SOA:
        write_name(w, &row->target, query);
        write_name(w, &row->person, query);
        mesh_writer_u32be(w, row->serial);
        mesh_writer_u32be(w, SOA_REFRESH_S);
        mesh_writer_u32be(w, SOA_RETRY_S);
        mesh_writer_u32be(w, SOA_EXPIRE_S);
        mesh_writer_u32be(w, row->ttl_s); /* how long "there is none" may be kept (RFC 2308) */
        return;
    default:
        write_name(w, &row->target, query);
    }
}

static void write_row(MeshWriter *w, const DnsRecord *row, const DnsQuery *query)
{
    uint8_t    data[2 * DNS_NAME_MAX + 5 * 4];
    MeshWriter inner = mesh_writer_make(data, sizeof data);
    size_t     len = 0;

    write_data(&inner, row, query);
    if (mesh_writer_finish(&inner, &len) < 0) {
        w->overflow = true;
        return;
    }
    write_name(w, &row->owner, query);
    mesh_writer_u16be(w, row->type);
    mesh_writer_u16be(w, DNS_CLASS_IN);
    mesh_writer_u32be(w, row->ttl_s);
    mesh_writer_u16be(w, (uint16_t)len);
    mesh_writer_bytes(w, data, len);
}

static uint16_t make_flags(const DnsQuery *query, const DnsAnswer *answer, bool truncated)
{
    unsigned flags = FLAG_REPLY | (unsigned)query->opcode << OPCODE_SHIFT;

    flags |= answer->authoritative ? FLAG_AUTHORITATIVE : 0;
    flags |= truncated ? FLAG_TRUNCATED : 0;
    flags |= query->recursion_desired ? FLAG_RECURSION_DESIRED : 0;
    flags |= query->checking_disabled ? FLAG_CHECKING_DISABLED : 0;
    return (uint16_t)(flags | ((unsigned)answer->rcode & 0xf));
}

static void write_edns(MeshWriter *w, const DnsQuery *query, DnsRcode rcode)
{
    mesh_writer_u8(w, 0);
    mesh_writer_u16be(w, DNS_TYPE_OPT);
    mesh_writer_u16be(w, DNS_MESSAGE_UDP_MAX);
    mesh_writer_u32be(w, (uint32_t)rcode >> 4 << 24 | (query->dnssec_ok ? EDNS_DNSSEC_OK : 0u));
    mesh_writer_u16be(w, 0);
}

/* Returns: 0 and the length; -ENOSPC. Without @answer's rows when @truncated. */
static int write_reply(const DnsQuery *query, const DnsAnswer *answer, bool truncated,
                       MeshWriter *w, size_t *out_len)
{
    size_t n_answers = truncated ? 0 : answer->n_answers;
    size_t n_authority = truncated ? 0 : answer->n_authority;

    mesh_writer_u16be(w, query->id);
    mesh_writer_u16be(w, make_flags(query, answer, truncated));
    mesh_writer_u16be(w, query->has_question ? 1 : 0);
    mesh_writer_u16be(w, (uint16_t)n_answers);
    mesh_writer_u16be(w, (uint16_t)n_authority);
    mesh_writer_u16be(w, query->edns ? 1 : 0);
    if (query->has_question) {
        mesh_writer_bytes(w, query->spelled.bytes, query->spelled.len);
        mesh_writer_u16be(w, query->type);
        mesh_writer_u16be(w, query->class_);
    }
    for (size_t i = 0; i < n_answers + n_authority; i++)
        write_row(w, &answer->rows[i], query);
    if (query->edns)
        write_edns(w, query, answer->rcode);
    return mesh_writer_finish(w, out_len);
}

size_t dns_message_encode(const DnsQuery *query, const DnsAnswer *answer, size_t limit,
                          uint8_t *buffer, size_t size)
{
    MeshWriter w = mesh_writer_make(buffer, limit < size ? limit : size);
    size_t     len = 0;

    if (write_reply(query, answer, false, &w, &len) == 0)
        return len;
    w = mesh_writer_make(buffer, size);
    if (write_reply(query, answer, true, &w, &len) < 0)
        return 0; /* cannot be: header, question and OPT are shorter than 512 */
    return len;
}
