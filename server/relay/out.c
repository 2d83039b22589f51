/* server/relay/out.c: see out.h. A route may refuse GSO only when it is used; what it refuses goes
 * one by one at once. */
#include "server/relay/out.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_SEGMENTS = 63, /* the kernel's 64 count differently in some versions */
    MAX_BYTES = 65000, /* with headers below 65535 */
};

static socklen_t write_name(RelayOut *self, unsigned at, const MeshEndpoint *remote)
{
    struct sockaddr_in6 *v6 = &self->names[at].v6;
    struct sockaddr_in  *v4 = &self->names[at].v4;

    if (!self->is_v6) {
        *v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(remote->port) };
        memcpy(&v4->sin_addr, remote->addr.bytes, 4);
        return sizeof(*v4);
    }
    *v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
                                 .sin6_port = htons(remote->port),
                                 .sin6_scope_id = remote->scope };
    if (remote->addr.family == AF_INET6) {
        memcpy(&v6->sin6_addr, remote->addr.bytes, 16);
        return sizeof(*v6);
    }
    v6->sin6_addr.s6_addr[10] = v6->sin6_addr.s6_addr[11] = 0xFF;
    memcpy(v6->sin6_addr.s6_addr + 12, remote->addr.bytes, 4);
    return sizeof(*v6);
}

/* The answer leaves from where the question went. An IPv6 socket takes an IPv4 address mapped. */
static size_t write_local(const RelayOut *self, const MeshAddr *local, char *control)
{
    struct cmsghdr    *c = (struct cmsghdr *)control;
    struct in6_pktinfo info = { .ipi6_ifindex = 0 };

    if (!self->is_v6 || local == NULL || local->family == 0)
        return 0;
    if (local->family == AF_INET6) {
        memcpy(&info.ipi6_addr, local->bytes, 16);
    } else {
        info.ipi6_addr.s6_addr[10] = info.ipi6_addr.s6_addr[11] = 0xFF;
        memcpy(info.ipi6_addr.s6_addr + 12, local->bytes, 4);
    }
    *c = (struct cmsghdr){ CMSG_LEN(sizeof(info)), IPPROTO_IPV6, IPV6_PKTINFO };
    memcpy(CMSG_DATA(c), &info, sizeof(info));
    return CMSG_SPACE(sizeof(info));
}

static size_t write_segment(size_t segment, char *control)
{
    struct cmsghdr *c = (struct cmsghdr *)control;
    uint16_t        value = (uint16_t)segment;

    *c = (struct cmsghdr){ CMSG_LEN(sizeof(value)), SOL_UDP, UDP_SEGMENT };
    memcpy(CMSG_DATA(c), &value, sizeof(value));
    return CMSG_SPACE(sizeof(value));
}

static bool can_join(const RelayOut *self, const RelayTarget *to, size_t len, size_t segment)
{
    const RelayOutMessage *last;

    if (self->n == 0 || to->session == 0 || self->no_gso)
        return false;
    last = &self->messages[self->n - 1];
    return last->session == to->session && !last->ended && segment == last->segment &&
           last->bytes + len <= MAX_BYTES &&
           last->segments + (len + segment - 1) / segment <= MAX_SEGMENTS;
}

static void add_part(RelayOut *self, uint8_t *data, size_t len)
{
    RelayOutMessage *message = &self->messages[self->n - 1];
    struct msghdr   *header = &self->headers[self->n - 1].msg_hdr;
    size_t           segments = (len + message->segment - 1) / message->segment;

    message->bytes += len;
    message->segments += (unsigned)segments;
    message->ended = len % message->segment != 0;
    if (header->msg_iovlen > 0) {
        struct iovec *last = &self->parts[self->n_parts - 1];

        if ((uint8_t *)last->iov_base + last->iov_len == data) {
            last->iov_len += len;
            return;
        }
    }
    self->parts[self->n_parts++] = (struct iovec){ data, len };
    header->msg_iovlen++;
}

static void begin_message(RelayOut *self, const RelayTarget *to, size_t segment)
{
    unsigned       at = self->n++;
    struct msghdr *header = &self->headers[at].msg_hdr;

    self->messages[at] = (RelayOutMessage){ .segment = segment, .session = to->session };
    *header = (struct msghdr){ .msg_name = &self->names[at],
                               .msg_namelen = write_name(self, at, to->remote),
                               .msg_iov = &self->parts[self->n_parts],
                               .msg_control = self->controls[at] };
    header->msg_controllen = write_local(self, to->local, self->controls[at]);
}

void relay_out_put(RelayOut *self, const RelayTarget *to, uint8_t *data, size_t len, size_t segment)
{
    size_t most = segment * MAX_SEGMENTS;

    if (most > MAX_BYTES)
        most = MAX_BYTES / segment * segment;
    if (self->no_gso)
        most = segment;
    while (len > 0) {
        size_t part = len < most ? len : most, like = segment;

        if (self->n > 0 && part < self->messages[self->n - 1].segment)
            like = self->messages[self->n - 1].segment; /* it may be the shorter last one of it */
        if (!can_join(self, to, part, like))
            like = segment;
        if (self->n_parts == RELAY_OUT_PARTS ||
            (self->n == RELAY_OUT_MESSAGES && !can_join(self, to, part, like))) {
            relay_out_flush(self);
            like = segment;
        }
        if (!can_join(self, to, part, like))
            begin_message(self, to, like);
        add_part(self, data, part);
        data += part;
        len -= part;
    }
}

void relay_out_put_copy(RelayOut *self, const RelayTarget *to, const uint8_t *data, size_t len)
{
    RelayTarget alone = *to;
    uint8_t    *small;

    alone.session = 0; /* never joined: each is of its own */
    if (self->n == RELAY_OUT_MESSAGES || self->n_parts == RELAY_OUT_PARTS)
        relay_out_flush(self);
    small = self->smalls[self->n];
    memcpy(small, data, len);
    relay_out_put(self, &alone, small, len, len);
}

void relay_out_put_parcel(RelayOut *self, const RelayTarget *to, RelayParcel *parcel)
{
    size_t len = sizeof(parcel->head) + parcel->len;

    if (self->n_parcels == RELAY_OUT_PARTS)
        relay_out_flush(self);
    relay_out_put(self, to, parcel->head, len, len);
    self->parcels[self->n_parcels++] = parcel; /* after the put, which may have flushed */
}

/* Calls @what for each datagram of a message. */
static void each_datagram(RelayOut *self, unsigned at,
                          bool (*what)(RelayOut *self, unsigned at, struct iovec *datagram))
{
    const RelayOutMessage *message = &self->messages[at];
    const struct msghdr   *header = &self->headers[at].msg_hdr;

    for (size_t i = 0; i < header->msg_iovlen; i++) {
        uint8_t *data = header->msg_iov[i].iov_base;
        size_t   left = header->msg_iov[i].iov_len;

        while (left > 0) {
            size_t       len = left < message->segment ? left : message->segment;
            struct iovec datagram = { data, len };

            if (!what(self, at, &datagram))
                self->refused++;
            data += len;
            left -= len;
        }
    }
}

static bool send_one(RelayOut *self, unsigned at, struct iovec *datagram)
{
    struct msghdr header = self->headers[at].msg_hdr;

    header.msg_iov = datagram;
    header.msg_iovlen = 1;
    return sendmsg(self->fd, &header, MSG_NOSIGNAL) >= 0;
}

static bool keep_one(RelayOut *self, unsigned at, struct iovec *datagram)
{
    if (self->blocked == NULL || self->messages[at].session == 0)
        return false;
    self->blocked(self, self->messages[at].session, datagram->iov_base, datagram->iov_len);
    return true;
}

static bool drop_one(RelayOut *self, unsigned at, struct iovec *datagram)
{
    (void)self;
    (void)at;
    (void)datagram;
    return false;
}

/* The message at @at was refused with errno. Returns: how many messages are dealt with. */
static unsigned recover(RelayOut *self, unsigned at)
{
    RelayOutMessage *message = &self->messages[at];
    struct msghdr   *header = &self->headers[at].msg_hdr;

    if (errno == EINTR)
        return 0;
    if (errno == EAGAIN || errno == ENOBUFS) {
        for (unsigned i = at; i < self->n; i++)
            each_datagram(self, i, keep_one);
        return self->n - at;
    }
    if (message->segments > 1 && (errno == EIO || errno == EINVAL || errno == EMSGSIZE)) {
        self->no_gso |= errno == EIO; /* the card cannot checksum, or IPsec is on the route */
        header->msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
        each_datagram(self, at, send_one);
        return 1;
    }
    each_datagram(self, at, drop_one); /* nobody is there, or not any more */
    return 1;
}

static void ring_all(RelayOut *self)
{
    unsigned n = self->n_bells;

    self->n_bells = 0;
    for (unsigned i = 0; i < n; i++)
        self->ring(self, self->bells[i]);
}

void relay_out_ring(RelayOut *self, uint32_t session)
{
    if (self->n_bells == RELAY_OUT_BELLS)
        ring_all(self);
    self->bells[self->n_bells++] = session;
}

void relay_out_flush(RelayOut *self)
{
    unsigned at = 0;

    for (unsigned i = 0; i < self->n; i++) {
        struct msghdr *header = &self->headers[i].msg_hdr;

        if (self->messages[i].segments > 1) /* last: it may be taken away */
            header->msg_controllen += write_segment(self->messages[i].segment,
                                                    self->controls[i] + header->msg_controllen);
        if (header->msg_controllen == 0)
            header->msg_control = NULL;
    }
    while (at < self->n) {
        int sent = sendmmsg(self->fd, self->headers + at, self->n - at, MSG_NOSIGNAL);

        at += sent > 0 ? (unsigned)sent : recover(self, at);
    }
    for (unsigned i = 0; i < self->n_parcels; i++)
        free(self->parcels[i]);
    self->n = self->n_parts = self->n_parcels = 0;
    ring_all(self);
}
