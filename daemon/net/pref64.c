#include "daemon/net/pref64.h"

#include "common/std/bytes.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

enum {
    ADVERTISEMENT = 134, /* ICMPv6: RFC 4861 §4.2 */
    OPTION = 38,         /* RFC 8781 §4 */
    OPTION_BYTES = 16,
    PREFIX_BYTES = 12,
    LIFE_UNIT_S = 8,
    ATTRIBUTE_HEAD = 4,
};

static const uint8_t lengths[] = { 96, 64, 56, 48, 40, 32 }; /* by their code */

/* Whether hosts can be behind it: not what only this host or this link has. Of ::/8 only the two
 * that were given to NAT64s (RFC 6052 §2.1, RFC 8215); the others would lead packets nowhere. */
static bool is_usable(const MeshAddr *addr)
{
    static const uint8_t well_known[] = { 0x00, 0x64, 0xff, 0x9b };
    MeshIpClass class = mesh_ip_class(addr);

    if (addr->bytes[0] == 0)
        return memcmp(addr->bytes, well_known, sizeof well_known) == 0;
    return class == MESH_IP_GLOBAL || class == MESH_IP_PRIVATE;
}

/* Lifetime and length of prefix share 16 bits. */
static bool read_option(MeshReader *r, int64_t now_ms, NetPref64Row *out)
{
    uint8_t  type, length, bytes[16] = { 0 };
    uint16_t both;

    if (!mesh_bytes_read_u8(r, &type) || type != OPTION || !mesh_bytes_read_u8(r, &length) ||
        length * 8 != OPTION_BYTES || !mesh_bytes_read_u16be(r, &both) ||
        !mesh_bytes_read_copy(r, bytes, PREFIX_BYTES) || (both & 7) >= sizeof lengths)
        return false;
    out->prefix.bits = lengths[both & 7];
    memset(bytes + out->prefix.bits / 8, 0, sizeof bytes - out->prefix.bits / 8);
    out->prefix.addr = mesh_ip_make_addr(AF_INET6, bytes);
    out->until_ms = now_ms + (int64_t)(both >> 3) * LIFE_UNIT_S * 1000;
    return is_usable(&out->prefix.addr);
}

int net_pref64_read(MeshSpan payload, int64_t now_ms, NetPref64Row *out_row)
{
    struct nduseroptmsg head;
    NetPref64Row        row = { 0 };
    MeshReader          r = mesh_bytes_make_reader(payload.data, payload.len);
    uint8_t             attribute[ATTRIBUTE_HEAD + 16];
    struct nlattr       about;

    if (!mesh_bytes_read_copy(&r, &head, sizeof head) || head.nduseropt_family != AF_INET6 ||
        head.nduseropt_icmp_type != ADVERTISEMENT || head.nduseropt_icmp_code != 0 ||
        head.nduseropt_opts_len != OPTION_BYTES || !read_option(&r, now_ms, &row) ||
        !mesh_bytes_read_copy(&r, attribute, sizeof attribute))
        return -EBADMSG;
    memcpy(&about, attribute, sizeof about);
    if (about.nla_type != NDUSEROPT_SRCADDR || about.nla_len != sizeof attribute)
        return -EBADMSG;
    row.router = mesh_ip_make_addr(AF_INET6, attribute + ATTRIBUTE_HEAD);
    row.ifindex = (unsigned)head.nduseropt_ifindex;
    *out_row = row;
    return 0;
}

static bool is_same(const NetPref64Row *a, const NetPref64Row *b)
{
    return a->ifindex == b->ifindex && mesh_ip_equal_addr(&a->router, &b->router) &&
           a->prefix.bits == b->prefix.bits && mesh_ip_equal_addr(&a->prefix.addr, &b->prefix.addr);
}

/* Of the router that we send through: only such count. */
static bool is_ours(const NetPref64 *self, const NetPref64Row *row)
{
    return row->ifindex == self->ifindex && mesh_ip_equal_addr(&row->router, &self->router);
}

static bool drop_ended(NetPref64 *self, int64_t now_ms)
{
    size_t n = 0;
    bool   ours = false;

    for (size_t i = 0; i < self->n; i++)
        if (self->rows[i].until_ms > now_ms)
            self->rows[n++] = self->rows[i];
        else
            ours |= is_ours(self, &self->rows[i]);
    self->n = n;
    return ours;
}

/* Of our router's rows, or of the others. Returns: NET_MAX_PREF64: there are none. */
static size_t find_soonest(const NetPref64 *self, bool ours)
{
    size_t at = NET_MAX_PREF64;

    for (size_t i = 0; i < self->n; i++)
        if (is_ours(self, &self->rows[i]) == ours &&
            (at == NET_MAX_PREF64 || self->rows[i].until_ms < self->rows[at].until_ms))
            at = i;
    return at;
}

/* Returns: NET_MAX_PREF64: there is none for @row. */
static size_t find_place(const NetPref64 *self, const NetPref64Row *row)
{
    size_t at = self->n < NET_MAX_PREF64 ? self->n : find_soonest(self, false);

    return at == NET_MAX_PREF64 && is_ours(self, row) ? find_soonest(self, true) : at;
}

bool net_pref64_note(NetPref64 *self, const NetPref64Row *row, int64_t now_ms)
{
    bool   changed = false;
    size_t at = 0;

    while (at < self->n && !is_same(&self->rows[at], row))
        at++;
    if (at < self->n) {
        self->rows[at].until_ms = row->until_ms;
    } else if (row->until_ms > now_ms && (at = find_place(self, row)) < NET_MAX_PREF64) {
        self->rows[at] = *row;
        self->n = at == self->n ? at + 1 : self->n;
        changed = is_ours(self, row);
    }
    return drop_ended(self, now_ms) || changed;
}

void net_pref64_prefer(NetPref64 *self, const MeshAddr *router, unsigned ifindex)
{
    self->router = *router;
    self->ifindex = ifindex;
}

MeshPrefix net_pref64_find(const NetPref64 *self, const MeshAddr *router, unsigned ifindex,
                           int64_t now_ms)
{
    for (size_t i = 0; i < self->n; i++)
        if (self->rows[i].ifindex == ifindex && self->rows[i].until_ms > now_ms &&
            mesh_ip_equal_addr(&self->rows[i].router, router))
            return self->rows[i].prefix;
    return (MeshPrefix){ .bits = 0 };
}

int64_t net_pref64_next_ms(const NetPref64 *self)
{
    int64_t next_ms = INT64_MAX;

    for (size_t i = 0; i < self->n; i++)
        next_ms = self->rows[i].until_ms < next_ms ? self->rows[i].until_ms : next_ms;
    return next_ms;
}
